"""Rating lists, crosstables and tables of failures as rows of text."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import east_asian_width

from lm.matches.elo import FAILED
from lm.matches.ratings import Ratings, Result, Standings

Rows = list[list[str]]
"""Rows of cells, the first of which are the names of the columns."""


def rating_list(ratings: Ratings, results: Sequence[Result], anchor: str | None = None) -> Rows:
    """Return a row for each player, strongest first.

    LOS is the likelihood that the player is stronger than the next one on the list.
    """
    rows = [["#", "player", "Elo", "95% interval", "games", "score", "draws", "LOS"]]
    names = list(ratings)
    for rank, name in enumerate(names, 1):
        points, games, draws = totals(name, results)
        low, high = ratings.interval(name)
        over = f"{100 * ratings.superiority(name, names[rank]):.1f}%" if rank < len(names) else ""
        spread = "fixed" if name == anchor else f"{low:+.0f} to {high:+.0f}"
        share = f"{100 * points / games:.1f}%"
        elo = f"{ratings[name]:+.1f}"
        rows.append([str(rank), name, elo, spread, str(games), share, f"{100 * draws / games:.1f}%", over])
    return rows


def crosstable(names: Sequence[str], results: Sequence[Result]) -> Rows:
    """Return the points of each player against each other and the number of their games, as ``3.5/6``."""
    cells: dict[tuple[str, str], str] = {}
    for result in results:
        cells[result.a, result.b] = f"{result.points:g}/{result.games}"
        cells[result.b, result.a] = f"{result.games - result.points:g}/{result.games}"
    rows = [["#", "player", *(str(number) for number in range(1, len(names) + 1)), "points"]]
    for number, name in enumerate(names, 1):
        points, games, _ = totals(name, results)
        against = ["" if other == name else cells.get((name, other), "-") for other in names]
        rows.append([str(number), name, *against, f"{points:g}/{games}"])
    return rows


def failures(standings: Standings) -> Rows:
    """Return how often each player that ever failed did, and in which way; no rows if none did."""
    if not standings.failures:
        return []
    found = standings.failures.items()
    return [["player", *FAILED], *([name, *(str(count[reason]) for reason in FAILED)] for name, count in found)]


def totals(name: str, results: Sequence[Result]) -> tuple[float, int, int]:
    """Return the points, games and draws of a player."""
    own = [result for result in results if name in (result.a, result.b)]
    points = sum(result.points if result.a == name else result.games - result.points for result in own)
    return points, sum(result.games for result in own), sum(result.draws for result in own)


def aligned(rows: Rows) -> str:
    """Return rows as text, the columns one below the other; those of words to the left, those of numbers to the right.

    >>> print(aligned([["player", "Elo"], ["策", "+5.0"]]))
    player   Elo
    策      +5.0
    """
    if not rows:
        return ""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for name, cell, width in zip(rows[0], row, widths, strict=True):
            gap = " " * (width - _width(cell))
            cells.append(cell + gap if name == "player" else gap + cell)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _width(text: str) -> int:
    return sum(1 + (east_asian_width(char) in "WF") for char in text)
