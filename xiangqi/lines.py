"""Moves and lines of moves as text, in any notation by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, get_args

from xiangqi.move import NULL_MOVE, RED, IllegalMoveError, Move
from xiangqi.notation import algebraic, chinese, illegal_error, wxf

if TYPE_CHECKING:
    from xiangqi.board import Board
    from xiangqi.move import Color

Notation = Literal["iccs", "wxf", "chinese", "traditional", "algebraic"]
"""How moves are written: ``h2e2``, ``C2=5``, ``炮二平五``, the same in traditional characters, or ``Che2``."""


def check_notation(notation: str) -> None:
    """Raise ``ValueError`` if there is no such notation.

    >>> check_notation("wxf")
    >>> check_notation("san")
    Traceback (most recent call last):
    ValueError: no such notation: 'san' (expected one of iccs, wxf, chinese, traditional, algebraic)
    """
    if notation not in (known := get_args(Notation)):
        raise ValueError(f"no such notation: {notation!r} (expected one of {', '.join(known)})")


def move_text(board: Board, move: Move, notation: Notation) -> str:
    """Return a legal move in a notation, or ``--`` for the null move.

    Raises ``IllegalMoveError``, or ``ValueError`` if there is no such notation.

    >>> from xiangqi import Board
    >>> move_text(Board(), Move.from_iccs("h2e2"), "traditional")
    '炮二平五'
    """
    if move is NULL_MOVE:
        return "--"
    if notation == "wxf":
        return wxf(board, move)
    if notation == "algebraic":
        return algebraic(board, move)
    if notation == "iccs":
        if not board.is_legal(move):
            raise illegal_error(board, move)
        return move.iccs
    check_notation(notation)
    return chinese(board, move, traditional=notation == "traditional")


def move_number(start_turn: Color, ply: int, first: int = 1) -> int:
    """Return the number of a ply as lists of moves have it: a move of Red's and the answer share one. The start has 0.

    ``first`` is the number of the first move.

    >>> from xiangqi import BLACK, RED
    >>> [[move_number(turn, ply) for ply in range(5)] for turn in (RED, BLACK)]
    [[0, 1, 1, 2, 2], [0, 1, 2, 2, 3]]
    >>> [move_number(BLACK, ply, 9) for ply in range(5)]
    [0, 9, 10, 10, 11]
    """
    return first + (start_turn + ply - 1) // 2 if ply else 0


def line_text(board: Board, moves: Iterable[Move], notation: Notation = "wxf") -> str:
    """Return moves that are played from a board as numbered text; see ``Board.line_text``.

    >>> from xiangqi import Board
    >>> line_text(Board(), Board.from_moves("h2e2 h9g7 h0g2").move_stack, "chinese")
    '1. 炮二平五 马8进7 2. 马二进三'
    """
    check_notation(notation)
    board, words = board.copy(stack=False), []
    for ply, move in enumerate(moves, 1):
        if board.turn == RED or ply == 1:
            words.append(f"{board.fullmove_number}.{'' if board.turn == RED else '..'}")
        try:
            words.append(move_text(board, move, notation))
        except IllegalMoveError as error:
            raise IllegalMoveError(f"ply {ply}: {error}") from None
        board.push(move)
    return " ".join(words)
