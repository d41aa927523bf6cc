from __future__ import annotations

import json
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
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from lm import UserError, cli
from lm.dataset.records import SPLITS, opening
from lm.dataset.seen import SeenGames
from lm.dataset.shards import Shard, build
from lm.model.loading import load_model
from lm.model.model import XiangqiLM
from lm.training import run as train
from lm.training.batches import GameBatches
from lm.training.checkpoints import checkpoints, latest_checkpoint, step_of
from lm.training.presets import PRESETS
from lm.training.result import TOKENIZERS, Source, Spent, sources_of, spent_before
from lm.training.trainer import XiangqiTrainer
from runs import (
    GIDS,
    GROUPS,
    SMALL,
    assert_same_end,
    final,
    losses,
    run,
    run_as_one_of,
    run_in_little_room,
    run_sharded_as_one_of,
    stop_at,
)
from xiangqi import Move, load, save


def start(target: Callable[..., object], *args: object) -> Any:
    """Start a process that has imported everything already and calls ``target``."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lm.training.run"])
    process = context.Process(target=target, args=args)
    process.start()
    return process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


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

    def test_it_knows_what_it_was_trained_on(self, finished: Path, shard: Shard) -> None:
        seen = SeenGames.load(finished / "model")
        assert seen is not None
        for split in SPLITS:
            openings = [opening(shard.moves_of(game)) for game in shard.games(split).tolist()]
            assert [key in seen for key in openings] == [split == "train"] * len(openings)

    def test_the_card_lists_the_sources_with_their_licences(self, finished: Path) -> None:
        card = (finished / "model" / "README.md").read_text()
        practical = "Yvonne761/Chinese-Chess-Practical-Dataset"
        assert f"| {practical} | 45 | CC BY 4.0 (Yu-Han Tseng and Bo-Nian Chen, 2026) |" in card
        assert "| xqlm | 15 | MIT (made for this project) |" in card

    def test_a_source_of_which_nothing_is_known_is_listed_as_such(self, shard: Shard) -> None:
        ours = replace(shard, meta=shard.meta | {"sources": ["my own games"] * len(shard.meta["sources"])})
        assert sources_of([ours])["my own games"] == Source(60, "not stated")

    def test_nothing_is_left_lying(self, finished: Path) -> None:
        assert sorted(p.name for p in finished.iterdir()) == [
            f"checkpoint-{SMALL.steps - 1}", f"checkpoint-{SMALL.steps}", "log", "model", "run.json", "trained_on.npy",
        ]  # fmt: skip
        assert any((finished / "log").glob("events.*"))

    def test_a_finished_run_is_left_alone(self, finished: Path, shard_folder: Path) -> None:
        before = {p: p.stat().st_mtime_ns for p in finished.rglob("*")}
        assert run(shard_folder, finished) == finished / "model"
        assert {p: p.stat().st_mtime_ns for p in finished.rglob("*")} == before

    @pytest.mark.parametrize("has", [False, True])
    def test_bfloat16_where_the_processor_has_it(
        self, has: bool, shard: Shard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lm.model.precision.CPU_HAS_BF16", has)
        model = XiangqiLM(SMALL.config(**GROUPS))
        assert train.make_trainer(model, [shard], tmp_path, SMALL, 1, 1).args.bf16 == has

    def test_only_the_result_is_missing(self, finished: Path, shard_folder: Path, tmp_path: Path) -> None:
        out = shutil.copytree(finished, tmp_path / "run")
        shutil.rmtree(out / "model")
        run(shard_folder, out)
        for name in ("model.safetensors", "metrics.json", "README.md"):
            assert (out / "model" / name).read_bytes() == (finished / "model" / name).read_bytes()

    @pytest.mark.parametrize("average", [pytest.param(False, marks=pytest.mark.slow), True])
    def test_a_finished_run_that_is_to_be_longer_is_not_finished(
        self, average: bool, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also when it is stopped on its way and the same command is given again."""
        short = replace(SMALL, plies=3000, average=average, decay=0.0, warmup=1)
        long = replace(short, plies=6000)
        run(shard_folder, tmp_path / "run", short)
        with monkeypatch.context() as patched:
            stop_at(8, patched)
            with pytest.raises(KeyboardInterrupt):
                run(shard_folder, tmp_path / "run", long)
        assert not train.finished(tmp_path / "run")
        run(shard_folder, tmp_path / "run", long)
        assert train.finished(tmp_path / "run")
        run(shard_folder, tmp_path / "whole", long)
        assert_same_end(tmp_path / "run", tmp_path / "whole")

    def test_settings_that_led_nowhere_are_forgotten(self, shard_folder: Path, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no games of 'robot'"):
            run(shard_folder, tmp_path, weights={"robot": 2})
        run(shard_folder, tmp_path, weights={"engine": 2})

    @pytest.mark.parametrize("name", ["model", "unfinished"])
    def test_a_folder_of_something_else_is_left_alone(self, name: str, shard_folder: Path, tmp_path: Path) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "precious").touch()
        with pytest.raises(UserError, match=f"has {name} but no run.json, so it is not the folder of a run"):
            run(shard_folder, tmp_path)
        assert (tmp_path / name / "precious").exists()

    def test_other_settings_are_refused(self, finished: Path, shard_folder: Path, shard: Shard) -> None:
        with pytest.raises(UserError, match=r"is a run with n_layer 2, now it is 3: name another folder with --out"):
            run(shard_folder, finished, replace(SMALL, n_layer=3))
        less = replace(shard, meta=shard.meta | {"fingerprint": "7"})
        with pytest.raises(UserError, match="is a run with data "):
            train.train([less], finished, SMALL, config_changes=GROUPS)
        with pytest.raises(UserError, match=r"too late for 9999999.*--init-from"):
            run(shard_folder, finished, replace(SMALL, plies=9999999))

    def test_going_on_from_a_model(self, finished: Path, shard: Shard, tmp_path: Path) -> None:
        short = replace(SMALL, plies=500, warmup=1)
        train.train([shard], tmp_path, short, init_from=finished / "model", log_steps=1, progress=False)
        assert losses(tmp_path)[1] < 0.85 * losses(finished)[1]

    def test_the_result_generates_with_its_cache(self, finished: Path) -> None:
        assert json.loads((finished / "model" / "config.json").read_text()).get("use_cache") is not False

    def test_the_result_tells_what_it_started_from(self, finished: Path, shard: Shard, tmp_path: Path) -> None:
        def spent(folder: Path, name: str) -> float:
            return float(json.loads((folder / "model" / "metrics.json").read_text())[name])

        def before(folder: Path) -> dict[str, float]:
            return dict(json.loads((folder / "model" / "metrics.json").read_text())["before"])

        assert before(finished) == {"plies": 0, "cpu_seconds": 0}
        short, seconds = replace(SMALL, plies=500, warmup=1), spent(finished, "cpu_seconds")
        second, third, fourth = (tmp_path / name for name in ("second", "third", "fourth"))
        train.train([shard], second, short, init_from=finished / "model", progress=False)
        assert before(second) == {"plies": spent(finished, "plies"), "cpu_seconds": seconds}
        for out, start in ((third, second / "model"), (fourth, second / "checkpoint-1")):
            train.train([shard], out, short, init_from=start, progress=False)
            assert before(out) == {
                "plies": spent(finished, "plies") + spent(second, "plies"),
                "cpu_seconds": pytest.approx(seconds + spent(second, "cpu_seconds")),
            }
        card = (fourth / "model" / "README.md").read_text()
        assert f"with {before(fourth)['plies']:,} plies and {before(fourth)['cpu_seconds']:,.0f} CPU seconds" in card

    @pytest.mark.parametrize(
        ("file", "text"),
        [
            ("trainer_state.json", '{"log_history": [{"loss": 1.0}]}'),
            ("trainer_state.json", '{"log_history": [{"cpu_seconds": 1.0, "plies": 2}]}'),
            ("metrics.json", '{"accuracy": 0.5}'),
            ("metrics.json", "{"),
        ],
    )
    def test_what_another_program_left_tells_nothing(self, tmp_path: Path, file: str, text: str) -> None:
        (tmp_path / file).write_text(text)
        assert spent_before(tmp_path) == Spent(0, 0.0)

    def test_the_value_may_learn_alone(self, finished: Path, shard: Shard, tmp_path: Path) -> None:
        short = replace(SMALL, plies=1500, learner="value")
        out = train.train([shard], tmp_path, short, init_from=finished / "model", progress=False)
        before, after = (load_file(folder / "model.safetensors") for folder in (finished / "model", out))
        learned = [name for name, weight in after.items() if not weight.equal(before[name])]
        assert sorted(learned) == ["value_head.bias", "value_head.weight", "value_table.weight"]

    @pytest.mark.parametrize("tokens", ["move", "char"])
    def test_not_of_a_new_model_or_of_one_that_reads_characters(self, tokens: str, finished: Path) -> None:
        start = None if tokens == "move" else finished / "model"
        with pytest.raises(UserError, match=r"learner=value is for a model that reads moves .* --init-from"):
            train.new_model(replace(SMALL, learner="value"), tokens, start, {})

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


class TestHeldOutFromTheStart:
    """A model that starts from another is judged by games that neither has read."""

    @pytest.fixture
    def renumbered(self, shard: Shard, tmp_path: Path) -> Shard:
        """The same games with group ids the other way round: others are held out now, which the first run has read."""
        games = list(load(shard.path.parent / "games.pgn"))
        for game, gid in zip(games, reversed(GIDS), strict=True):
            game.headers["Gid"] = str(gid)
        save(games, tmp_path / "renumbered.pgn")
        build([tmp_path / "renumbered.pgn"], tmp_path / "shard")
        return Shard.open(tmp_path / "shard")

    def test_games_that_the_start_has_read_do_not_vouch_for_the_result(
        self, finished: Path, renumbered: Shard, tmp_path: Path
    ) -> None:
        assert len(renumbered.games("test"))
        short = replace(SMALL, plies=1500)
        out = train.train([renumbered], tmp_path / "run", short, init_from=finished / "model", progress=False)
        assert json.loads((out / "metrics.json").read_text())["test"] == {}
        assert "None: all games of the test split were read in training" in (out / "README.md").read_text()
        both = SeenGames.load(out)
        assert both is not None
        assert all(opening(renumbered.moves_of(game)) in both for game in range(len(renumbered.results)))

    def test_a_start_that_does_not_say_what_it_has_read_is_named_as_such(
        self, finished: Path, renumbered: Shard, tmp_path: Path
    ) -> None:
        start = shutil.copytree(finished / "model", tmp_path / "start" / "model")
        (start / "trained_on.npy").unlink()
        out = train.train([renumbered], tmp_path / "run", replace(SMALL, plies=1500), init_from=start, progress=False)
        assert json.loads((out / "metrics.json").read_text())["test"]
        assert "it may have read these" in (out / "README.md").read_text()

    def test_a_checkpoint_of_a_run_says_what_the_run_has_read(self, finished: Path) -> None:
        seen, of_model = (SeenGames.load(finished / name) for name in (f"checkpoint-{SMALL.steps}", "model"))
        assert seen is not None and of_model is not None
        assert np.array_equal(seen.hashes, of_model.hashes)

    @pytest.mark.parametrize("content", [b"", b"\x93NUMPY", np.zeros(2, np.int32).tobytes()])
    def test_a_damaged_file_is_named(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "trained_on.npy").write_bytes(content)
        with pytest.raises(UserError, match=r"damaged file .*trained_on\.npy"):
            SeenGames.load(tmp_path)


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

    def test_a_longer_run(self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Before the learning rate falls, the length of a run can be changed."""
        long = replace(SMALL, warmup=1)
        with monkeypatch.context() as patched:
            stop_at(3, patched)
            with pytest.raises(KeyboardInterrupt):
                run(shard_folder, tmp_path / "run", replace(long, plies=4000))
        run(shard_folder, tmp_path / "run", long)
        run(shard_folder, tmp_path / "whole", long)
        assert_same_end(tmp_path / "run", tmp_path / "whole")
        assert json.loads((tmp_path / "run" / "run.json").read_text())["plies"] == SMALL.plies

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

    def test_the_seed_decides_the_start_and_the_order_of_the_games(
        self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun: list[tuple[torch.Tensor, list[int]]] = []
        make_trainer = train.make_trainer

        def stop_here(model: XiangqiLM, *args: Any) -> None:
            batches = make_trainer(model, *args).train_dataset
            begun.append((model.table.weight.detach().clone(), batches.games(0)[0].tolist()))
            raise KeyboardInterrupt

        monkeypatch.setattr(train, "make_trainer", stop_here)
        for number, seed in enumerate((1, 1, 2)):
            with pytest.raises(KeyboardInterrupt):
                run(shard_folder, tmp_path / str(number), seed=seed)
        (start, games), (same_start, same_games), (other_start, other_games) = begun
        assert torch.equal(start, same_start) and games == same_games
        assert not torch.equal(start, other_start) and games != other_games

    def test_the_command_line(
        self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("lm.training.memory.keep_memory", lambda: None)
        monkeypatch.setitem(PRESETS, "small", replace(SMALL, plies=1500))
        games = str(shard_folder.parent / "games.pgn")

        def command(*more: str) -> tuple[int | str | None, str, str]:
            monkeypatch.setattr(sys, "argv", ["xqlm", "train", games, "--out", "run", *more])
            with pytest.raises(SystemExit) as stop:
                cli.main()
            return stop.value.code, *capsys.readouterr()

        with monkeypatch.context() as patched:
            stop_at(2, patched)
            code, _, said = command()
        assert code == 130
        plan = said.split("games: ")[1].splitlines()
        assert plan[0].startswith("57 to learn from, ")
        assert plan[0].endswith("held out: 1 to watch the run by, 2 to judge the result by")
        assert plan[1].startswith("run: 3 steps of about 5")
        assert "million parameters, on " in said
        assert said.splitlines()[-1] == "stopped at step 2 of 3; the same command goes on"
        code, found, said = command()
        assert (code, found) == (0, "the model is in run/model\n")
        assert "resumed after step 2\n" in said
        code, found, said = command()
        assert (code, found) == (0, "the model is in run/model\n")
        assert said.endswith("this run is finished\n")
        assert command("--seed", "2")[0] == 2
        assert command("--average", "--out", "mean")[0] == 0
        assert json.loads((tmp_path / "mean" / "run.json").read_text())["average"]
        assert command(str(shard_folder), "--out", "both")[0] == 0
        assert command(str(tmp_path), "--out", "none")[2].startswith(f"xqlm: {tmp_path} holds no shard")
        assert command("--preset", "huge")[2].startswith("xqlm: no preset 'huge'")
        assert command("--weight", "engine")[2] == "xqlm: --weight engine: expected SOURCE=N, as in engine=0.5\n"
        assert "xqlm: no games of 'robot'" in command("--out", "other", "--weight", "robot=2")[2]


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

    @pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "files.json"])
    def test_so_is_one_that_lacks_a_file(self, name: str, finished: Path, tmp_path: Path) -> None:
        out = shutil.copytree(finished, tmp_path / "run")
        (out / f"checkpoint-{SMALL.steps}" / name).unlink()
        assert latest_checkpoint(out) == out / f"checkpoint-{SMALL.steps - 1}"

    def test_and_one_with_a_byte_that_changed(self, finished: Path, tmp_path: Path) -> None:
        out = shutil.copytree(finished, tmp_path / "run")
        with (out / f"checkpoint-{SMALL.steps}" / "model.safetensors").open("r+b") as file:
            file.seek(-100, os.SEEK_END)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1]))
        assert latest_checkpoint(out) == out / f"checkpoint-{SMALL.steps - 1}"

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
        compute = XiangqiTrainer.compute_loss

        def spoiled(self: XiangqiTrainer, *args: Any, **kwargs: Any) -> Any:
            return compute(self, *args, **kwargs) * (np.nan if self.state.global_step == 4 else 1)

        monkeypatch.setattr(XiangqiTrainer, "compute_loss", spoiled)
        with pytest.raises(UserError, match=r"gradient is nan at step 5.* the last good checkpoint is .*checkpoint-4"):
            run(shard_folder, tmp_path)
        kept = load_file(tmp_path / "checkpoint-4" / "model.safetensors")
        assert all(bool(x.isfinite().all()) for x in kept.values())

    @pytest.mark.parametrize("save_minutes", [0.0, 99.0])
    def test_a_rate_that_is_far_too_high(self, save_minutes: float, shard_folder: Path, tmp_path: Path) -> None:
        """The scores are infinite or NaN before any gradient is."""
        with pytest.raises(
            UserError, match=r"^the (run diverges at step \d+: .* infinite or NaN|norm of the gradient is nan at step)"
        ):
            run(shard_folder, tmp_path, replace(SMALL, learning_rate=1e30), save_minutes)

    def test_no_room_for_the_result(self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*args: Any, **kwargs: Any) -> None:
            raise SafetensorError("I/O error: No space left on device (os error 28)")

        monkeypatch.setitem(TOKENIZERS, "move", full)
        told = (
            r"cannot write the result into .*: I/O error: No space left on device .* MB are free there\); the last good"
        )
        with pytest.raises(UserError, match=told):
            run(shard_folder, tmp_path, save_minutes=99.0)

    @pytest.mark.slow
    def test_a_full_disk(self, finished: Path, shard_folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "run"
        shutil.copytree(finished / f"checkpoint-{SMALL.steps - 1}", out / f"checkpoint-{SMALL.steps - 1}")
        shutil.copy(finished / "run.json", out)
        start(run_in_little_room, shard_folder, out, tmp_path / "said").join()
        said = (tmp_path / "said").read_text()
        assert said.startswith(f"cannot write a checkpoint into {out}: ")
        assert said.endswith(f"; the last good checkpoint is {out}/checkpoint-{SMALL.steps - 1}")
        assert len(said.splitlines()) == 1
        run(shard_folder, out)
        assert_same_end(out, finished)


@pytest.mark.slow
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
            games = [str(shard_folder.parent / "games.pgn")]
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

    @pytest.mark.slow
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
        arguments = ["train", str(shard_folder.parent / "games.pgn"), "--preset", "tiny", "--plies", "150000"]
        two = ["torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port()), "-m", "lm.cli"]
        for out, program in (("one", ["lm.cli"]), ("two", two)):
            subprocess.run([sys.executable, "-m", *program, *arguments, "--out", out], cwd=tmp_path, check=True)
        assert len(losses(tmp_path / "one")) > 1
        assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-3)
