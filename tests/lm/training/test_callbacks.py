from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import Trainer

from lm import UserError
from lm.training import averaging, callbacks, trainer
from lm.training.callbacks import divergence, duration
from lm.training.checkpoints import checkpoints, latest_checkpoint
from lm.training.trainer import XiangqiTrainer
from runs import SMALL, losses, run, stop_at

SECONDS = 2.0
"""Of the processor, for a run with a budget."""
A_STEP = 0.1
"""Of them, by a clock that only steps move: how busy the machine is does not matter."""
BUDGETED = replace(SMALL, plies=3000)
"""The first guess, which the budget exceeds."""


def measure_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each step take `A_STEP` seconds of the processor, and all else none."""
    now, compute = [0.0], XiangqiTrainer.compute_loss

    def step(self: XiangqiTrainer, *args: Any, **kwargs: Any) -> Any:
        now[0] += A_STEP
        return compute(self, *args, **kwargs)

    monkeypatch.setattr(XiangqiTrainer, "compute_loss", step)
    monkeypatch.setattr(trainer, "process_time", lambda: now[0])


@pytest.fixture(scope="session")
def budgeted(finished: Path, shard_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was as long as the processor's time allowed."""
    out = tmp_path_factory.mktemp("run") / "budgeted"
    with pytest.MonkeyPatch.context() as patched:
        measure_steps(patched)
        run(shard_folder, out, BUDGETED, save_minutes=99, cpu_seconds=SECONDS)
    return out


class TestTime:
    def test_the_time_expected_is_told_once_the_speed_is_known(
        self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Ten seconds a step, by a clock that only steps move: after the fourth of twelve, thirty have passed."""
        now, compute = [0.0], XiangqiTrainer.compute_loss

        def step(self: XiangqiTrainer, *args: Any, **kwargs: Any) -> Any:
            now[0] += 10
            return compute(self, *args, **kwargs)

        monkeypatch.setattr(XiangqiTrainer, "compute_loss", step)
        monkeypatch.setattr(callbacks.time, "monotonic", lambda: now[0])
        run(shard_folder, tmp_path, save_minutes=99, progress=True)
        told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("expected: ")]
        assert len(told) == 1
        found = re.fullmatch(r"expected: (\d+) seconds more, at (\d+) plies/s", told[0])
        assert found
        assert 70 < int(found[1]) < 90  # eight steps, of about the same size
        assert 45 < int(found[2]) < 65

    @pytest.mark.parametrize(
        ("seconds", "words"), [(80, "80 seconds"), (1000, "17 minutes"), (20000, "5.6 hours"), (0, "0 seconds")]
    )
    def test_times_as_people_say_them(self, seconds: float, words: str) -> None:
        assert duration(seconds) == words


class TestBudget:
    @pytest.fixture(autouse=True)
    def _steps_are_measured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        measure_steps(monkeypatch)

    def test_it_takes_its_time_and_the_rate_falls_to_zero(self, budgeted: Path) -> None:
        figures = json.loads((budgeted / "model" / "metrics.json").read_text())
        assert figures["cpu_seconds"] == pytest.approx(SECONDS)
        steps = figures["steps"]
        assert steps == round(SECONDS / A_STEP) > BUDGETED.steps  # beyond the first guess
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
        run(shard_folder, out, BUDGETED, save_minutes=99, cpu_seconds=SECONDS)
        assert losses(out) == losses(budgeted)
        assert (out / "model" / "model.safetensors").read_bytes() == (
            budgeted / "model" / "model.safetensors"
        ).read_bytes()

    def test_stopped_before(self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then the time is measured again, and what has been spent counts."""
        seconds = 2 * SECONDS
        with monkeypatch.context() as patched:
            stop_at(2, patched)
            with pytest.raises(KeyboardInterrupt, match=r"stopped at step 2 of about \d+"):
                run(shard_folder, tmp_path, BUDGETED, save_minutes=99, cpu_seconds=seconds)
        assert "length" not in json.loads((tmp_path / "run.json").read_text())
        run(shard_folder, tmp_path, BUDGETED, save_minutes=99, cpu_seconds=seconds)
        figures = json.loads((tmp_path / "model" / "metrics.json").read_text())
        assert figures["cpu_seconds"] == pytest.approx(seconds)
        assert self.planned(tmp_path) > 2

    def test_another_budget_or_first_guess_is_refused(self, budgeted: Path, shard_folder: Path) -> None:
        with pytest.raises(UserError, match=r"is a run with cpu_seconds 2\.0, now it is None"):
            run(shard_folder, budgeted, BUDGETED)
        with pytest.raises(UserError, match=r"is a run with plies 3000, now it is 7000"):
            run(shard_folder, budgeted, replace(SMALL, plies=7000), cpu_seconds=SECONDS)

    @staticmethod
    def planned(out: Path) -> int:
        """Return the step after which a run knew its length."""
        length = json.loads((out / "run.json").read_text())["length"]
        return round(length["plies"] / SMALL.batch_plies * (1 - length["decay"]))


class TestAveraging:
    AVERAGED = replace(SMALL, average=True, decay=0.0)

    def test_the_result_is_the_mean_of_the_weights(
        self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[dict[str, torch.Tensor]] = []
        update = averaging.Averaging.on_step_end

        def watched(self: averaging.Averaging, *args: Any, **kwargs: Any) -> None:
            seen.append({name: weights.clone() for name, weights in self.model.state_dict().items()})
            update(self, *args, **kwargs)

        monkeypatch.setattr(averaging.Averaging, "on_step_end", watched)
        monkeypatch.setattr(averaging, "AVERAGE_EVERY", 2)
        out = run(shard_folder, tmp_path, self.AVERAGED)
        result = load_file(out / "model.safetensors")
        assert len(seen) == SMALL.steps
        shares = torch.arange(1, SMALL.steps // 2 + 1) / torch.arange(1, SMALL.steps // 2 + 1).sum()
        for name, weights in result.items():
            mean = sum(share * x[name] for share, x in zip(shares, seen[1::2], strict=True))
            assert torch.allclose(weights.float(), mean, rtol=1e-3, atol=1e-4)  # half the bits are kept
            if weights.ndim == 2:
                assert not torch.allclose(weights.float(), seen[-1][name], rtol=1e-3, atol=1e-4)
        rates = [rate / SMALL.learning_rate for rate in losses(tmp_path, "learning_rate").values()]
        assert rates[SMALL.warmup :] == pytest.approx([1.0] * (SMALL.steps - SMALL.warmup))

    def test_it_goes_on_where_it_stopped(
        self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(shard_folder, tmp_path / "whole", self.AVERAGED, save_minutes=99)
        with monkeypatch.context() as patched:
            stop_at(7, patched)
            with pytest.raises(KeyboardInterrupt):
                run(shard_folder, tmp_path / "stopped", self.AVERAGED, save_minutes=99)
        run(shard_folder, tmp_path / "stopped", self.AVERAGED, save_minutes=99)
        whole, stopped = (tmp_path / name / "model" / "model.safetensors" for name in ("whole", "stopped"))
        assert whole.read_bytes() == stopped.read_bytes()

    def test_weights_that_are_shared_out_are_refused(
        self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create = Trainer.create_accelerator_and_postprocess

        def shared_out(self: Trainer) -> None:
            create(self)
            self.is_fsdp_enabled = True

        monkeypatch.setattr(Trainer, "create_accelerator_and_postprocess", shared_out)
        with pytest.raises(UserError, match="FSDP cannot be averaged: leave out --average"):
            run(shard_folder, tmp_path, self.AVERAGED)


class TestEarlyLook:
    def test_it_looks_whenever_the_run_is_saved(self, finished: Path) -> None:
        for name in ("eval_top1", "eval_top3", "eval_nll", "eval_legal_argmax"):
            seen = losses(finished, name)
            assert list(seen) == list(range(1, SMALL.steps + 1))

    def test_it_ends_a_run_that_diverges(self, shard_folder: Path, tmp_path: Path) -> None:
        with pytest.raises(
            UserError, match=r"diverges at step 2: \d+\.\d+ nats on held-out games, \d+\.\d+ before; .*checkpoint-1$"
        ):
            run(shard_folder, tmp_path, replace(SMALL, learning_rate=3.0))
        assert checkpoints(tmp_path) == [tmp_path / "checkpoint-1"]

    @pytest.mark.parametrize(("loss", "told"), [(3.4, "4.000 nats on held-out games, 3.000 before"), (2.0, "")])
    def test_games_learned_by_heart_are_no_divergence(self, loss: float, told: str) -> None:
        """Those that are trained on are foreseen better then, held-out ones worse."""
        history = [
            entry | {"step": step}
            for step, policy, nll in ((1, 4.0, 4.2), (2, 3.3, 3.0), (3, 3.0, 3.2), (4, loss, 4.0))
            for entry in ({"policy_loss": policy}, {"eval_nll": nll})
        ]
        assert divergence(history) == told
        assert divergence(history[:2]) == ""


class TestBar:
    def test_where_there_is_no_terminal_it_says_a_line_now_and_then(
        self, shard_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(shard_folder, tmp_path / "short", replace(SMALL, plies=1000), progress=True)
        assert "\nstep " not in capsys.readouterr().err
        monkeypatch.setattr(callbacks, "SAY_EVERY", 0)
        run(shard_folder, tmp_path / "long", replace(SMALL, plies=1000), progress=True)
        lines = capsys.readouterr().err.splitlines()
        assert lines[3].startswith("step 1 of 2: policy ")  # after the plan
        assert "held-out top-1 0." in lines[-1]
