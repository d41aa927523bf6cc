"""Presets: sizes of models and the recipes that train them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

from lm import UserError
from lm.model.pretrained_config import XiangqiConfig


@dataclass(frozen=True)
class Preset:
    """Size and training recipe of a model.

    Settings that do not depend on the size are elsewhere: the weights of the losses are `LOSS_WEIGHTS`, the frequencies
    of prompts and mirrored games are in `lm.training.batches`.
    """

    n_layer: int
    """Blocks. Two learn as fast as six for the first 2,000 CPU seconds of `small`; after that six learn more."""
    n_head: int
    """Attention heads, of 64 components each from `small` on: more and narrower heads are slower on a CPU."""
    n_embd: int
    """Width of the states and of the feature tables, which are most of a small model."""
    plies: int
    """Plies to read; a game's mirror image counts as another game."""
    batch_plies: int = 4096
    """Plies a step: large enough for steady gradients, small enough for many steps."""
    part_plies: int = 8192
    """Plies a process reads at once, limited by memory. A larger step is read in parts, whose gradients are added."""
    learning_rate: float = 2e-3
    """Peak learning rate of AdamW."""
    beta2: float = 0.98
    """AdamW's decay of the second moment: a time constant of 50 steps, since runs are short."""
    clip: float = 1.0
    """Maximum norm of a step's gradient; rarely reached, but it keeps one odd batch from undoing a hundred steps."""
    warmup: int = 100
    """Steps of linear rise of the rate, while AdamW's estimates of the gradients settle."""
    decay: float = 0.5
    """Last share of the run, in which the rate falls linearly to zero. Before it a run's length can still change."""
    weight_decay: float = 0.05
    """AdamW's weight decay. If games are read many times, its timescale, 1 / (rate * decay) steps, should be about an
    epoch (Wang and Aitchison, 2024); see docs/log.md."""
    average: bool = False
    """Whether the result is the mean of the weights over the run (`Averaging`). It replaces the falling rate, and
    overfits less if games are read many times; see docs/log.md."""

    def config(self, **changes: Any) -> XiangqiConfig:
        """Return the configuration of a model of this size, with ``changes`` applied."""
        settings = {"n_layer": self.n_layer, "n_head": self.n_head, "n_embd": self.n_embd, "replies": True}
        return XiangqiConfig(**settings | changes)

    @property
    def steps(self) -> int:
        """Number of steps of the run."""
        return math.ceil(self.plies / self.batch_plies)

    @property
    def falls_at(self) -> int:
        """First step of the falling rate."""
        return math.floor(self.steps * (1 - self.decay)) + 1

    def rate(self, step: int) -> float:
        """Return a step's learning rate as a share of the peak rate."""
        rise = min(1.0, (step + 1) / self.warmup)
        fall = self.decay * self.steps
        return rise * min(1.0, (self.steps - step) / max(1.0, fall)) if fall else rise


PRESETS: Final = {
    "tiny": Preset(2, 2, 128, plies=1_000_000, warmup=25),  # minutes, to test that everything works
    "small": Preset(  # an hour or two on two cores; ships. With few games: small steps
        6, 4, 256, plies=15_000_000, learning_rate=1.5e-3, batch_plies=2048, weight_decay=0.3
    ),
    "base": Preset(10, 8, 512, plies=400_000_000, learning_rate=1e-3, batch_plies=32768),  # a GPU for some hours
    "large": Preset(20, 16, 1024, plies=8_000_000_000, learning_rate=5e-4, batch_plies=262144),  # many GPUs
}


def find_preset(
    name: str, plies: int | None = None, learning_rate: float | None = None, average: bool = False
) -> Preset:
    """Return a preset by name, with another number of plies or peak rate if given.

    With ``average``, the weights are averaged instead of letting the rate fall, and the weight decay is halved. Raises
    ``UserError`` for an unknown name.
    """
    if name not in PRESETS:
        raise UserError(f"no preset {name!r}: choose from {', '.join(PRESETS)}")
    found = PRESETS[name]
    if average:
        found = replace(found, average=True, decay=0.0, weight_decay=found.weight_decay / 2)  # docs/log.md has why
    return replace(found, plies=plies or found.plies, learning_rate=learning_rate or found.learning_rate)
