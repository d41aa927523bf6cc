"""What is invented as the past of a position must be able to have happened."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.dataset.records import Record
from lm.measure.evaluate import evaluate, game_moves
from lm.model.encoding import GameMoves
from lm.model.history import invent, moves_into
from lm.model.loading import network_of
from lm.players.policy import Evaluator
from small import small_model
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


def test_a_position_that_is_turned_round_gets_the_same_past() -> None:
    for fen in FENS[1:]:
        here, there = (
            invent(board) or pytest.fail("nothing was invented") for board in (Board(fen), Board(fen).rotate())
        )
        assert there[0] == here[0].rotate()
        assert there[1] == here[1].rotate()


def test_a_check_is_given_by_the_invented_move() -> None:
    position = Board("4k4/9/9/9/9/9/9/9/4R4/3K5 b")
    move, before = invent(position) or pytest.fail("nothing was invented")
    assert not before.is_check()
    assert before.gives_check(move)


def test_where_nothing_can_have_been_moved_nothing_is_invented() -> None:
    """Black's king would have faced the other on e9, and on d8 stands a knight."""
    assert invent(Board("3k5/3N5/9/9/9/9/9/9/9/4K4 w")) is None


class TestTheModelReadsIt:
    FEN = FENS[1]

    def test_a_position_is_read_as_if_the_invented_ply_had_been_played(self) -> None:
        move, before = invent(Board(self.FEN)) or pytest.fail("nothing was invented")
        before.push(move)
        played = GameMoves.of(before)
        read = GameMoves.of(Board(self.FEN)).with_past()
        assert (read.moves.tolist(), read.cells.tolist(), read.turn) == (
            played.moves.tolist(),
            played.cells.tolist(),
            played.turn,
        )

    def test_players_and_measures_are_given_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        board, model = Board(self.FEN), small_model()
        player, measure = (
            Evaluator(network_of(model))([board])[0].wdl,
            evaluate(model, [GameMoves.of(board)], [2]).forecast[0],
        )
        monkeypatch.setattr(GameMoves, "with_past", lambda self: self)
        alone = evaluate(model, [GameMoves.of(board)], [2]).forecast[0]
        assert np.allclose(player[::-1], measure, atol=1e-2)
        assert not np.allclose(alone, measure, atol=1e-2)

    def test_games_from_the_initial_position_are_left_alone(self) -> None:
        game = GameMoves.of(Board.from_moves("h2e2 h9g7"))
        assert game.with_past() is game

    def test_a_game_from_a_position_keeps_its_past_as_it_goes_on(self) -> None:
        board = Board(self.FEN)
        first = GameMoves.of(board).with_past()
        board.push(board.legal_moves[0])
        later = GameMoves.of(board).with_past()
        assert later.moves[:-1].tolist() == first.moves.tolist()
        assert later.with_past() is later

    def test_measures_leave_the_invented_ply_out(self) -> None:
        record = Record(np.array([move.index for move in Board(self.FEN).legal_moves[:1]], np.int16), fen=self.FEN)
        found = evaluate(small_model(), [game_moves(record)], [2])
        assert found.ply.tolist() == [0, 1]
        assert np.isnan(found.figures["nll"]).tolist() == [False, True]
        assert found.outcome.tolist() == [0, 2]  # Black is to move, and Red won
