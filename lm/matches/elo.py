"""Statistics of a match: score, Elo difference with its interval, and the sequential test that ends a match early.

Besides Wilson's interval there are the figures that fastchess, OpenBench and fishtest print, by the same formulas
(M. Van den Bergh, "Normalized Elo", 2020, www.cantate.be/Fishtest/normalized_elo.pdf).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal, get_args

from lm import UserError, one_of
from xiangqi.game import Game

POINTS: Final = {"1-0": 1.0, "1/2-1/2": 0.5, "0-1": 0.0}
"""Red's points for a result."""
FAILED: Final = ("crash", "stall", "illegal move", "time forfeit", "no move")
"""The abnormal endings: how a player fails, and what a clock decides."""
NELO: Final = 800 / math.log(10)
"""Normalized Elo of a mean that is one standard deviation of a game above one half."""
Z95: Final = NormalDist().inv_cdf(0.975)
"""Standard deviations on either side of the mean that hold 95% of a normal distribution."""

Model = Literal["logistic", "normalized"]
"""What the Elo of a sequential test is: that of the score, or normalized."""


def points_of(index: int, game: Game) -> float:
    """Return A's points in a game of a match; A plays Red in games with even numbers."""
    red = POINTS[game.result]
    return red if index % 2 == 0 else 1 - red


def pentanomial_of(points: Mapping[int, float]) -> tuple[int, int, int, int, int]:
    """Return the numbers of pairs in which A scored 0, 1/2, 1, 3/2 and 2 points, from its points by number of the game.

    >>> pentanomial_of({0: 1.0, 1: 0.5, 2: 0.0})
    (0, 0, 0, 1, 0)
    """
    pairs = Counter(points[i] + points[i + 1] for i in points if i % 2 == 0 and i + 1 in points)
    return pairs[0.0], pairs[0.5], pairs[1.0], pairs[1.5], pairs[2.0]


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
    drawn_pairs: int = 0
    """Number of pairs of two draws, among those of 1 point."""

    @classmethod
    def of(cls, games: dict[int, Game]) -> Score:
        """Count the games of a match, given by number. A plays Red in the even ones; each pair starts with one."""
        points = {index: points_of(index, game) for index, game in games.items()}
        counts = Counter(points.values())
        drawn = sum(points[i] == points.get(i + 1) == 0.5 for i in points if i % 2 == 0)
        endings = Counter(game.headers["Termination"] for game in games.values())
        return cls(counts[1.0], counts[0.5], counts[0.0], pentanomial_of(points), dict(endings.most_common()), drawn)

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
        mean, variance = self.of_pairs
        # Equal pairs have no variance; each then counts as one game.
        n = mean * (1 - mean) / variance * (pairs - 1) if variance else float(pairs)
        z = Z95
        center = (self.score + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(self.score * (1 - self.score) / n + z * z / (4 * n * n))
        # The bound of a clean sweep must be exactly 0 or 1, despite rounding, so that its Elo difference is infinite.
        low = max(center - half, 0.0) if self.score > 0 else 0.0
        high = min(center + half, 1.0) if self.score < 1 else 1.0
        return low, high

    @property
    def of_pairs(self) -> tuple[float, float]:
        """Mean and variance of the score of a pair, 0 to 1, over the whole pairs; NaN without one."""
        pairs = sum(self.pentanomial)
        if not pairs:
            return math.nan, math.nan
        mean = sum(n * k / 4 for k, n in enumerate(self.pentanomial)) / pairs
        return mean, sum(n * (k / 4 - mean) ** 2 for k, n in enumerate(self.pentanomial)) / pairs

    @property
    def elo_and_error(self) -> tuple[float | None, float | None]:
        """Elo difference, and half the width of its normal 95% interval; ``None`` where it is infinite or unknown.

        >>> figures = Score(863, 484, 653, (92, 160, 361, 220, 167), {}).elo_and_error
        >>> [round(figure, 2) for figure in figures]
        [36.62, 12.76]
        """
        mean, variance = self.of_pairs
        reach = Z95 * math.sqrt(variance / sum(self.pentanomial)) if sum(self.pentanomial) else math.nan
        low, middle, high = (_logistic(share) for share in (mean - reach, mean, mean + reach))
        return middle, None if low is None or high is None else (high - low) / 2

    @property
    def nelo_and_error(self) -> tuple[float | None, float | None]:
        """Normalized Elo difference, and half the width of its 95% interval; ``None`` if all pairs came out alike."""
        mean, variance = self.of_pairs
        if not variance > 0:
            return None, None
        return (mean - 0.5) / math.sqrt(2 * variance) * NELO, Z95 * NELO / math.sqrt(2 * sum(self.pentanomial))

    @property
    def los(self) -> float | None:
        """Likelihood of superiority: the chance that A is the stronger player; ``None`` without a pair."""
        mean, variance = self.of_pairs
        if math.isnan(mean):
            return None
        if variance == 0:
            return 0.5 if mean == 0.5 else float(mean > 0.5)
        return superiority((mean - 0.5) / math.sqrt(variance / sum(self.pentanomial)))

    @property
    def draw_ratio(self) -> float | None:
        """Share of the pairs that nobody won; ``None`` without a pair."""
        return self.pentanomial[2] / sum(self.pentanomial) if any(self.pentanomial) else None

    @property
    def pairs_ratio(self) -> float | None:
        """Pairs that A won for each that it lost; ``None`` if it lost none."""
        lost, won = sum(self.pentanomial[:2]), sum(self.pentanomial[3:])
        return won / lost if lost else None

    @property
    def text(self) -> str:
        """The figures as fastchess prints them, in four lines."""
        (elo, error), (nelo, nelo_error), split = self.elo_and_error, self.nelo_and_error, self.pentanomial[2]
        points, los, draws = self.wins + self.draws / 2, self.los, self.draw_ratio
        ratio = (split - self.drawn_pairs) / self.drawn_pairs if self.drawn_pairs else None
        infinite = "nan" if not any(self.pentanomial) or self.score == 0.5 else "inf" if self.score > 0.5 else "-inf"
        return (
            f"Elo: {_two(elo, infinite)} +/- {_two(error)}, nElo: {_two(nelo, infinite)} +/- {_two(nelo_error)}\n"
            f"LOS: {_two(None if los is None else 100 * los)} %, "
            f"DrawRatio: {_two(None if draws is None else 100 * draws)} %, "
            f"PairsRatio: {_two(self.pairs_ratio, 'inf' if sum(self.pentanomial[3:]) else 'nan')}\n"
            f"Games: {self.games}, Wins: {self.wins}, Losses: {self.losses}, Draws: {self.draws}, "
            f"Points: {points:.1f} ({100 * self.score:.2f} %)\n"
            f"Ptnml(0-2): {[*self.pentanomial]}, "
            f"WL/DD Ratio: {_two(ratio, 'inf' if split else 'nan')}"
        )

    def as_dict(self) -> dict[str, object]:
        """Return the output of ``xqlm match --json``; an infinite Elo difference is ``None``."""
        (_, error), (nelo, nelo_error) = self.elo_and_error, self.nelo_and_error
        return {
            "games": self.games,
            "score": round(self.score, 6) if self.games else None,
            "wins": self.wins,
            "draws": self.draws,
            "losses": self.losses,
            "elo": elo(self.score),
            "interval": [elo(bound) for bound in self.interval],
            "score_interval": [round(bound, 6) for bound in self.interval],
            "elo_error": _rounded(error),
            "nelo": _rounded(nelo),
            "nelo_error": _rounded(nelo_error),
            "los": _rounded(self.los, 4),
            "draw_ratio": _rounded(self.draw_ratio, 4),
            "pairs_ratio": _rounded(self.pairs_ratio, 4),
            "pentanomial": list(self.pentanomial),
            "endings": self.endings,
            "failures": {reason: self.endings.get(reason, 0) for reason in FAILED},
        }


def elo(score: float) -> float | None:
    """Return the rating difference at which ``score`` is expected, or ``None`` if it is infinite or unknown.

    ``-400 log10(1 / score - 1)``: the logistic curve of A. E. Elo, "The Rating of Chessplayers", 1978, 8.4.

    >>> elo(0.5), elo(0.75), elo(1.0)
    (0.0, 190.8, None)
    """
    exact = _logistic(score)
    return None if exact is None else round(exact, 1) + 0.0


def _logistic(score: float) -> float | None:
    return -400 * math.log10(1 / score - 1) if 0 < score < 1 else None


def superiority(deviations: float) -> float:
    """Return the chance that a normal value is positive whose mean lies so many standard deviations above zero.

    >>> superiority(0.0), round(superiority(1.645), 3)
    (0.5, 0.95)
    """
    return NormalDist().cdf(deviations)


def _two(value: float | None, unknown: str = "nan") -> str:
    return unknown if value is None else f"{value + 0.0:.2f}"


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits) + 0.0


class Sprt:
    """A sequential probability ratio test of a running match: is A stronger by ``elo0`` (H0) or by ``elo1`` (H1)?

    This is the generalised test (GSPRT) on the scores of pairs in five classes, as in fishtest: M. Van den Bergh, "A
    Practical Introduction to the GSPRT", 2018. ``alpha`` is the chance of accepting H1 if H0 is true, ``beta`` that of
    accepting H0 if H1 is true. With the ``model`` ``normalized`` the differences are normalized Elo, as in fishtest,
    otherwise (``logistic``) those of the score. Pairs count in the order of their numbers, so that short
    games do not count first. Raises ``UserError`` unless ``-2000 <= elo0 < elo1 <= 2000`` and both chances are between
    0 and 0.5.

    >>> test = Sprt(0, 50)
    >>> for index in range(100):  # A wins every game, whichever colour it has
    ...     test.add(index, 1.0)
    >>> test.verdict, test.pairs < 50
    ('H1', True)
    """

    def __init__(
        self, elo0: float, elo1: float, alpha: float = 0.05, beta: float = 0.05, model: Model = "logistic"
    ) -> None:
        one_of("model", model, get_args(Model))
        if not -2000 <= elo0 < elo1 <= 2000:
            raise UserError(f"a sequential test takes two Elo differences, the lower first: not {elo0:g},{elo1:g}")
        if not 0 < alpha < 0.5 or not 0 < beta < 0.5:
            raise UserError(f"alpha and beta must lie between 0 and 0.5: {alpha:g}, {beta:g}")
        self.elo0, self.elo1, self.alpha, self.beta, self.model = elo0, elo1, alpha, beta, model
        self.bounds = math.log(beta / (1 - alpha)), math.log((1 - beta) / alpha)
        """Log-likelihood ratios at which H0 and H1 are accepted (A. Wald, "Sequential Analysis", 1947)."""
        self.verdict = "undecided"
        """``H0``, ``H1`` or ``undecided``; once decided, it does not change."""
        self.llr = 0.0
        self._counts = [0] * 5
        self._waiting: dict[int, float] = {}

    @classmethod
    def parse(cls, text: str, model: Model = "logistic") -> Sprt:
        """Return the test of a text ``ELO0,ELO1``. Raises ``UserError``.

        >>> Sprt.parse("0,10").elo1
        10.0
        """
        try:
            elo0, elo1 = map(float, text.split(","))
        except ValueError:
            raise UserError(f"a sequential test takes two Elo differences, as 0,10: not {text!r}") from None
        return cls(elo0, elo1, model=model)

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
            ratio = log_likelihood_ratio if self.model == "logistic" else normalized_ratio
            self.llr = ratio(self._counts, self.elo0, self.elo1)
            if self.llr <= self.bounds[0]:
                self.verdict = "H0"
            elif self.llr >= self.bounds[1]:
                self.verdict = "H1"

    @property
    def text(self) -> str:
        """The state of the test as fastchess prints it."""
        low, high = self.bounds
        share = self.llr / (high if self.llr > 0 else -low)
        return (
            f"LLR: {self.llr:.2f} ({100 * share:.1f}%) ({low:.2f}, {high:.2f}) [{self.elo0:.2f}, {self.elo1:.2f}]"
            f"{' normalized' if self.model == 'normalized' else ''}"
        )

    def as_dict(self) -> dict[str, object]:
        """Return the test's part of the output of ``xqlm match --sprt --json``."""
        return {
            "elo0": self.elo0,
            "elo1": self.elo1,
            "model": self.model,
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


def normalized_ratio(pentanomial: Sequence[int], elo0: float, elo1: float) -> float:
    """Return the log-likelihood ratio like `log_likelihood_ratio`, but of two differences in normalized Elo.

    The likeliest distribution whose mean is so many of its own standard deviations above one half has no closed form;
    it is found by iteration (M. Van den Bergh, "Comments on Normalized Elo", 2020, section 4.1).

    >>> round(normalized_ratio((365, 16618, 36229, 16974, 390), 0, 2), 2)
    2.25
    """
    counts = [count or 1e-3 for count in pentanomial]
    total = sum(counts)
    null, other = (_normalized_fit([n / total for n in counts], math.sqrt(2) * elo / NELO) for elo in (elo0, elo1))
    return sum(count * math.log(q / p) for count, p, q in zip(counts, null, other, strict=True))


def _normalized_fit(shares: Sequence[float], deviations: float) -> list[float]:
    """Return the likeliest distribution over the classes whose mean is so many standard deviations above one half."""
    fit = [1 / len(shares)] * len(shares)
    for _ in range(1000):
        mean = sum(p * k / 4 for k, p in enumerate(fit))
        deviation = math.sqrt(sum(p * (k / 4 - mean) ** 2 for k, p in enumerate(fit)))
        slopes = [
            k / 4 - 0.5 - deviations / 2 * deviation * (1 + ((k / 4 - mean) / deviation) ** 2)
            for k in range(len(shares))
        ]
        x = _root(shares, slopes)
        last, fit = fit, [p / (1 + x * slope) for p, slope in zip(shares, slopes, strict=True)]
        if max(abs(p - q) for p, q in zip(fit, last, strict=True)) < 1e-9:
            break
    return fit


def _tilt(counts: Sequence[float], score: float) -> float:
    """Return the x at which ``sum(count (a - score) / (1 + x (a - score)))`` over the classes is zero."""
    return _root(counts, [k / 4 - score for k in range(len(counts))])


def _root(weights: Sequence[float], slopes: Sequence[float]) -> float:
    """Return the x at which ``sum(weight slope / (1 + x slope))`` is zero, by bisection."""
    low, high = -1 / max(slopes), -1 / min(slopes)  # the outermost denominators vanish here; x falls in between
    for _ in range(60):
        x = (low + high) / 2
        if sum(n * slope / (1 + x * slope) for n, slope in zip(weights, slopes, strict=True)) > 0:
            low = x
        else:
            high = x
    return (low + high) / 2
