"""What is invented as the past of a position must be able to have happened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.model.history import invent, moves_into
from xiangqi import STARTING_FEN, Board

FENS = [
    STARTING_FEN,
    "r1bakab1r/9/1cn4c1/p1p1p1p1p/4C4/9/P1P1P1P1P/2N4C1/9/R1BAKABNR b - - 0 1",
    "3k5/9/9/9/9/9/9/9/9/R3K4 b - - 4 30",
    "3akab2/9/4b4/9/2P6/9/9/4B4/4A4/2BK1A3 w - - 0 1",
]


@given(st.lists(st.integers(0, 200), max_size=60), st.sampled_from(FENS))
def test_what_is_invented_may_have_led_here(choices: list[int], fen: str) -> None:
    board = Board(fen)
    for choice in choices:
        if not board.legal_moves or board.outcome():
            break
        board.push(board.legal_moves[choice % len(board.legal_moves)])
    position = Board(board.fen())
    untouched = position.fen()
    for move, before in moves_into(position):
        assert before.is_valid() and before.turn == 1 - position.turn
        assert before.is_legal(move) and not before.is_capture(move)
        before.push(move)
        assert before.placement() == position.placement() and before.turn == position.turn
    assert position.fen() == untouched


def test_every_quiet_move_that_was_played_is_among_them() -> None:
    board = Board.from_moves("h2e2 h9g7 h0g2 i9h9 i0h0 b9c7 g3g4 c6c5 b0a2 c9e7")
    while board.ply:
        position, last = Board(board.fen()), board.peek()
        assert last in [move for move, _ in moves_into(position)]
        board.pop()


def test_a_check_is_given_by_the_invented_move() -> None:
    position = Board("4k4/9/9/9/9/9/9/9/4R4/3K5 b")
    move, before = invent(position) or pytest.fail("nothing was invented")
    assert not before.is_check()
    assert before.gives_check(move)


def test_where_nothing_can_have_been_moved_nothing_is_invented() -> None:
    """Black's king would have faced the other on e9, and on d8 stands a knight."""
    assert invent(Board("3k5/3N5/9/9/9/9/9/9/9/4K4 w")) is None
