"""Reviews of games: the score over the game, the moves that lost most, what was better, and what people play there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from lm import UserError
from lm.model.prompts import Voice
from lm.players.player import Line, Thinker
from xiangqi import BLACK, NULL_MOVE, RED, Board, Color, Game, Move
from xiangqi.engine import Limit, Score
from xiangqi.evaluation import centipawns

if TYPE_CHECKING:
    from lm.players.policy import Evaluator

Verdict = Literal["best", "good", "inaccuracy", "mistake", "blunder"]
LOSSES: Final[tuple[tuple[float, Verdict, int], ...]] = (
    (0.20, "blunder", 4),
    (0.10, "mistake", 2),
    (0.05, "inaccuracy", 6),
)
"""The least that a move of each verdict loses of the expected score, and its annotation glyph: ??, ? and ?!."""
MISTAKE: Final = 0.10
AHEAD: Final = 0.65
"""The expected score from which a side is ahead."""
POPULAR: Final = 3
"""People's likeliest moves that are kept for a position."""


@dataclass(frozen=True)
class Point:
    """A position of the game, with what a thinker says of it."""

    ply: int
    """Moves before it."""
    turn: Color
    value: float
    """The expected score of Red, 0 to 1."""
    score: Score | None
    """The thinker's score; ``None`` where the game is over or the thinker gives none."""
    line: tuple[Move, ...]
    """The best play from there; empty where the game is over."""
    popular: tuple[tuple[Move, float], ...]
    """The moves that people are likeliest to play there, with their probabilities."""
    played_share: float | None
    """The probability that people play the move of the game; ``None`` at the end, or where the model does not read."""
    played_rank: int | None
    """1 if that is the likeliest move."""

    def value_for(self, color: Color) -> float:
        """Return the expected score of a side."""
        return 1 - self.value if color else self.value


@dataclass(frozen=True)
class Judged:
    """A move of the game, and what it lost."""

    before: Point
    after: Point
    move: Move

    @property
    def ply(self) -> int:
        """The number of the ply, from 1."""
        return self.after.ply

    @property
    def color(self) -> Color:
        return self.before.turn

    @property
    def lost(self) -> float:
        """How much less the mover can expect than before, 0 to 1; 0 for the thinker's own move."""
        if self.before.line and self.move is self.before.line[0]:
            return 0.0
        return max(self.before.value_for(self.color) - self.after.value_for(self.color), 0.0)

    @property
    def verdict(self) -> Verdict:
        if self.before.line and self.move is self.before.line[0]:
            return "best"
        return next((name for least, name, _ in LOSSES if self.lost >= least), "good")

    @property
    def accuracy(self) -> float:
        """How good the move was, 0 to 100, by the formula that chess sites use, so that players know the scale."""
        return min(max(103.1668 * math.exp(-4.354 * self.lost) - 3.1669, 0.0), 100.0)

    @property
    def turns(self) -> bool:
        """Whether it is a turning point: a mistake after which another side is ahead, or none any more."""
        return self.lost >= MISTAKE and _ahead(self.before) != _ahead(self.after)


def _ahead(point: Point) -> Color | None:
    return next((color for color in (RED, BLACK) if point.value_for(color) >= AHEAD), None)


def look(
    board: Board,
    played: Move | None,
    thinker: Thinker,
    limit: Limit,
    people: Sequence[tuple[Move, float]] = (),
) -> Point:
    """Look at a position of a game, with its history, up to ``limit``.

    ``played`` is the move of the game there, if it goes on, and ``people`` are the moves that people play, likeliest
    first. Raises ``PlayerError``.
    """
    ranks = [move for move, _ in people]
    rank = ranks.index(played) + 1 if played in ranks else None
    share = people[rank - 1][1] if rank is not None else None
    popular, ply = tuple(people[:POPULAR]), board.ply
    outcome = board.outcome() if played is None else None
    if outcome is not None or not board.has_legal_moves():
        winner = outcome.winner if outcome is not None else 1 - board.turn
        value = 0.5 if winner is None else float(winner == RED)
        return Point(ply, board.turn, value, None, (), popular, share, rank)
    with thinker.analyse(board, limit) as analysis:
        line: Line = analysis.result().best
    value = 0.5 if line.value is None else line.value
    value = 1 - value if board.turn else value
    return Point(ply, board.turn, value, line.info.score, tuple(line.info.pv), popular, share, rank)


class Review:
    """The review of a game's main line. It grows while `run` goes on, and everything may be asked at any time.

    Raises ``UserError`` for a game without moves, or whose starting position cannot arise in a game. A game that has a
    null move is reviewed up to it.
    """

    def __init__(self, game: Game) -> None:
        moves = game.moves()
        if NULL_MOVE in moves:
            moves = moves[: moves.index(NULL_MOVE)]
        if not moves:
            raise UserError("a game without moves cannot be reviewed")
        if not game.board().is_valid():
            raise UserError(f"a game from an impossible position cannot be reviewed: {game.fen}")
        self.game, self.moves = game, moves
        self.points: list[Point] = []
        """The positions that were looked at so far, from the first on; n + 1 for a game of n moves when it is done."""

    def run(self, thinker: Thinker, limit: Limit, model: Evaluator | None = None) -> Iterator[Point]:
        """Look at the positions that are left, each up to ``limit``, and yield each when it is done.

        ``model`` tells what people play; without one, that is left out. The iterator may be closed at any time; the
        next call goes on from there. Raises ``PlayerError`` if the thinker fails.
        """
        people = self._people(model) if model is not None else {}
        board = self.board_at(len(self.points))
        for ply in range(len(self.points), len(self.moves) + 1):
            played = self.moves[ply] if ply < len(self.moves) else None
            self.points.append(look(board, played, thinker, limit, people.get(ply, [])))
            yield self.points[-1]
            if ply < len(self.moves):
                board.push(self.moves[ply])

    def board_at(self, ply: int) -> Board:
        """Return the position after so many moves of the game, with its history."""
        return Board.from_moves(self.moves[:ply], self.game.fen)

    @property
    def done(self) -> bool:
        """Whether all positions were looked at."""
        return len(self.points) == len(self.moves) + 1

    @property
    def judged(self) -> list[Judged]:
        """The moves whose positions before and after were looked at."""
        both = zip(self.points, self.points[1:], self.moves, strict=False)
        return [Judged(before, after, move) for before, after, move in both]

    def worst(self, color: Color, count: int = 3) -> list[Judged]:
        """Return the moves of a side that lost most, worst first; none that lost less than an inaccuracy does."""
        least = LOSSES[-1][0]
        bad = [judged for judged in self.judged if judged.color == color and judged.lost >= least]
        return sorted(bad, key=lambda judged: -judged.lost)[:count]

    def turning_points(self) -> list[Judged]:
        """Return the mistakes after which another side is ahead, or none any more, in the order of the game."""
        return [judged for judged in self.judged if judged.turns]

    def accuracy(self, color: Color) -> float | None:
        """Return the mean accuracy of a side's moves, 0 to 100; ``None`` if none was judged."""
        values = [judged.accuracy for judged in self.judged if judged.color == color]
        return sum(values) / len(values) if values else None

    def counts(self, color: Color) -> dict[Verdict, int]:
        """Return how many inaccuracies, mistakes and blunders a side made."""
        verdicts = [judged.verdict for judged in self.judged if judged.color == color]
        return {name: verdicts.count(name) for _, name, _ in reversed(LOSSES)}

    def annotated(self, plies: int = 8) -> Game:
        """Return a copy of the main line with evaluations, marks (??, ?, ?!) and, as variations, what was better."""
        game = Game(self.game.headers)
        game.comment = self.game.comment
        node, judged = game.end(), {judged.ply: judged for judged in self.judged}
        for old in self.game.main_line():
            parent, node = node, node.add_variation(old.move)
            node.comment, node.nags = old.comment, old.nags if old.has_nags() else set()
            if (found := judged.get(node.ply)) is None:
                continue
            node.eval = _pawns(found.after)
            glyph = next((glyph for _, name, glyph in LOSSES if name == found.verdict), None)
            if glyph is not None:
                node.nags = {*node.nags, glyph}
                better = parent
                for move in found.before.line[:plies]:
                    better = better.add_variation(move)
        return game

    def as_dict(self) -> dict[str, Any]:
        """Return the review for JSON. Values are expected scores of Red, losses those of the mover."""
        names = {RED: "red", BLACK: "black"}
        return {
            "headers": self.game.headers,
            "fen": self.game.fen,
            "values": [round(point.value, 4) for point in self.points],
            "moves": [
                {
                    "ply": judged.ply,
                    "move": judged.move.iccs,
                    "verdict": judged.verdict,
                    "lost": round(judged.lost, 4),
                    "best": [move.iccs for move in judged.before.line],
                    "share": _rounded(judged.before.played_share),
                    "rank": judged.before.played_rank,
                    "people": {move.iccs: _rounded(share) for move, share in judged.before.popular},
                }
                for judged in self.judged
            ],
            "turning_points": [judged.ply for judged in self.turning_points()],
            **{
                names[color]: {
                    "accuracy": _rounded(self.accuracy(color), 1),
                    "worst": [judged.ply for judged in self.worst(color)],
                    **self.counts(color),
                }
                for color in (RED, BLACK)
            },
        }

    def _people(self, model: Evaluator) -> dict[int, list[tuple[Move, float]]]:
        """Return by ply the moves that people play there, likeliest first, as far back as the model reads."""
        board = self.board_at(len(self.moves))
        found: dict[int, list[tuple[Move, float]]] = {}
        evaluations = model.along([board], [len(self.moves)], Voice.HUMAN)[0]
        for back, evaluation in enumerate(reversed(evaluations)):
            if not evaluation.moves:
                continue
            shares = np.exp(evaluation.scores - np.logaddexp.reduce(evaluation.scores))
            order = np.argsort(-shares, kind="stable").tolist()
            found[len(self.moves) - back] = [(evaluation.moves[i], float(shares[i])) for i in order]
        return found


def _pawns(point: Point) -> float:
    """Return a value as an evaluation in pawns for Red, by the conversion of the whole project."""
    if point.score is not None and point.score.mate is not None:
        return point.score.pov(RED).pawns()
    return centipawns(point.value) / 100


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)
