"""What can go wrong with a file of games."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

LOG: Final = logging.getLogger("xiangqi.formats")


class FormatError(ValueError):
    """A file, or one game of it, cannot be read.

    ``path`` is the file (or ``None``), ``line`` the line counted from 1 in a text file, ``offset`` the byte in a binary
    one, ``reason`` what is wrong. The message joins them.

    >>> print(FormatError("unknown piece 'x'", path="a.pgn", line=12))
    a.pgn, line 12: unknown piece 'x'
    """

    def __init__(
        self, reason: str, *, path: str | None = None, line: int | None = None, offset: int | None = None
    ) -> None:
        super().__init__(reason)
        self.reason, self.path, self.line, self.offset = reason, path, line, offset

    def __str__(self) -> str:
        place = [self.path] if self.path else []
        if self.line is not None:
            place.append(f"line {self.line}")
        if self.offset is not None:
            place.append(f"byte {self.offset}")
        return f"{', '.join(place)}: {self.reason}" if place else self.reason


class UnknownFormatError(FormatError):
    """No reader knows the file, or no writer the suffix.

    >>> import io
    >>> from xiangqi import load
    >>> list(load(io.BytesIO(b"neither fish nor fowl")))
    Traceback (most recent call last):
        ...
    xiangqi.formats.errors.UnknownFormatError: not in a known format (xqf, cbl, cbf, jsonl, dhtmlxq, pgn)
    """


ErrorHandler = Callable[[FormatError], None]
"""Called with each game that cannot be read; it may raise to stop the reading."""


def log_error(error: FormatError) -> None:
    """Report a broken game to the log ``xiangqi.formats``: what readers do if nothing else is asked for.

    >>> import io
    >>> from xiangqi import load
    >>> list(load(io.StringIO("1. h2e2 h2e2 *"), on_error=log_error))  # logs "line 1: illegal move 'h2e2': …"
    []
    """
    LOG.warning("%s", error)
