"""Speed of training: plies per second, and model FLOPs compared with a large matrix product in the same run.

    python benchmarks/train.py                       # some minutes
    python benchmarks/train.py --threads 1 --cpu     # on a busy machine: processor time instead of wall time
    python benchmarks/train.py --json

These run in one process and alternate, so that other work on the machine affects all alike; the best of several rounds
is used:

- the model of a preset, trained by `lm.training.run`'s Trainer on the shipped games;
- transformers' GPT2LMHeadModel of the same depth and width, over the same games as tokens, under a plain Trainer;
- the product of two large float32 matrices, the reference for model FLOPs;
- both of these in bfloat16, too, if the processor supports it;
- the loading of batches alone, by as many threads.

Model FLOPs are those of the necessary matrix products, forward and twice that backward: without padding, with half of
the attention, without table look-ups.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from lm import data_path
from lm.dataset.shards import Shard, cached
from lm.model.model import XiangqiLM
from lm.model.precision import CPU_HAS_BF16
from lm.model.pretrained_config import XiangqiConfig
from lm.model.vocabulary import PAD, VOCABULARY
from lm.training.batches import GameBatches
from lm.training.memory import keep_memory
from lm.training.presets import PRESETS, Preset
from lm.training.run import make_trainer
from lm.training.trainer import XiangqiTrainer

WARM = 2
"""Warm-up steps of a round, which are not counted."""


@dataclass
class Clock:
    """Returns wall time, or the processor time of this process."""

    cpu: bool

    def __call__(self) -> float:
        return time.process_time() if self.cpu else time.perf_counter()


class Stopwatch(TrainerCallback):
    """Records the time at which each step of a Trainer ends."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.ends = clock, [clock()]

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.ends.append(self.clock())


def rate_of(trainer: Trainer, plies: Callable[[int], int], clock: Clock) -> float:
    """Train and return plies per second: the median over steps; step ``i`` has ``plies(i)`` plies."""
    watch = Stopwatch(clock)
    trainer.add_callback(watch)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return float(np.median([plies(i) / s for i, s in enumerate(np.diff(watch.ends)) if i >= WARM]))


def our_rate(shard: Shard, preset: Preset, clock: Clock, folder: Path) -> float:
    trainer: XiangqiTrainer = make_trainer(XiangqiLM(preset.config()), [shard], folder, preset, 1, 1000)
    return rate_of(trainer, lambda i: trainer.batches.plies(i + 1) - trainer.batches.plies(i), clock)


def gpt2_rate(shard: Shard, preset: Preset, clock: Clock, folder: Path, bf16: bool) -> float:
    """Return the rate of GPT-2 with transformers' own settings, on games in random order padded to the longest."""
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=512,
        n_embd=preset.n_embd,
        n_layer=preset.n_layer,
        n_head=preset.n_head,
        bos_token_id=PAD,
        eos_token_id=PAD,
    )
    games = [
        torch.from_numpy(np.array(shard.game_moves(int(g)).moves[:511], np.int64)) for g in shard.games("train")[:4000]
    ]
    games = [game for game in games if len(game)]
    size = round(preset.batch_plies / float(np.mean([len(game) for game in games])))
    read: list[int] = []

    def collate(rows: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        read.append(sum(len(row) for row in rows))
        tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)
        return {
            "input_ids": tokens,
            "attention_mask": (tokens != PAD).long(),
            "labels": tokens.masked_fill(tokens == PAD, -100),
        }

    arguments = TrainingArguments(
        output_dir=str(folder), max_steps=preset.steps, per_device_train_batch_size=size, bf16=bf16, use_cpu=True,
        save_strategy="no", report_to=[], disable_tqdm=True, remove_unused_columns=False, dataloader_pin_memory=False,
        logging_steps=1000,
    )  # fmt: skip
    trainer = Trainer(GPT2LMHeadModel(config), arguments, data_collator=collate, train_dataset=games)  # type: ignore[arg-type]
    return rate_of(trainer, lambda i: read[i], clock)


def matmul_rate(clock: Clock, dtype: torch.dtype, size: int = 2048) -> float:
    """Return the floating-point operations per second of a large matrix product."""
    a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
    best = np.inf
    for _ in range(6):
        start = clock()
        a @ b
        best = min(best, clock() - start)
    return 2 * size**3 / float(best)


def loading_rate(shard: Shard, preset: Preset, config: XiangqiConfig, clock: Clock, threads: int) -> float:
    """Return plies per second of loading alone."""
    batches = GameBatches([shard], config, preset.batch_plies, 1000, 2, threads=threads)
    for i in range(4):
        batches[i]
    start = clock()
    for i in range(4, 24):
        batches[i]
    return (batches.plies(24) - batches.plies(4)) / (clock() - start)


def flops_a_ply(shard: Shard, config: XiangqiConfig) -> float:
    """Return the model FLOPs of training, per ply."""
    batches, total, plies = GameBatches([shard], config, 4096, 99, 1), 0.0, 0
    with torch.device("meta"):
        model = XiangqiLM(config)
    trunk = sum(p.numel() for block in model.blocks for p in block.parameters() if p.ndim == 2)
    heads = (model.engine_voice, model.move_head, model.context_query, model.context_head)
    a_row = sum(p.numel() for head in heads for p in head.parameters() if p.ndim == 2)
    for i in range(4):
        item = batches.encode(i)
        lengths = item["lengths"].double()
        # A ply attends to the plies up to itself: for each, a product of two vectors and a weighted sum.
        attention = 2 * config.n_layer * config.n_embd * float((lengths * (lengths + 1) / 2).sum())
        total += 6 * (trunk * float(lengths.sum()) + a_row * len(item["rows"]) + attention)
        plies += int(lengths.sum())
    return total / plies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--preset", default="small", choices=PRESETS)
    parser.add_argument("--steps", type=int, default=8, help="steps per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu", action="store_true", help="measure processor time")
    parser.add_argument("--data", type=Path, help="a shard, instead of the shipped games")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    keep_memory()
    torch.set_num_threads(arguments.threads)
    clock = Clock(arguments.cpu)
    preset = PRESETS[arguments.preset]
    preset = replace(preset, plies=preset.batch_plies * arguments.steps)
    files = sorted(data_path("games").glob("*.pgn.zst"))
    shard = Shard.open(arguments.data or cached(files, Path("cache")))
    config = preset.config()

    measures: dict[str, Callable[[Path], float]] = {
        "float32 product, FLOP/s": lambda path: matmul_rate(clock, torch.float32),
        "training, plies/s": lambda path: our_rate(shard, preset, clock, path),
        "GPT-2, plies/s": lambda path: gpt2_rate(shard, preset, clock, path, False),
        "loading alone, plies/s": lambda path: loading_rate(shard, preset, config, clock, arguments.threads),
    }
    if CPU_HAS_BF16:
        measures |= {
            "bfloat16 product, FLOP/s": lambda path: matmul_rate(clock, torch.bfloat16),
            "GPT-2 in bfloat16, plies/s": lambda path: gpt2_rate(shard, preset, clock, path, True),
        }
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        for _ in range(arguments.rounds):
            for name, measure in measures.items():
                best[name] = max(best.get(name, 0.0), measure(path))
    ours, flops = best["training, plies/s"], flops_a_ply(shard, config)
    found = {
        "preset": arguments.preset,
        "threads": arguments.threads,
        "clock": "processor" if arguments.cpu else "wall",
        **best,
        "model FLOPs a ply": flops,
        "share of the float32 product (0.45)": ours * flops / best["float32 product, FLOP/s"],
        "times GPT-2 (1.5)": ours / best["GPT-2, plies/s"],
        "loading alone, times training (20)": best["loading alone, plies/s"] / ours,
    }
    if CPU_HAS_BF16:
        found["times GPT-2 in bfloat16"] = ours / best["GPT-2 in bfloat16, plies/s"]
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        text = value if isinstance(value, str | int) else f"{value:,.4g}" if value < 100 else f"{value:,.0f}"
        print(f"{name:36} {text}")


if __name__ == "__main__":
    main()
