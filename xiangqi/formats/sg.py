"""SG: records of 1192 bytes, one after another, each a game.

====== ==== ==================================================================
offset size field
====== ==== ==================================================================
0      64   two names, enciphered; the cipher is not known, so they are left out
64     8    not known
72     10   date
82     128  the 32 squares, each three digits and a space: red ``PPPPPCCNNRRBBAAK``, then black
210    982  the moves, each an origin and a target; spaces fill the rest
====== ==== ==================================================================

A square of a piece is ``16 * row + file`` on a board with a margin of 3 rows and 4 files, rows from the top; other
numbers mean that the piece is not on the board. A square of a move is one byte, ``10 + 10 * file + row``.

No description of the format was published. This one was worked out from 48 files with 1,038 games, all of which are
legal to the last move when read so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from xiangqi.formats.errors import ErrorHandler, Faults, FormatError, log_error
from xiangqi.formats.records import Step, build_game, pgn_date
from xiangqi.formats.streams import Source, open_bytes, source_name
from xiangqi.formats.text import clean_header
from xiangqi.game import Game
from xiangqi.move import RED, Piece, Square

SUFFIXES: Final = (".sg",)
RECORD_SIZE: Final = 1192
_MOVES: Final = 210
_BEGINNING: Final = re.compile(rb".{72}[\d./ -]{10}(?:(?:\d{3}| \d\d|\d\d |  \d|\d  |   ) ){32}", re.DOTALL)
_SLOTS: Final = tuple(map(Piece.from_symbol, "PPPPPCCNNRRBBAAKpppppccnnrrbbaak"))


def sniff(head: bytes) -> bool:
    """Whether a file that starts with these bytes is one of SG records."""
    return _BEGINNING.match(head) is not None and bool(head[82:_MOVES].strip())


def read(source: Source, on_error: ErrorHandler = log_error, encoding: str | None = None) -> Iterator[Game]:
    """Iterate over the games of a file.

    ``on_error`` is called with faults of the moves and with records that cannot be read. ``encoding`` is not used,
    because the format has no readable texts. Raises ``FormatError`` if no record can be read.
    """
    path = source_name(source)
    with open_bytes(source) as file:
        number, lost, any_read = 0, None, False
        while data := file.read(RECORD_SIZE):
            if number and not data.strip(b"\0\r\n\x1a "):
                continue
            number += 1
            try:
                game = loads(data, path, number)
            except FormatError as error:
                lost = lost or error
                on_error(error)
            else:
                any_read = True
                yield game.reported(on_error)
    if not any_read:
        raise lost or FormatError("there is no SG record in the file", path=path)


def loads(data: bytes, path: str | None = None, number: int | None = None) -> Game:
    """Return the game of one record; errors name ``path`` and the ``number`` of the game.

    Faults of the moves are in the game's ``errors``. Raises ``FormatError`` if the position cannot be read.

    >>> loads(b"CCBridge Record")
    Traceback (most recent call last):
    xiangqi.formats.errors.FormatError: byte 0: not an SG record: it does not have a date and 32 squares
    """
    base = (number - 1) * RECORD_SIZE if number else 0
    faults = Faults(path, number)
    if not sniff(data):
        raise faults.error("not an SG record: it does not have a date and 32 squares", offset=base)
    pieces: dict[Square, Piece] = {}
    for i, piece in enumerate(_SLOTS):
        place = 82 + 4 * i
        row, file = divmod(int(data[place : place + 3].strip() or b"0"), 16)
        square = _square(file - 4, row - 3)
        if square in pieces:
            raise faults.error(f"two pieces, {pieces[square]} and {piece}, on one square", offset=base + place)
        if square >= 0:
            pieces[square] = piece

    def report(place: int, reason: str, ply: int | None = None) -> None:
        faults.add(reason, offset=base + place, ply=ply)

    steps = list(_steps(data[:RECORD_SIZE]))
    headers = {"Result": "*"}
    if date := pgn_date(clean_header(data[72:82].decode("ascii"))):
        headers = {"Date": date, **headers}
    game = build_game(headers, pieces, RED, steps, "", report)
    if len(data) < RECORD_SIZE:
        report(len(data), f"the file ends in the middle of a record of {RECORD_SIZE} bytes")
    game.errors = faults.errors
    return game


def _steps(data: bytes) -> Iterator[Step]:
    """Yield the moves. A space alone is a square, two of them end the game."""
    places = range(_MOVES, len(data) - 1, 2)
    for place in places:
        origin, target = data[place], data[place + 1]
        if origin == target == 0x20:
            return
        yield Step(_square(*divmod(origin - 10, 10)), _square(*divmod(target - 10, 10)), True, False, "", place)


def _square(file: int, row: int) -> Square:
    """Return the square of a file from Red's left and a row from the top, or -1 if there is none."""
    return (9 - row) * 9 + file if 0 <= file < 9 and 0 <= row < 10 else -1
