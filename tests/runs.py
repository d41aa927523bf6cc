"""A training run small enough for tests, which other processes can be told to do, and what they ask of it."""

from __future__ import annotations

import json
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import DistributedType, FullyShardedDataParallelPlugin, PartialState
from safetensors.torch import load_file
from transformers import Trainer

from lm import UserError
from lm.dataset.records import split_of
from lm.dataset.shards import Shard
from lm.training.checkpoints import latest_checkpoint
from lm.training.presets import Preset
from lm.training.run import train
from lm.training.trainer import XiangqiTrainer

SMALL = Preset(2, 2, 32, plies=6000, batch_plies=500, learning_rate=1e-2, warmup=3)
GROUPS = {"input_groups": ["move", "counters", "board"], "candidate_groups": ["move", "capture", "context"]}
GIDS = [39, 67, 90, *[number for number in range(300, 400) if split_of(f"gid:{number}") == "train"][:57]]
"""Of these, the first is for validation and the next two are for testing."""


def run(shard: Path, out: Path, preset: Preset = SMALL, save_minutes: float = 0.0, **more: Any) -> Path:
    """Train, saving after every step unless told otherwise."""
    torch.set_num_threads(1)
    shards, settings = [Shard.open(shard)], {"config_changes": GROUPS, "log_steps": 1, "progress": False} | more
    return train(shards, out, preset, save_minutes=save_minutes, **settings)


def run_in_little_room(shard: Path, out: Path, message: Path) -> None:
    """Train where the operating system refuses files beyond a size, as it would for want of room; keep what is said."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        run(shard, out)
    except UserError as error:
        message.write_text(str(error))


def run_as_one_of(processes: int, number: int, port: int, shard: Path, out: Path, preset: Preset) -> None:
    """Train as one of several processes, told so as ``torchrun`` tells it."""
    os.environ |= {
        "RANK": str(number),
        "LOCAL_RANK": str(number),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
    }
    run(shard, out, preset)


def run_sharded_as_one_of(processes: int, number: int, port: int, shard: Path, out: Path, preset: Preset) -> None:
    """The same, with weights and optimizer shared out by FSDP, which accelerate by itself does on GPUs alone."""
    create = Trainer.create_accelerator_and_postprocess

    def create_sharding(self: Trainer) -> None:
        create(self)
        state = self.accelerator.state
        state.distributed_type = PartialState().distributed_type = DistributedType.FSDP
        state.fsdp_plugin = FullyShardedDataParallelPlugin(fsdp_version=2, auto_wrap_policy="transformer_based_wrap")
        self.is_fsdp_enabled = True

    Trainer.create_accelerator_and_postprocess = create_sharding  # type: ignore[method-assign]
    run_as_one_of(processes, number, port, shard, out, preset)


def losses(out: Path, name: str = "loss") -> dict[int, float]:
    """Return a loss, or another figure, of each step at which a run logged it."""
    kept = latest_checkpoint(out)
    assert kept is not None
    history = json.loads((kept / "trainer_state.json").read_text())["log_history"]
    return {entry["step"]: entry[name] for entry in history if name in entry}


def final(out: Path) -> dict[str, torch.Tensor]:
    """Return the weights with which a run ended, before they are delivered."""
    return load_file(out / f"checkpoint-{SMALL.steps}" / "model.safetensors")


def assert_same_end(out: Path, other: Path) -> None:
    """Both runs ended with the same losses and weights, to the bit."""
    assert losses(out)[SMALL.steps] == losses(other)[SMALL.steps]
    ours, theirs = final(out), final(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch, number: int = signal.SIGINT) -> None:
    """Have this process get a signal while a step is computed."""
    compute = XiangqiTrainer.compute_loss

    def interrupted(self: XiangqiTrainer, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == step - 1:
            os.kill(os.getpid(), number)
        return compute(self, *args, **kwargs)

    monkeypatch.setattr(XiangqiTrainer, "compute_loss", interrupted)
