"""The review at the board: the score over the game, the mistakes in it, and another try at each.

The judging is done in the player's process (`gui.processes.review`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gui.processes.review import NoReview, Report, ReviewGame
from gui.session import Session
from lm.players.analysing import people, thinker
from lm.players.specs import Spec
from lm.study.review import MISTAKE, Judged, Review, Verdict
from xiangqi import BLACK, NULL_MOVE, RED
from xiangqi.game import ChildNode, Game, GameNode

if TYPE_CHECKING:
    from gui.processes.worker import Worker
    from xiangqi import Move

NODES: Final = 400
"""Positions that the search reads for each of the game's."""
WORST: Final = 5
"""So many of a side's worst moves are listed."""
SIZE: Final = 2000
"""Positions that the search may hold."""


@dataclass(frozen=True)
class Summary:
    """What a review says so far, worked out once for each position that is looked at."""

    judged: tuple[Judged, ...] = ()
    mistakes: tuple[Judged, ...] = ()
    """The mistakes and blunders of both sides, in the order of the game."""
    worst: tuple[tuple[Judged, ...], ...] = ((), ())
    """The worst moves of each side, by colour."""
    accuracy: tuple[float | None, ...] = (None, None)
    counts: tuple[Mapping[Verdict, int], ...] = ({}, {})
    """How many inaccuracies, mistakes and blunders each side made."""

    @classmethod
    def of(cls, review: Review) -> Summary:
        """Work out what a review says."""
        judged, sides = tuple(review.judged), (RED, BLACK)
        return cls(
            judged,
            tuple(one for one in judged if one.lost >= MISTAKE),
            tuple(tuple(review.worst(color, WORST)) for color in sides),
            tuple(review.accuracy(color) for color in sides),
            tuple(review.counts(color) for color in sides),
        )


class GameReview:
    """Starts, stops and keeps the review of the main line. Call `follow` after every change of the game."""

    def __init__(self, session: Session, worker: Worker) -> None:
        self.session, self._worker = session, worker
        self.review: Review | None = None
        self.nodes: list[GameNode] = []
        """The positions of the line that is reviewed, from the first on."""
        self.running = False
        self.error: str | None = None
        self.trial: Review | None = None
        """The line up to a mistake, and another move in its place."""
        self.tried: GameNode | None = None
        """Where that move led."""
        self._reached: GameNode | None = None
        """The position before a mistake that was shown last."""
        self._player = Spec.parse("lm")
        self._summary: tuple[object, Summary] = (None, Summary())
        self._number = 0
        self._game = self._revision = -1

    # --- Starting and stopping ----------------------------------------------------------------------------------------

    def toggle(self, player: Spec) -> None:
        """Start, go on, or stop. A line that has become longer is not judged anew. Does nothing without moves."""
        if self.running:
            self._stop()
            return
        self._player = player
        moves = [node.move for node in self.session.table.game.main_line()]
        moves = moves[: moves.index(NULL_MOVE)] if NULL_MOVE in moves else moves
        if not moves:
            return
        known = self.review
        if known is None or known.moves != moves:
            self.review = _review_of(self.session.start_fen, moves)
            if known is not None:
                self.review.points.extend(known.points[: _common(known.moves, moves)])
        self.nodes = [self.session.table.game, *self.session.table.game.main_line()][: len(moves) + 1]
        self.error = None
        self._go_on()

    def follow(self) -> None:
        """Forget the review of another game, and judge a move that is tried in place of a mistake."""
        session = self.session
        if self._game != session.number:
            self._game = session.number
            if self.running or self.trial is not None:
                self._stop()
            self.review, self.nodes, self.error = None, [], None
            self.trial = self.tried = self._reached = None
        if self._revision != session.revision:
            self._revision = session.revision
            self._prune()
        node = session.node
        if node is not self.tried and self._is_trial(node):
            self._try(node)

    def _prune(self) -> None:
        """Forget the end of the line if it was deleted from the tree."""
        pairs = enumerate(zip(self.nodes, self.nodes[1:], strict=False))
        kept = next((n for n, (node, after) in pairs if after not in node.variations), None)
        if kept is None or self.review is None:
            return
        if self.running:
            self._stop()
        points, self.trial, self.tried = self.review.points[: kept + 1], None, None
        self.nodes = self.nodes[: kept + 1]
        self.review = _review_of(self.review.game.fen, self.review.moves[:kept]) if kept else None
        if self.review is not None:
            self.review.points.extend(points)

    def _go_on(self) -> None:
        """Look at the positions that are left: those of a trial first."""
        review = self.trial if self.trial is not None and not self.trial.done else self.review
        if review is None or review.done:
            self.running = False
            return
        self.running = True
        self._number += 1
        spec = str(thinker(self._player, 1, SIZE))
        fen, moves = review.game.fen, tuple(review.moves)
        self._worker.review(
            ReviewGame(self._number, fen, moves, tuple(review.points), spec, str(people(self._player)), NODES)
        )

    def _stop(self) -> None:
        self.running = False
        self._number += 1
        self._worker.review(ReviewGame(self._number))

    def take(self, report: Report) -> None:
        """Take in a report; those on another request are ignored."""
        if report.number != self._number or not self.running:
            return
        review = self.trial if self.trial is not None and not self.trial.done else self.review
        if isinstance(report, NoReview):
            self.error, self.running = report.message, False
        elif review is not None and report.point.ply == len(review.points):  # else it is told again
            review.points.append(report.point)
            if review.done:
                self._go_on()

    # --- What it says -------------------------------------------------------------------------------------------------

    @property
    def changed(self) -> bool:
        """Whether the main line has other moves by now than those reviewed."""
        moves = [node.move for node in self.session.table.game.main_line()]
        return self.review is not None and self.review.moves != moves

    def judged(self, node: GameNode) -> Judged | None:
        """Return what is said of the move that led to a position of the line, or of the move tried."""
        if node is self.tried and self.trial is not None:
            return self.trial.judged[-1] if self.trial.done else None
        ply = node.ply
        if self.review is None or not 0 < ply < len(self.review.points) or self.nodes[ply] is not node:
            return None
        return self.summary.judged[ply - 1]

    @property
    def summary(self) -> Summary:
        """What the review says so far."""
        if self.review is None:
            return Summary()
        key = self.review, len(self.review.points)
        if self._summary[0] != key:
            self._summary = key, Summary.of(self.review)
        return self._summary[1]

    def next_mistake(self, step: int) -> Judged | None:
        """Return the next mistake after the position shown, or the last one before it: after the last comes the first.

        From the start that is one on the first move, unless `go_to_mistake` has shown it already.
        """
        at, found = self.session.viewed, self.summary.mistakes
        if step > 0:
            begins = at == 0 and self._reached is not self.session.node
            return next((judged for judged in found if judged.ply - 1 >= at + (not begins)), next(iter(found), None))
        return next((judged for judged in reversed(found) if judged.ply - 1 < at), next(reversed(found), None))

    def go_to_mistake(self, step: int) -> None:
        """Show the position before the next mistake or the last one before."""
        if (judged := self.next_mistake(step)) is not None:
            self._reached = self.nodes[judged.ply - 1]
            self.session.show(self._reached)

    @property
    def awaited(self) -> Judged | None:
        """The mistake before which the board stands, so that another move can be tried."""
        node, review = self.session.node, self.review
        if review is None or node.ply >= len(self.nodes) or self.nodes[node.ply] is not node:
            return None
        return next((judged for judged in self.summary.mistakes if judged.ply == node.ply + 1), None)

    def named(self, game: Game) -> Review | None:
        """Return the review with the headers and comments of the game, so far as it goes through the moves reviewed."""
        if self.review is None:
            return None
        own = Game(game.headers, fen=game.fen)
        own.comment = game.comment
        node: GameNode = own
        other: GameNode | None = game
        for move in self.review.moves:
            node = node.add_variation(move)
            if other is not None and (other := other.variation(move)) is not None:
                node.comment = other.comment
        review = Review(own)
        review.points.extend(self.review.points)
        return review

    # --- Another try --------------------------------------------------------------------------------------------------

    def _is_trial(self, node: GameNode) -> bool:
        """Whether a move was made in place of a mistake."""
        if not isinstance(node, ChildNode) or self.review is None or node.move is NULL_MOVE or node in self.nodes:
            return False
        ply = node.parent.ply
        return (
            ply < len(self.nodes)
            and self.nodes[ply] is node.parent
            and ply + 1 in {m.ply for m in self.summary.mistakes}
        )

    def _try(self, node: GameNode) -> None:
        assert isinstance(node, ChildNode) and self.review is not None
        ply = node.ply
        self.trial = _review_of(self.review.game.fen, [*self.review.moves[: ply - 1], node.move])
        self.trial.points.extend(self.review.points[:ply])
        self.tried = node
        self._go_on()


def _common(a: list[Move], b: list[Move]) -> int:
    """Return how many moves two lines have in common."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x is not y), min(len(a), len(b)))


def _review_of(fen: str, moves: list[Move]) -> Review:
    game = Game(fen=fen)
    game.add_main_line(moves)
    return Review(game)
