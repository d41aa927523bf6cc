from __future__ import annotations

import json
import math
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from lm import UserError, cli, data_path, train
from lm.batches import GameBatches
from lm.checkpoints import checkpoints, latest_checkpoint, step_of
from lm.data import Record, Shard, build, split_of
from lm.model import ENGINE, XiangqiConfig
from lm.policy import load_model
from runs import GROUPS, SMALL, run, run_as_one_of, run_in_little_room, run_sharded_as_one_of
from small import random_game, small_model
from xiangqi import Board, Game, Move, load, save

CONFIG = XiangqiConfig(n_layer=1, n_head=1, n_embd=8)
GIDS = [39, 67, 90, *[number for number in range(300, 400) if split_of(f"gid:{number}") == "train"][:57]]
"""Of these, the first is for validation and the next two are for testing."""

SECONDS = 2.0
"""Of the processor, for a run with a budget."""

Saved = dict[str, torch.Tensor]


@pytest.fixture(scope="session")
def shard_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of 60 recorded games, a quarter of them engines'."""
    folder = tmp_path_factory.mktemp("games")
    human = islice(load(data_path("games") / "practical.pgn.zst"), 45)
    games = [*human, *islice(load(data_path("games") / "engine.pgn.zst"), 15)]
    for game, gid in zip(games, GIDS, strict=True):
        game.headers["Gid"] = str(gid)
    save(games, folder / "games.pgn")
    build([folder / "games.pgn"], folder / "shard")
    return folder / "shard"


@pytest.fixture(scope="session")
def shard(shard_folder: Path) -> Shard:
    return Shard.open(shard_folder)


@pytest.fixture(scope="session")
def finished(shard_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("run") / "finished"
    run(shard_folder, out)
    return out


@pytest.fixture(scope="session")
def budgeted(finished: Path, shard_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was as long as the processor's time allowed, none of it spent on compiling."""
    out = tmp_path_factory.mktemp("run") / "budgeted"
    run(shard_folder, out, save_minutes=99, cpu_seconds=SECONDS)
    return out


def losses(out: Path, name: str = "loss") -> dict[int, float]:
    """Return a loss of each step that a run logged."""
    kept = latest_checkpoint(out)
    assert kept is not None
    history = json.loads((kept / "trainer_state.json").read_text())["log_history"]
    return {entry["step"]: entry[name] for entry in history if name in entry}


def final(out: Path) -> Saved:
    return load_file(out / f"checkpoint-{SMALL.steps}" / "model.safetensors")


def assert_same_end(out: Path, other: Path) -> None:
    """Both runs ended with the same losses and weights, to the bit."""
    assert losses(out)[SMALL.steps] == losses(other)[SMALL.steps]
    ours, theirs = final(out), final(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def start(target: Callable[..., object], *args: object) -> Any:
    """Start a process that has imported everything already and calls ``target``."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lm.train"])
    process = context.Process(target=target, args=args)
    process.start()
    return process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


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
            for game in batches.games(step)[0].tolist():
                read.add(Record(np.array(batches._lesson(game).line.moves)).identity())
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
        with pytest.raises(UserError, match=r"damaged shard: game \d+ of .*games\.pgn"):
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
        seen = item["candidates"][taught, item["labels"][item["voices"] == ENGINE], 0]
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

    def test_going_on_with_weights(self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        weights = {"engine": 0.5}
        run(shard_folder, tmp_path / "whole", weights=weights)
        with monkeypatch.context() as patched:
            stop_at(5, patched)
            with pytest.raises(KeyboardInterrupt):
                run(shard_folder, tmp_path / "stopped", weights=weights)
        with pytest.raises(UserError, match=r"is a run with weights \{'engine': 0.5\}, now it is None"):
            run(shard_folder, tmp_path / "stopped")
        run(shard_folder, tmp_path / "stopped", weights=weights)
        assert_same_end(tmp_path / "stopped", tmp_path / "whole")


class TestRun:
    def test_it_learns(self, finished: Path) -> None:
        by_step = losses(finished)
        assert sorted(by_step) == list(range(1, SMALL.steps + 1))
        assert np.mean([by_step[step] for step in range(9, 13)]) < 0.85 * by_step[1]

    def test_the_result(self, finished: Path, shard: Shard) -> None:
        import lm  # noqa: F401

        folder = finished / "model"
        weights = load_file(folder / "model.safetensors")
        trained = final(finished)
        assert {x.dtype for x in weights.values()} == {torch.float16}
        assert all(torch.equal(weights[name], trained[name].half()) for name in weights)
        model = load_model(folder)
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        auto = AutoModelForCausalLM.from_pretrained(folder)
        assert all(torch.equal(a, b) for a, b in zip(auto.parameters(), model.parameters(), strict=True))
        assert AutoTokenizer.from_pretrained(folder)("h2e2 h9g7")["input_ids"][-2:] == [
            Move.from_iccs("h2e2").index, Move.from_iccs("h9g7").index
        ]  # fmt: skip

        figures = json.loads((folder / "metrics.json").read_text())
        assert figures["steps"] == SMALL.steps
        assert figures["plies"] == GameBatches([shard], model.config, SMALL.batch_plies, 99, seed=1).plies(SMALL.steps)
        assert 0 < figures["cpu_seconds"] < 600
        assert figures["files"] == ["games.pgn"]
        assert figures["test"]["human"]["games"] == 2
        text = (folder / "README.md").read_text()
        assert f"{figures['test']['human']['top1']:.4f}" in text
        assert "xqlm evaluate" in text
        assert str(finished) not in text

    def test_nothing_is_left_lying(self, finished: Path) -> None:
        assert sorted(p.name for p in finished.iterdir()) == [
            f"checkpoint-{SMALL.steps - 1}", f"checkpoint-{SMALL.steps}", "log", "model", "run.json",
        ]  # fmt: skip
        assert any((finished / "log").glob("events.*"))

    def test_a_finished_run_is_left_alone(self, finished: Path, shard_folder: Path) -> None:
        before = {p: p.stat().st_mtime_ns for p in finished.rglob("*")}
        assert run(shard_folder, finished) == finished / "model"
        assert {p: p.stat().st_mtime_ns for p in finished.rglob("*")} == before

    def test_only_the_result_is_missing(self, finished: Path, shard_folder: Path, tmp_path: Path) -> None:
        out = shutil.copytree(finished, tmp_path / "run")
        shutil.rmtree(out / "model")
        run(shard_folder, out)
        for name in ("model.safetensors", "metrics.json", "README.md"):
            assert (out / "model" / name).read_bytes() == (finished / "model" / name).read_bytes()

    def test_other_settings_are_refused(self, finished: Path, shard_folder: Path, shard: Shard) -> None:
        with pytest.raises(UserError, match=r"is a run with n_layer 2, now it is 3: name another folder with --out"):
            run(shard_folder, finished, replace(SMALL, n_layer=3))
        less = replace(shard, meta=shard.meta | {"games": 7})
        with pytest.raises(UserError, match="is a run with data "):
            train.train([less], finished, SMALL, config_changes=GROUPS)
        with pytest.raises(UserError, match=r"too late for 9999999.*--init-from"):
            run(shard_folder, finished, replace(SMALL, plies=9999999))

    def test_going_on_from_a_model(self, finished: Path, shard: Shard, tmp_path: Path) -> None:
        short = replace(SMALL, plies=500, warmup=1)
        train.train([shard], tmp_path, short, init_from=finished / "model", log_steps=1, progress=False)
        assert losses(tmp_path)[1] < 0.85 * losses(finished)[1]

    def test_the_head_that_foresees_replies_stays_behind_and_comes_anew(
        self, finished: Path, shard: Shard, tmp_path: Path
    ) -> None:
        def heads(folder: Path) -> tuple[bool, list[str]]:
            names = [name for name in load_file(folder / "model.safetensors") if name.startswith("reply_head.")]
            return json.loads((folder / "config.json").read_text())["replies"], sorted(names)

        learned, none = (True, ["reply_head.bias", "reply_head.weight"]), (False, [])
        assert final(finished)["reply_head.weight"].abs().sum() > 0
        assert heads(finished / f"checkpoint-{SMALL.steps}") == learned
        assert heads(finished / "model") == none
        assert load_model(finished / "model").reply_head is None

        model = train.new_model(SMALL, "move", finished / "model", {})
        assert model.config.replies
        assert [bool(p.any()) for p in model.reply_head.parameters()] == [False, False]
        out = train.train([shard], tmp_path, replace(SMALL, plies=1500), init_from=finished / "model", progress=False)
        assert heads(tmp_path / "checkpoint-3") == learned
        assert load_file(tmp_path / "checkpoint-3" / "model.safetensors")["reply_head.weight"].any()
        assert heads(out) == none


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch, number: int = signal.SIGINT) -> None:
    """Have this process get a signal while a step is computed."""
    compute = train.XiangqiTrainer.compute_loss

    def interrupted(self: train.XiangqiTrainer, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == step - 1:
            os.kill(os.getpid(), number)
        return compute(self, *args, **kwargs)

    monkeypatch.setattr(train.XiangqiTrainer, "compute_loss", interrupted)


class TestGoingOn:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_request_to_stop(
        self, number: int, finished: Path, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handler = signal.getsignal(number)
        with monkeypatch.context() as patched:
            stop_at(5, patched, number)
            with pytest.raises(KeyboardInterrupt, match="stopped at step 5 of 12"):
                run(shard_folder, tmp_path, save_minutes=99)
        assert signal.getsignal(number) is handler
        assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-5"]
        run(shard_folder, tmp_path, save_minutes=99)
        for name in ("loss", "policy_loss", "value_loss"):
            assert losses(tmp_path, name) == losses(finished, name)
        assert_same_end(tmp_path, finished)

    def test_a_longer_run(
        self, finished: Path, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before the learning rate falls, the length of a run can be changed."""
        with monkeypatch.context() as patched:
            stop_at(3, patched)
            with pytest.raises(KeyboardInterrupt):
                run(shard_folder, tmp_path, replace(SMALL, plies=4000))
        run(shard_folder, tmp_path)
        assert_same_end(tmp_path, finished)
        assert json.loads((tmp_path / "run.json").read_text())["plies"] == SMALL.plies

    def test_the_command_line(
        self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(train, "keep_memory", lambda: None)
        monkeypatch.setitem(train.PRESETS, "small", replace(SMALL, plies=1500))
        games = str(shard_folder.parent / "games.pgn")

        def command(*more: str) -> tuple[int | str | None, str, str]:
            monkeypatch.setattr(sys, "argv", ["xqlm", "train", "--data", games, "--out", "run", *more])
            with pytest.raises(SystemExit) as stop:
                cli.main()
            return stop.value.code, *capsys.readouterr()

        with monkeypatch.context() as patched:
            stop_at(2, patched)
            code, _, said = command()
        assert code == 130
        assert said.splitlines()[-1] == "stopped at step 2 of 3; the same command goes on"
        assert command()[:2] == (0, "model written to run/model\n")
        assert command()[:2] == (0, "this run is finished: its model is in run/model\n")
        assert command("--seed", "2")[0] == 2
        assert command("--data", str(shard_folder), "--out", "both")[0] == 0
        assert command("--data", str(tmp_path), "--out", "none")[2].startswith(f"xqlm: damaged shard {tmp_path}")
        assert command("--preset", "huge")[2].startswith("xqlm: no preset 'huge'")
        assert command("--weight", "engine")[2] == "xqlm: --weight engine: expected SOURCE=N, as in engine=0.5\n"
        assert "xqlm: no games of 'robot'" in command("--out", "other", "--weight", "robot=2")[2]


class TestBudget:
    def test_it_takes_its_time_and_the_rate_falls_to_zero(self, budgeted: Path) -> None:
        figures = json.loads((budgeted / "model" / "metrics.json").read_text())
        assert figures["cpu_seconds"] == pytest.approx(SECONDS, rel=0.5)
        steps = figures["steps"]
        assert steps > 2 * SMALL.steps  # beyond the first guess
        kept = latest_checkpoint(budgeted)
        assert kept is not None
        history = json.loads((kept / "trainer_state.json").read_text())["log_history"]
        rates = [entry["learning_rate"] / SMALL.learning_rate for entry in history if "learning_rate" in entry]
        fall = round(figures["preset"]["decay"] * steps)
        assert len(rates) == steps
        assert 0.3 < fall / steps < 0.7
        assert rates[SMALL.warmup : steps - fall] == pytest.approx([1.0] * (steps - fall - SMALL.warmup))
        assert rates[steps - fall :] == pytest.approx([1 - i / fall for i in range(fall)])

    def test_killed_after_the_length_was_found(
        self, budgeted: Path, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The checkpoint on which the fall was planned is still there."""
        assert "length" in json.loads((budgeted / "run.json").read_text())
        out = shutil.copytree(budgeted, tmp_path / "run")
        shutil.rmtree(out / "model")
        last = latest_checkpoint(out)
        assert last is not None
        shutil.rmtree(last)
        assert [path.name for path in checkpoints(out)] == [f"checkpoint-{self.planned(budgeted)}"]
        run(shard_folder, out, save_minutes=99, cpu_seconds=SECONDS)
        assert losses(out) == losses(budgeted)
        assert (out / "model" / "model.safetensors").read_bytes() == (
            budgeted / "model" / "model.safetensors"
        ).read_bytes()

    def test_stopped_before(self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then the time is measured again, and what has been spent counts."""
        with monkeypatch.context() as patched:
            stop_at(4, patched)
            with pytest.raises(KeyboardInterrupt, match="stopped at step 4 of 12"):
                run(shard_folder, tmp_path, save_minutes=99, cpu_seconds=SECONDS)
        assert "length" not in json.loads((tmp_path / "run.json").read_text())
        run(shard_folder, tmp_path, save_minutes=99, cpu_seconds=SECONDS)
        figures = json.loads((tmp_path / "model" / "metrics.json").read_text())
        assert figures["cpu_seconds"] == pytest.approx(SECONDS, rel=0.5)
        assert self.planned(tmp_path) > 4

    def test_another_budget_or_first_guess_is_refused(self, budgeted: Path, shard_folder: Path) -> None:
        with pytest.raises(UserError, match=r"is a run with cpu_seconds 2\.0, now it is None"):
            run(shard_folder, budgeted)
        with pytest.raises(UserError, match=r"is a run with plies 6000, now it is 7000"):
            run(shard_folder, budgeted, replace(SMALL, plies=7000), cpu_seconds=SECONDS)

    def test_the_curriculum_hears_of_it_a_step_later(self, shard: Shard) -> None:
        """The step after the last one done may be encoded already, so it goes by the first guess however it is met."""
        batches = GameBatches([shard], CONFIG, 700, 100, seed=3)
        batches[4]
        batches.settle(20, known=4)
        assert [batches.progress(step) for step in (3, 4, 5, 10)] == [0.03, 0.04, 0.25, 0.5]
        assert set(batches._encoded) == set()

    @staticmethod
    def planned(out: Path) -> int:
        """Return the step after which a run knew its length."""
        length = json.loads((out / "run.json").read_text())["length"]
        return round(length["plies"] / SMALL.batch_plies * (1 - length["decay"]))


class TestDamage:
    @pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "trainer_state.json", "scheduler.pt"])
    def test_a_cut_checkpoint_is_passed_over(self, name: str, finished: Path, tmp_path: Path) -> None:
        out = shutil.copytree(finished, tmp_path / "run")
        file = out / f"checkpoint-{SMALL.steps}" / name
        file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
        said: list[str] = []
        assert latest_checkpoint(out, said.append) == out / f"checkpoint-{SMALL.steps - 1}"
        assert len(said) == 1
        assert f"checkpoint-{SMALL.steps} is damaged and left out: {name}" in said[0]

    def test_going_on_from_the_one_before(
        self, finished: Path, shard_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = shutil.copytree(finished, tmp_path / "run")
        shutil.rmtree(out / "model")
        os.truncate(out / f"checkpoint-{SMALL.steps}" / "optimizer.pt", 1000)
        run(shard_folder, out)
        assert "is damaged and left out" in capsys.readouterr().err
        assert_same_end(out, finished)

    def test_a_gradient_that_is_no_number(
        self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compute = train.XiangqiTrainer.compute_loss

        def spoiled(self: train.XiangqiTrainer, *args: Any, **kwargs: Any) -> Any:
            return compute(self, *args, **kwargs) * (np.nan if self.state.global_step == 4 else 1)

        monkeypatch.setattr(train.XiangqiTrainer, "compute_loss", spoiled)
        with pytest.raises(UserError, match=r"gradient of step 5 is nan.* the last good checkpoint is .*checkpoint-4"):
            run(shard_folder, tmp_path)
        kept = load_file(tmp_path / "checkpoint-4" / "model.safetensors")
        assert all(bool(x.isfinite().all()) for x in kept.values())

    def test_a_full_disk(self, finished: Path, shard_folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "run"
        shutil.copytree(finished / f"checkpoint-{SMALL.steps - 1}", out / f"checkpoint-{SMALL.steps - 1}")
        start(run_in_little_room, shard_folder, out, tmp_path / "said").join()
        said = (tmp_path / "said").read_text()
        assert said.startswith(f"cannot write a checkpoint into {out}: ")
        assert said.endswith(f"; the last good checkpoint is {out}/checkpoint-{SMALL.steps - 1}")
        assert len(said.splitlines()) == 1
        run(shard_folder, out)
        assert_same_end(out, finished)


class TestKill:
    def test_killed_at_random_moments(self, finished: Path, shard_folder: Path, tmp_path: Path) -> None:
        start(os.getpid).join()  # whatever is to be imported is imported now
        clock = time.monotonic()
        start(run, shard_folder, tmp_path / "whole").join()
        lifetime, chance = time.monotonic() - clock, random.Random(0)
        for _ in range(4):
            process = start(run, shard_folder, tmp_path / "killed")
            time.sleep(chance.uniform(0.1, 0.9) * lifetime)
            process.kill()
            process.join()
        run(shard_folder, tmp_path / "killed")
        assert_same_end(tmp_path / "killed", finished)

    @pytest.mark.slow
    def test_twenty_kills_of_the_command(self, shard_folder: Path, tmp_path: Path) -> None:
        """The command as a person starts it; half of the kills fall anywhere, half when it has begun to train."""

        def command(out: str) -> subprocess.Popen[bytes]:
            arguments = ["--preset", "tiny", "--plies", "300000", "--save-minutes", "0", "--out", out]
            games = ["--data", str(shard_folder.parent / "games.pgn")]
            return subprocess.Popen([sys.executable, "-m", "lm.cli", "train", *games, *arguments], cwd=tmp_path)

        def sittings() -> int:
            return len(list((tmp_path / "killed" / "log").glob("events.*")))

        clock = time.monotonic()
        assert command("whole").wait() == 0
        lifetime, chance = time.monotonic() - clock, random.Random(0)
        reached = [0]
        for number in range(20):
            before, process = sittings(), command("killed")
            while number % 2 and process.poll() is None and sittings() == before:
                time.sleep(0.05)
            time.sleep(chance.uniform(0, 0.1 * lifetime))
            process.kill()
            assert process.wait() == -signal.SIGKILL
            kept = latest_checkpoint(tmp_path / "killed")
            reached.append(0 if kept is None else step_of(kept))
        assert reached == sorted(reached)
        assert reached[-1] > reached[0]
        assert command("killed").wait() == 0
        whole, killed = (tmp_path / name / "model" for name in ("whole", "killed"))
        assert (whole / "model.safetensors").read_bytes() == (killed / "model.safetensors").read_bytes()
        figures, others = (json.loads((folder / "metrics.json").read_text()) for folder in (whole, killed))
        assert (figures["loss"], figures["test"]) == (others["loss"], others["test"])


class TestProcesses:
    """Two processes on one machine, which speak through gloo, against one that reads each step in two parts."""

    HALVES = replace(SMALL, part_plies=250)

    def test_two_go_on_where_one_stopped_and_one_where_two_did(
        self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, changing = tmp_path / "one", tmp_path / "changing"
        run(shard_folder, one, self.HALVES)
        with monkeypatch.context() as patched:
            stop_at(3, patched)
            with pytest.raises(KeyboardInterrupt):
                run(shard_folder, changing, self.HALVES)
        port = free_port()
        pair = [start(run_as_one_of, 2, i, port, shard_folder, changing, self.HALVES) for i in range(2)]
        for process in pair:
            process.join()
        assert [process.exitcode for process in pair] == [0, 0]
        assert losses(changing) == pytest.approx(losses(one), abs=1e-3)

        shutil.rmtree(changing / f"checkpoint-{SMALL.steps}")
        shutil.rmtree(changing / "model")
        run(shard_folder, changing, self.HALVES)
        assert losses(changing) == pytest.approx(losses(one), abs=1e-3)

    @pytest.mark.slow
    def test_two_with_weights_shared_out(self, shard_folder: Path, tmp_path: Path) -> None:
        """FSDP computes in bf16 throughout, hence the tolerance; a run that lost its end goes on."""
        run(shard_folder, tmp_path / "one", self.HALVES)
        out = tmp_path / "sharded"

        def both() -> None:
            port = free_port()
            pair = [start(run_sharded_as_one_of, 2, i, port, shard_folder, out, self.HALVES) for i in range(2)]
            for process in pair:
                process.join()
            assert [process.exitcode for process in pair] == [0, 0]

        both()
        before = losses(out)
        assert before == pytest.approx(losses(tmp_path / "one"), abs=0.03)
        assert sum(p.numel() for p in load_model(out / "model").parameters()) == sum(
            p.numel() for p in load_model(tmp_path / "one" / "model").parameters()
        )
        shutil.rmtree(out / f"checkpoint-{SMALL.steps}")
        shutil.rmtree(out / "model")
        both()
        assert losses(out) == pytest.approx(before, abs=1e-6)

    @pytest.mark.slow
    def test_the_command_under_torchrun(self, shard_folder: Path, tmp_path: Path) -> None:
        arguments = ["train", "--data", str(shard_folder.parent / "games.pgn"), "--preset", "tiny", "--plies", "150000"]
        two = ["torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port()), "-m", "lm.cli"]
        for out, program in (("one", ["lm.cli"]), ("two", two)):
            subprocess.run([sys.executable, "-m", *program, *arguments, "--out", out], cwd=tmp_path, check=True)
        assert len(losses(tmp_path / "one")) > 1
        assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-3)
