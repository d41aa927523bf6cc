"""A training run small enough for tests, which other processes can be told to do."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType, FullyShardedDataParallelPlugin, PartialState
from transformers import Trainer

from lm import UserError
from lm.data import Shard
from lm.train import Preset, train

SMALL = Preset(2, 2, 32, plies=6000, batch_plies=500, learning_rate=1e-2, warmup=3)
GROUPS = {"input_groups": ["move", "counters", "board"], "candidate_groups": ["move", "capture", "context"]}


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
