"""Statistics of a match: score, Elo difference with its interval, and the sequential test that ends a match early."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lm import UserError
from xiangqi.game import Game

POINTS: Final = {"1-0": 1.0, "1/2-1/2": 0.5, "0-1": 0.0}
"""Red's points for a result."""


def points_of(index: int, game: Game) -> float:
    """Return A's points in a game of a match; A plays Red in games with even numbers."""
    red = POINTS[game.result]
    return red if index % 2 == 0 else 1 - red


@dataclass(frozen=True)
class Score:
    """The score of a match, from A's side."""

    wins: int
    draws: int
    losses: int
    pentanomial: tuple[int, int, int, int, int]
    """Numbers of pairs in which A scored 0, 1/2, 1, 3/2 and 2 points."""
    endings: dict[str, int]
    """Number of games by reason of the ending."""

    @classmethod
    def of(cls, games: dict[int, Game]) -> Score:
        """Count the games of a match, given by number. A plays Red in the even ones; each pair starts with one."""
        points = {index: points_of(index, game) for index, game in games.items()}
        counts = Counter(points.values())
        pairs = Counter(points[i] + points[i + 1] for i in points if i % 2 == 0 and i + 1 in points)
        endings = Counter(game.headers["Termination"] for game in games.values())
        pentanomial = (pairs[0.0], pairs[0.5], pairs[1.0], pairs[1.5], pairs[2.0])
        return cls(counts[1.0], counts[0.5], counts[0.0], pentanomial, dict(endings.most_common()))

    @property
    def games(self) -> int:
        """Number of games."""
        return self.wins + self.draws + self.losses

    @property
    def score(self) -> float:
        """A's share of the points, 0 to 1; NaN before the first game."""
        return (self.wins + self.draws / 2) / self.games if self.games else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the score.

        The games of a pair share their opening, so pairs are the sample: their scores (five classes, hence pentanomial)
        give the variance of the mean, as in fishtest (M. Van den Bergh, "Normalized Elo", 2020). The interval is
        Wilson's (E. B. Wilson, JASA 22, 1927) for the number of independent games with this variance. It stays within 0
        to 1 and is also meaningful for a match without a loss.
        """
        pairs = sum(self.pentanomial)
        if pairs < 2:
            return 0.0, 1.0
        mean = sum(n * k / 4 for k, n in enumerate(self.pentanomial)) / pairs
        variance = sum(n * (k / 4 - mean) ** 2 for k, n in enumerate(self.pentanomial)) / (pairs - 1) / pairs
        # Equal pairs have no variance; each then counts as one game.
        n = mean * (1 - mean) / variance if variance else float(pairs)
        z = 1.96
        center = (self.score + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(self.score * (1 - self.score) / n + z * z / (4 * n * n))
        # The bound of a clean sweep must be exactly 0 or 1, despite rounding, so that its Elo difference is infinite.
        low = max(center - half, 0.0) if self.score > 0 else 0.0
        high = min(center + half, 1.0) if self.score < 1 else 1.0
        return low, high

    def as_dict(self) -> dict[str, object]:
        """Return the output of ``xqlm match --json``; an infinite Elo difference is ``None``."""
        return {
            "games": self.games,
            "score": round(self.score, 6) if self.games else None,
            "wins": self.wins,
            "draws": self.draws,
            "losses": self.losses,
            "elo": elo(self.score),
            "interval": [elo(bound) for bound in self.interval],
            "score_interval": [round(bound, 6) for bound in self.interval],
            "pentanomial": list(self.pentanomial),
            "endings": self.endings,
        }


def elo(score: float) -> float | None:
    """Return the rating difference at which ``score`` is expected, or ``None`` if it is infinite or unknown.

    ``-400 log10(1 / score - 1)``: the logistic curve of A. E. Elo, "The Rating of Chessplayers", 1978, 8.4.

    >>> elo(0.5), elo(0.75), elo(1.0)
    (0.0, 190.8, None)
    """
    if not 0 < score < 1:
        return None
    return round(-400 * math.log10(1 / score - 1), 1) + 0.0


class Sprt:
    """A sequential probability ratio test of a running match: is A stronger by ``elo0`` (H0) or by ``elo1`` (H1)?

    This is the generalised test (GSPRT) on the scores of pairs in five classes, as in fishtest: M. Van den Bergh, "A
    Practical Introduction to the GSPRT", 2018. ``alpha`` is the chance of accepting H1 if H0 is true, ``beta`` that of
    accepting H0 if H1 is true. Pairs count in the order of their numbers, so that short games do not count first.
    Raises ``UserError`` unless ``-2000 <= elo0 < elo1 <= 2000`` and both chances are between 0 and 0.5.

    >>> test = Sprt(0, 50)
    >>> for index in range(100):  # A wins every game, whichever colour it has
    ...     test.add(index, 1.0)
    >>> test.verdict, test.pairs < 50
    ('H1', True)
    """

    def __init__(self, elo0: float, elo1: float, alpha: float = 0.05, beta: float = 0.05) -> None:
        if not -2000 <= elo0 < elo1 <= 2000:
            raise UserError(f"a sequential test takes two Elo differences, the lower first: not {elo0:g},{elo1:g}")
        if not 0 < alpha < 0.5 or not 0 < beta < 0.5:
            raise UserError(f"alpha and beta must lie between 0 and 0.5: {alpha:g}, {beta:g}")
        self.elo0, self.elo1, self.alpha, self.beta = elo0, elo1, alpha, beta
        self.bounds = math.log(beta / (1 - alpha)), math.log((1 - beta) / alpha)
        """Log-likelihood ratios at which H0 and H1 are accepted (A. Wald, "Sequential Analysis", 1947)."""
        self.verdict = "undecided"
        """``H0``, ``H1`` or ``undecided``; once decided, it does not change."""
        self.llr = 0.0
        self._counts = [0] * 5
        self._waiting: dict[int, float] = {}

    @classmethod
    def parse(cls, text: str) -> Sprt:
        """Return the test of a text ``ELO0,ELO1``. Raises ``UserError``.

        >>> Sprt.parse("0,10").elo1
        10.0
        """
        try:
            elo0, elo1 = map(float, text.split(","))
        except ValueError:
            raise UserError(f"a sequential test takes two Elo differences, as 0,10: not {text!r}") from None
        return cls(elo0, elo1)

    @property
    def pairs(self) -> int:
        """Number of pairs counted so far."""
        return sum(self._counts)

    def add(self, index: int, points: float) -> None:
        """Add a game by its number in the match, with A's points: 0, 0.5 or 1."""
        self._waiting[index] = points
        while self.verdict == "undecided" and {2 * self.pairs, 2 * self.pairs + 1} <= self._waiting.keys():
            first = 2 * self.pairs
            self._counts[round(2 * (self._waiting.pop(first) + self._waiting.pop(first + 1)))] += 1
            self.llr = log_likelihood_ratio(self._counts, self.elo0, self.elo1)
            if self.llr <= self.bounds[0]:
                self.verdict = "H0"
            elif self.llr >= self.bounds[1]:
                self.verdict = "H1"

    def as_dict(self) -> dict[str, object]:
        """Return the test's part of the output of ``xqlm match --sprt --json``."""
        return {
            "elo0": self.elo0,
            "elo1": self.elo1,
            "alpha": self.alpha,
            "beta": self.beta,
            "pairs": self.pairs,
            "llr": round(self.llr, 4),
            "bounds": [round(bound, 4) for bound in self.bounds],
            "verdict": self.verdict,
        }


def log_likelihood_ratio(pentanomial: Sequence[int], elo0: float, elo1: float) -> float:
    """Return the log-likelihood ratio of an Elo difference of ``elo1`` to one of ``elo0``, given pairs in five classes.

    The likelihood of a hypothesis is that of the likeliest distribution over the classes with its mean. A class without
    pairs counts as a thousandth of a pair, as in fishtest, so that such a distribution always exists.

    >>> round(log_likelihood_ratio((0, 0, 10, 5, 0), 0, 50), 2)
    1.94
    """
    counts = [count or 1e-3 for count in pentanomial]
    scores = [1 / (1 + 10 ** (-elo / 400)) for elo in (elo0, elo1)]
    # With p the observed share of class a, the likeliest distribution with mean s has p / (1 + x (a - s)).
    tilts = [_tilt(counts, score) for score in scores]
    return sum(
        count * math.log((1 + tilts[0] * (k / 4 - scores[0])) / (1 + tilts[1] * (k / 4 - scores[1])))
        for k, count in enumerate(counts)
    )


def _tilt(counts: Sequence[float], score: float) -> float:
    """Return the x at which ``sum(count (a - score) / (1 + x (a - score)))`` over the classes is zero, by bisection."""
    low, high = -1 / (1 - score), 1 / score  # the denominators of the outer classes vanish here; x falls in between
    for _ in range(60):
        x = (low + high) / 2
        if sum(n * (k / 4 - score) / (1 + x * (k / 4 - score)) for k, n in enumerate(counts)) > 0:
            low = x
        else:
            high = x
    return (low + high) / 2
