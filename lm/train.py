"""Training on `transformers.Trainer`.

A run is a directory: `shard/` or the cache hold the games, `checkpoint-*/` what resuming needs, `model/` the result. Batch
number i is a pure function of the seed and i, so that a run that was killed and resumed reads exactly the batches that an
uninterrupted one would have read.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from lm import UserError
from lm.data import UNKNOWN, Shard
from lm.encoding import Encoder, Features, Line
from lm.evaluate import evaluate
from lm.model import ENGINE, HUMAN, XiangqiConfig, XiangqiLM

POOL: Final = 2048
"""Games that are sorted by length together, so that a batch wastes little on padding."""


@dataclass(frozen=True)
class Preset:
    """Size of a model and how it is trained."""

    n_layer: int
    n_head: int
    n_embd: int
    plies: int
    """Plies to read, a game's mirror image counted as another."""
    batch_plies: int = 4096
    """Plies a step: large enough for steady gradients, small enough for many steps."""
    learning_rate: float = 2e-3
    """Peak of AdamW."""
    warmup: int = 100
    """Steps of linear rise."""
    decay: float = 0.5
    """Share of the run in which the rate falls linearly to zero; before it stands at its peak, so a run can be extended."""
    weight_decay: float = 0.05

    def config(self, **changes: Any) -> XiangqiConfig:
        return XiangqiConfig(n_layer=self.n_layer, n_head=self.n_head, n_embd=self.n_embd, **changes)


PRESETS: Final = {
    "tiny": Preset(2, 2, 128, plies=1_000_000),  # minutes: to see that everything works
    "small": Preset(6, 4, 256, plies=15_000_000),  # an hour or two on two cores; ships
    "base": Preset(10, 8, 512, plies=400_000_000, learning_rate=1e-3, batch_plies=32768),  # a GPU for some hours
    "large": Preset(20, 16, 1024, plies=8_000_000_000, learning_rate=5e-4, batch_plies=262144),  # many GPUs
}


def find_preset(name: str, plies: int | None = None) -> Preset:
    """Return a preset by name, reading ``plies`` instead of its own number if given. Raises ``UserError``."""
    if name not in PRESETS:
        raise UserError(f"no preset {name!r}: choose from {', '.join(PRESETS)}")
    return replace(PRESETS[name], plies=plies or PRESETS[name].plies)


def keep_memory() -> None:
    """Have the C library keep the memory of large tensors instead of returning it page by page: twice the speed on a CPU.

    Where the GNU library is in charge, this starts the program anew once, with huge pages asked for; those are worth
    another half.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version") or torch.cuda.is_available():
        return
    if "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    m_trim_threshold, m_mmap_max = -1, -4
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, 2**31 - 1)


class GameBatches(Dataset[dict[str, torch.Tensor]]):
    """Batches of games of about ``batch_plies`` plies, encoded when asked for; item i depends on ``seed`` and i alone.

    An epoch reads every game once, left-right mirrored or not by chance.
    """

    def __init__(
        self, shards: Sequence[Shard], config: XiangqiConfig, batch_plies: int, length: int, seed: int
    ) -> None:
        self.shards, self.encoder = shards, Encoder(config)
        self.batch_plies, self.length, self.seed = batch_plies, length, seed
        self.longest = config.n_context - 1
        self.games = np.concatenate(
            [np.stack([np.full(len(g), i), g], 1) for i, s in enumerate(shards) for g in [s.games("train")]]
        )
        if not len(self.games):
            raise ValueError("no training games in the data (a few are always held out)")
        self.plies = np.concatenate([np.diff(s.offsets)[s.games("train")] + 1 for s in shards]).clip(max=self.longest)
        self._epochs: list[list[NDArray[np.int64]]] = []
        self._starts = [0]

    def __len__(self) -> int:
        return self.length

    def batch(self, index: int) -> tuple[NDArray[np.int64], np.random.Generator]:
        """Return the games of batch ``index`` and the generator of its chances."""
        while self._starts[-1] <= index:
            self._epochs.append(self._epoch(len(self._epochs)))
            self._starts.append(self._starts[-1] + len(self._epochs[-1]))
        epoch = bisect_right(self._starts, index) - 1
        games = self._epochs[epoch][index - self._starts[epoch]]
        return games, np.random.default_rng((self.seed, 1, index))

    def _epoch(self, epoch: int) -> list[NDArray[np.int64]]:
        rng = np.random.default_rng((self.seed, 0, epoch))
        order = rng.permutation(len(self.games))
        batches = []
        for start in range(0, len(order), POOL):
            pool = order[start : start + POOL]
            pool = pool[np.argsort(self.plies[pool], kind="stable")]
            ends = np.cumsum(self.plies[pool])
            cuts = np.searchsorted(ends, np.arange(self.batch_plies, int(ends[-1]), self.batch_plies))
            batches += [part for part in np.split(pool, cuts) if len(part)]
        rng.shuffle(batches)  # type: ignore[arg-type]
        return batches

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        games, rng = self.batch(index)
        lines, records = [], []
        for which in games:
            number, game = self.games[which]
            shard = self.shards[number]
            line = shard.line(game)
            line.moves = line.moves[: self.longest - 1]
            mirrored = bool(rng.integers(2))
            lines.append(line.mirror() if mirrored else line)
            records.append((shard, int(game), mirrored))
        return training_tensors(self.encoder(lines), lines, records)


def training_tensors(
    features: Features, lines: Sequence[Line], records: Sequence[tuple[Shard, int, bool]]
) -> dict[str, torch.Tensor]:
    """Add to encoded games what is to be learned from them: moves in both voices, results, engine's expectations."""
    from xiangqi.kernels import MOVE_MIRRORED

    human, engine, wdl, expected = [], [], [], []
    for line, (shard, game, mirrored) in zip(lines, records, strict=True):
        n, at = len(line.moves), int(shard.offsets[game])
        best = np.array(shard.best[at : at + n])
        if mirrored:
            best = np.where(best >= 0, MOVE_MIRRORED[best], -1).astype(np.int16)
        played = line.moves if shard.meta["tiers"][shard.tiers[game]] != "engine" else np.full(n, -1, np.int16)
        human.append(np.append(played, -1))
        engine.append(np.append(best, -1))
        opinion = shard.expected[at : at + n].astype(np.float32)
        expected.append(np.append(np.where(opinion == 255, np.nan, opinion / 254), np.nan))
        result = int(shard.results[game])
        red = (np.arange(n + 1) + line.turn) % 2 == 0
        wdl.append(np.full(n + 1, -100) if result == UNKNOWN else np.where(red, result, 2 - result))
    tensors = features.tensors()
    labels = [features.labels(np.concatenate(moves).astype(np.int16)) for moves in (human, engine)]
    rows = [np.flatnonzero(label >= 0) for label in labels]
    voices = np.repeat([HUMAN, ENGINE], [len(r) for r in rows])
    return tensors | {
        "rows": torch.from_numpy(np.concatenate(rows)),
        "voices": torch.from_numpy(voices),
        "labels": torch.from_numpy(np.concatenate([label[r] for label, r in zip(labels, rows, strict=True)])),
        "wdl": torch.from_numpy(np.concatenate(wdl)).long(),
        "expected": torch.from_numpy(np.concatenate(expected)).float(),
    }


class XiangqiTrainer(Trainer):
    """Trainer that reads batches in their order and logs the parts of the loss."""

    def __init__(self, *args: Any, preset: Preset, **kwargs: Any) -> None:
        self.preset = preset
        super().__init__(*args, **kwargs)
        self._parts: list[tuple[float, float]] = []

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        return SequentialSampler(self.train_dataset)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        if self.optimizer is None:
            decayed = [p for p in self.model.parameters() if p.ndim == 2]
            rest = [p for p in self.model.parameters() if p.ndim != 2]
            groups = [
                {"params": decayed, "weight_decay": self.preset.weight_decay},
                {"params": rest, "weight_decay": 0.0},
            ]
            self.optimizer = torch.optim.AdamW(groups, lr=self.preset.learning_rate, betas=(0.9, 0.98), fused=True)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        steps, preset = num_training_steps, self.preset

        def rate(step: int) -> float:
            rise = min(1.0, (step + 1) / preset.warmup)
            fall = min(1.0, (steps - step) / max(1.0, preset.decay * steps))
            return rise * fall

        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, rate)
        return self.lr_scheduler

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **kwargs: Any) -> Any:
        out = model(**inputs)
        if not torch.isfinite(out.loss):
            raise FloatingPointError(f"the loss is {float(out.loss)} at step {self.state.global_step}")
        self._parts.append((float(out.policy_loss), float(out.value_loss)))
        return (out.loss, out) if return_outputs else out.loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        if "loss" in logs and self._parts:
            policy, value = np.mean(self._parts, 0)
            logs |= {"policy_loss": round(float(policy), 4), "value_loss": round(float(value), 4)}
            self._parts.clear()
        super().log(logs, *args, **kwargs)


class EarlyLook(TrainerCallback):
    """Every so often, looks at held-out games, so that a run that goes wrong is seen at once."""

    def __init__(self, shards: Sequence[Shard], plies: int) -> None:
        self.lines = validation_lines(shards, plies)
        self.trainer: XiangqiTrainer | None = None

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self.lines and self.trainer is not None:
            report = evaluate(kwargs["model"], self.lines, [UNKNOWN] * len(self.lines)).report(samples=1)
            self.trainer.log({f"eval_{k}": round(report[k], 4) for k in ("top1", "top3", "nll", "legal_argmax")})


def validation_lines(shards: Sequence[Shard], plies: int) -> list[Line]:
    """Return human validation games with about ``plies`` plies in all."""
    lines: list[Line] = []
    for shard in shards:
        for game in shard.games("validation"):
            if shard.meta["tiers"][shard.tiers[game]] != "engine" and sum(len(x.moves) for x in lines) < plies:
                lines.append(shard.line(int(game)))
    return lines


def train(
    shards: Sequence[Shard],
    out: Path,
    preset: Preset,
    *,
    init_from: Path | None = None,
    config_changes: dict[str, Any] | None = None,
    seed: int = 1,
    save_minutes: float = 5,
    workers: int = 1,
    progress: bool = True,
) -> Path:
    """Train a model, or go on where ``out`` stopped; return the directory of the result, ``out/model``.

    Raises ``ValueError`` for data without training games, ``FloatingPointError`` when the loss is no number any more.
    """
    torch.manual_seed(seed)
    config = preset.config(**(config_changes or {}))
    model = XiangqiLM.from_pretrained(init_from) if init_from else XiangqiLM(config)
    steps = math.ceil(preset.plies / preset.batch_plies)
    batches = GameBatches(shards, model.config, preset.batch_plies, steps, seed)
    arguments = TrainingArguments(
        output_dir=str(out),
        max_steps=steps,
        per_device_train_batch_size=1,  # an item is a whole batch
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        max_grad_norm=1.0,
        logging_steps=20,
        save_strategy="steps",
        save_steps=200,
        save_total_limit=2,
        dataloader_num_workers=workers,
        dataloader_persistent_workers=workers > 0,
        dataloader_prefetch_factor=4 if workers else None,
        remove_unused_columns=False,
        report_to=["tensorboard"],
        disable_tqdm=not progress,
        seed=seed,
    )
    look = EarlyLook(shards, 15_000)
    trainer = XiangqiTrainer(
        model=model,
        args=arguments,
        train_dataset=batches,
        data_collator=lambda items: items[0],
        callbacks=[look],
        preset=preset,
    )
    look.trainer = trainer
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(out)) if out.is_dir() else None)
    result = out / "model"
    model.save_pretrained(result)
    return result
