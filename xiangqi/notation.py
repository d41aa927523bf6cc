"""Reading and writing moves in UCI, WXF, Chinese and algebraic notation.

For ICCS see ``Move.iccs`` and ``Move.from_iccs``.

WXF and Chinese notation name a piece by its file, counted from its player's right, and how far it goes: ``C2=5`` and
炮二平五 are the cannon of file 2 moving sideways to file 5. Pieces of one type on one file (tandem pieces) are numbered
from front to rear:

===================  ====================================  ===================================================
tandem               WXF                                   Chinese
===================  ====================================  ===================================================
two on a file        ``+C=5``, ``-C=5``                    前炮平五, 后炮平五
three                ``+P=4``, ``P3=4``, ``-P=4``          前兵平四, 中兵平四, 后兵平四
four pawns           ``++=4``, ``+P=4``, ``-P=4``,         一兵平四, 二兵平四, 三兵平四, 四兵平四
                     ``--=4``
five pawns           ``++=4``, ``+P=4``, ``P3=4``,         一兵平四 to 五兵平四
                     ``-P=4``, ``--=4``
pawns on two files   ``+3=4``, ``33=4``, ``-3=4``,         一兵平四 to 五兵平六: those of the file on the right
                     ``+7=6``, ``-7=6``                    from front to rear, then those of the other
===================  ====================================  ===================================================

WXF follows "Official Xiangqi Piece Names and Notation" of the World Xiangqi Federation
(http://www.wxf.org/xq/computer/wxf_notation.html), with the mark before the letter and ``=`` for its full stop. Chinese
notation follows the rules of the Chinese Xiangqi Association of 2020, article 7.5 (two and three on a file), and
otherwise "中国象棋电脑应用规范（二）：着法表示" of 2006 (https://www.xqbase.com/protocol/cchess_move.htm). Advisors and
bishops take no mark: of two on a file only one can advance and only the other can retreat. Both standards end at five
pawns a side. If a composed position has more, or more than two of another type on several files, WXF too puts the
number of the piece, in the order of the last row, before its letter: ``6P=4``.

The parsers accept these and other common spellings if exactly one legal move matches: see ``parse_wxf`` and
``parse_chinese``.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from xiangqi.jit import compiled
from xiangqi.kernels import MOVE_INDEX, Cells, is_legal, is_pseudo_legal
from xiangqi.move import (
    _BY_SQUARES,
    ADVISOR,
    BISHOP,
    BLACK,
    CANNON,
    COLOR_NAMES,
    FILE_NAMES,
    KING,
    KNIGHT,
    MOVES,
    NULL_MOVE,
    PAWN,
    PIECE_NAMES,
    PIECES,
    RED,
    ROOK,
    AmbiguousMoveError,
    IllegalMoveError,
    InvalidMoveError,
    Move,
    PieceType,
    Square,
    square_name,
)

if TYPE_CHECKING:
    from xiangqi.board import Board

_OBLIQUE: Final = (ADVISOR, BISHOP, KNIGHT)
"""Pieces whose moves always end with a file number; the others end with a number of ranks unless they go sideways."""

_WXF_LETTERS: Final = " KAEHRCP"
_WXF_ACTIONS: Final = ("=", "+", "-")
_WXF_MARKS: Final = {2: ("+", "-"), 3: ("+", "", "-"), 4: ("++", "+", "-", "--"), 5: ("++", "+", "", "-", "--")}
"""Marks of tandem pieces by their number, from front to rear; the middle one is named by its file."""

_CHINESE_DIGITS: Final = "〇一二三四五六七八九"
_ASCII_DIGITS: Final = "0123456789"
_FULL_WIDTH_DIGITS: Final = "０１２３４５６７８９"
_SIMPLIFIED_ACTIONS: Final = ("平", "进", "退")
_TRADITIONAL_ACTIONS: Final = ("平", "進", "退")
_SIMPLIFIED_MARKS: Final = {2: "前后", 3: "前中后"}
_TRADITIONAL_MARKS: Final = {2: "前後", 3: "前中後"}


def _check_first_rank(first_rank: int) -> None:
    if first_rank not in (0, 1):
        raise ValueError(f"ranks start at 0 or 1, not at {first_rank!r}")


# --- UCI --------------------------------------------------------------------------------------------------------------


def uci(move: Move, first_rank: int = 0) -> str:
    """Return a move in UCI. ``first_rank`` is the number of Red's back rank. Raises ``ValueError`` if it is not 0 or 1.

    Pikafish counts ranks from 0, as ICCS does; Fairy-Stockfish counts from 1 to 10.

    >>> uci(Move.from_iccs("h2e2")), uci(Move.from_iccs("b9c7"), first_rank=1)
    ('h2e2', 'b10c8')
    """
    _check_first_rank(first_rank)
    if move is NULL_MOVE or first_rank == 0:
        return move.iccs
    a, b = move.from_square, move.to_square
    return f"{FILE_NAMES[a % 9]}{a // 9 + first_rank}{FILE_NAMES[b % 9]}{b // 9 + first_rank}"


def parse_uci(text: str, first_rank: int = 0) -> Move:
    """Return the move of a UCI text. ``first_rank`` is the number of Red's back rank, 0 or 1.

    Raises ``InvalidMoveError``, or ``ValueError`` for another ``first_rank``.

    >>> parse_uci("b10c8", first_rank=1)
    Move.from_iccs('b9c7')
    """
    _check_first_rank(first_rank)
    match = _UCI.fullmatch(text)
    if match:
        a, b = int(match[2]) - first_rank, int(match[4]) - first_rank
        if 0 <= a <= 9 and 0 <= b <= 9:
            move = _BY_SQUARES.get((a * 9 + FILE_NAMES.index(match[1]), b * 9 + FILE_NAMES.index(match[3])))
            if move is not None:
                return move
    elif text == "0000":
        return NULL_MOVE
    raise InvalidMoveError(f"not a UCI move: {text!r} (ranks {first_rank} to {first_rank + 9})")


def parse_legal_uci(board: Board, text: str, first_rank: int | None = None) -> Move:
    """Return the legal move of a UCI text; see ``Board.parse_uci``.

    >>> from xiangqi import Board
    >>> parse_legal_uci(Board("4k4/9/9/9/9/9/9/9/R8/R2K5 w"), "a1b1")
    Traceback (most recent call last):
        ...
    xiangqi.move.AmbiguousMoveError: ambiguous move 'a1b1': a1b1 if ranks start at 0, a0b0 if at 1; give first_rank
    """
    moves: dict[int, Move] = {}
    for rank in (0, 1) if first_rank is None else (first_rank,):
        with contextlib.suppress(InvalidMoveError):
            moves[rank] = parse_uci(text, rank)
    if not moves:
        ranks = "0 to 9 or 1 to 10" if first_rank is None else f"{first_rank} to {first_rank + 9}"
        raise InvalidMoveError(f"not a UCI move: {text!r} (two squares, ranks {ranks})")
    legal = {rank: move for rank, move in moves.items() if board.is_legal(move)}
    if len(legal) > 1:
        raise AmbiguousMoveError(
            f"ambiguous move {text!r}: {legal[0]} if ranks start at 0, {legal[1]} if at 1; give first_rank",
            legal.values(),
        )
    if legal:
        return next(iter(legal.values()))
    whys = {rank: why_illegal(board, move) for rank, move in moves.items()}
    reason = whys.popitem()[1] if len({*whys.values()}) == 1 else f"{whys[0]}, or {whys[1]} if ranks start at 1"
    raise IllegalMoveError(f"illegal move {text!r}: {reason} in {board.fen()}")


_UCI: Final = re.compile(r"([a-i])(\d|10)([a-i])(\d|10)", re.ASCII)


# --- Algebraic --------------------------------------------------------------------------------------------------------

_ALGEBRAIC: Final = re.compile(
    r"(?P<piece>[KAGEBMHNRCPS]?)(?P<file>[a-i]?)(?P<rank>10|\d|)[x:-]?(?P<to_file>[a-i])(?P<to_rank>10|\d)", re.ASCII
)
_ALGEBRAIC_TYPES: Final = dict(zip("KAGEBMHNRCPS", (1, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 7), strict=True))


def algebraic_ranks(text: str) -> tuple[int, ...]:
    """Return the ranks of the squares that a text in algebraic notation names; none if it is not in that notation.

    >>> algebraic_ranks("Che2"), algebraic_ranks("A10e9"), algebraic_ranks("h2e2"), algebraic_ranks("C2=5")
    ((2,), (10, 9), (2, 2), ())
    """
    match = _ALGEBRAIC.fullmatch(text)
    return tuple(int(rank) for rank in (match["rank"], match["to_rank"]) if rank) if match else ()


def parse_algebraic(board: Board, text: str, first_rank: int = 0) -> Move:
    """Return the legal move that a text describes in the algebraic notation of chess.

    It is the letter of the piece, which pawns may omit, and the square it goes to: ``Che2``. A file, a rank or both
    before the square tell pieces of one kind apart (``Cbe2``, ``A9e8``, ``Ch2-e2``), an ``x`` says that the move
    captures (``xe4``, ``exe5``), and two squares alone are any piece's move (``h2e2``). Letters are upper case, files
    lower case. Signs of check at the end are passed over. Other letters for a piece are ``G``, ``B``, ``M``, ``N`` and
    ``S``. ``first_rank`` is the number of Red's back rank: 0 for WinBoard and BanksiaGUI, 1 for PyChess.

    Of several pawns that can go there, the one on the same file does. Raises ``InvalidMoveError`` if the text is not
    in this notation, ``IllegalMoveError`` if no legal move matches, and ``AmbiguousMoveError`` if several do;
    ``ValueError`` for another ``first_rank``.

    >>> from xiangqi import Board
    >>> parse_algebraic(Board(), "Che2"), parse_algebraic(Board(), "Che3", first_rank=1)
    (Move.from_iccs('h2e2'), Move.from_iccs('h2e2'))
    """
    _check_first_rank(first_rank)
    match = _ALGEBRAIC.fullmatch(text.rstrip("+#"))
    if match is None:
        raise InvalidMoveError(f"not an algebraic move: {text!r} (expected piece and square, as Che2)")
    letter, file, rank = match["piece"], match["file"], match["rank"]
    target = _square(match["to_file"], int(match["to_rank"]) - first_rank)
    type = _ALGEBRAIC_TYPES.get(letter, 0 if file and rank else PAWN)
    found = []
    for sq in range(90):
        cell = board._cells[sq]
        if cell // 8 != board.turn or (cell & 7) not in (range(1, 8) if type == 0 else (type,)):
            continue
        if (file and FILE_NAMES[sq % 9] != file) or (rank and sq // 9 + first_rank != int(rank)):
            continue
        move = _BY_SQUARES.get((sq, target))
        if move is not None and board.is_legal(move):
            found.append(move)
    if len(found) > 1 and type == PAWN:
        found = [move for move in found if move.from_square % 9 == target % 9] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousMoveError(
            f"ambiguous move {text!r}: {' or '.join([move.iccs for move in found])} in {board.fen()}", found
        )
    piece = PIECE_NAMES[type] if type else "piece"
    place = f" on {file}{rank}" if file and rank else f" on file {file}" if file else f" on rank {rank}" if rank else ""
    raise IllegalMoveError(
        f"illegal move {text!r}: no {COLOR_NAMES[board.turn]} {piece}{place} can go there in {board.fen()}"
    )


def algebraic(board: Board, move: Move, first_rank: int = 0) -> str:
    """Return a legal move in the algebraic notation of chess. Different legal moves of a position have different texts.

    It is the letter of the piece (of WXF; none for a pawn), ``x`` if it captures, the square, ``+`` if it gives check
    or ``#`` if that is mate. If another piece of the kind can go there, or a pawn captures, the file stands before the
    square; if that is not enough the rank, or both. ``first_rank`` is the number of Red's back rank, 0
    or 1. Raises ``IllegalMoveError``, or ``ValueError`` for another ``first_rank``.

    >>> from xiangqi import Board
    >>> algebraic(Board(), Move.from_iccs("h2e2")), algebraic(Board(), Move.from_iccs("h0g2"))
    ('Che2', 'Hg2')
    """
    _check_first_rank(first_rank)
    if not board.is_legal(move):
        raise illegal_error(board, move)
    a, b = move.from_square, move.to_square
    piece, captures = board._cells[a], board._cells[b] != 0
    rivals = [
        sq for sq in board.pieces(board.turn, piece & 7)
        if sq != a and (other := _BY_SQUARES.get((sq, b))) is not None and board.is_legal(other)
    ]  # fmt: skip
    file, rank = FILE_NAMES[a % 9], str(a // 9 + first_rank)
    origin = ""
    if rivals or (captures and piece & 7 == PAWN):
        if all(sq % 9 != a % 9 for sq in rivals):
            origin = file
        else:
            origin = rank if all(sq // 9 != a // 9 for sq in rivals) else file + rank
    check = ""
    if board.gives_check(move):
        after = board.copy(stack=False)
        after.push(move)
        check = "+" if after.has_legal_moves() else "#"
    letter = _WXF_LETTERS[piece & 7] if piece & 7 != PAWN else ""
    return f"{letter}{origin}{'x' if captures else ''}{FILE_NAMES[b % 9]}{b // 9 + first_rank}{check}"


def _square(file: str, rank: int) -> Square:
    """Return the square of a file's letter and a rank from 0, or -1 if there is none."""
    return rank * 9 + FILE_NAMES.index(file) if 0 <= rank <= 9 else -1


# --- Writing ----------------------------------------------------------------------------------------------------------


def wxf(board: Board, move: Move) -> str:
    """Return a legal move in WXF, such as ``C2=5``. Different legal moves of a position have different texts.

    The letters are ``K``, ``A``, ``E``, ``H``, ``R``, ``C`` and ``P``. For tandem pieces see the table of the module.
    Raises ``IllegalMoveError``.

    >>> from xiangqi import Board
    >>> wxf(Board(), Move.from_iccs("h0g2"))
    'H2+3'
    """
    type, action, number = _describe(board, move)
    file = _file(move.from_square, board.turn)
    columns = _columns(board, type)
    column = columns[file]
    letter = _WXF_LETTERS[type]
    if _stands_out(column, move, type):
        return f"{letter}{file}{_WXF_ACTIONS[action]}{number}"
    tandem = [squares for squares in columns.values() if len(squares) > 1]
    most = 2 if type in (ADVISOR, BISHOP) else 5 if type == PAWN else 3
    if len(tandem) > 1:  # the file replaces the letter, which only pawns may omit
        most = 3 if type == PAWN else 0
    if max(map(len, tandem)) <= most:
        stem = letter if len(tandem) == 1 else str(file)
        mark = _WXF_MARKS[len(column)][column.index(move.from_square)]
        head = mark if len(mark) == 2 else mark + stem if mark else f"{stem}{file}"
    else:
        head = f"{_ordinal(tandem, move.from_square)}{letter}"
    return f"{head}{_WXF_ACTIONS[action]}{number}"


def chinese(board: Board, move: Move, traditional: bool = False) -> str:
    """Return a legal move in Chinese notation. Different legal moves of a position have different texts.

    Red uses Chinese numerals; Black uses Arabic ones, full-width in traditional text. The number of a tandem pawn is
    always Chinese (一卒平5). For tandem pieces see the table of the module. Raises ``IllegalMoveError``.

    >>> from xiangqi import Board
    >>> board = Board()
    >>> chinese(board, Move.from_iccs("h0g2")), chinese(board, Move.from_iccs("h0g2"), traditional=True)
    ('马二进三', '傌二進三')
    >>> board.push_iccs("h2e2")
    Move.from_iccs('h2e2')
    >>> chinese(board, Move.from_iccs("h7e7")), chinese(board, Move.from_iccs("h7e7"), traditional=True)
    ('炮8平5', '砲８平５')
    """
    type, action, number = _describe(board, move)
    digits = _CHINESE_DIGITS if board.turn == RED else _FULL_WIDTH_DIGITS if traditional else _ASCII_DIGITS
    name = PIECES[board.turn * 8 + type].chinese(traditional)  # type: ignore[union-attr]
    tail = (_TRADITIONAL_ACTIONS if traditional else _SIMPLIFIED_ACTIONS)[action] + digits[number]
    file = _file(move.from_square, board.turn)
    columns = _columns(board, type)
    column = columns[file]
    if _stands_out(column, move, type):
        return name + digits[file] + tail
    tandem = [squares for squares in columns.values() if len(squares) > 1]
    if len(tandem) == 1 and len(column) <= 3:
        marks = (_TRADITIONAL_MARKS if traditional else _SIMPLIFIED_MARKS)[len(column)]
        return marks[column.index(move.from_square)] + name + tail
    number_of_piece = str(_ordinal(tandem, move.from_square))
    return "".join([_CHINESE_DIGITS[int(digit)] for digit in number_of_piece]) + name + tail


def illegal_error(board: Board, move: Move) -> IllegalMoveError:
    """Return the error for a move that is not legal on ``board``."""
    return IllegalMoveError(f"illegal move {move.iccs!r}: {why_illegal(board, move)} in {board.fen()}")


def _file(sq: Square, color: int) -> int:
    """Return the number of a square's file, 1 to 9 from the player's right."""
    return sq % 9 + 1 if color == BLACK else 9 - sq % 9


def _describe(board: Board, move: Move) -> tuple[PieceType, int, int]:
    """Return piece type, action (0 traverse, 1 advance, -1 retreat) and final number of a legal move."""
    if not board.is_legal(move):
        raise illegal_error(board, move)
    type = board._cells[move.from_square] & 7
    ranks = move.to_square // 9 - move.from_square // 9
    if board.turn == BLACK:
        ranks = -ranks
    action = (ranks > 0) - (ranks < 0)
    return type, action, _file(move.to_square, board.turn) if action == 0 or type in _OBLIQUE else abs(ranks)


def _columns(board: Board, type: PieceType) -> dict[int, list[Square]]:
    """Return the squares of the mover's pieces of a type by file: files from the right, squares from the front."""
    cells, red = board._cells, board.turn == RED
    code = board.turn * 8 + type
    columns: dict[int, list[Square]] = {}
    # From the mover's side: files from right to left, each from the far end.
    sq = cells.find(code)
    while sq >= 0:
        columns.setdefault(9 - sq % 9 if red else sq % 9 + 1, []).append(sq)
        sq = cells.find(code, sq + 1)
    if red:
        for squares in columns.values():
            squares.reverse()
    return dict(sorted(columns.items()))


def _stands_out(column: list[Square], move: Move, type: PieceType) -> bool:
    """Whether the file alone identifies the piece of a column that moves."""
    if type in (ADVISOR, BISHOP):
        step = move.to_square - move.from_square
        return sum((sq, sq + step) in _BY_SQUARES for sq in column) == 1
    return len(column) == 1


def _ordinal(tandem: list[list[Square]], sq: Square) -> int:
    """Return the number of a piece among all tandem pieces, from 1: right to left, front to rear."""
    return [other for squares in tandem for other in squares].index(sq) + 1


# --- Reading ----------------------------------------------------------------------------------------------------------


class _Words(NamedTuple):
    """The parts of a move text, parsed without the board."""

    type: PieceType
    mark: str
    """``+``, ``M`` (middle), ``-``, ``++``, ``--`` or empty."""
    place: int
    """Number of a tandem piece from 1, or 0: within its file if that is given, else among all tandem pieces."""
    file: int
    """1 to 9, or 0 if not given."""
    action: int
    number: int


def parse_wxf(board: Board, text: str) -> Move:
    """Return the legal move that a WXF text describes.

    Accepted are upper and lower case; ``N``, ``B``, ``G`` and ``S`` for horse, elephant, king and pawn; ``.`` for
    ``=``; marks before or after the letter (``+C=5``, ``C+=5``) and with the file (``+P3=4``, ``3+=4``); numbers of
    tandem pawns with their file, as Fairy-Stockfish writes them (``23=4``: the second from the front on file 3), or
    among all (``2P=4``, ``Pb=4``); and ``M`` for elephant, unless it is the middle pawn that advances. A text that
    matches several pieces is accepted if only one of them can legally make the move.

    Raises ``InvalidMoveError`` if the text is not WXF, ``IllegalMoveError`` if the move is not legal, and
    ``AmbiguousMoveError`` if several legal moves match.

    >>> from xiangqi import Board
    >>> parse_wxf(Board(), "C2=5")
    Move.from_iccs('h2e2')
    """
    if _MINISTER.fullmatch(text):
        if text.endswith("+1"):  # as a middle pawn may advance
            with contextlib.suppress(IllegalMoveError):
                return _resolve(board, text, _read_wxf(text), wxf=True)
        return _resolve(board, text, _read_wxf(f"E{text[1:]}"), wxf=True)
    return _resolve(board, text, _read_wxf(text), wxf=True)


def parse_chinese(board: Board, text: str) -> Move:
    """Return the legal move that a text in Chinese notation describes.

    Accepted are simplified and traditional characters in any mixture, the characters of either side (车, 車 and 俥),
    and Chinese, half-width and full-width digits; for tandem pawns on two files also 前兵九平八 and 前九平八. A text
    that matches several pieces is accepted if only one of them can legally make the move.

    Raises ``InvalidMoveError`` if the text is not Chinese notation, ``IllegalMoveError`` if the move is not legal, and
    ``AmbiguousMoveError`` if several legal moves match.

    >>> from xiangqi import Board
    >>> parse_chinese(Board(), "炮二平五") is parse_chinese(Board(), "砲２平５")
    True
    """
    return _resolve(board, text, _read_chinese(text), wxf=False)


_MINISTER: Final = re.compile(r"[Mm][1-9][+-][1-9]", re.ASCII)
_TYPES: Final = {"K": KING, "A": ADVISOR, "B": BISHOP, "N": KNIGHT, "R": ROOK, "C": CANNON, "P": PAWN}
_ACTIONS: Final = {"=": 0, "+": 1, "-": -1}

# Both notations are mapped to one alphabet. In WXF the "b" of "Pb" (second pawn) is handled separately.
_WXF_SPELLING: Final = str.maketrans("EHGS.−–", "BNKP=--")
_CHINESE_SPELLING: Final = str.maketrans(
    "帅帥将將仕士相象马馬傌车車俥炮砲包兵卒平进進退前中后後〇一二三四五六七八九",
    "KKKKAABBNNNRRRCCCPP=++-+M--0123456789",
)

_HEAD: Final = re.compile(
    r"""(?P<piece1>[KABNRCP])(?P<file1>[1-9])                         # C2
      | (?P<mark2>[-+M])(?P<piece2>[KABNRCP])(?P<file2>[1-9]?)        # +C, +P3
      | (?P<piece3>[KABNRCP])(?P<mark3>[-+M])                         # C+
      | (?P<mark4>[-+M])(?P<file4>[1-9])(?P<piece4>P?)                # +3
      | (?P<file5>[1-9])(?P<mark5>[-+M])                              # 3+
      | (?P<mark6>\+\+|--)                                            # ++
      | (?P<place7>[1-9])(?P<file7>[1-9])                             # 23
      | (?P<place8>[1-9][0-9]?)(?P<piece8>[KABNRCP])(?P<file8>[1-9]?) # 2P, 2P3
    """,
    re.VERBOSE,
)


def spell(text: str) -> str:
    """Return a text in WXF or Chinese notation, sound or not, in the one alphabet to which the parsers map both.

    The pieces are ``KABNRCP``, the actions and marks ``=+-M``; other characters stay as they are.

    >>> spell("炮二平五"), spell("h2+3"), spell("前馬進７"), spell("跑二平5")
    ('C2=5', 'N2+3', '+N+7', '跑2=5')
    """
    spelled = unicodedata.normalize("NFKC", text)
    return spelled.upper().translate(_WXF_SPELLING) if text.isascii() else spelled.translate(_CHINESE_SPELLING)


@lru_cache(maxsize=1 << 14)
def _read_wxf(text: str) -> _Words:
    spelled = unicodedata.normalize("NFKC", text).strip()
    if len(spelled) == 4 and spelled[0] in "PpSs" and spelled[1] in "abcdeABCDE":
        spelled = f"{'abcde'.index(spelled[1].lower()) + 1}P{spelled[2:]}"
    spelled = spelled.upper().translate(_WXF_SPELLING)
    return _read(text, spelled, "a WXF move", "piece, file, direction and number, as C2=5")


@lru_cache(maxsize=1 << 14)
def _read_chinese(text: str) -> _Words:
    spelled = spell("".join(text.split()))
    if text.isascii() or spelled[:2] in ("++", "--"):
        spelled = ""
    return _read(text, spelled, "a Chinese move", "four characters, as 炮二平五")


def _read(text: str, spelled: str, what: str, expected: str) -> _Words:
    head = _HEAD.fullmatch(spelled[:-2])
    if head is None or spelled[-2] not in _ACTIONS or spelled[-1] not in "123456789":
        raise InvalidMoveError(f"not {what}: {text!r} (expected {expected})")
    parts = {name[:-1]: part for name, part in head.groupdict().items() if part}
    type = _TYPES[parts.get("piece", "P")]
    action = _ACTIONS[spelled[-2]]
    if action == 0 and type in _OBLIQUE:
        raise InvalidMoveError(f"not {what}: {text!r} (no {PIECE_NAMES[type]} goes sideways)")
    if action < 0 and type == PAWN:
        raise InvalidMoveError(f"not {what}: {text!r} (no pawn retreats)")
    place, file = int(parts.get("place", 0)), int(parts.get("file", 0))
    return _Words(type, parts.get("mark", ""), place, file, action, int(spelled[-1]))


def _resolve(board: Board, text: str, words: _Words, wxf: bool) -> Move:
    """Return the one legal move that matches the words."""
    type, mark, place, file, action, number = words
    if not mark and not place:
        index = _lone_piece(board._view, board.turn, type, file, action, number)
        if index >= 0:
            return MOVES[index]
    squares = _candidates(_columns(board, type), words, wxf)
    targets = [_target(sq, type, action, number, board.turn) for sq in squares]
    moves = [move for pair in zip(squares, targets, strict=True) if (move := _BY_SQUARES.get(pair))]
    legal = [move for move in moves if board.is_legal(move)]
    if len(legal) == 1:
        return legal[0]
    if legal:
        raise AmbiguousMoveError(
            f"ambiguous move {text!r}: {' or '.join([move.iccs for move in legal])} in {board.fen()}", legal
        )
    piece = f"{COLOR_NAMES[board.turn]} {PIECE_NAMES[type]}"
    if moves:
        reason = why_illegal(board, moves[0])
    elif squares:
        reason = f"no {piece} goes that way from {' or '.join([square_name(sq) for sq in squares])}"
    elif mark or place:
        reason = f"there is no such tandem {piece}" + (f" on file {file}" if file else "")
    else:
        reason = f"there is no {piece} on file {file}"
    raise IllegalMoveError(f"illegal move {text!r}: {reason} in {board.fen()}")


def _candidates(columns: dict[int, list[Square]], words: _Words, wxf: bool) -> list[Square]:
    """Return the squares of the pieces that match the words."""
    type, mark, place, file, _, _ = words
    tandem = {f: squares for f, squares in columns.items() if len(squares) > 1}
    if not mark and not place:
        column = columns.get(file, [])
        if wxf and len(column) in (3, 5) and type not in (ADVISOR, BISHOP):
            return [column[len(column) // 2]]
        return column
    if place and not file:
        return [sq for squares in tandem.values() for sq in squares][place - 1 : place]
    found = []
    for squares in [tandem.get(file, [])] if file else tandem.values():
        count = len(squares)
        if place:
            # In WXF "33" is the middle pawn of three on file 3; in other programs it is the third one.
            middle = wxf and place == file and count == 3 and len(tandem) > 1
            index = 1 if middle else place - 1
        elif mark == "M":
            index = count // 2 if count % 2 else count
        else:
            # Of four or five pawns WXF names the first and last "++" and "--", and the next ones "+" and "-".
            index = 1 if wxf and len(mark) == 1 and type == PAWN and 4 <= count <= 5 else 0
            if mark[0] == "-":
                index = count - 1 - index
        found += squares[index : index + 1]
    return found


@compiled
def _target(sq: int, type: int, action: int, number: int, color: int) -> int:
    """Return the target of a piece on ``sq``, or -1 if it is off the board."""
    ahead = -9 if color == BLACK else 9
    if action != 0 and type not in _OBLIQUE:
        target = sq + action * number * ahead
    else:
        aside = (number - 1 if color == BLACK else 9 - number) - sq % 9
        ranks = 0
        if type == KNIGHT:
            ranks = 3 - abs(aside)
            if ranks not in (1, 2):
                return -1
        elif type == ADVISOR or type == BISHOP:
            ranks = type - 1
        target = sq + aside + action * ranks * ahead
    return target if 0 <= target < 90 else -1


@compiled
def _lone_piece(cells: Cells, turn: int, type: int, file: int, action: int, number: int) -> int:
    """Return the index of the legal move if one piece of the type stands on the file (the usual case), else -1."""
    column = 9 - file if turn == RED else file - 1
    found = -1
    for sq in range(column, 90, 9):
        if cells[sq] == turn * 8 + type:
            if found >= 0:
                return -1
            found = sq
    target = _target(found, type, action, number, turn) if found >= 0 else -1
    if target < 0 or MOVE_INDEX[found, target] < 0 or not is_legal(cells, turn, found, target):
        return -1
    return int(MOVE_INDEX[found, target])


def why_illegal(board: Board, move: Move) -> str:
    """Return why a move is illegal on ``board``.

    >>> from xiangqi import Board
    >>> why_illegal(Board(), Move.from_iccs("h9g7"))
    "it is red's turn"
    """
    if move is NULL_MOVE:
        return "passing is not allowed"
    piece, target = board.piece_at(move.from_square), board.piece_at(move.to_square)
    if piece is None:
        return f"there is no piece on {square_name(move.from_square)}"
    if piece.color != board.turn:
        return f"it is {COLOR_NAMES[board.turn]}'s turn"
    if target is not None and target.color == board.turn:
        return f"{square_name(move.to_square)} holds a piece of the same side"
    if is_pseudo_legal(board.cells, board.turn, move.from_square, move.to_square):
        return "it leaves the king in check"
    return "the piece cannot move like that"
