"""What a player is: something that is shown boards and chooses moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lm import UserError
from xiangqi import Board, Move


class PlayerError(UserError):
    """A player could not choose a move: its program crashed, hung, or played what is not legal."""


@dataclass(frozen=True)
class Choice:
    """What a player does in a position."""

    move: Move | None
    """The move; ``None`` resigns."""
    value: float | None = None
    """Score that the player expects for the side to move, 0 (loss) to 1 (win)."""
    candidates: tuple[tuple[Move, float], ...] = ()
    """Moves with their probabilities, likeliest first."""
    draw: bool = False
    """Whether the player offers a draw with the move; offers on two successive plies make one."""


class Player(Protocol):
    """Whatever chooses moves."""

    name: str
    """What game records call the player."""

    def choose(self, boards: Sequence[Board]) -> list[Choice]:
        """Return a choice a board. The boards are of games in progress, each with its history and a legal move.

        Many boards at once let a model evaluate them together. Boards are left as they were. Raises ``PlayerError``.
        """

    def close(self) -> None:
        """End whatever the player started. Calling it twice does no harm."""
