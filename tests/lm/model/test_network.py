"""The network for play computes what the network in torch computes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lm import UserError, data_path
from lm.model.cache import KVCache
from lm.model.config import ModelConfig
from lm.model.encoding import Encoder, GameMoves
from lm.model.folder import Network, load_network
from lm.model.loading import load_model, network_of
from lm.model.model import PolicyOutput, XiangqiLM
from lm.model.network import BATCH, Answers, evaluate_games, make_answers, make_workspace
from lm.model.prompts import NO_PROMPT, Aim, Prompt, Source, Strength, Voice
from lm.model.weights import padded, shapes
from small import random_game, small_model
from xiangqi import Board, load


def cache_of(network: Network, entries: int) -> tuple[np.ndarray, np.ndarray]:
    cache = KVCache(network.config, entries)
    return cache.keys, cache.values


def read_games(
    network: Network,
    games: Sequence[GameMoves],
    voice: Voice = Voice.HUMAN,
    prompt: Prompt = NO_PROMPT,
) -> Answers:
    """Evaluate all plies of games, one game after the other."""
    lengths = np.concatenate([np.arange(len(game.moves) + 1) for game in games])
    numbers = np.repeat(np.arange(len(games)), [len(game.moves) + 1 for game in games])
    moves, paths = (np.zeros((len(games), max(lengths) + 1), kind) for kind in (np.int16, np.int64))
    for number, game in enumerate(games):
        moves[number, : len(game.moves)] = game.moves
        paths[number, : len(game.moves) + 1] = 1 + np.flatnonzero(numbers == number)
    turns = np.array([game.turn for game in games])
    asks = (turns[numbers] + lengths) % 2 == 1  # Black asks
    out = make_answers(len(lengths))
    evaluate_games(
        network.weights,
        *cache_of(network, len(lengths) + 1),
        np.stack([game.cells for game in games]),
        turns,
        np.array([game.clock for game in games]),
        moves,
        paths,
        numbers,
        lengths,
        int(voice),
        prompt.rows(asks),
        make_workspace(network.config, network.eight_bits),
        out,
    )
    return out


def read_in_torch(
    model: XiangqiLM, games: Sequence[GameMoves], voice: Voice = Voice.HUMAN, prompt: Prompt = NO_PROMPT
) -> tuple[PolicyOutput, list[np.ndarray]]:
    features = Encoder(model.config.input_groups, model.config.candidate_groups)(games)
    rows = torch.arange(len(features.turns))
    with torch.inference_mode():
        out: Any = model(
            **features.tensors(),
            prompts=torch.from_numpy(prompt.rows(features.turns == 1)),
            rows=rows,
            voices=torch.full_like(rows, voice),
        )
    return out, [features.moves(ply) for ply in rows.tolist()]


def assert_alike(found: Answers, expected: PolicyOutput, moves: list[np.ndarray], atol: float) -> None:
    for row, legal in enumerate(moves):
        n = found.counts[row]
        assert found.moves[row, :n].tolist() == legal.tolist()
        assert expected.scores is not None
        np.testing.assert_allclose(found.scores[row, :n], expected.scores[row, :n].numpy(), atol=atol)
    for chances, logits in ((found.wdl[:, ::-1], expected.wdl_logits), (found.ends, expected.end_logits)):
        assert logits is not None
        np.testing.assert_allclose(chances, logits.softmax(-1).numpy(), atol=atol)


KINDS: dict[str, dict[str, Any]] = {
    "like the shipped one": {},
    "odd widths": {"n_embd": 51, "n_head": 3, "n_query": 7},
    "several vectors": {"n_embd": 144, "n_head": 2, "n_query": 40, "n_layer": 1},
    "blind": {"input_groups": ["move", "counters"], "candidate_groups": ["move"]},
    "some groups": {"input_groups": ["board", "enemy_moves"], "candidate_groups": ["move", "capture", "eyes", "last"]},
}


class TestLikeTorch:
    @pytest.mark.parametrize("kind", KINDS)
    def test_any_size_and_groups(self, kind: str) -> None:
        model = small_model(**KINDS[kind])
        games = [GameMoves.of(random_game(seed, plies)) for seed, plies in ((1, 40), (2, 11), (3, BATCH))]
        assert_alike(read_games(network_of(model), games), *read_in_torch(model, games), atol=1e-4)

    @pytest.mark.parametrize("voice", Voice)
    @pytest.mark.parametrize("prompt", [NO_PROMPT, Prompt(Source.HUMAN, Strength.MASTER, Aim.WIN)])
    def test_voices_and_prompts(self, voice: Voice, prompt: Prompt) -> None:
        model, games = small_model(), [GameMoves.of(random_game(4, 30))]
        found = read_games(network_of(model), games, voice, prompt)
        assert_alike(found, *read_in_torch(model, games, voice, prompt), atol=1e-4)

    def test_positions_without_a_past(self) -> None:
        board = Board("3k5/9/9/r8/9/9/9/R8/9/4K4 b - - 30 40")
        model, games = small_model(), [GameMoves.of(board), GameMoves.of(board).with_past()]
        assert_alike(read_games(network_of(model), games), *read_in_torch(model, games), atol=1e-4)

    @pytest.mark.parametrize("kind", ["like the shipped one", "odd widths"])
    def test_eight_bits_are_near(self, kind: str) -> None:
        model, games = small_model(**KINDS[kind]), [GameMoves.of(random_game(5, 60))]
        assert_alike(read_games(network_of(model, eight_bits=True), games), *read_in_torch(model, games), atol=0.03)


def test_the_shipped_model_has_the_same_favourites_in_eight_bits() -> None:
    records = islice(load(data_path("games") / "practical.pgn.zst"), 40, 46)
    games = [GameMoves.of(Board.from_moves(record.moves())) for record in records]
    exact, moves = read_in_torch(load_model(), games)
    assert_alike(read_games(load_network(dtype="float32"), games), exact, moves, atol=1e-3)
    found = read_games(load_network(dtype="int8"), games)
    assert exact.scores is not None
    favourites = [found.scores[row, : len(legal)].argmax() for row, legal in enumerate(moves)]
    same = np.array(favourites) == exact.scores.argmax(-1).numpy()
    assert len(same) > 300 and same.mean() >= 0.99


class TestLeaves:
    def test_leaves_of_a_tree(self) -> None:
        """Paths that share entries, in one call or one after the other, as each leaf read alone from its game."""
        network, root = network_of(small_model()), random_game(6, 20)
        lines = [[], [0], [1], [0, 2], [0, 3], [1, 1], [0, 2, 1]]  # each the number of a reply, parents before children
        boards, paths = [], []
        for line in lines:
            board = root.copy()
            for number in line:
                board.push(board.legal_moves[number])
            boards.append(board)
        games = [GameMoves.of(board) for board in boards]
        entries = {(): 21}
        for number, line in enumerate(lines[1:]):
            entries[tuple(line)] = 22 + number
        longest = max(len(game.moves) for game in games)
        for line in lines:
            path = [*range(1, 21), *(entries[tuple(line[:n])] for n in range(len(line) + 1))]
            paths.append(path + [0] * (longest + 1 - len(path)))
        expected = [read_games(network, [game]) for game in games]
        keys, values = cache_of(network, 40)
        space, start = make_workspace(network.config, False), GameMoves.of(root)

        def read(games: list[GameMoves], paths: list[list[int]]) -> Answers:
            n, out = len(games), make_answers(len(games))
            moves = np.array([np.pad(game.moves, (0, longest - len(game.moves))) for game in games])
            turns, clocks = np.full(n, start.turn), np.full(n, start.clock)
            evaluate_games(
                network.weights, keys, values, np.tile(start.cells, (n, 1)), turns, clocks, moves, np.array(paths),
                np.arange(n), np.array([len(game.moves) for game in games]), 0, np.zeros((n, 3), np.int64), space, out,
            )  # fmt: skip
            return out

        before = [GameMoves(start.moves[:n], start.cells, start.turn) for n in range(20)]
        read(before, [paths[0]] * 20)
        for part in (slice(0, 3), slice(3, 6), slice(6, 7)):
            found = read(games[part], paths[part])
            for row, alone in enumerate(expected[part]):
                n = alone.counts[-1]
                assert found.counts[row] == n
                np.testing.assert_array_equal(found.moves[row, :n], alone.moves[-1, :n])
                np.testing.assert_allclose(found.scores[row, :n], alone.scores[-1, :n], atol=1e-4)
                np.testing.assert_allclose(found.wdl[row], alone.wdl[-1], atol=1e-5)


class TestFolder:
    @pytest.mark.parametrize("replies", [False, True])
    def test_the_shapes_are_those_of_torch(self, replies: bool) -> None:
        model = small_model(n_query=7, replies=replies, input_groups=["board"])
        assert shapes(model.config) == {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
    def test_weights_of_any_type(self, model: XiangqiLM, dtype: torch.dtype, tmp_path: Path) -> None:
        model.config.save_pretrained(tmp_path)
        tensors = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()}
        save_file(tensors, tmp_path / "model.safetensors")
        network = load_network(tmp_path, "float32")
        assert network.config == ModelConfig(**{name: getattr(model.config, name) for name in vars(network.config)})
        expected = network_of(model).weights if dtype == torch.float32 else None
        for name, array in network.weights._asdict().items():
            if expected is not None:
                np.testing.assert_array_equal(array, getattr(expected, name))
        row = tensors["table.weight"][5].float().numpy()
        np.testing.assert_array_equal(network.weights.table.reshape(-1, padded(len(row)))[5, : len(row)], row)

    def test_bytes_that_are_cut_off(self, model_folder: Path, tmp_path: Path) -> None:
        for name in ("config.json", "model.safetensors"):
            (tmp_path / name).write_bytes((model_folder / name).read_bytes()[: -1000 if "model" in name else None])
        with pytest.raises(UserError, match=r"^damaged model in .*: .+") as error:
            load_network(tmp_path)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("config", "complaint"),
        [
            ("[]", "damaged model"),
            ("{", "damaged model"),
            ('{"model_type": "xqlm", "n_head": 3}', "n_embd 256 is no multiple of n_head 3"),
            ('{"model_type": "xqlm", "n_layer": "6"}', "n_layer is not a whole number above 0: '6'"),
            ('{"model_type": "xqlm", "n_layer": 1}', r"of another size are .*; there is no place for "),
            ('{"model_type": "xqlm", "input_groups": ["weather"]}', "unknown feature groups .'weather'"),
            ('{"model_type": "xqlm", "candidate_groups": ["capture"]}', "candidate_groups does not hold 'move'"),
            ('{"model_type": "gpt2"}', "reads characters"),
            ('{"model_type": "xqlm", "auto_map": {}}', "asks to run code"),
        ],
    )
    def test_what_is_wrong_is_said_in_a_line(
        self, config: str, complaint: str, model_folder: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "model.safetensors").write_bytes((model_folder / "model.safetensors").read_bytes())
        (tmp_path / "config.json").write_text(config)
        with pytest.raises(UserError, match=complaint) as error:
            load_network(tmp_path)
        assert "\n" not in str(error.value)
