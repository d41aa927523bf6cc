"""Squares, pieces and moves. Pieces and moves are interned.

A square is an integer ``rank * 9 + file``. File 0 is ``a``, on Red's left; rank 0 is Red's back rank. So ``a0`` is
square 0 and ``i9`` is square 89. Only 2086 moves are geometrically possible. Each exists once, as ``MOVES[index]``, so
moves compare and hash by identity.

>>> from xiangqi import Move
>>> move = Move.from_iccs("h2e2")
>>> move.index, move.from_square, move.to_square
(576, 25, 22)
>>> move is Move(25, 22)
True
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NoReturn, TypeVar

T = TypeVar("T", bound="_Constant")

Color = int
"""A side: ``RED`` or ``BLACK``."""
Square = int
"""A point of the board, 0 (``a0``) to 89 (``i9``)."""
PieceType = int
"""A piece type, ``KING`` (1) to ``PAWN`` (7)."""

RED: Final[Color] = 0
"""The side at ranks 0 to 4, which moves first. It is 0, so ``if color:`` is true for Black: compare with ``RED``."""
BLACK: Final[Color] = 1
"""The side at ranks 5 to 9."""
COLORS: Final = (RED, BLACK)
"""Both sides."""
COLOR_NAMES: Final = ("red", "black")
"""English name by colour."""

KING: Final[PieceType] = 1
"""帅 将, the general."""
ADVISOR: Final[PieceType] = 2
"""仕 士, the guard."""
BISHOP: Final[PieceType] = 3
"""相 象, the elephant."""
KNIGHT: Final[PieceType] = 4
"""马, the horse."""
ROOK: Final[PieceType] = 5
"""车, the chariot."""
CANNON: Final[PieceType] = 6
"""炮."""
PAWN: Final[PieceType] = 7
"""兵 卒, the soldier."""
PIECE_TYPES: Final = (KING, ADVISOR, BISHOP, KNIGHT, ROOK, CANNON, PAWN)
"""All piece types."""
PIECE_NAMES: Final = ("", "king", "advisor", "bishop", "knight", "rook", "cannon", "pawn")
"""English name by piece type."""

FILES: Final = 9
RANKS: Final = 10
SQUARES: Final = range(FILES * RANKS)
"""All squares."""
FILE_NAMES: Final = "abcdefghi"
RANK_NAMES: Final = "0123456789"
SQUARE_NAMES: Final = tuple(f + r for r in RANK_NAMES for f in FILE_NAMES)
"""ICCS name by square, ``a0`` to ``i9``."""

_LETTERS: Final = " KABNRCP"
_SIMPLIFIED: Final = (" 帅仕相马车炮兵", " 将士象马车炮卒")
_TRADITIONAL: Final = (" 帥仕相傌俥炮兵", " 將士象馬車砲卒")


class InvalidMoveError(ValueError):
    """The text or squares do not describe any move of xiangqi.

    >>> Move.from_iccs("e2")
    Traceback (most recent call last):
        ...
    xiangqi.move.InvalidMoveError: not an ICCS move: 'e2' (expected two squares, as h2e2)
    """


class IllegalMoveError(ValueError):
    """The move is well formed but not legal in the position.

    >>> from xiangqi import Board
    >>> Board("4k4/9/9/9/9/9/9/9/9/3K5 w").push_iccs("e0e1")
    Traceback (most recent call last):
        ...
    xiangqi.move.IllegalMoveError: illegal move 'e0e1': there is no piece on e0 in 4k4/9/9/9/9/9/9/9/9/3K5 w - - 0 1
    """


class AmbiguousMoveError(ValueError):
    """The text matches more than one legal move of the position.

    >>> from xiangqi import Board
    >>> Board("4k4/9/9/P1P6/P1P6/9/9/9/9/3K5 w").push_chinese("前兵进一")
    Traceback (most recent call last):
        ...
    xiangqi.move.AmbiguousMoveError: ambiguous move '前兵进一': c6c7 or a6a7 in 4k4/9/9/P1P6/P1P6/9/9/9/9/3K5 w - - 0 1
    """

    moves: tuple[Move, ...]
    """The legal moves that match."""

    def __init__(self, message: str, moves: Iterable[Move] = ()) -> None:
        super().__init__(message)
        self.moves = tuple(moves)


def no_square(sq: object) -> ValueError:
    """Return the error that says that something is not a square."""
    return ValueError(f"not a square: {sq!r} (expected 0 to 89)")


def no_side(color: object) -> ValueError:
    """Return the error that says that something is not a side."""
    return ValueError(f"not a side: {color!r} (expected RED, 0, or BLACK, 1)")


def square(file: int, rank: int) -> Square:
    """Return the square on ``file`` (0 to 8, ``a`` is 0) and ``rank`` (0 to 9, Red's back rank is 0).

    Raises ``ValueError`` if there is none.

    >>> square(7, 2)
    25
    """
    if file not in range(FILES) or rank not in range(RANKS):
        raise ValueError(f"no square on file {file!r} and rank {rank!r} (expected files 0 to 8, ranks 0 to 9)")
    return rank * FILES + file


def square_file(sq: Square) -> int:
    """Return the file of a square, 0 to 8. Raises ``ValueError`` if ``sq`` is not a square."""
    if sq not in SQUARES:
        raise no_square(sq)
    return sq % FILES


def square_rank(sq: Square) -> int:
    """Return the rank of a square, 0 to 9. Raises ``ValueError`` if ``sq`` is not a square."""
    if sq not in SQUARES:
        raise no_square(sq)
    return sq // FILES


def square_name(sq: Square) -> str:
    """Return the ICCS name of a square. Raises ``ValueError`` if ``sq`` is not a square."""
    if sq not in SQUARES:
        raise no_square(sq)
    return SQUARE_NAMES[sq]


def parse_square(name: str) -> Square:
    """Return the square with an ICCS name. Raises ``ValueError`` if there is none."""
    try:
        return SQUARE_NAMES.index(name)
    except ValueError:
        raise ValueError(f"not a square: {name!r} (expected a0 to i9)") from None


def rotate_square(sq: Square) -> Square:
    """Return the square after a turn of the board by 180 degrees, which exchanges Red's view and Black's.

    Raises ``ValueError`` if ``sq`` is not a square.

    >>> square_name(rotate_square(parse_square("a0")))
    'i9'
    """
    if sq not in SQUARES:
        raise no_square(sq)
    return 89 - sq


def mirror_square(sq: Square) -> Square:
    """Return the square after a left-right reflection of the board. Raises ``ValueError`` if ``sq`` is not a square.

    >>> square_name(mirror_square(parse_square("a0")))
    'i0'
    """
    if sq not in SQUARES:
        raise no_square(sq)
    return sq + 8 - 2 * (sq % FILES)


class _Constant:
    """Base of interned objects, which are immutable."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__.lower()} cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__.lower()} cannot be changed")


def _new(cls: type[T], **values: object) -> T:
    """Create an interned object. Its class cannot be called for that: the call looks up existing objects."""
    constant = object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(constant, name, value)
    return constant


class Piece(_Constant):
    """A coloured piece. There are fourteen, all interned: ``Piece(RED, ROOK) is Piece.from_symbol("R")``.

    >>> Piece.from_symbol("c")
    Piece.from_symbol('c')
    >>> Piece(RED, KNIGHT).chinese(), Piece(RED, KNIGHT).chinese(traditional=True)
    ('马', '傌')
    """

    __slots__ = ("code", "color", "type")

    code: int
    """Number of the piece in a board's cells: ``color * 8 + type``, 1 to 7 for Red and 9 to 15 for Black."""
    color: Color
    type: PieceType

    def __new__(cls, color: Color, type: PieceType) -> Piece:
        if color not in (RED, BLACK) or type not in PIECE_TYPES:
            raise ValueError(f"no such piece: color {color!r}, type {type!r}")
        return PIECES[color * 8 + type]  # type: ignore[return-value]

    @classmethod
    def from_symbol(cls, symbol: str) -> Piece:
        """Return the piece of a FEN letter (``KABNRCP`` or lower case); ``E`` and ``H`` stand for ``B`` and ``N``.

        >>> Piece.from_symbol("H") is Piece(RED, KNIGHT)
        True
        """
        kind = _LETTERS.find({"E": "B", "H": "N"}.get(symbol.upper(), symbol.upper()))
        if len(symbol) != 1 or kind < 1:
            raise ValueError(f"not a piece letter: {symbol!r}")
        return cls(RED if symbol.isupper() else BLACK, kind)

    def symbol(self) -> str:
        """Return the FEN letter: upper case for Red, lower case for Black."""
        letter = _LETTERS[self.type]
        return letter if self.color == RED else letter.lower()

    def chinese(self, traditional: bool = False) -> str:
        """Return the character written on the piece.

        >>> Piece(RED, PAWN).chinese(), Piece(BLACK, PAWN).chinese(), Piece(BLACK, KING).chinese(traditional=True)
        ('兵', '卒', '將')
        """
        return (_TRADITIONAL if traditional else _SIMPLIFIED)[self.color][self.type]

    def __repr__(self) -> str:
        return f"Piece.from_symbol({self.symbol()!r})"

    def __str__(self) -> str:
        return self.symbol()

    def __reduce__(self) -> tuple[object, ...]:
        return Piece, (self.color, self.type)


def _intern_pieces() -> tuple[Piece | None, ...]:
    pieces: list[Piece | None] = [None] * 16
    for color in (RED, BLACK):
        for kind in PIECE_TYPES:
            pieces[color * 8 + kind] = _new(Piece, code=color * 8 + kind, color=color, type=kind)
    return tuple(pieces)


PIECES: Final = _intern_pieces()
"""Piece (or ``None``) by cell code."""


class Move(_Constant):
    """A move from one square to another. Moves are interned: there is one object for each.

    ``Move(from_square, to_square)`` looks it up. It raises ``InvalidMoveError`` if no piece could ever make the move.

    >>> Move.from_iccs("b0c2")
    Move.from_iccs('b0c2')
    >>> Move.from_iccs("H2-E2").iccs
    'h2e2'
    """

    __slots__ = ("from_square", "iccs", "index", "to_square")

    index: int
    """Number of the move among ``MOVES``, in order of squares; -1 for the null move."""
    from_square: Square
    to_square: Square
    iccs: str
    """The move in ICCS, such as ``h2e2``."""

    def __new__(cls, from_square: Square, to_square: Square) -> Move:
        move = _BY_SQUARES.get((from_square, to_square))
        if move is None:
            raise InvalidMoveError(f"no piece moves from square {from_square!r} to square {to_square!r}")
        return move

    @classmethod
    def from_iccs(cls, text: str) -> Move:
        """Parse ICCS in any common spelling: ``h2e2``, ``H2E2``, ``H2-E2``. Raises ``InvalidMoveError``.

        >>> Move.from_iccs("H2-E2")
        Move.from_iccs('h2e2')
        """
        move = _BY_ICCS.get(text)
        if move is None:
            move = _BY_ICCS.get(text.strip().lower().replace("-", "", 1))
            if move is None:
                if squares := _TWO_SQUARES.fullmatch(text.strip().lower()):
                    raise InvalidMoveError(f"no piece moves from {squares[1]} to {squares[2]}")
                raise InvalidMoveError(f"not an ICCS move: {text!r} (expected two squares, as h2e2)")
        return move

    def rotate(self) -> Move:
        """Return the same move seen from the other side of the board.

        >>> Move.from_iccs("h2e2").rotate()
        Move.from_iccs('b7e7')
        """
        return self if self is NULL_MOVE else Move(89 - self.from_square, 89 - self.to_square)

    def mirror(self) -> Move:
        """Return the same move with left and right exchanged.

        >>> Move.from_iccs("h2e2").mirror()
        Move.from_iccs('b2e2')
        """
        if self is NULL_MOVE:
            return self
        return Move(mirror_square(self.from_square), mirror_square(self.to_square))

    def __repr__(self) -> str:
        return f"Move.from_iccs({self.iccs!r})"

    def __str__(self) -> str:
        return self.iccs

    def __copy__(self) -> Move:
        return self

    def __deepcopy__(self, memo: object) -> Move:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return _move_of, (self.iccs,)  # a function of the module: cloudpickle would copy a method


def _possible(a: Square, b: Square) -> bool:
    """Whether some piece of some colour could go from ``a`` to ``b`` on an otherwise empty board."""
    fa, ra, fb, rb = a % 9, a // 9, b % 9, b // 9
    df, dr = abs(fa - fb), abs(ra - rb)
    if a == b:
        return False
    if df == 0 or dr == 0 or df + dr == 3:
        return True
    if df == dr == 1:  # advisors: the diagonals through the middle of a palace
        return a in ADVISOR_POINTS and b in ADVISOR_POINTS
    return df == dr == 2 and a in BISHOP_POINTS and b in BISHOP_POINTS and (ra < 5) == (rb < 5)


ADVISOR_POINTS: Final = frozenset(
    square(f, r) for base in (0, 7) for f, r in ((3, base), (5, base), (4, base + 1), (3, base + 2), (5, base + 2))
)
BISHOP_POINTS: Final = frozenset(
    square(f, r)
    for base in (0, 5)
    for f, r in ((2, base), (6, base), (0, base + 2), (4, base + 2), (8, base + 2), (2, base + 4), (6, base + 4))
)

MOVES: Final = tuple(
    _new(Move, index=i, from_square=a, to_square=b, iccs=SQUARE_NAMES[a] + SQUARE_NAMES[b])
    for i, (a, b) in enumerate((a, b) for a in SQUARES for b in SQUARES if _possible(a, b))
)
"""All 2086 moves, by index."""

NULL_MOVE: Final = _new(Move, index=-1, from_square=0, to_square=0, iccs="0000")
"""A pass. It is never legal, but useful for analysis (``board.push(NULL_MOVE)``)."""


def _move_of(iccs: str) -> Move:
    return _BY_ICCS[iccs]


_TWO_SQUARES: Final = re.compile(r"([a-i]\d)-?([a-i]\d)", re.ASCII)
_BY_ICCS: Final = {m.iccs: m for m in MOVES} | {"0000": NULL_MOVE}
_BY_SQUARES: Final = {(m.from_square, m.to_square): m for m in MOVES}
