"""One list of ratings from any number of games between any number of players.

The ratings are those of R. A. Bradley and M. E. Terry, Biometrika 39, 1952, at maximum likelihood, a draw being half a
win. Where there is no maximum, because a part of the players scored all or nothing against the rest, each two that met
from both count as having drawn one game more; among the others nothing is added. Intervals are normal, from the
sandwich estimate of the variance (H. White, Econometrica 50, 1982) over pairs of games that share an opening, so they
hold for any share of draws and for openings that favour a side. Where drawn games were added, or pairs are few (`FEW`),
they are those of independent games without draws, which are wider.

>>> results = [Result("a", "b", ((1.5, 2), (1.0, 2), (2.0, 2))), Result("b", "c", ((1.5, 2), (0.5, 2)))]
>>> ratings = rate(results, anchor="c")
>>> ratings["c"], round(ratings["b"]), round(ratings["a"])
(0.0, 0, 191)
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm import UserError
from lm.matches.elo import FAILED, POINTS, Z95, superiority
from xiangqi.formats import pgn

FEW: Final = 10
"""Pairs of games a player below which what they came to does not tell the variance."""
ELO: Final = 400 / math.log(10)
"""Elo of a difference of 1 in the logit of the score."""
DRAWS_ADDED: Final = (
    "Some scored all or nothing against the rest: each two that met from both count as having drawn one game more."
)
"""What is said of ratings that are `Ratings.infinite`."""


@dataclass(frozen=True)
class Result:
    """What came of the games of two players: A's points and the number of games of each pair, and how many were drawn.

    A pair is two games with colours exchanged; a game without its like counts as a pair of one.
    """

    a: str
    b: str
    pairs: tuple[tuple[float, int], ...]
    draws: int = 0

    @classmethod
    def of(cls, a: str, b: str, points: Mapping[int, float]) -> Result:
        """Return the result of a match from A's points by number of the game."""
        pairs: dict[int, tuple[float, int]] = {}
        for index, found in sorted(points.items()):
            total, count = pairs.get(index // 2, (0.0, 0))
            pairs[index // 2] = total + found, count + 1
        return cls(a, b, tuple(pairs.values()), sum(found == 0.5 for found in points.values()))

    @property
    def games(self) -> int:
        """Number of games."""
        return sum(count for _, count in self.pairs)

    @property
    def points(self) -> float:
        """A's points."""
        return sum(points for points, _ in self.pairs)

    @property
    def score(self) -> float:
        """A's share of the points."""
        return self.points / self.games


@dataclass
class Standings:
    """Games of any players, counted one by one as their headers tell them."""

    failures: dict[str, Counter[str]] = field(default_factory=dict)
    """How often each player lost a game by failing, by the ending's reason."""
    unfinished: int = 0
    """Games without a result or without the names of two players, which do not count."""
    repeated: int = 0
    """Games that were given more than once, and count once."""
    _pairs: dict[tuple[str, str], dict[object, list[tuple[float, bool]]]] = field(default_factory=dict)
    _drawn: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, headers: Mapping[str, str], source: object = None) -> None:
        """Count a game. Rounds 1 and 2 of a ``source``, 3 and 4 and so on are pairs if their players are the same."""
        red, black, result = (headers.get(name, "?").strip() for name in ("Red", "Black", "Result"))
        if result not in POINTS or "?" in (red, black) or "" in (red, black) or red == black:
            self.unfinished += 1
            return
        a, b = sorted((red, black))
        pairs = self._pairs.setdefault((a, b), {})
        stated = headers.get("Round", "")
        pair: object = (source, (int(stated) - 1) // 2) if stated.isdecimal() else len(pairs)
        if any(a_was_red == (red == a) for _, a_was_red in pairs.get(pair, ())):
            pair = len(pairs)  # two games with the same colours are no pair
        points = POINTS[result] if red == a else 1 - POINTS[result]
        pairs.setdefault(pair, []).append((points, red == a))
        self._drawn[a, b] += result == "1/2-1/2"
        if (reason := headers.get("Termination", "")) in FAILED and result != "1/2-1/2":
            self.failures.setdefault(black if result == "1-0" else red, Counter())[reason] += 1

    @property
    def results(self) -> list[Result]:
        """The result of each two players that met."""
        return [
            Result(a, b, tuple((sum(p for p, _ in games), len(games)) for games in pairs.values()), self._drawn[a, b])
            for (a, b), pairs in self._pairs.items()
        ]


def read_standings(paths: Iterable[Path]) -> Standings:
    """Count the games of PGN files; games with the same headers and moves count once.

    Raises ``OSError``, and ``UserError`` if there is no finished game in them.
    """
    standings, names, seen = Standings(), [], set[bytes]()
    for path in paths:
        names.append(str(path))
        for headers, text in pgn.read_texts(path):
            mark = hashlib.blake2b(f"{sorted(headers.items())}\0{text}".encode(), digest_size=12).digest()
            if mark in seen:
                standings.repeated += 1
            else:
                seen.add(mark)
                standings.add(headers, path)
    if not standings.results:
        raise UserError(f"no finished game between two named players in {', '.join(names)}")
    return standings


class Ratings(Mapping[str, float]):
    """Elo by player, strongest first."""

    def __init__(
        self, names: Sequence[str], elo: NDArray[np.float64], covariance: NDArray[np.float64], infinite: bool = False
    ) -> None:
        self._index = {names[i]: int(i) for i in np.argsort(-elo, kind="stable")}
        self._elo, self._covariance = elo, covariance
        self.infinite = infinite
        """Whether some differences would be infinite, so that drawn games were added."""

    def __getitem__(self, name: str) -> float:
        return float(self._elo[self._index[name]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def interval(self, name: str) -> tuple[float, float]:
        """Return the 95% interval of a player's Elo."""
        i = self._index[name]
        reach = Z95 * math.sqrt(max(self._covariance[i, i], 0.0))
        return self[name] - reach, self[name] + reach

    def lead(self, a: str, b: str) -> tuple[float, float, float]:
        """Return how far ``a`` is ahead of ``b``, with the ends of the 95% interval."""
        lead, reach = self[a] - self[b], Z95 * self._spread(a, b)
        return lead, lead - reach, lead + reach

    def superiority(self, a: str, b: str) -> float:
        """Return the chance that ``a`` is stronger than ``b``, from the normal distribution of the lead."""
        lead, spread = self[a] - self[b], self._spread(a, b)
        return superiority(lead / spread) if spread > 0 else 0.5 + 0.5 * float(np.sign(lead))

    def _spread(self, a: str, b: str) -> float:
        """Return the standard deviation of a lead."""
        i, j, known = self._index[a], self._index[b], self._covariance
        return math.sqrt(max(float(known[i, i] + known[j, j] - 2 * known[i, j]), 0.0))


def rate(results: Sequence[Result], anchor: str | None = None, elo: float = 0.0) -> Ratings:
    """Return the ratings of all players in the results; that of ``anchor`` is ``elo``, without one their mean is.

    Raises ``UserError`` if the anchor has not played, or if no chain of games connects some players with the others.
    """
    names = list(dict.fromkeys(name for result in results for name in (result.a, result.b)))
    if anchor is not None and anchor not in names:
        raise UserError(f"{anchor} has not played; players: {', '.join(names)}")
    sides = np.array([[names.index(result.a), names.index(result.b)] for result in results])
    pairs = [np.array(result.pairs, np.float64).reshape(-1, 2) for result in results]
    met = np.ones(len(sides), bool)
    apart = np.flatnonzero(~_reach(sides, met, met, len(names))[0])
    if len(apart):
        raise UserError(
            f"no games connect {', '.join(names[i] for i in apart)} with {names[0]}: they cannot be rated together"
        )
    points, games = np.array([p.sum(0) for p in pairs]).T
    joined = _reach(sides, points > 0, points < games, len(names))
    added = ~(joined & joined.T)[tuple(sides.T)]
    infinite = bool(added.any())
    points, games = points + 0.5 * added, games + added
    fixed = 0 if anchor is None else names.index(anchor)
    ratings = bradley_terry(sides, points, games, fixed, len(names))
    few = sum(map(len, pairs)) < FEW * len(names)
    covariance = _covariance(sides, pairs, games, ratings / ELO, fixed, infinite or few)
    if anchor is None:
        ratings = ratings - ratings.mean()
        centre = np.eye(len(names)) - 1 / len(names)
        covariance = centre @ covariance @ centre
    return Ratings(names, ratings + elo, covariance * ELO**2, infinite)


def connected(results: Sequence[Result], name: str) -> list[Result]:
    """Return the results of the players that games connect with one.

    >>> [result.b for result in connected([Result("a", "b", ()), Result("c", "d", ()), Result("b", "e", ())], "e")]
    ['b', 'e']
    """
    reached = {name}
    while found := [result for result in results if (result.a in reached) != (result.b in reached)]:
        reached |= {side for result in found for side in (result.a, result.b)}
    return [result for result in results if result.a in reached]


def _covariance(
    sides: NDArray[np.int64],
    pairs: Sequence[NDArray[np.float64]],
    games: NDArray[np.float64],
    rating: NDArray[np.float64],
    anchor: int,
    independent: bool,
) -> NDArray[np.float64]:
    """Return the covariance of the fitted ratings ``(P, P)``, in logits; the anchor's is 0.

    ``independent`` takes all games as independent and decisive; otherwise what pairs came to tells the variance.
    """
    players = len(rating)
    bend, spread = np.zeros((players, players)), np.zeros((players, players))
    for (a, b), found, n in zip(sides, pairs, games, strict=True):
        expected = 1 / (1 + np.exp(rating[b] - rating[a]))
        away = ((found[:, 0] - found[:, 1] * expected) ** 2).sum()
        for matrix, weight in ((bend, n * expected * (1 - expected)), (spread, away)):
            matrix[a, a] += weight
            matrix[b, b] += weight
            matrix[a, b] -= weight
            matrix[b, a] -= weight
    free = np.ix_(*2 * [np.arange(players) != anchor])
    inverse = np.linalg.pinv(bend[free])
    count, covariance = sum(map(len, pairs)), np.zeros((players, players))
    covariance[free] = inverse if independent else inverse @ spread[free] @ inverse * count / (count - players + 1)
    return covariance


def _reach(
    sides: NDArray[np.int64], scored: NDArray[np.bool_], conceded: NDArray[np.bool_], players: int
) -> NDArray[np.bool_]:
    """Return which players each reaches by going from player to player that it took points from ``(P, P)``.

    There is a maximum of the likelihood if all reach all (L. R. Ford, American Mathematical Monthly 64, 1957).
    """
    beats = np.eye(players, dtype=bool)
    a, b = sides.T
    beats[a[scored], b[scored]] = True
    beats[b[conceded], a[conceded]] = True
    for _ in range(players.bit_length()):
        beats = beats @ beats
    return beats


def bradley_terry(
    sides: NDArray[np.int64], points: NDArray[np.float64], games: NDArray[np.float64], anchor: int, players: int
) -> NDArray[np.float64]:
    """Return the Elo of each player ``(players,)`` at maximum likelihood, by Newton's method; the anchor's is 0.

    ``sides`` ``(M, 2)`` are the players of each match, ``points`` ``(M,)`` those of the first, of ``games`` ``(M,)``.
    """
    rating = np.zeros(players)
    free = np.arange(players) != anchor
    a, b = sides.T
    for _ in range(100):
        expected = 1 / (1 + np.exp(rating[b] - rating[a]))
        slope, bend = np.zeros(players), np.full((players, players), 0.0)
        np.add.at(slope, a, points - games * expected)
        np.add.at(slope, b, games * expected - points)
        weight = games * expected * (1 - expected)
        for i, j, sign in ((a, a, 1), (b, b, 1), (a, b, -1), (b, a, -1)):
            np.add.at(bend, (i, j), sign * weight)
        bend += 1e-9 * np.eye(players)
        step = np.zeros(players)
        step[free] = np.clip(np.linalg.solve(bend[np.ix_(free, free)], slope[free]), -1, 1)
        rating += step
        if np.abs(step).max() < 1e-6:
            break
    return rating * ELO
