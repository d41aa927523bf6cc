"""The board as text, for terminals and bug reports.

With Chinese pieces all characters are full-width: two columns each in any font and terminal, so everything stays
aligned.

>>> from xiangqi import Board, text
>>> print(text.board(Board.from_moves("h2e2"), pieces="letters"))
9  r---n---b---a---k---a---b---n---r
   |   |   |   | \\ | / |   |   |   |
8  +---+---+---+---+---+---+---+---+
   |   |   |   | / | \\ |   |   |   |
7  +---c---+---+---+---+---+---c---+
   |   |   |   |   |   |   |   |   |
6  p---+---p---+---p---+---p---+---p
   |   |   |   |   |   |   |   |   |
5  +---+---+---+---+---+---+---+---+
   |                               |
4  +---+---+---+---+---+---+---+---+
   |   |   |   |   |   |   |   |   |
3  P---+---P---+---P---+---P---+---P
   |   |   |   |   |   |   |   |   |
2  +---C---+---+--[C]--+---+--[+]--+
   |   |   |   | \\ | / |   |   |   |
1  +---+---+---+---+---+---+---+---+
   |   |   |   | / | \\ |   |   |   |
0  R---N---B---A---K---A---B---N---R
   a   b   c   d   e   f   g   h   i
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from xiangqi.move import BLACK, FILE_NAMES, NULL_MOVE, RED, Color, Move, Piece

if TYPE_CHECKING:
    from xiangqi.board import Board

Pieces = Literal["traditional", "simplified", "letters"]
"""How pieces are labelled: Chinese characters, or the letters of FEN."""

Coordinates = Literal["iccs", "files"]
"""Labels at the edge: files and ranks as in ``h2e2``, or each player's file numbers as in 炮二平五."""


class _Strokes(NamedTuple):
    point: str
    bar: str
    line: str
    """From a point to the next on its rank; the strokes below have the same width."""
    blank: str
    falling: str
    rising: str
    brackets: tuple[str, str]
    river: str
    margin: str
    files: str
    red_files: str
    black_files: str


_WIDE: Final = _Strokes(
    point="＋",
    bar="｜",
    line="－",
    blank="　",
    falling="＼",
    rising="／",
    brackets=("［", "］"),
    river="　　楚　河　　　　　漢　界　　",
    margin="　",
    files="ａｂｃｄｅｆｇｈｉ",
    red_files="九八七六五四三二一",
    black_files="１２３４５６７８９",
)
_NARROW: Final = _Strokes(
    point="+",
    bar="|",
    line="---",
    blank="   ",
    falling=" \\ ",
    rising=" / ",
    brackets=("[", "]"),
    river=" " * 31,
    margin=" ",
    files=FILE_NAMES,
    red_files="987654321",
    black_files="123456789",
)

# Colours of a 256-colour terminal: a wooden board with red and black pieces.
_WOOD: Final = "48;5;222"
_LAST_MOVE: Final = "48;5;150"
_CHECK: Final = "48;5;210"
_LINE: Final = "22;38;5;137"
_INK: Final = ("1;38;5;124", "1;38;5;16")
_RESET: Final = "\x1b[0m"


def board(
    board: Board,
    *,
    orientation: Color = RED,
    last_move: Move | None = None,
    coordinates: Coordinates | None = "iccs",
    pieces: Pieces = "traditional",
    color: bool = False,
) -> str:
    """Return a board as 19 lines of text, and one or two more for ``coordinates``, without a newline at the end.

    ``orientation`` is the side at the bottom (the board is turned, not mirrored). ``last_move`` is the move to mark, by
    default the board's last (``NULL_MOVE`` for none); it is marked by brackets. With ``color`` (ANSI codes for 256
    colours) it has a green background instead, and a king in check a red one. Raises ``ValueError`` for unknown
    options.

    >>> from xiangqi import Board
    >>> board(Board(), coordinates=None).splitlines()[0].strip()
    '車－馬－象－士－將－士－象－馬－車'
    """
    check_options(orientation, pieces, coordinates)
    strokes = _NARROW if pieces == "letters" else _WIDE
    river = strokes.river.replace("漢", "汉") if pieces == "simplified" else strokes.river
    if last_move is None:
        last_move = board.peek() if board.ply else NULL_MOVE
    moved = set() if last_move is NULL_MOVE else {last_move.from_square, last_move.to_square}
    king = board.king(board.turn) if color and board.is_check() else None

    lines: list[tuple[str, str]] = []
    for row in range(10):
        squares = [89 - sq if orientation == BLACK else sq for sq in range((9 - row) * 9, (9 - row) * 9 + 9)]
        gaps = [list(part) for part in (strokes.margin, *[strokes.line] * 8, strokes.margin)]
        cells = []
        for column, sq in enumerate(squares):
            piece = board.piece_at(sq)
            cell = strokes.point if piece is None else _name(piece, pieces)
            if color:
                ground = _CHECK if sq == king else _LAST_MOVE if sq in moved else _WOOD
                cell = f"\x1b[{ground};{_LINE if piece is None else _INK[piece.color]}m{cell}\x1b[{_WOOD};{_LINE}m"
            elif sq in moved:
                gaps[column][-1], gaps[column + 1][0] = strokes.brackets
            cells.append(cell)
        line = "".join(["".join(gap) + cell for gap, cell in zip(gaps, [*cells, ""], strict=True)])
        lines += [
            (f"{squares[0] // 9} ", line),
            ("  ", strokes.margin + _between(row, river, strokes) + strokes.margin),
        ]
    del lines[-1]

    labelled = coordinates == "iccs"
    rows = [
        (label if labelled else "") + (f"\x1b[{_WOOD};{_LINE}m{line}{_RESET}" if color else line.rstrip())
        for label, line in lines
    ]
    if labelled:
        rows.append("  " + _files(strokes.files, orientation, strokes))
    elif coordinates == "files":
        ends = [_files(names, orientation, strokes) for names in (strokes.black_files, strokes.red_files)]
        top, bottom = ends if orientation == RED else reversed(ends)
        rows = [top, *rows, bottom]
    return "\n".join(rows)


def check_options(orientation: Color, pieces: str, coordinates: str | None) -> None:
    """Raise ``ValueError`` if an option of a drawing of the board is unknown."""
    if orientation not in (RED, BLACK):
        raise ValueError(f"orientation must be RED or BLACK: {orientation!r}")
    if pieces not in ("traditional", "simplified", "letters"):
        raise ValueError(f"pieces must be 'traditional', 'simplified' or 'letters': {pieces!r}")
    if coordinates not in ("iccs", "files", None):
        raise ValueError(f"coordinates must be 'iccs', 'files' or None: {coordinates!r}")


def _name(piece: Piece, pieces: Pieces) -> str:
    return piece.symbol() if pieces == "letters" else piece.chinese(pieces == "traditional")


def _between(row: int, river: str, strokes: _Strokes) -> str:
    """Return the line between a row of points and the next; rows are counted from the top."""
    if row == 4:
        return strokes.bar + river + strokes.bar
    gaps = [strokes.blank] * 8
    if row in (0, 7):
        gaps[3:5] = strokes.falling, strokes.rising
    elif row in (1, 8):
        gaps[3:5] = strokes.rising, strokes.falling
    return strokes.bar + "".join([gap + strokes.bar for gap in gaps])


def _files(names: str, orientation: Color, strokes: _Strokes) -> str:
    return strokes.margin + strokes.blank.join(names if orientation == RED else reversed(names))
