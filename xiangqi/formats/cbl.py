"""CBR and CBL: the game records and libraries of CCBridge (象棋桥).

A CBR file is one record: fields at fixed offsets (text is UTF-16LE, ended by a zero), then the tree of moves. A CBL
file is a library of them: a header, an index of 276 bytes for each slot, then the records at multiples of 4096 bytes; a
long record takes several slots. Neither is encrypted. Squares are numbered row by row, from a9 to i0.

========= ======== ====== ========================================================
record v2 v1       size   field
========= ======== ====== ========================================================
0         0        16     ``CCBridge Record``
19        19       1      version of the record, 1 or 2
180       52       128    title; the other texts are in ``_TEXTS`` below
2076      1820     1      result (0-4)
2112      1856     1      side that moves first (1 Red, 2 Black)
2120      1864     90     the board, ``0x1n`` red and ``0x2n`` black, n as in ``_CODES``
2214      1958            the root, then the moves depth first
========= ======== ====== ========================================================

A move is flags (1: the line ends here, 2: a variation follows later, 4: a comment), a reserved byte, origin, target. A
comment is its length in bytes and the text. The root is such a record with two equal squares.

Sources: the public readers of vschess, cchess and others, and two public descriptions of the format, whose authors
checked it against 248 games and 1570 libraries.

Verified: 452 games of published CBL, CBR and CBF files are the same as another reader's. Our tests build their files,
because no published one is under a licence that lets us ship it. Version 1 has a single description (its squares are
two digits, file and rank from the top, in one byte), and its orientation is not verified. Deleted records cannot be
distinguished from others and are read too. Versions from 3 on are undocumented and refused. For the packed libraries of
the first CCBridge see `xiangqi.formats.ccbridge`.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from typing import Final, NoReturn

from xiangqi.formats.errors import ErrorHandler, Faults, FormatError, log_error
from xiangqi.formats.records import RESULTS, Step, build_game, pgn_date
from xiangqi.formats.streams import Source, open_bytes, read_whole, source_name
from xiangqi.formats.text import clean_comment, clean_header
from xiangqi.game import Game
from xiangqi.move import BLACK, RED, Piece, Square
from xiangqi.words import counted

SUFFIXES: Final = (".cbl", ".cbr")
LIBRARY_MAGIC: Final = b"CCBridgeLibrary\0"
RECORD_MAGIC: Final = b"CCBridge Record\0"
MAX_RECORD: Final = 16 << 20
"""Largest size in bytes of a record, and of the index of a library: a bound on memory."""
_SLOT: Final = 4096
_INDEX: Final = 66624
_CODES: Final = {
    high | low: Piece.from_symbol(letter if high == 0x10 else letter.lower())
    for high in (0x10, 0x20)
    for low, letter in enumerate("RNBAKCP", 1)
}
_TEXTS: Final = (
    ("Title", 180, 52, 128),
    ("Source", 564, 436, 64),
    ("Event", 692, 564, 64),
    ("Round", 756, 628, 64),
    ("Group", 820, 692, 32),
    ("Board", 852, 724, 32),
    ("Date", 884, 756, 64),
    ("Site", 948, 820, 64),
    ("TimeControl", 1012, 884, 64),
    ("Red", 1076, 948, 64),
    ("RedTeam", 1140, 1012, 64),
    ("RedTime", 1204, 1076, 64),
    ("RedElo", 1268, 1140, 32),
    ("Black", 1300, 1172, 64),
    ("BlackTeam", 1364, 1236, 64),
    ("BlackTime", 1428, 1300, 64),
    ("BlackElo", 1492, 1364, 32),
    ("Annotator", 1652, 1396, 64),
    ("Author", 1780, 1524, 64),
    ("Termination", 2080, 1824, 32),
)
"""Header of the game, offset in version 2 and in version 1, size."""


def _text(raw: bytes) -> str:
    return raw.decode("utf-16-le", "replace").partition("\0")[0]


class _Record:
    """One pass over one record, which begins at byte ``base`` of the file."""

    def __init__(self, data: bytes, base: int, path: str | None, game: int | None = None) -> None:
        self.data, self.base, self.faults = data, base, Faults(path, game)
        if not data.startswith(RECORD_MAGIC):
            self.fail(0, "not a CBR record: it does not begin with 'CCBridge Record'")
        version = data[19] if len(data) > 19 else 0
        if version > 2:
            self.fail(19, f"CBR records of version {version} are not documented and not supported")
        self.old = version == 1
        self.tail = 1856 if self.old else 2112
        self.at = self.tail + 102
        self.cut_off = False
        if self.at > len(data):
            self.fail(len(data), f"the header of a CBR record has {self.at} bytes, this one ends after {len(data)}")

    def fail(self, place: int, reason: str) -> NoReturn:
        raise self.faults.error(reason, offset=self.base + place)

    def report(self, place: int, reason: str, ply: int | None = None) -> None:
        self.faults.add(reason, offset=self.base + place, ply=ply)

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes. If the record has fewer, report a fault and stop reading after them."""
        if size > len(self.data) - self.at:
            self.report(self.at, f"the record ends in the middle of the game: {counted(size, 'byte')} expected here")
            size = len(self.data) - self.at
            self.cut_off = True
        self.at += size
        return self.data[self.at - size : self.at]

    def square(self, code: int) -> Square:
        """Return the square of a code, or -1 if there is none."""
        file, row = (code >> 4, code & 15) if self.old else (code % 9, code // 9)
        return (9 - row) * 9 + file if file < 9 and row < 10 else -1

    def step(self) -> Step | None:
        place = self.at
        record = self.take(4)
        if self.cut_off:
            return None
        flags, _, origin, target = record
        comment = ""
        if flags & 4:
            length = self.take(4)
            comment = "" if self.cut_off else clean_comment(_text(self.take(int.from_bytes(length, "little"))))
        continued, alternative = not flags & 1, bool(flags & 2)
        return Step(self.square(origin), self.square(target), continued, alternative, comment, place)

    def steps(self) -> Iterator[Step]:
        """Yield the moves. Real files may end early, in a record with two equal squares or in padding."""
        while not self.cut_off and (step := self.step()) is not None and step.from_square != step.to_square:
            yield step

    def pieces(self) -> dict[Square, Piece]:
        pieces = {}
        for row in range(10):
            for file in range(9):
                place = self.tail + 8 + row * 9 + file
                code = self.data[place]
                if code in _CODES:
                    pieces[(9 - row) * 9 + file] = _CODES[code]
                elif code > 1:
                    self.fail(place, f"unknown piece code 0x{code:02x}")
        return pieces

    def headers(self) -> dict[str, str]:
        headers = {}
        for name, new, old, size in _TEXTS:
            offset = old if self.old else new
            if text := clean_header(_text(self.data[offset : offset + size])):
                headers[name] = text
        if date := pgn_date(headers.pop("Date", "")):
            headers["Date"] = date
        result = self.data[self.tail - 36]
        headers["Result"] = RESULTS[result] if result < len(RESULTS) else "*"
        return headers

    def game(self) -> Game:
        pieces, turn, comment = self.pieces(), BLACK if self.data[self.tail] == 2 else RED, ""
        steps: Iterable[Step] = ()
        place = self.at
        if place < len(self.data) and (root := self.step()) is not None:
            if root.from_square != root.to_square:
                self.report(place, "the root of a CBR record must have two equal squares")
            else:
                comment = root.comment
                if root.continued and self.at < len(self.data):
                    steps = self.steps()
        game = build_game(self.headers(), pieces, turn, steps, comment, self.report)
        game.errors = self.faults.errors
        return game


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes is a record or a library."""
    return head[:16] in (RECORD_MAGIC, LIBRARY_MAGIC)


def read(source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None) -> Iterator[Game]:
    """Iterate over the games of a library, or over the one game of a CBR file.

    ``on_error`` is called with faults of the moves and with records of a library that cannot be read. Texts are always
    in UTF-16, so ``encoding`` is not used. Raises ``FormatError`` if the file is neither a library nor a record.
    """
    path = source_name(source)
    with open_bytes(source) as file:
        if not file.peek(16).startswith(LIBRARY_MAGIC):
            yield loads(read_whole(file, path), path).reported(on_error)
            return
        for number, (base, data) in enumerate(_records(file, path), 1):
            try:
                if data is None:
                    reason = f"a record of more than {MAX_RECORD >> 20} MiB"
                    raise FormatError(reason, path=path, game=number, offset=base)
                game = _Record(data, base, path, number).game()
            except FormatError as error:
                on_error(error)
            else:
                yield game.reported(on_error)


def loads(data: bytes, path: str | None = None) -> Game:
    """Return the game in the bytes of a CBR file; errors name ``path``.

    Faults of the moves are in the game's ``errors``. Raises ``FormatError`` if the header or the position cannot be
    read.

    >>> loads(b"CCBridge Record")
    Traceback (most recent call last):
    xiangqi.formats.errors.FormatError: byte 0: not a CBR record: it does not begin with 'CCBridge Record'
    """
    return _Record(data, 0, path).game()


def _records(file: io.BufferedReader, path: str | None) -> Iterator[tuple[int, bytes | None]]:
    """Iterate over the records of a library as ``(offset, bytes)``; the bytes of one that is too long are ``None``.

    A record starts at each slot that begins with the signature of one.
    """
    head = file.read(MAX_RECORD)
    if len(head) < 64:
        raise FormatError("the header of the CBL library is cut off", path=path, offset=len(head))
    base = _INDEX + 276 * int(struct.unpack_from("<I", head, 60)[0])
    if not head.startswith(RECORD_MAGIC, base):
        base = head.find(RECORD_MAGIC)
        if base < 0:
            return
    record, size = bytearray(head[base:]), _SLOT
    too_long = False
    while True:
        while size + len(RECORD_MAGIC) > len(record) and (chunk := file.read(1 << 20)):
            record += chunk
        at_end = size >= len(record)
        if at_end or record.startswith(RECORD_MAGIC, size):
            size = min(size, len(record))
            yield base, None if too_long else bytes(record[:size])
            if at_end:
                return
            too_long = False
        elif size < MAX_RECORD:
            size += _SLOT
            continue
        else:
            too_long = True
        del record[:size]
        base, size = base + size, _SLOT
