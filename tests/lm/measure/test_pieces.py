from __future__ import annotations

import numpy as np
import pytest

from lm.measure.explain import explain
from lm.measure.pieces import speakers
from lm.model.folder import load_network
from lm.model.loading import load_model, network_of
from lm.model.model import XiangqiLM
from lm.players.policy import Evaluator
from small import random_game
from xiangqi import Board, IllegalMoveError, Move

POSITIONS = [Board(), random_game(1, 30), random_game(2, 45), random_game(3, 61)]


def ranks(values: list[float]) -> np.ndarray:
    return np.argsort(np.argsort(values))


def agreement(a: dict[int, float], b: dict[int, float]) -> float:
    """Return Spearman's rank correlation of two judgements of the pieces."""
    squares = sorted(a)
    return float(np.corrcoef(ranks([a[sq] for sq in squares]), ranks([b[sq] for sq in squares]))[0, 1])


@pytest.mark.parametrize("board", POSITIONS, ids=lambda board: f"ply{board.ply}")
class TestValues:
    def test_they_add_up_to_what_the_pieces_change(self, model: XiangqiLM, board: Board) -> None:
        network, move = network_of(model), board.legal_moves[1]
        *_, found = speakers(network, board, move, orders=4)
        assert sorted(found.values) == sorted(board.piece_map())
        assert sum(found.values.values()) == pytest.approx(found.difference, abs=1e-3)
        assert found.difference == pytest.approx(explain(model, board, move).difference, abs=1e-3)

    def test_the_order_of_pieces_is_that_of_integrated_gradients(self, model: XiangqiLM, board: Board) -> None:
        network = network_of(model)
        for move in board.legal_moves[:2]:
            *_, found = speakers(network, board, move, orders=32)
            shares = {share.square: share.value for share in explain(model, board, move).shares}
            assert agreement(found.values, shares) > 0.9


@pytest.mark.slow
def test_the_shipped_model_names_the_same_pieces_by_both_methods() -> None:
    model, network = load_model(), load_network()
    boards = [Board.from_moves("h2e2 h9g7 h0g2"), Board.from_moves("c3c4 g6g5 h0g2"), random_game(1, 30)]
    found = []
    for board in boards:
        (thought,) = Evaluator(network)([board])
        move = thought.moves[int(np.argmax(thought.scores))]
        *_, said = speakers(network, board, move, orders=64)
        shares = {share.square: share.value for share in explain(model, board, move).shares}
        found.append(agreement(said.values, shares))
        assert max(said.values, key=said.values.__getitem__) == max(shares, key=shares.__getitem__)
    assert min(found) > 0.5, found


def test_a_piece_seen_last_or_first_is_not_told_apart_by_chance(model: XiangqiLM) -> None:
    network, board = network_of(model), random_game(2, 45)
    one, two = (list(speakers(network, board, board.legal_moves[0], 32, seed))[-1].values for seed in (1, 2))
    assert agreement(one, two) > 0.95


def test_an_illegal_move(model: XiangqiLM) -> None:
    with pytest.raises(IllegalMoveError):
        next(speakers(network_of(model), Board(), Move.from_iccs("a0a5")))
