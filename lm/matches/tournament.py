"""Tournaments: matches of several players, each in a file of its own, and one list of ratings from all of them.

The ratings are those of R. A. Bradley and M. E. Terry, Biometrika 39, 1952, at maximum likelihood, a draw being half a
win. Each match counts as one drawn game more, so that ratings are finite without a loss. Intervals are by bootstrap
over the pairs of games that share an opening.

>>> results = [Result("a", "b", ((1.5, 2), (1.0, 2), (2.0, 2))), Result("b", "c", ((1.0, 2),) * 3)]
>>> ratings = rate(results, anchor="c")
>>> ratings["c"], round(ratings["b"]), ratings["a"] > 100
(0.0, 0, True)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm.matches.arena import Opening, Report, match_pairings
from lm.matches.elo import Score, points_of
from lm.matches.match_file import play_to_file
from lm.players.specs import Spec
from xiangqi.game import Game

SAMPLES: Final = 500
"""Bootstrap samples of the ratings."""
ELO: Final = 400 / math.log(10)
"""Elo of a difference of 1 in the logit of the score."""

Progress = Callable[[str, int | None], AbstractContextManager[tuple[Report, Callable[[int, str], None]]]]


@dataclass(frozen=True)
class Meeting:
    """A match to be played."""

    a: Spec
    b: Spec
    games: int

    @property
    def file(self) -> str:
        """Name of its file."""
        words = f"{self.a.name} - {self.b.name}"
        return "".join(c if c.isalnum() or c in " -.=" else "_" for c in words)[:120] + ".pgn"


@dataclass(frozen=True)
class Result:
    """What came of a match: A's points and the number of games of each pair."""

    a: str
    b: str
    pairs: tuple[tuple[float, int], ...]

    @classmethod
    def of(cls, a: str, b: str, games: Mapping[int, Game]) -> Result:
        """Return the result of a match, whose games are given by number."""
        pairs: dict[int, tuple[float, int]] = {}
        for index, game in games.items():
            points, count = pairs.get(index // 2, (0.0, 0))
            pairs[index // 2] = points + points_of(index, game), count + 1
        return cls(a, b, tuple(pairs.values()))

    @property
    def games(self) -> int:
        """Number of games."""
        return sum(count for _, count in self.pairs)

    @property
    def score(self) -> float:
        """A's share of the points."""
        return sum(points for points, _ in self.pairs) / self.games


def play(
    meetings: Sequence[Meeting],
    folder: Path,
    openings: Sequence[Opening],
    progress: Progress,
    *,
    max_plies: int,
    parallel: int | None = None,
    cores: int | None = None,
) -> list[Result]:
    """Play matches, each into a PGN file in the folder, and return their results. What was played before is kept."""
    results = []
    for number, meeting in enumerate(meetings, 1):
        a, b = meeting.a, meeting.b
        pairings = match_pairings(a, b, meeting.games, openings)
        games: dict[int, Game] = {}
        with progress(f"{number}/{len(meetings)} {a.name} - {b.name}", meeting.games) as (report, advance):
            playing = play_to_file(
                pairings, folder / meeting.file, max_plies=max_plies, parallel=parallel, cores=cores, report=report
            )
            with closing(playing):
                for index, game in playing:
                    games[index] = game
                    score = Score.of(games)
                    advance(len(games), f"+{score.wins} ={score.draws} -{score.losses}")
        results.append(Result.of(a.name, b.name, games))
    return results


class Ratings(Mapping[str, float]):
    """Elo by player."""

    def __init__(self, names: Sequence[str], elo: NDArray[np.float64], drawn: NDArray[np.float64]) -> None:
        self._index = {name: i for i, name in enumerate(names)}
        self._elo, self._drawn = elo, drawn

    def __getitem__(self, name: str) -> float:
        return float(self._elo[self._index[name]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def interval(self, name: str) -> tuple[float, float]:
        """Return the 95% interval of a player's Elo."""
        low, high = np.percentile(self._drawn[:, self._index[name]], [2.5, 97.5])
        return float(low), float(high)

    def lead(self, a: str, b: str) -> tuple[float, float, float]:
        """Return how far ``a`` is ahead of ``b``, with the ends of the 95% interval."""
        low, high = np.percentile(self._drawn[:, self._index[a]] - self._drawn[:, self._index[b]], [2.5, 97.5])
        return self[a] - self[b], float(low), float(high)


def rate(results: Sequence[Result], anchor: str, samples: int = SAMPLES) -> Ratings:
    """Return the ratings of all players in the results; that of ``anchor`` is 0.

    Raises ``ValueError`` if the anchor has not played. Players that no chain of matches connects with it stay near it.
    """
    names = list(dict.fromkeys(name for result in results for name in (result.a, result.b)))
    if anchor not in names:
        raise ValueError(f"{anchor} has not played")
    sides = np.array([[names.index(result.a), names.index(result.b)] for result in results])
    pairs = [np.array(result.pairs, np.float64).reshape(-1, 2) for result in results]

    def fitted(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return bradley_terry(sides, sums[:, 0] + 0.5, sums[:, 1] + 1, names.index(anchor), len(names))

    random = np.random.default_rng(0)
    drawn = [fitted(np.array([p[random.integers(0, len(p), len(p))].sum(0) for p in pairs])) for _ in range(samples)]
    return Ratings(names, fitted(np.array([p.sum(0) for p in pairs])), np.array(drawn))


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
