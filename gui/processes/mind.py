"""What the language model thinks of a position, in the player's process: people's moves, surprise, replies, pieces."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gui.processes.follower import Follower

if TYPE_CHECKING:
    from lm.players.evaluation import Evaluation
    from lm.players.policy import Evaluator
    from xiangqi import Board, Move, Square

MOVES: Final = 6
"""So many of the moves that people would play are reported, each with the reply that is expected."""
ORDERS: Final = 48
"""Orders in which the pieces come into sight."""
TOLD_EVERY: Final = 0.15
"""Seconds between reports of the pieces."""


@dataclass(frozen=True)
class ReadMind:
    """Think of a position, in place of the last one; without a board, stop."""

    number: int
    """Reports carry it, so that late ones can be told."""
    board: Board | None = None
    policy: str = ""
    """The spec of the language model."""
    move: Move | None = None
    """The move that the pieces are asked about; ``None`` for the likeliest."""
    pieces: bool = True
    """Whether they are asked."""
    back: int = 1
    """How many plies ago the move was played that is told of as the last one."""

    @property
    def idle(self) -> bool:
        """Whether it only stops."""
        return self.board is None

    def failed(self, message: str) -> NoThoughts:
        """Return the report that it failed."""
        return NoThoughts(self.number, message)


@dataclass(frozen=True)
class Expected:
    """A move with its probability."""

    move: Move
    share: float
    rank: int
    """1 for the likeliest."""
    count: int
    """Number of the legal moves."""


@dataclass(frozen=True)
class Thoughts:
    """What the model thinks of a position."""

    number: int
    moves: tuple[Expected, ...]
    """The moves that people would play, the likeliest first."""
    replies: tuple[Expected | None, ...]
    """What they would answer to each of these; ``None`` where that ends the game."""
    last: Expected | None
    """The move played so many plies ago as was asked; ``None`` where there is none, or where the model does not read so
    far back."""


@dataclass(frozen=True)
class Spoken:
    """How much each piece speaks for a move, as far as is known."""

    number: int
    move: Move
    values: dict[Square, float]
    """By square, in nats; above zero the piece speaks for the move."""


@dataclass(frozen=True)
class NoThoughts:
    """The model could not be asked; ``message`` is one line."""

    number: int
    message: str


Report = Thoughts | Spoken | NoThoughts


class MindReader(Follower[ReadMind]):
    """Thinks of the position asked for last."""

    def serve(self, request: ReadMind) -> None:
        from lm.measure.pieces import speakers
        from lm.players.policy import Evaluator

        board, model = request.board, getattr(self.players(request.policy), "evaluator", None)
        assert board is not None
        if not isinstance(model, Evaluator):
            raise ValueError(f"{request.policy} reads characters: this needs a model that sees the board")
        thoughts = think(model, board, request.number, request.back)
        self.tell(request, thoughts)
        move = request.move or (thoughts.moves[0].move if thoughts.moves else None)
        if move is None or not request.pieces:
            return
        told = 0.0
        for found in speakers(model.network, board, move, ORDERS):
            if not self.wanted(request):
                return
            if time.monotonic() - told >= TOLD_EVERY or found.orders >= ORDERS:
                told = time.monotonic()
                self.tell(request, Spoken(request.number, found.move, found.values))


def think(model: Evaluator, board: Board, number: int = 0, back: int = 1) -> Thoughts:
    """Return what a model thinks of a position, and of the move played ``back`` plies ago."""
    *before, here = model.along([board], [min(back, board.ply)])[0]
    moves = _ranked(here)[:MOVES]
    after = []
    for expected in moves:
        after.append(board.copy())
        after[-1].push(expected.move)
    answers = [_ranked(evaluation) for evaluation in model(after)] if after else []
    last = None
    if len(before) == back:
        played = board.move_stack[-back]
        last = next((expected for expected in _ranked(before[0]) if expected.move is played), None)
    return Thoughts(number, tuple(moves), tuple(replies[0] if replies else None for replies in answers), last)


def _ranked(evaluation: Evaluation) -> list[Expected]:
    """Return the legal moves with their probabilities, the likeliest first."""
    if not evaluation.moves:
        return []
    shares = np.exp(evaluation.scores - np.logaddexp.reduce(evaluation.scores))
    order = np.argsort(-shares, kind="stable").tolist()
    count = len(order)
    return [Expected(evaluation.moves[i], float(shares[i]), rank, count) for rank, i in enumerate(order, 1)]
