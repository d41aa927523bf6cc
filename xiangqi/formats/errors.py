"""What can go wrong with a file of games, and how it is told.

There is one way for all formats. What cannot be read costs as little as possible: an unsound move costs its line from
there on, a broken record its game. Each fault is a `FormatError` with its place; those of a game stand in
``Game.errors``, and a reader calls ``on_error`` with each of them, and with each game that is lost as a whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

LOG: Final = logging.getLogger("xiangqi.formats")

MAX_FAULTS: Final = 100
"""Faults of one game that are told one by one: a bound on memory."""


class FormatError(ValueError):
    """A file, a game of it, or a move of that cannot be read.

    ``path`` is the file, ``game`` the number of the game in a file that holds several, ``line`` the line of a text
    file, ``offset`` the byte of a binary one, ``ply`` the ply of the game, ``reason`` what is wrong. All numbers but
    ``offset`` count from 1; what is not known is ``None``. The message joins them.

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
        game = self.game if self.line is None else None  # a line says it all
        for name, number in (("game", game), ("line", self.line), ("byte", self.offset), ("ply", self.ply)):
            if number is not None:
                place.append(f"{name} {number}")
        return f"{', '.join(place)}: {self.reason}" if place else self.reason


class UnknownFormatError(FormatError):
    """No reader knows the file, or no writer the suffix."""


class Faults:
    """The faults of one game while it is read."""

    def __init__(self, path: str | None = None, game: int | None = None) -> None:
        self.path, self.game = path, game
        self.errors: list[FormatError] = []

    def is_full(self) -> bool:
        """Whether there are so many that no more are taken note of, so that their places need not be looked for."""
        return len(self.errors) > MAX_FAULTS

    def add(self, reason: str, *, line: int | None = None, offset: int | None = None, ply: int | None = None) -> None:
        """Take note of a fault; of more than ``MAX_FAULTS``, only that there are more.

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
        """Return the error to raise where the game as a whole cannot be read."""
        return FormatError(reason, path=self.path, game=self.game, line=line, offset=offset, ply=ply)


ErrorHandler = Callable[[FormatError], None]
"""Called with each fault before the game comes; it may raise to stop the reading."""


def log_error(error: FormatError) -> None:
    """Report a fault to the log ``xiangqi.formats``: what readers do if nothing else is asked for."""
    LOG.warning("%s", error)
