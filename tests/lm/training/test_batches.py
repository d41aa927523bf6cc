from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lm import UserError
from lm.dataset.records import Record
from lm.dataset.shards import Shard, build
from lm.model.config import XiangqiConfig
from lm.model.prompts import ENGINE
from lm.training.batches import GameBatches
from runs import GIDS
from small import random_game, small_model
from xiangqi import Board, Game, save

CONFIG = XiangqiConfig(n_layer=1, n_head=1, n_embd=8)


class TestBatches:
    def test_an_epoch_reads_every_training_game_once(self, shard: Shard) -> None:
        batches = GameBatches([shard, shard], CONFIG, 700, 100, seed=3)
        for epoch in range(2):
            steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
            read = np.concatenate([batches.games(step)[0] for step in steps]).tolist()
            assert sorted(read) == list(range(2 * len(shard.games("train"))))
        n = batches.per_epoch
        assert any(batches.games(step)[0].tolist() != batches.games(n + step)[0].tolist() for step in range(n))

    def test_no_held_out_game_is_read_mirrored_or_not(self, shard: Shard) -> None:
        numbers = [*shard.games("validation").tolist(), *shard.games("test").tolist()]
        held = {Record(np.array(shard.line(game).moves)).identity() for game in numbers}
        batches = GameBatches([shard], CONFIG, 700, 100, seed=3)
        read = set()
        for step in range(batches.per_epoch):
            for source, game in batches.places(batches.games(step)[0]):
                read.add(Record(np.array(source.line(game).moves)).identity())
        assert len(held) == 3
        assert len(read) == 57
        assert not held & read

    def test_half_are_mirrored(self, shard: Shard) -> None:
        batches = GameBatches([shard], CONFIG, 700, 100, seed=3)
        flips = np.concatenate([batches.games(step)[1] for step in range(100)])
        assert 0.4 < flips.mean() < 0.6
        game = {step: dict(zip(*map(np.ndarray.tolist, batches.games(step)), strict=True)) for step in range(100)}
        seen = {flipped for step in game.values() for number, flipped in step.items() if number == 5}
        assert seen == {False, True}

    @pytest.mark.parametrize("parts", [1, 3])
    def test_an_item_depends_on_seed_and_number_alone(self, shard: Shard, parts: int) -> None:
        batches = GameBatches([shard], CONFIG, 700, 30, seed=3, parts=parts, threads=2)
        again = GameBatches([shard], CONFIG, 700, 30, seed=3, parts=parts)
        other = GameBatches([shard], CONFIG, 700, 30, seed=4, parts=parts)
        late = {i: again.encode(i) for i in reversed(range(20))}
        for i in range(20):
            item = batches[i]
            assert all(torch.equal(item[name].nan_to_num(), late[i][name].nan_to_num()) for name in late[i])
        assert not all(torch.equal(other[i]["inputs"], late[i]["inputs"]) for i in range(20))

    def test_processes_share_no_game_and_leave_none_out(self, shard: Shard) -> None:
        whole = GameBatches([shard], CONFIG, 700, 9, seed=3)
        for step in range(9):
            parts = GameBatches([shard], CONFIG, 700, 9, seed=3, parts=3)
            items = [parts.encode(3 * step + part) for part in range(3)]
            together = whole.encode(step)
            assert torch.cat([item["lengths"] for item in items]).tolist() == together["lengths"].tolist()
            assert torch.equal(torch.cat([item["inputs"] for item in items]), together["inputs"])
            assert all(torch.equal(item["counts"], together["counts"]) for item in items)
            assert together["counts"].tolist() == [
                len(together["labels"]),
                len(together["checked"]),
                int((together["wdl"] >= 0).sum()),
                int((~together["expected"].isnan()).sum()),
                int((together["ends"] >= 0).sum()),
                int((together["replies"] >= 0).sum()),
            ]

    def test_a_reply_is_the_move_that_leads_to_the_ply_after_the_next(self, shard: Shard) -> None:
        batches = GameBatches([shard], CONFIG, 700, 9, seed=3)
        told = 0
        for step in range(9):  # turned and mirrored as the mover sees it, who is to move again then
            item = batches.encode(step)
            led = item["inputs"][item["input_starts"].long()]
            ends = item["lengths"].cumsum(0)
            for start, end in zip((ends - item["lengths"]).tolist(), ends.tolist(), strict=True):
                replies = item["replies"][start:end]
                known = replies[:-2] >= 0
                assert torch.equal(replies[:-2][known], led[start + 2 : end][known].long())
                assert (replies[-2:] < 0).all()
                told += int(known.sum()) / max(1, end - start - 2)
        assert 0.4 < told / sum(len(batches.games(step)[0]) for step in range(9)) < 0.6

    def test_steps_are_of_about_the_size_asked_for(self, shard: Shard) -> None:
        batches = GameBatches([shard], CONFIG, 700, 100, seed=3)
        sizes = np.diff([batches.plies(step) for step in range(100)])
        assert sizes.min() > 300
        assert sizes.max() < 1200
        assert batches.plies(batches.per_epoch) == sum(len(shard.line(int(g)).moves) + 1 for g in shard.games("train"))
        assert batches.plies(10**12 * batches.per_epoch) == 10**12 * batches.plies(batches.per_epoch)
        assert batches.plies(7) == sum(int(batches.encode(i)["lengths"].sum()) for i in range(7))

    def test_long_games_are_cut(self, shard: Shard) -> None:
        batches = GameBatches([shard], XiangqiConfig(n_layer=1, n_head=1, n_embd=8, n_context=20), 700, 9, seed=3)
        assert int(batches.encode(0)["lengths"].max()) == 19

    def test_the_parts_add_up(self, shard: Shard) -> None:
        """More parts than games too: the ones left over read something and learn nothing."""
        model = small_model(n_context=512, replies=True).train()
        gradients, values = [], []
        for parts in (1, 2, 40):
            batches = GameBatches([shard], model.config, 700, 4, seed=3, parts=parts)
            model.zero_grad()
            items = [batches.encode(parts * 2 + part) for part in range(parts)]
            outs = [model(**item) for item in items]
            sum(out.loss for out in outs).backward()
            values.append([sum(getattr(out, name).item() for out in outs) for name in ("loss", "value_loss")])
            gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        for value, gradient in zip(values[1:], gradients[1:], strict=True):
            assert value == pytest.approx(values[0], rel=1e-5)
            assert torch.allclose(gradient, gradients[0], atol=1e-6)

    def test_without_counts_a_batch_is_the_whole(self, shard: Shard) -> None:
        model = small_model(n_context=512)
        item = GameBatches([shard], model.config, 700, 4, seed=3).encode(1)
        with torch.no_grad():
            assert float(model(**item).loss) == pytest.approx(float(model(**{**item, "counts": None}).loss))

    def test_the_curriculum_hears_of_it_a_step_later(self, shard: Shard) -> None:
        """The step after the last one done may be encoded already, so it goes by the first guess however it is met."""
        batches = GameBatches([shard], CONFIG, 700, 100, seed=3)
        batches[4]
        batches.settle(20, known=4)
        assert [batches.progress(step) for step in (3, 4, 5, 10)] == [0.03, 0.04, 0.25, 0.5]
        assert set(batches._encoded) == set()

    def test_nothing_to_train_on(self, shard: Shard) -> None:
        empty = replace(shard, splits=np.ones_like(shard.splits))
        with pytest.raises(UserError, match="no training games"):
            GameBatches([empty], CONFIG, 700, 9, seed=3)

    @pytest.mark.parametrize("rot", [-7, 2086, 9999, 5])
    def test_a_corrupt_shard_is_noticed(self, shard: Shard, rot: int) -> None:
        moves = np.array(shard.moves)
        moves[int(shard.offsets[50]) + 4] = rot if rot != 5 else moves[int(shard.offsets[50]) + 2]
        moves[int(shard.offsets[10]) + 4] = moves[int(shard.offsets[10]) + 2]  # a move twice cannot be
        batches = GameBatches([replace(shard, moves=moves)], CONFIG, 700, 9, seed=3)
        with pytest.raises(UserError, match=rf"damaged shard {shard.path}: game \d+ of .*games\.pgn"):
            list(map(batches.encode, range(9)))


class TestOpinions:
    """What an engine said of a game: the moves it would make, and what it thinks of the positions."""

    @pytest.mark.parametrize("name", ["games.pgn", "games.jsonl"])
    def test_they_are_learned(self, name: str, tmp_path: Path) -> None:
        board = random_game(5, 12)
        game = Game({"Gid": str(GIDS[5]), "Result": "*"})
        game.add_main_line(board.move_stack)
        chance, replayed, best = random.Random(1), Board(), []
        for node in game.main_line():
            best.append(chance.choice(replayed.legal_moves))
            node.best, node.eval = best[-1], 0.25 * node.ply
            replayed.push(node.move)
        save([game], tmp_path / name)
        build([tmp_path / name], tmp_path / "shard")
        shard, model = Shard.open(tmp_path / "shard"), small_model().train()
        batches = GameBatches([shard], model.config, 100, 1, seed=3)
        item, mirrored = batches.encode(0), bool(batches.games(0)[1][0])

        taught = item["rows"][item["voices"] == ENGINE]
        starts = item["candidate_counts"].cumsum(0) - item["candidate_counts"]
        seen = item["candidates"][starts[taught] + item["labels"][item["voices"] == ENGINE], 0]
        as_mover = [move.mirror() if mirrored else move for move in best]
        as_mover = [move.rotate() if ply % 2 else move for ply, move in enumerate(as_mover)]
        assert taught.tolist() == list(range(12))
        assert seen.tolist() == [move.index for move in as_mover]
        scores = [0.25 * ply * (-1) ** ply for ply in range(1, 12)]  # those after a move, seen by who moves next
        assert item["expected"].isnan().tolist() == [True, *[False] * 11, True]
        assert item["expected"][1:12].numpy() == pytest.approx(1 / (1 + np.exp(-np.array(scores))), abs=0.5 / 254)

        out = model(**item)
        out.loss.backward()
        assert model.engine_voice.weight.grad.abs().sum() > 0
        assert (item["wdl"] < 0).all()
        p = out.wdl_logits[1:12].softmax(-1)
        score = p[:, 2] + p[:, 1] / 2
        assert out.value_loss.item() == pytest.approx(
            torch.nn.functional.binary_cross_entropy(score, item["expected"][1:12]).item(), rel=1e-4
        )


class TestWeights:
    """Games of a source that are read more or less often than others."""

    @staticmethod
    def read(batches: GameBatches, epoch: int) -> list[int]:
        """Return how often each game is read in an epoch."""
        steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
        games = np.concatenate([batches.games(step)[0] for step in steps])
        return np.bincount(games, minlength=len(batches._game)).tolist()

    @pytest.fixture
    def engines(self, shard: Shard) -> np.ndarray:
        """Which of the training games an engine played."""
        tier: np.ndarray = shard.tiers[shard.games("train")] == shard.meta["tiers"].index("engine")
        assert tier.sum() == 15
        return tier

    @pytest.mark.parametrize(("weight", "times"), [(2, {2}), (0.5, {0, 1}), (0, {0}), (2.5, {2, 3}), (1, {1})])
    def test_how_often_a_game_is_read(self, shard: Shard, engines: np.ndarray, weight: float, times: set[int]) -> None:
        batches = GameBatches([shard], CONFIG, 700, 100, seed=3, weights={"engine": weight})
        epochs = [np.array(self.read(batches, epoch)) for epoch in range(3)]
        for read in epochs:
            assert set(read[~engines]) == {1}
            assert set(read[engines]) == times
            assert abs(int(read[engines].sum()) - 15 * weight) < 1
        if weight % 1:
            assert not (epochs[0] == epochs[1]).all()  # chosen anew

    def test_the_plies_are_those_that_are_read(self, shard: Shard) -> None:
        batches = GameBatches([shard], CONFIG, 700, 100, seed=3, weights={"engine": 0.3, "master": 1.5})
        for steps in (1, batches.per_epoch, batches.per_epoch + 2, 3 * batches.per_epoch + 1):
            read = [int(batches._plies[batches.games(step)[0]].sum()) for step in range(steps)]
            assert batches.plies(steps) == sum(read)
        again = GameBatches([shard], CONFIG, 700, 100, seed=3, weights={"engine": 0.3, "master": 1.5})
        assert again.games(37)[0].tolist() == batches.games(37)[0].tolist()

    def test_each_step_reads_a_game_however_few_are_left(self, shard: Shard) -> None:
        for seed in range(20):
            batches = GameBatches([shard], CONFIG, 1, 100, seed=seed, weights={"master": 0.03, "engine": 0.2})
            assert min(len(batches.games(step)[0]) for step in range(9 * batches.per_epoch)) > 0

    def test_what_a_weight_can_be(self, shard: Shard) -> None:
        def batches(**weights: float) -> GameBatches:
            return GameBatches([shard], CONFIG, 700, 9, seed=3, weights=weights)

        with pytest.raises(UserError, match=r"^no games of 'robot': a weight can be given to .*engine.*master"):
            batches(robot=2)
        for wrong in (-1, math.nan, math.inf):
            with pytest.raises(UserError, match=r"^the weight of engine has to be 0 or more"):
                batches(engine=wrong)
        with pytest.raises(UserError, match="no training games"):
            batches(engine=0, master=0)
