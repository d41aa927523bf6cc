"""The pieces of a board and what they attack, apart from whose turn it is and what was played."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from xiangqi import kernels
from xiangqi.fen import write_placement
from xiangqi.jit import compiled
from xiangqi.move import COLORS, KING, PIECE_TYPES, PIECES, SQUARES, Color, Piece, PieceType, Square, no_side, no_square

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Scratch(threading.local):
    """Buffers for each thread, because kernels write to them without holding the GIL."""

    def __init__(self) -> None:
        self.moves = np.empty(kernels.MAX_MOVES, np.int16)
        squares = bytearray(90)  # cheaper to read than an array; kernels write to the array
        self.squares: tuple[bytearray, NDArray[np.uint8]] = squares, np.frombuffer(squares, np.uint8)


SCRATCH: Final = Scratch()


@compiled
def attacked_from(cells: kernels.Cells, a: int, out: NDArray[np.uint8]) -> int:
    """Write the squares that the piece on ``a`` reaches, ascending; return their number.

    >>> from xiangqi import Board, parse_square, square_name
    >>> out = np.empty(90, np.uint8)
    >>> count = attacked_from(Board().cells.copy(), parse_square("h2"), out)
    >>> [square_name(sq) for sq in out[:count]]
    ['a2', 'h8', 'h9']
    """
    n = 0
    for b in range(90):
        if kernels.reaches(cells, a, b):
            out[n] = b
            n += 1
    return n


class BaseBoard:
    """Ninety squares and what stands on them. `Board` adds the side to move and the moves; use that."""

    __slots__ = ("_cells", "_view")

    _cells: bytearray
    _view: NDArray[np.uint8]
    """The cells as an array that shares their memory."""

    def piece_at(self, square: Square) -> Piece | None:
        """Return the piece on a square. Raises ``ValueError`` if ``square`` is not one."""
        if square not in SQUARES:
            raise no_square(square)
        return PIECES[self._cells[square]]

    def set_piece_at(self, square: Square, piece: Piece | None) -> None:
        """Put a piece on a square, or empty it. The history is cleared.

        Raises ``ValueError`` if ``square`` is not one.
        """
        if square not in SQUARES:
            raise no_square(square)
        self._cells[square] = piece.code if piece else 0
        self._reset_history()

    def piece_map(self) -> dict[Square, Piece]:
        """Return all pieces by square, in order of squares."""
        return {sq: piece for sq, code in enumerate(self._cells) if (piece := PIECES[code])}

    def set_piece_map(self, pieces: Mapping[Square, Piece]) -> None:
        """Set up exactly these pieces. The history is cleared. Raises ``ValueError`` for a key that is not a square."""
        cells = bytearray(90)
        for sq, piece in pieces.items():
            if sq not in SQUARES:
                raise no_square(sq)
            cells[sq] = piece.code
        self._cells[:] = cells
        self._reset_history()

    def pieces(self, color: Color, type: PieceType) -> list[Square]:
        """Return the squares of the pieces of one colour and type, ascending.

        Raises ``ValueError`` if ``color`` is not a side or ``type`` not a type of piece.

        >>> from xiangqi import CANNON, RED, Board
        >>> Board().pieces(RED, CANNON)
        [19, 25]
        """
        if color not in COLORS:
            raise no_side(color)
        if type not in PIECE_TYPES:
            raise ValueError(f"not a type of piece: {type!r} (expected KING, 1, to PAWN, 7)")
        code, cells, found = color * 8 + type, self._cells, []
        sq = cells.find(code)
        while sq >= 0:
            found.append(sq)
            sq = cells.find(code, sq + 1)
        return found

    def king(self, color: Color) -> Square | None:
        """Return the square of a king, or ``None``. Raises ``ValueError`` if ``color`` is not a side."""
        if color not in COLORS:
            raise no_side(color)
        found = self._cells.find(color * 8 + KING)
        return None if found < 0 else found

    def _reset_history(self) -> None:
        """Forget what was played, because the pieces have been set up anew."""

    def placement(self) -> str:
        """Return the first field of the FEN."""
        return write_placement(self._cells)

    @property
    def cells(self) -> NDArray[np.uint8]:
        """The 90 cells, ``color * 8 + type`` or 0, as a read-only view ``(90,)`` of the board.

        >>> from xiangqi import Board
        >>> Board().cells[:9].tolist()
        [5, 4, 3, 2, 1, 2, 3, 4, 5]
        """
        view = self._view.view()
        view.flags.writeable = False
        return view

    # --- Attacks ------------------------------------------------------------------------------------------------------

    def attackers(self, color: Color, square: Square) -> list[Square]:
        """Return the squares of ``color``'s pieces that could capture on ``square``, ignoring pins.

        If a piece of the same colour stands there, these are its defenders. A king does not attack along an open file
        (but see ``Board.checkers``). Raises ``ValueError`` if ``color`` is not a side or ``square`` not a square.

        >>> from xiangqi import RED, Board, square_name
        >>> [square_name(sq) for sq in Board().attackers(RED, 20)]
        ['b0']
        """
        if color not in COLORS:
            raise no_side(color)
        if square not in SQUARES:
            raise no_square(square)
        squares, out = SCRATCH.squares
        return list(squares[: kernels.attackers(self._view, square, color, out)])

    def attacks(self, square: Square) -> list[Square]:
        """Return the squares on which the piece on ``square`` could capture, ignoring pins; none without a piece.

        They are those of which ``attackers`` names this piece: a cannon's lie behind its screens, and a square with a
        piece of the same side is one that it defends. Raises ``ValueError`` if ``square`` is not one.

        >>> from xiangqi import Board, square_name
        >>> [square_name(sq) for sq in Board().attacks(25)]
        ['a2', 'h8', 'h9']
        """
        if square not in SQUARES:
            raise no_square(square)
        squares, out = SCRATCH.squares
        return list(squares[: attacked_from(self._view, int(square), out)])

    def is_attacked_by(self, color: Color, square: Square) -> bool:
        """Whether a piece of ``color`` could capture on ``square``, as ``attackers`` has it, which see for errors.

        >>> from xiangqi import BLACK, RED, Board
        >>> Board().is_attacked_by(RED, 20), Board().is_attacked_by(BLACK, 20)
        (True, False)
        """
        if color not in COLORS:
            raise no_side(color)
        if square not in SQUARES:
            raise no_square(square)
        return kernels.attackers(self._view, square, color, SCRATCH.squares[1]) > 0

    def pinned(self, color: Color) -> list[Square]:
        """Return the squares of the pieces of ``color`` whose removal would put their own king in check.

        Raises ``ValueError`` if ``color`` is not a side.

        >>> from xiangqi import RED, Board, square_name
        >>> [square_name(sq) for sq in Board("3k5/4r4/9/9/9/9/9/9/4A4/4K4 w").pinned(RED)]
        ['e1']
        """
        if color not in COLORS:
            raise no_side(color)
        king = kernels.find_king(self._view, color)
        if king < 0 or kernels.is_attacked(self._view, king, 1 - color):
            return []
        others = [sq for sq, code in enumerate(self._cells) if code and code // 8 == color and code & 7 != KING]
        return [sq for sq in others if kernels.is_exposed(self._view, sq, -1, king, 1 - color)]

    def _kings_face(self) -> bool:
        a, b = self._cells.find(KING), self._cells.find(8 + KING)
        return min(a, b) >= 0 and a % 9 == b % 9 and not any(self._cells[min(a, b) + 9 : max(a, b) : 9])

    def __str__(self) -> str:
        letters = [piece.symbol() if piece else "." for piece in map(PIECES.__getitem__, self._cells)]
        return "\n".join(" ".join(letters[start : start + 9]) for start in range(81, -1, -9))
