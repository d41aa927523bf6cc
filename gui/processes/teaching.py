"""A person's move judged in the player's process, as it is played: what it loses by winning chances, and why."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gui.processes.follower import Follower

if TYPE_CHECKING:
    from lm.study.review import Judged, Point
    from xiangqi import Board, Move


@dataclass(frozen=True)
class JudgeMove:
    """Judge a move in place of the last one; without a move, look at the position alone; without a board, stop."""

    number: int
    """Reports carry it, so that late ones can be told."""
    board: Board | None = None
    """The position before the move."""
    move: Move | None = None
    before: Point | None = None
    """What was found of that position already."""
    thinker: str = ""
    """The spec of the thinker that judges."""
    nodes: int = 400
    """Positions that it reads before the move, and after it."""

    @property
    def idle(self) -> bool:
        """Whether it only stops."""
        return self.board is None

    def failed(self, message: str) -> NotJudged:
        """Return the report that it failed."""
        return NotJudged(self.number, message)


@dataclass(frozen=True)
class Considered:
    """The position before the move was looked at."""

    number: int
    point: Point


@dataclass(frozen=True)
class MoveJudged:
    """The move was judged."""

    number: int
    judged: Judged


@dataclass(frozen=True)
class NotJudged:
    """That failed; ``message`` is one line."""

    number: int
    message: str


Report = Considered | MoveJudged | NotJudged


class Judge(Follower[JudgeMove]):
    """Judges the move asked for last."""

    def serve(self, request: JudgeMove) -> None:
        from lm.players.player import Thinker
        from lm.study.review import Judged, look
        from xiangqi.engine import Limit

        board = request.board
        assert board is not None
        thinker = self.players(request.thinker)
        if not isinstance(thinker, Thinker):
            raise ValueError(f"{request.thinker} cannot judge")
        consider = partial(look, thinker=thinker, limit=Limit(nodes=request.nodes))
        before = request.before or consider(board, request.move)
        self.tell(request, Considered(request.number, before))
        if request.move is not None and self.wanted(request):
            board.push(request.move)
            self.tell(request, MoveJudged(request.number, Judged(before, consider(board, None), request.move)))
