"""FEN, a position as one line of text: placement, side to move, two placeholders and two counters.

    rnbakabnr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1C5C1/9/RNBAKABNR w - - 0 1

Placement goes from Black's back rank to Red's. Source: https://www.xqbase.com/protocol/cchess_fen.htm.
"""

from __future__ import annotations

import re
from typing import Final

from xiangqi.move import BLACK, PIECES, RED, Color, Piece


class InvalidFenError(ValueError):
    """The text is not the FEN of a xiangqi position; the message names the wrong part.

    >>> parse_fen("9/9/9 w")
    Traceback (most recent call last):
        ...
    xiangqi.fen.InvalidFenError: expected 10 ranks in FEN placement, found 3: '9/9/9'
    """


_NO_PIECE: Final = 255


def _cell_of_letter(char: str) -> int:
    """Return the meaning of a FEN character: a piece code, 0 for an empty cell (``1``), or ``_NO_PIECE``."""
    if char == "1":
        return 0
    try:
        return Piece.from_symbol(char).code
    except ValueError:
        return _NO_PIECE


_FEN_CHARACTERS: Final = "123456789KABNRCPEHkabnrcpeh"
_LETTER_TO_CELL: Final = bytes(_cell_of_letter(chr(i)) for i in range(256))
_CELL_TO_LETTER: Final = "".join([piece.symbol() if piece else "1" for piece in PIECES]).encode().ljust(256, b"1")
_RUNS: Final = tuple((str(n), "1" * n) for n in range(9, 1, -1))
_TWO_DIGITS: Final = re.compile("[1-9][1-9]")


def parse_fen(fen: str) -> tuple[bytes, Color, int, int]:
    """Return the 90 cells, the side to move, the halfmove clock and the move number. Raises ``InvalidFenError``.

    Everything after the placement may be left out, and the counters may be ``-``. ``r`` is read as ``w``, ``E`` and
    ``H`` as ``B`` and ``N``.

    >>> cells, turn, halfmove_clock, fullmove_number = parse_fen("4k4/9/9/9/9/9/9/9/9/3K5 b - - 7 31")
    >>> cells.index(1), turn == BLACK, halfmove_clock, fullmove_number
    (3, True, 7, 31)
    """
    fields = fen.split()
    if not 1 <= len(fields) <= 6:
        raise InvalidFenError(f"expected 1 to 6 fields in FEN, found {len(fields)}: {fen!r}")
    cells = _parse_placement(fields[0])
    fields += ["w", "-", "-", "0", "1"][len(fields) - 1 :]
    if fields[1] not in ("w", "r", "b"):
        raise InvalidFenError(f"side to move of FEN must be w, r or b: {fields[1]!r}")
    if fields[2] != "-" or fields[3] != "-":
        raise InvalidFenError(f"third and fourth field of a xiangqi FEN are '-': {fen!r}")
    # Some programs leave the counters open; others count moves from 0, which is read as 1.
    halfmove_clock = 0 if fields[4] == "-" else _parse_count(fields[4], "halfmove clock")
    fullmove_number = 1 if fields[5] == "-" else max(_parse_count(fields[5], "move number"), 1)
    return cells, BLACK if fields[1] == "b" else RED, halfmove_clock, fullmove_number


def write_placement(cells: bytes | bytearray) -> str:
    """Return the first field of a FEN for 90 cells."""
    text = cells.translate(_CELL_TO_LETTER).decode("ascii")
    rows = "/".join([text[start : start + 9] for start in range(81, -1, -9)])
    for digit, run in _RUNS:
        if run in rows:
            rows = rows.replace(run, digit)
    return rows


def _parse_placement(text: str) -> bytes:
    """Return the 90 cells of a FEN's first field. It is converted as a whole; only errors are located by character."""
    spread = text
    for digit, run in _RUNS:
        spread = spread.replace(digit, run)
    rows = spread.split("/")
    cells = "".join(reversed(rows)).encode("latin-1", "replace").translate(_LETTER_TO_CELL)
    if len(rows) != 10 or set(map(len, rows)) != {9} or _NO_PIECE in cells or _TWO_DIGITS.search(text):
        raise _placement_error(text)
    return cells


def _placement_error(text: str) -> InvalidFenError:
    rows = text.split("/")
    if len(rows) != 10:
        return InvalidFenError(f"expected 10 ranks in FEN placement, found {len(rows)}: {text!r}")
    for rank, row in zip(range(9, -1, -1), rows, strict=True):
        for char in row:
            if char not in _FEN_CHARACTERS:
                return InvalidFenError(f"unknown piece {char!r} on rank {rank} of FEN: {text!r}")
        files = sum(int(char) if char in "123456789" else 1 for char in row)
        if files != 9:
            return InvalidFenError(f"expected 9 files on rank {rank} of FEN, found {files}: {row!r}")
    return InvalidFenError(f"two numbers in a row in FEN placement: {text!r}")


def _parse_count(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise InvalidFenError(f"{name} of FEN is not a number: {text!r}")
    return int(text)
