"""What a library is asked and what it answers, as plain data: no database and no kernel is loaded for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from xiangqi.move import Move

RESULTS: Final = ("0-1", "1/2-1/2", "1-0", "*")
SHIPPED_GAMES: Final = 26_050


@dataclass(frozen=True)
class Filter:
    """Which games are asked for; an empty text asks for nothing.

    Capitals and small letters, and traditional and simplified characters, count as the same.
    """

    player: str = ""
    """Part of the name of either player."""
    event: str = ""
    """Part of the name of the event."""
    result: str = ""
    """One of `RESULTS`."""


EVERY_GAME: Final = Filter()


@dataclass(frozen=True)
class Heading:
    """What a list says of a game; unknown texts are empty."""

    red: str
    black: str
    event: str
    date: str
    result: str
    plies: int

    @property
    def players(self) -> str:
        """Both names, with ? for an unknown one."""
        return f"{self.red or '?'} - {self.black or '?'}"

    @property
    def moves(self) -> int:
        """How many moves it has, where a move of Red's and Black's answer count as one."""
        return (self.plies + 1) // 2


@dataclass(frozen=True)
class Entry(Heading):
    """A game of the library in a list. Its date is written as 2009-11-07, as much of it as is known."""

    id: int
    ply: int | None = None
    """In a list of the games of a position, the ply at which the game reached it."""


@dataclass(frozen=True)
class Score:
    """How games ended."""

    red: int
    draws: int
    black: int
    unknown: int

    @property
    def games(self) -> int:
        return self.red + self.draws + self.black + self.unknown

    def expected(self, color: int) -> float | None:
        """Return the mean score of a side, 0 to 1; ``None`` if no result is known."""
        known = self.games - self.unknown
        return ((self.black if color else self.red) + self.draws / 2) / known if known else None


@dataclass(frozen=True)
class Played:
    """A move that was played in a position, and what became of the games."""

    move: Move
    score: Score
    last: int | None = None
    """The year of the latest game in which it was played, if one is known."""


@dataclass(frozen=True)
class Explored:
    """What a library has on a position."""

    score: Score
    """Of all its games, those that ended there too."""
    moves: tuple[Played, ...]
    """The most played first."""


@dataclass(frozen=True)
class Progress:
    """How far an import has come."""

    read: int
    """Games of the file."""
    added: int
    """Those that are now in the library, by this call."""
    known: int
    """Copies of games that are in the library already."""
