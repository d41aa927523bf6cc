"""Files of games: one module for each format, with ``read``, ``sniff`` and, if it can write, ``write``.

`load` recognises a file by its content, not by its name; `save` goes by the suffix. Gzip and zstd are unpacked, and
``.gz`` and ``.zst`` compress. Games are streamed, so memory holds one at a time, and the source may be a pipe. In all
formats the sound part of a game is kept and faults are reported: see `xiangqi.formats.errors`.

>>> import io
>>> from xiangqi.formats import load
>>> [len(game.moves()) for game in load(io.BytesIO(b'[Red "A"]  1. h2e2 h9g7 *'))]
[2]
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol, cast

from xiangqi.formats import cbf, cbl, ccbridge, dhtmlxq, jsonl, mxq, pgn, sg, wxf, xqf, xqstudio
from xiangqi.formats.errors import ErrorHandler, FormatError, UnknownFormatError, UnreadMove, log_error
from xiangqi.formats.streams import (
    HEAD,
    Source,
    bare_suffix,
    check_encoding,
    guess_utf16,
    is_binary,
    open_bytes,
    source_name,
    with_head,
    with_name,
)
from xiangqi.game import Game

__all__ = [
    "FORMATS",
    "Conversion",
    "ErrorHandler",
    "Format",
    "FormatError",
    "UnknownFormatError",
    "UnreadMove",
    "convert",
    "left_out",
    "load",
    "save",
    "sniff",
]


class Format(Protocol):
    """The interface of a format's module. A format that is only read has no ``write``."""

    SUFFIXES: tuple[str, ...]
    """Suffixes for ``save``, in lower case with the dot."""

    def sniff(self, head: bytes) -> bool:
        """Whether a file that starts with these bytes (up to 64 KiB, unpacked) looks like the format."""

    def read(self, source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None) -> Iterator[Game]:
        """Iterate over the games, each with its sound part.

        ``on_error`` is called with each fault, also in the ``errors`` of its game, and with an error for each game that
        cannot be read at all. ``encoding`` is that of the texts, if they are not in one that the format detects.
        Raises `FormatError` if the whole file cannot be read.
        """

    def write(
        self, games: Iterable[Game], path: str | os.PathLike[str], *, on_error: ErrorHandler | None, **options: Any
    ) -> int:
        """Write the games and return how many they were.

        ``on_error`` is called with an error for each game that the format cannot hold, which is left out. If it is
        ``None``, the error is raised.
        """


# In the order of detection: strict signatures first.
FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "xqf": cast(Format, xqf),
        "cbl": cast(Format, cbl),
        "ccbridge": cast(Format, ccbridge),
        "sg": cast(Format, sg),
        "mxq": cast(Format, mxq),
        "cbf": cast(Format, cbf),
        "jsonl": cast(Format, jsonl),
        "dhtmlxq": cast(Format, dhtmlxq),
        "wxf": cast(Format, wxf),
        "xqstudio": cast(Format, xqstudio),
        "pgn": cast(Format, pgn),
    }
)


def sniff(source: str | os.PathLike[str], encoding: str | None = None) -> str:
    """Return the name of the format of a file, by its content. Raises `UnknownFormatError` or ``OSError``."""
    with open_bytes(source) as file:
        return _sniff(file, source_name(source), encoding)[0]


def _sniff(
    file: io.BufferedReader, name: str | None, encoding: str | None
) -> tuple[str, io.BufferedReader, str | None]:
    """Return the name of the format of a file, a file with the same bytes still to be read, and its encoding."""
    head = file.peek(HEAD)[:HEAD]
    found = _find_format(head)
    if not found:  # a pipe may have delivered only a few bytes so far
        head, file = with_head(file, HEAD)
        encoding = encoding or guess_utf16(head)
        found = _find_format(head)
        if not found and encoding is not None:
            found = _find_format(head.decode(encoding, "ignore").encode("utf-8", "replace"))
    if not found:
        reason = "the file is empty" if not head.strip() else f"not in a known format ({', '.join(FORMATS)})"
        raise UnknownFormatError(reason, path=name)
    return found, file, encoding


def _find_format(head: bytes) -> str:
    return next((name for name, module in FORMATS.items() if module.sniff(head)), "")


def load(source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None) -> Iterator[Game]:
    """Iterate over the games of a file in any format.

    ``source`` is a path or an open file. It is read once, so it may be a pipe. An unsound move ends its line: it is
    dropped with the moves that follow it; everything else is kept. ``on_error`` is called with a `FormatError` for each
    fault, and for each game that cannot be read at all; it may raise to stop. The faults of a game are also in its
    ``errors``.

    Text is detected to be in UTF-8, UTF-16, GB18030 or Big5. ``encoding``, a name such as ``"latin-1"``, says that it
    is in another one; texts in a binary file are read in it too, unless their format knows but one.

    Raises `UnknownFormatError` if the format is not known, `FormatError` if the whole file cannot be read or there is
    no such encoding, and ``OSError`` if the path cannot be opened.

    >>> import io
    >>> [game.result for game in load(io.StringIO('{"moves": "h2e2 h9g7", "result": "1-0"}'))]
    ['1-0']
    >>> errors = []
    >>> [game.moves() for game in load(io.StringIO("1. h2e2 h9h8 1-0"), errors.append)]
    [[Move.from_iccs('h2e2')]]
    >>> print(*errors)  # doctest: +ELLIPSIS
    line 1, ply 2: illegal move 'h9h8': the piece cannot move like that in ...
    """
    if encoding is not None:
        check_encoding(encoding)
    games = _load(source, on_error, encoding)
    next(games)  # raises now if the file cannot be opened or its format is not known
    return cast(Iterator[Game], games)


def _load(source: Source, on_error: ErrorHandler, encoding: str | None) -> Iterator[Game | None]:
    name = source_name(source)
    with open_bytes(source) as opened:
        found, file, encoding = _sniff(opened, name, encoding if is_binary(source) else None)
        yield None
        yield from FORMATS[found].read(with_name(file, name), on_error, encoding)


def save(
    games: Game | Iterable[Game], path: str | os.PathLike[str], on_error: ErrorHandler | None = None, **options: Any
) -> int:
    """Write games to a file in the format of its suffix and return their number.

    ``options`` go to the format's ``write``, such as ``notation="chinese"`` or ``comments=False`` for PGN. The file
    appears when all games are written. Raises `UnknownFormatError` for an unknown suffix, and `FormatError` for an
    option that the format does not have or a game that it cannot hold; with ``on_error``, such games are left out and
    it is called with each error.

    >>> save(Game(), "game.docx")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    xiangqi.formats.errors.UnknownFormatError: game.docx: cannot write files with suffix '.docx' (known: ...)
    """
    suffix = bare_suffix(path)
    writers = _writers()
    if suffix not in writers:
        known = ", ".join(writers)
        raise UnknownFormatError(f"cannot write files with suffix {suffix!r} (known: {known})", path=os.fspath(path))
    if options and writers[suffix] is not FORMATS["pgn"]:
        raise FormatError(f"{suffix} has no {next(iter(options))} to choose, only PGN has", path=os.fspath(path))
    several = [games] if isinstance(games, Game) else games
    return int(writers[suffix].write(several, path, on_error=on_error, **options))


def left_out(game: Game, path: str | os.PathLike[str]) -> list[str]:
    """Return what a game has that the format of a file's suffix does not hold; of those written, only JSON lines do so.

    >>> game = Game.from_pgn("1. h2e2! (1. c3c4) *")
    >>> left_out(game, "game.jsonl"), left_out(game, "game.pgn")
    (['variations', 'marks'], [])
    """
    return jsonl.left_out(game) if _writers().get(bare_suffix(path)) is FORMATS["jsonl"] else []


def _writers() -> dict[str, Format]:
    return {suffix: module for module in FORMATS.values() if hasattr(module, "write") for suffix in module.SUFFIXES}


@dataclass(frozen=True)
class Conversion:
    """The result of a conversion."""

    games: int
    """Number of games written."""
    errors: list[FormatError]
    """Faults of the games that were written, and errors for the games that could not be read or written at all."""
    left_out: dict[str, int]
    """What the new format does not hold (`left_out`), and how many of the games written had it."""


def convert(
    source: Source,
    path: str | os.PathLike[str],
    *,
    encoding: str | None = None,
    change: Callable[[Game], Game] | None = None,
    **options: Any,
) -> Conversion:
    """Rewrite a file of games in the format of another suffix.

    ``encoding`` goes to `load`, ``options`` go to `save`. With ``change``, what it returns is written for each game.

    Raises like `load` and `save`, but a game that the new format cannot hold costs only that game. If nothing could be
    converted, not even a move, raises the first error and writes nothing. A file is not written over itself: that
    raises `FormatError`, because what is unsound in it would be lost.

    >>> import io, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     convert(io.StringIO("1. h2e2 h9g7 *"), f"{directory}/games.jsonl.gz")
    Conversion(games=1, errors=[], left_out={})
    """
    if isinstance(source, str | os.PathLike) and os.path.exists(path) and os.path.samefile(source, path):
        raise FormatError("the games would be written over the file that they are read from", path=os.fspath(path))
    errors: list[FormatError] = []
    missing: Counter[str] = Counter()
    number = 0  # of the game that is being written
    refused = 0

    def games() -> Iterator[Game]:
        nonlocal number
        faults, anything = 0, False
        for given, game in enumerate(load(source, errors.append, encoding), 1):
            faults += len(game.errors)
            number = given + len(errors) - faults - refused  # the other errors are of games that cannot be read
            refused_before = refused
            if change is not None:
                game = change(game)
            yield game
            if refused == refused_before:
                missing.update(left_out(game, path))
                anything = anything or not game.errors or bool(game.variations)
        if errors and not anything:
            raise errors[0]

    def refuse(error: FormatError) -> None:
        nonlocal refused
        refused += 1
        errors.append(FormatError(error.reason, path=source_name(source), game=number))

    return Conversion(save(games(), path, refuse, **options), errors, dict(missing))
