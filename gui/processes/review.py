"""Reviews of games in the player's process (`lm.study.review`): each position is told as soon as it is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gui.processes.follower import Follower

if TYPE_CHECKING:
    from lm.study.review import Point
    from xiangqi import Move


@dataclass(frozen=True)
class ReviewGame:
    """Review a game in place of the last one; without moves, stop."""

    number: int
    """Reports carry it, so that late ones can be told."""
    fen: str = ""
    moves: tuple[Move, ...] = ()
    points: tuple[Point, ...] = ()
    """The positions that were looked at before, from the first on."""
    thinker: str = ""
    """The spec of the thinker that judges."""
    policy: str = ""
    """The spec of the language model that tells what people play."""
    nodes: int = 400
    """Positions that the thinker reads for each of the game's."""

    @property
    def idle(self) -> bool:
        """Whether it only stops."""
        return not self.moves

    def failed(self, message: str) -> NoReview:
        """Return the report that it failed."""
        return NoReview(self.number, message)


@dataclass(frozen=True)
class Looked:
    """The next position was looked at."""

    number: int
    point: Point


@dataclass(frozen=True)
class NoReview:
    """The review failed; ``message`` is one line."""

    number: int
    message: str


Report = Looked | NoReview


class Reviewer(Follower[ReviewGame]):
    """Reviews the game asked for last."""

    def serve(self, request: ReviewGame) -> None:
        from lm.players.player import Thinker
        from lm.players.policy import Evaluator
        from lm.study.review import Review
        from xiangqi.engine import Limit
        from xiangqi.game import Game

        game = Game(fen=request.fen)
        game.add_main_line(request.moves)
        thinker, reader = self.players(request.thinker), self.players(request.policy)
        if not isinstance(thinker, Thinker):
            raise ValueError(f"{request.thinker} cannot review")
        review = Review(game)
        review.points.extend(request.points)
        model = getattr(reader, "evaluator", None)
        limit, people = Limit(nodes=request.nodes), model if isinstance(model, Evaluator) else None
        for point in review.run(thinker, limit, people):
            if not self.wanted(request):
                return
            self.tell(request, Looked(request.number, point))
