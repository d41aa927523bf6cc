"""How games end: mate, stalemate, repetition, and draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from xiangqi.board import Board
    from xiangqi.move import Color

Rules = Literal["computer", "check_only", "none"]


@dataclass(frozen=True)
class Outcome:
    """How a game ended."""

    winner: Color | None
    reason: str
    span: tuple[int, int] | None = None
    evidence: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The result as PGN writes it: ``1-0``, ``0-1`` or ``1/2-1/2``."""
        return "1/2-1/2" if self.winner is None else ("1-0", "0-1")[self.winner]


def outcome(board: Board, rules: Rules = "computer") -> Outcome | None:
    """Return how the game on ``board`` has ended under ``rules``, or ``None``."""
    if not board.has_legal_moves():
        return Outcome(1 - board.turn, "checkmate" if board.is_check() else "stalemate")
    return None
