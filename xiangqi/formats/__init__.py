"""Files of games: one module a format, each with ``read``, ``sniff`` and, where it can write, ``write``.

`load` looks at what a file holds, never at its name; `save` goes by the suffix. Both unpack and pack ``.gz`` and
``.zst``. Reading streams: a file of a million games needs the memory of one, and a pipe is read once. What is sound is
kept, what is not is reported, in all formats alike: see `xiangqi.formats.errors`.

>>> import io
>>> from xiangqi.formats import load
>>> [len(game.moves()) for game in load(io.BytesIO(b'[Red "A"]  1. h2e2 h9g7 *'))]
[2]
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol, cast

from xiangqi.formats import cbf, cbl, dhtmlxq, jsonl, pgn, xqf
from xiangqi.formats.errors import ErrorHandler, FormatError, UnknownFormatError, log_error
from xiangqi.formats.streams import HEAD, Source, bare_suffix, open_bytes, source_name, with_head, with_name
from xiangqi.game import Game

__all__ = [
    "FORMATS",
    "Conversion",
    "ErrorHandler",
    "Format",
    "FormatError",
    "UnknownFormatError",
    "convert",
    "load",
    "save",
    "sniff",
]


class Format(Protocol):
    """What a module of this package offers. One that is only read has no ``write``."""

    SUFFIXES: tuple[str, ...]
    """Suffixes in lower case with their dot, for ``save``."""

    def sniff(self, head: bytes) -> bool:
        """Whether a file that starts with these bytes (up to 64 KiB, unpacked) looks like the format."""

    def read(self, source: Source, on_error: ErrorHandler = log_error) -> Iterator[Game]:
        """Iterate over the games, with what is sound of each.

        Each fault goes to ``on_error``, and to the ``errors`` of its game; so does each game that is lost as a whole.
        Raises `FormatError` if the file as a whole cannot be read.
        """

    def write(self, games: Iterable[Game], path: str | os.PathLike[str], **options: Any) -> int:
        """Write the games and return how many they were. Raises `FormatError` if the format cannot hold them."""


# In the order in which they are tried: strict signatures first.
FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "xqf": cast(Format, xqf),
        "cbl": cast(Format, cbl),
        "cbf": cast(Format, cbf),
        "jsonl": cast(Format, jsonl),
        "dhtmlxq": cast(Format, dhtmlxq),
        "pgn": cast(Format, pgn),
    }
)


def sniff(source: str | os.PathLike[str]) -> str:
    """Return the name of the format of a file by what it holds. Raises `UnknownFormatError` or ``OSError``."""
    with open_bytes(source) as file:
        return _sniff(file, source_name(source))[0]


def _sniff(file: io.BufferedReader, name: str | None) -> tuple[str, io.BufferedReader]:
    """Return the name of the format of a file, and the file still to be read from where it stands."""
    head = file.peek(HEAD)[:HEAD]
    found = _find_format(head)
    if not found:  # a pipe may have delivered only a few bytes so far
        head, file = with_head(file, HEAD)
        found = _find_format(head)
    if not found:
        reason = "the file is empty" if not head.strip() else f"not in a known format ({', '.join(FORMATS)})"
        raise UnknownFormatError(reason, path=name)
    return found, file


def _find_format(head: bytes) -> str:
    return next((name for name, module in FORMATS.items() if module.sniff(head)), "")


def load(source: Source, on_error: ErrorHandler = log_error) -> Iterator[Game]:
    """Iterate over the games of a file, whatever its format.

    ``source`` is a path or an open file; it is read once, so that it may be a pipe. What is sound is kept: an unsound
    move costs its line from there on, in a variation that branch, in the main line all that follows. ``on_error`` is
    called with a `FormatError` for each fault, and for each game that is lost as a whole; it may raise to stop. A game
    that lost something has its faults in ``errors``, too.

    Raises `UnknownFormatError` if no reader knows the file, `FormatError` if it cannot be read as a whole, and
    ``OSError`` if the path cannot be opened.

    >>> import io
    >>> [game.result for game in load(io.StringIO('{"moves": "h2e2 h9g7", "result": "1-0"}'))]
    ['1-0']
    >>> errors = []
    >>> [game.moves() for game in load(io.StringIO("1. h2e2 h9h8 1-0"), errors.append)]
    [[Move.from_iccs('h2e2')]]
    >>> print(*errors)  # doctest: +ELLIPSIS
    line 1, ply 2: illegal move 'h9h8': the piece cannot move like that in ...
    """
    games = _load(source, on_error)
    next(games)  # so that a file that cannot be opened, or is none of games, is told now
    return cast(Iterator[Game], games)


def _load(source: Source, on_error: ErrorHandler) -> Iterator[Game | None]:
    name = source_name(source)
    with open_bytes(source) as opened:
        found, file = _sniff(opened, name)
        yield None
        yield from FORMATS[found].read(with_name(file, name), on_error)


def save(games: Game | Iterable[Game], path: str | os.PathLike[str], **options: Any) -> int:
    """Write games to a file in the format of its suffix and return how many they were.

    ``options`` go to the format's ``write``, as ``notation="chinese"`` for PGN. The file appears when all is written.
    Raises `UnknownFormatError` for a suffix that no writer knows, `FormatError` for games that the format cannot hold.

    >>> save(Game(), "game.docx")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    xiangqi.formats.errors.UnknownFormatError: game.docx: cannot write files with suffix '.docx' (known: ...)
    """
    suffix = bare_suffix(path)
    writers = {suffix: module for module in FORMATS.values() if hasattr(module, "write") for suffix in module.SUFFIXES}
    if suffix not in writers:
        known = ", ".join(writers)
        raise UnknownFormatError(f"cannot write files with suffix {suffix!r} (known: {known})", path=os.fspath(path))
    return int(writers[suffix].write([games] if isinstance(games, Game) else games, path, **options))


@dataclass(frozen=True)
class Conversion:
    """What became of a conversion."""

    games: int
    """Number of games written."""
    errors: list[FormatError]
    """What could not be read: faults of games that were written without what is unsound, and games that are missing."""


def convert(source: Source, path: str | os.PathLike[str], **options: Any) -> Conversion:
    """Rewrite a file of games in the format of another suffix.

    Raises as `load` and `save`, and the first error if nothing could be read, neither a whole game nor a move; then
    nothing is written.

    >>> import io, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     convert(io.StringIO("1. h2e2 h9g7 *"), f"{directory}/games.jsonl.gz")
    Conversion(games=1, errors=[])
    """
    errors: list[FormatError] = []

    def games() -> Iterator[Game]:
        anything = False
        for game in load(source, errors.append):
            anything = anything or not game.errors or bool(game.variations)
            yield game
        if errors and not anything:
            raise errors[0]

    return Conversion(save(games(), path, **options), errors)
