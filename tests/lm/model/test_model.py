from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from lm import UserError
from lm.model.encoding import Encoder, GameMoves
from lm.model.folder import load_network
from lm.model.groups import CANDIDATE_GROUPS, INPUT_GROUPS
from lm.model.loading import load_model
from lm.model.losses import LOSS_WEIGHTS
from lm.model.model import XiangqiLM, pick
from lm.model.prompts import End, Voice
from small import Reader, random_game, small_model
from xiangqi import Board


def full(model: XiangqiLM, *lines: GameMoves, voice: Voice = Voice.HUMAN) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.inference_mode():
        tensors = Encoder(model.config.input_groups, model.config.candidate_groups)(lines).tensors()
        plies = len(tensors["input_starts"])
        out = model(**tensors, voices=torch.full((plies,), voice))
    assert out.scores is not None and out.wdl_logits is not None
    return out.scores, out.wdl_logits


class TestGradients:
    def test_many_candidates_with_one_feature_add_up_in_half_precision_too(self) -> None:
        table = torch.zeros(2, 3, dtype=torch.bfloat16, requires_grad=True)
        picked = pick(table, torch.ones(1000, dtype=torch.int64), torch.full((1000, 1), 2))
        picked.backward(torch.full_like(picked, 0.01))
        assert table.grad is not None
        torch.testing.assert_close(table.grad.float(), torch.tensor([[0.0, 0, 0], [0, 0, 10]]), atol=0.05, rtol=0)


class TestReadingOn:
    """Games of which a cache holds the beginning."""

    def test_a_ply_at_a_time_equals_the_whole_game(self, model: XiangqiLM) -> None:
        game = GameMoves.of(random_game(3, 90))
        scores, wdl = full(model, game)
        reader = Reader(model)
        for ply in range(len(game.moves) + 1):
            out = reader.read_on([game], [0], [ply])
            width = out.scores.shape[1]
            torch.testing.assert_close(out.scores[0], scores[ply, :width], atol=1e-4, rtol=0)
            torch.testing.assert_close(out.wdl_logits[0], wdl[ply], atol=1e-4, rtol=0)

    @pytest.mark.parametrize("lengths", [(10, 35, 60, 85), (70, 70, 70, 70)])
    def test_games_of_many_lengths_in_one_batch(self, model: XiangqiLM, lengths: tuple[int, ...]) -> None:
        games = [GameMoves.of(random_game(seed, length)) for seed, length in enumerate(lengths)]
        reader = Reader(model)
        for share in (0.3, 0.8, 1.0):  # each game in three pieces of its own length, from different places
            plies = [int(share * len(game.moves)) for game in games]
            out = reader.read_on(games, [3, 0, 2, 1], plies)
        for i, game in enumerate(games):
            scores, _ = full(model, game)
            width = min(scores.shape[1], out.scores.shape[1])
            torch.testing.assert_close(out.scores[i, :width], scores[-1, :width], atol=1e-4, rtol=0)

    def test_a_variation_shares_the_entries_of_its_game(self, model: XiangqiLM) -> None:
        game = random_game(5, 40)
        variation = Board.from_moves(game.move_stack[:25])
        variation.push(variation.legal_moves[3])
        reader = Reader(model)
        reader.read_on([GameMoves.of(game)], [0], [40])
        before = reader.cache.keys.clone()
        reader.paths[1] = reader.paths[0][:26]
        out = reader.read_on([GameMoves.of(variation)], [1], [26])
        assert len(reader.cache) == 42
        assert torch.equal(reader.cache.keys[:, reader.paths[0]], before[:, reader.paths[0]])
        expected, _ = full(model, GameMoves.of(variation))
        torch.testing.assert_close(out.scores[0], expected[-1, : out.scores.shape[1]], atol=1e-4, rtol=0)

    def test_a_batch_equals_its_games_one_by_one(self, model: XiangqiLM) -> None:
        games = [GameMoves.of(random_game(seed, 7 + 31 * seed)) for seed in range(3)]
        scores, _ = full(model, *games)
        at = 0
        for game in games:
            alone, _ = full(model, game)
            n, width = alone.shape
            torch.testing.assert_close(scores[at : at + n, :width], alone, atol=1e-4, rtol=0)
            at += n

    def test_too_long_a_game_is_refused(self) -> None:
        model = small_model(n_context=16)
        with pytest.raises(ValueError, match="16 plies"):
            full(model, GameMoves.of(random_game(1, 20)))


class TestShape:
    def test_scores_are_of_the_legal_moves_alone(self, model: XiangqiLM) -> None:
        board = random_game(5, 40)
        scores, _ = full(model, GameMoves.of(board))
        assert int(torch.isfinite(scores[-1]).sum()) == len(board.legal_moves)

    def test_the_future_is_not_seen(self, model: XiangqiLM) -> None:
        board = random_game(6, 40)
        whole, _ = full(model, GameMoves.of(board))
        for _ in range(15):
            board.pop()
        part, _ = full(model, GameMoves.of(board))
        torch.testing.assert_close(whole[: len(part), : part.shape[1]], part, atol=1e-5, rtol=0)

    def test_the_past_is_seen(self, model: XiangqiLM) -> None:
        """Two orders of moves to one position read differently."""
        one = GameMoves.of(random_game(0, 0))
        a = GameMoves(np.array([576, 1839, 100], np.int16), one.cells)
        b = GameMoves(np.array([100, 1839, 576], np.int16), one.cells)
        assert not torch.allclose(full(model, a)[1][-1], full(model, b)[1][-1])

    def test_the_voices_differ(self, model: XiangqiLM) -> None:
        line = GameMoves.of(random_game(2, 30))
        assert not torch.allclose(full(model, line)[0], full(model, line, voice=Voice.ENGINE)[0])

    @pytest.mark.parametrize("group", INPUT_GROUPS)
    def test_every_input_group_can_be_switched_off(self, group: str) -> None:
        chosen = [name for name in INPUT_GROUPS if name != group]
        model = small_model(input_groups=chosen)
        assert model.table.num_embeddings == sum(INPUT_GROUPS[name] for name in chosen)
        scores, _ = full(model, GameMoves.of(random_game(2, 30)))
        assert not scores.isnan().any()

    @pytest.mark.parametrize("chosen", [["move"], ["move", "context"], list(CANDIDATE_GROUPS)])
    def test_candidate_groups_can_be_switched_off(self, chosen: list[str]) -> None:
        model = small_model(candidate_groups=chosen)
        scores, _ = full(model, GameMoves.of(random_game(2, 30)))
        assert not scores.isnan().any()

    def test_unknown_groups_are_named(self) -> None:
        with pytest.raises(ValueError, match="nonsense"):
            Encoder(["nonsense"], ["move"])


class TestLosses:
    """What the model learns from, part by part."""

    @staticmethod
    def only(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
        """Leave one part of the loss, with weight 1."""
        for name in LOSS_WEIGHTS:
            monkeypatch.setitem(LOSS_WEIGHTS, name, float(name == part))

    def test_the_weights_are_those_that_the_shipped_model_was_trained_with(self) -> None:
        assert LOSS_WEIGHTS == {"policy": 1, "rules": 0.3, "result": 0.25, "opinion": 0.25, "end": 1, "reply": 0.3}

    @pytest.mark.parametrize("checked", [None, [0, 3, 7, 18], [19]])
    def test_the_rules_are_learned_from_the_move_that_was_played(
        self, model: XiangqiLM, monkeypatch: pytest.MonkeyPatch, checked: list[int] | None
    ) -> None:
        """Of all moves, legal or not, as the mover sees them, at the plies that are asked for."""
        self.only(monkeypatch, "rules")
        board = random_game(7, 20)
        features = Encoder(model.config.input_groups, model.config.candidate_groups)([GameMoves.of(board)])
        labels = features.labels(np.array([*(move.index for move in board.move_stack), -1]))[:-1]
        assert len(set(labels.tolist())) > 5
        with torch.inference_mode():
            out = model(
                **features.tensors(),
                rows=torch.arange(20),
                labels=torch.from_numpy(labels),
                checked=None if checked is None else torch.tensor(checked),
            )
        chances = out.move_logits.log_softmax(-1)
        seen = [(move if ply % 2 == 0 else move.rotate()).index for ply, move in enumerate(board.move_stack)]
        expected = [-float(chances[ply, seen[ply]]) for ply in (range(20) if checked is None else checked)]
        assert float(out.loss) == pytest.approx(sum(expected) / len(expected), rel=1e-4)

    def test_the_policy_is_learned_from_the_move_that_was_played(
        self, model: XiangqiLM, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of the legal moves alone."""
        self.only(monkeypatch, "policy")
        board = random_game(7, 20)
        features = Encoder(model.config.input_groups, model.config.candidate_groups)([GameMoves.of(board)])
        labels = features.labels(np.array([*(move.index for move in board.move_stack), -1]))[:-1]
        with torch.inference_mode():
            out = model(**features.tensors(), rows=torch.arange(20), labels=torch.from_numpy(labels))
        losses, position = [], board.root()
        for ply, move in enumerate(board.move_stack):
            chances = dict(zip(features.moves(ply).tolist(), out.scores[ply].log_softmax(-1).tolist(), strict=False))
            assert set(chances) == {legal.index for legal in position.legal_moves}
            losses.append(-chances[move.index])
            position.push(move)
        assert float(out.loss) == pytest.approx(sum(losses) / 20, rel=1e-4)

    @pytest.mark.parametrize("favoured", [0, 1, 2])
    def test_who_is_told_to_win_learns_to_expect_a_win(self, monkeypatch: pytest.MonkeyPatch, favoured: int) -> None:
        """Results are 0 for a loss to 2 for a win of the mover, opinions the expected score: 0, 0.5, 1."""
        model = small_model()
        model.value_head.weight.data.zero_()
        model.value_table.weight.data.zero_()
        model.value_head.bias.data = 5 * torch.eye(3)[favoured]
        tensors = Encoder(model.config.input_groups, model.config.candidate_groups)(
            [GameMoves.of(random_game(1, 3))]
        ).tensors() | {"labels": torch.zeros(4).long()}
        for part, taught in (
            ("result", [{"wdl": torch.full((4,), result)} for result in (0, 1, 2)]),
            ("opinion", [{"expected": torch.full((4,), score)} for score in (0.0, 0.5, 1.0)]),
        ):
            with monkeypatch.context() as patch:
                self.only(patch, part)
                losses = [model(**tensors, **told).loss.item() for told in taught]
            assert min(losses) == losses[favoured]

    @pytest.mark.parametrize("favoured", range(len(End)))
    def test_each_end_is_learned_and_that_a_game_goes_on(self, monkeypatch: pytest.MonkeyPatch, favoured: int) -> None:
        self.only(monkeypatch, "end")
        model = small_model()
        model.end_head.weight.data.zero_()
        model.end_head.bias.data = 5 * torch.eye(len(End))[favoured]
        tensors = Encoder(model.config.input_groups, model.config.candidate_groups)(
            [GameMoves.of(random_game(1, 3))]
        ).tensors() | {"labels": torch.zeros(4).long()}
        losses = [model(**tensors, ends=torch.tensor([-100, -100, -100, end])).loss.item() for end in range(len(End))]
        assert min(losses) == losses[favoured] < 0.1
        assert sorted(losses)[1] > 4


class TestReplies:
    """The head that foresees replies, which a model has in training alone."""

    def test_what_it_plays_does_not_depend_on_it(self, tmp_path: Path) -> None:
        model, line = small_model(replies=True), GameMoves.of(random_game(4, 30))
        before = full(model, line)
        model.with_reply_head(False)
        model.save_pretrained(tmp_path)
        loaded = load_model(tmp_path)
        assert not loaded.config.replies
        assert loaded.reply_head is None
        torch.testing.assert_close(full(loaded, line), before)

    def test_a_new_one_knows_nothing_and_learns(self) -> None:
        model, line = small_model(), GameMoves.of(random_game(4, 30))
        model.with_reply_head(True)
        assert model.config.replies
        tensors = Encoder(model.config.input_groups, model.config.candidate_groups)([line]).tensors()
        plies = len(tensors["input_starts"])
        labels, replies = torch.zeros(plies, dtype=torch.long), torch.full((plies,), -100)
        replies[:5] = torch.arange(5)
        silent, out = model(**tensors, labels=labels), model(**tensors, labels=labels, replies=replies)
        even = math.log(CANDIDATE_GROUPS["move"])
        assert (out.loss - silent.loss).item() == pytest.approx(0.3 * even, rel=1e-4)
        out.loss.backward()
        assert model.reply_head is not None
        assert model.reply_head.weight.grad.abs().sum() > 0
        head = model.reply_head
        model.with_reply_head(True)  # as a run that begins with another's checkpoint does
        assert model.reply_head is head


class TestFiles:
    def test_saved_and_loaded_it_is_the_same(self, model: XiangqiLM, model_folder: Path) -> None:
        line = GameMoves.of(random_game(4, 30))
        for loaded in (load_model(model_folder), AutoModelForCausalLM.from_pretrained(model_folder)):
            torch.testing.assert_close(full(loaded.eval(), line)[0], full(model, line)[0])

    @pytest.mark.parametrize("load", [load_model, load_network])
    def test_a_missing_folder_is_named(self, load: Callable[[Path], object], tmp_path: Path) -> None:
        with pytest.raises(UserError, match="nowhere"):
            load(tmp_path / "nowhere")

    @pytest.mark.parametrize("load", [load_model, load_network])
    @pytest.mark.parametrize("damage", ["cut", "emptied", "config", "gone"])
    def test_a_damaged_model_is_named(
        self, model: XiangqiLM, tmp_path: Path, damage: str, load: Callable[[Path], object]
    ) -> None:
        model.save_pretrained(tmp_path / "bad")
        weights = tmp_path / "bad" / "model.safetensors"
        if damage == "cut":
            weights.write_bytes(weights.read_bytes()[:5000])
        elif damage == "emptied":
            weights.write_bytes(b"")
        elif damage == "config":
            (tmp_path / "bad" / "config.json").write_text("{")
        else:
            weights.unlink()
        with pytest.raises(UserError, match="bad"):
            load(tmp_path / "bad")
