from __future__ import annotations

import numpy as np
import pytest
import torch

from lm.measure.probes import boards, fit, layer_states, probe, random_twin
from lm.model.encoding import Encoder, GameMoves
from lm.model.model import XiangqiLM
from small import random_game, small_model
from xiangqi import Board


class TestBoards:
    def test_as_the_mover_sees_them(self) -> None:
        board = random_game(3, 31)
        found = boards(GameMoves.of(board))
        assert found.shape == (32, 90)
        for ply in (31, 30):
            seen = board if board.turn == 0 else board.rotate()
            expected = np.zeros(90, np.int64)
            for square, piece in seen.piece_map().items():
                expected[square] = piece.type if piece.color == 0 else piece.type + 7
            assert found[ply].tolist() == expected.tolist()
            board.pop()


class TestStates:
    def test_the_last_ones_are_what_the_heads_read(self, model: XiangqiLM) -> None:
        lines = [GameMoves.of(random_game(seed, plies)) for seed, plies in ((1, 30), (2, 5), (3, 17))]
        layers = layer_states(model, lines)
        assert [tuple(layer.shape) for layer in layers] == [(55, 32)] * 3
        tensors = Encoder(model.config.input_groups, model.config.candidate_groups)(lines).tensors()
        with torch.inference_mode():
            expected = model.states(tensors["inputs"], tensors["input_starts"], tensors["lengths"])
            torch.testing.assert_close(model.output_norm(layers[-1]), expected, atol=1e-5, rtol=1e-4)


class TestFit:
    def test_a_linear_relation_is_found(self) -> None:
        x = torch.randn(400, 8, generator=torch.manual_seed(0))
        truth = torch.randn(8, 3)
        weights, bias = fit(x, x @ truth + 2)
        torch.testing.assert_close(weights.float(), truth, atol=0.01, rtol=0.01)
        torch.testing.assert_close(bias.float(), torch.full((3,), 2.0), atol=0.01, rtol=0.01)


class TestTwin:
    def test_same_shape_other_weights_and_every_layer_does_something(self, model: XiangqiLM) -> None:
        twin = random_twin(model)
        assert {k: v.shape for k, v in twin.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}
        layers = layer_states(twin, [GameMoves.of(random_game(1, 10))])
        assert not torch.allclose(layers[1], layers[2], atol=1e-3)
        assert not torch.equal(random_twin(model, 1).table.weight, twin.table.weight)


@pytest.fixture(scope="module")
def games() -> list[GameMoves]:
    return [GameMoves.of(random_game(seed, 40)) for seed in range(60)]


class TestProbe:
    def test_a_layer_that_holds_the_board_is_read_without_error(self, games: list[GameMoves]) -> None:
        # 1260 rows of the board table, one component each, before a norm that a linear map can undo nearly.
        model = small_model(n_embd=1260, n_layer=1, input_groups=("board",))
        with torch.no_grad():
            model.table.weight.copy_(torch.eye(1260))
            model.positions.weight.zero_()
        found = probe({"all-seeing": model}, games[:45], games[45:], samples=20)
        assert found.layers["all-seeing"][0].points > 0.995

    def test_better_than_chance_and_below_one(self, games: list[GameMoves]) -> None:
        model = small_model()
        found = probe({"small": model, "twin": random_twin(model)}, games[:45], games[45:], samples=50)
        assert found.plies == {"train": 45 * 41, "test": 15 * 41}
        assert [len(layers) for layers in found.layers.values()] == [3, 3]
        for layers in found.layers.values():
            for layer in layers:
                low, high = layer.interval["pieces"]
                assert low < layer.pieces < high
                assert found.chance.pieces - 0.1 < layer.pieces < 1

    def test_the_seed_decides_the_weights_of_a_random_twin(self, model: XiangqiLM) -> None:
        one, again, other = (random_twin(model, seed).table.weight for seed in (1, 1, 2))
        assert torch.equal(one, again) and not torch.equal(one, other)

    def test_the_commonest_by_hand(self) -> None:
        start = GameMoves.of(Board())
        found = probe({}, [start], [start, GameMoves.of(Board.from_moves("h2e2"))], samples=5)
        # Of the three positions two are the start (or look like it to the mover); in the third, Black to move, the
        # enemy's cannon has left b7 (h2 turned) for e7: two points differ, of which e7 has a piece on it.
        assert found.chance.points == pytest.approx(1 - 2 / 270)
        assert found.chance.pieces == pytest.approx(1 - 1 / 96)
