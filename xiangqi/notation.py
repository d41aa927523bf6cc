"""Move notation, both ways: UCI, WXF and Chinese."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xiangqi.move import ADVISOR, BISHOP, FILES, KNIGHT, PAWN, PIECES, SQUARES, IllegalMoveError

if TYPE_CHECKING:
    from xiangqi.board import Board
    from xiangqi.move import Move

_CHINESE_DIGITS: Final = "零一二三四五六七八九"
_FULL_WIDTH_DIGITS: Final = "０１２３４５６７８９"


def wxf(board: Board, move: Move) -> str:
    raise NotImplementedError


def chinese(board: Board, move: Move, traditional: bool = False) -> str:
    """Return a legal move in Chinese notation."""
    code = int(board.cells[move.from_square])
    piece = PIECES[code]
    if piece is None or piece.color != board.turn:
        raise IllegalMoveError(f"cannot write {move.iccs}: no piece of the side to move stands there in {board.fen()}")
    digits = _CHINESE_DIGITS if piece.color == 0 else _FULL_WIDTH_DIGITS if traditional else "0123456789"
    name = piece.chinese(traditional)
    forward, number = _direction(move, piece.color, piece.type)
    file = digits[_file(move.from_square, piece.color)]
    group = _group(board, move, code)
    if len(group) == 1:
        head = name + file
    else:
        place = group.index(move.from_square)
        same_file = all(sq % FILES == group[0] % FILES for sq in group)
        if same_file and len(group) <= 3:
            marks = ("前後" if traditional else "前后") if len(group) == 2 else ("前中後" if traditional else "前中后")
        else:
            marks = "一二三四五六七八九"
        head = marks[place] + name
    return head + ("平", "進" if traditional else "进", "退")[forward] + digits[number]


def parse_wxf(board: Board, text: str) -> Move:
    raise NotImplementedError


def parse_chinese(board: Board, text: str) -> Move:
    raise NotImplementedError


def _file(sq: int, color: int) -> int:
    """Return the number of a file, 1 to 9 from the right hand of its player."""
    return 9 - sq % FILES if color == 0 else sq % FILES + 1


def _direction(move: Move, color: int, type: int) -> tuple[int, int]:
    """Return 0, 1 or -1 (traverse, advance, retreat) and the number that ends the notation."""
    ranks = move.to_square // FILES - move.from_square // FILES
    if color:
        ranks = -ranks
    forward = (ranks > 0) - (ranks < 0)
    if ranks == 0 or type in (ADVISOR, BISHOP, KNIGHT):
        return forward, _file(move.to_square, color)
    return forward, abs(ranks)


def _group(board: Board, move: Move, code: int) -> list[int]:
    """Return the squares among which the moving piece must be told apart, right to left and front to back."""
    cells = board.cells
    color, type = code >> 3, code & 7
    same = [sq for sq in SQUARES if cells[sq] == code]
    if type in (ADVISOR, BISHOP):
        same = [move.from_square]
    files = [sq % FILES for sq in same]
    tandem = [sq for sq in same if files.count(sq % FILES) > 1]
    if move.from_square not in tandem:
        return [move.from_square]
    if type != PAWN:
        tandem = [sq for sq in tandem if sq % FILES == move.from_square % FILES]
    return sorted(tandem, key=lambda sq: (_file(sq, color), sq if color else -sq))
