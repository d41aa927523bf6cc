"""Lines of several moves as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, get_args

from xiangqi.move import NULL_MOVE, RED, IllegalMoveError, Move
from xiangqi.notation import algebraic, chinese, illegal_error, wxf

if TYPE_CHECKING:
    from xiangqi.board import Board

Style = Literal["iccs", "wxf", "chinese", "traditional", "algebraic"]
"""How the moves of a line are written."""


def line_text(board: Board, moves: Iterable[Move], style: Style = "wxf") -> str:
    """Return moves that are played from a board as numbered text; see ``Board.line_text``.

    >>> from xiangqi import Board
    >>> line_text(Board(), Board.from_moves("h2e2 h9g7 h0g2").move_stack, "chinese")
    '1. 炮二平五 马8进7 2. 马二进三'
    """
    if style not in (styles := get_args(Style)):
        raise ValueError(f"no such style: {style!r} (expected one of {', '.join(styles)})")
    board, words = board.copy(stack=False), []
    for ply, move in enumerate(moves, 1):
        if board.turn == RED or ply == 1:
            words.append(f"{board.fullmove_number}.{'' if board.turn == RED else '..'}")
        try:
            words.append("--" if move is NULL_MOVE else _written(board, move, style))
        except IllegalMoveError as error:
            raise IllegalMoveError(f"ply {ply}: {error}") from None
        board.push(move)
    return " ".join(words)


def _written(board: Board, move: Move, style: Style) -> str:
    if style == "wxf":
        return wxf(board, move)
    if style == "algebraic":
        return algebraic(board, move)
    if style == "iccs":
        if not board.is_legal(move):
            raise illegal_error(board, move)
        return move.iccs
    return chinese(board, move, traditional=style == "traditional")
