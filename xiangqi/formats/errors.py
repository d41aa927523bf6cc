"""Faults of files of games, and how readers and writers report them.

All formats follow the same rules. As much as possible is kept: an unsound move ends its line, and an unreadable record
loses its game. Each fault is a `FormatError` with its place. The faults of a game are in ``Game.errors``. A reader
calls ``on_error`` with each of them, and with an error for each game that cannot be read at all. A writer raises the
error of a game that its format cannot hold; with ``on_error`` it leaves the game out and calls that instead. The
moves of the main line that were dropped are in ``Game.unread``, so that a record can be repaired.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

LOG: Final = logging.getLogger("xiangqi.formats")

MAX_FAULTS: Final = 100
"""Largest number of faults that are listed for one game: a bound on memory."""


class FormatError(ValueError):
    """A file, a game or a move cannot be read, or a format cannot hold a game.

    ``path`` is the file, ``game`` the number of the game in a file of several, ``line`` the line of a text file,
    ``offset`` the byte of a binary file, ``ply`` the ply of the game, ``reason`` the fault. All numbers except
    ``offset`` count from 1; unknown ones are ``None``. The message joins them.

    >>> print(FormatError("unknown piece 'x'", path="a.pgn", line=12))
    a.pgn, line 12: unknown piece 'x'
    >>> print(FormatError("the move begins or ends off the board", path="a.cbl", game=2, offset=4096, ply=7))
    a.cbl, game 2, byte 4096, ply 7: the move begins or ends off the board
    """

    def __init__(
        self,
        reason: str,
        *,
        path: str | None = None,
        game: int | None = None,
        line: int | None = None,
        offset: int | None = None,
        ply: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason, self.path, self.game, self.line, self.offset, self.ply = reason, path, game, line, offset, ply

    def __str__(self) -> str:
        place = [self.path] if self.path else []
        game = self.game if self.line is None else None  # the line is enough
        for name, number in (("game", game), ("line", self.line), ("byte", self.offset), ("ply", self.ply)):
            if number is not None:
                place.append(f"{name} {number}")
        return f"{', '.join(place)}: {self.reason}" if place else self.reason


class UnknownFormatError(FormatError):
    """The format of a file, or a suffix, is not known."""


class Faults:
    """Collects the faults of one game while it is read."""

    def __init__(self, path: str | None = None, game: int | None = None) -> None:
        self.path, self.game = path, game
        self.errors: list[FormatError] = []

    def is_full(self) -> bool:
        """Whether the list is full, so that callers need not compute places for further faults."""
        return len(self.errors) > MAX_FAULTS

    def add(self, reason: str, *, line: int | None = None, offset: int | None = None, ply: int | None = None) -> None:
        """Add a fault. After ``MAX_FAULTS`` faults, one entry says that there are more.

        >>> faults = Faults()
        >>> for _ in range(1000):
        ...     faults.add("illegal move")
        >>> len(faults.errors), faults.is_full(), str(faults.errors[-1])
        (101, True, 'more than 100 faults: the rest are not listed')
        """
        if self.is_full():
            return
        if len(self.errors) == MAX_FAULTS:
            reason, line, offset, ply = f"more than {MAX_FAULTS} faults: the rest are not listed", None, None, None
        self.errors.append(self.error(reason, line=line, offset=offset, ply=ply))

    def error(
        self, reason: str, *, line: int | None = None, offset: int | None = None, ply: int | None = None
    ) -> FormatError:
        """Return the error to raise if the whole game cannot be read."""
        return FormatError(reason, path=self.path, game=self.game, line=line, offset=offset, ply=ply)


class UnreadMove(NamedTuple):
    """A move of a main line that was dropped by its reader: the unsound one or one that follows it.

    >>> from xiangqi import Game
    >>> Game.from_pgn("1. h2e2 h9h? {a blot} 2. h0g2! *").unread  # doctest: +NORMALIZE_WHITESPACE
    [UnreadMove(text='h9h?', ply=2, comment='a blot', nags=frozenset({2}), first_rank=0),
     UnreadMove(text='h0g2!', ply=3, comment='', nags=frozenset({1}), first_rank=0)]
    """

    text: str
    """As the file has it, with the signs that touch it. Of a format that stores squares, ICCS; a square that is off the
    board is ``??``."""
    ply: int
    """Its ply in the record. The first ``ply - 1`` moves of the game's main line come before it."""
    comment: str = ""
    """The comments between it and the next move."""
    nags: frozenset[int] = frozenset()
    """Its annotation glyphs."""
    first_rank: int = 0
    """The number of Red's back rank in ``text``, 0 or 1."""


ErrorHandler = Callable[[FormatError], None]
"""Called with each fault (by readers, before its game is yielded); it may raise to stop."""


def log_error(error: FormatError) -> None:
    """Report a fault to the logger ``xiangqi.formats``. This is the default ``on_error`` of readers."""
    LOG.warning("%s", error)
