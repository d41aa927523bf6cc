"""Presets: sizes of models and the recipes that train them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

from lm import UserError
from lm.model.config import XiangqiConfig


@dataclass(frozen=True)
class Preset:
    """Size of a model and how it is trained.

    What is more of the model than of its size stands with it: the weights of the losses are `LOSS_WEIGHTS`,
    how often a prompt is left out and a game mirrored is said in `lm.training.batches`.
    """

    n_layer: int
    """Blocks. Two learn as fast as six for the first 2,000 CPU seconds of `small`, after that six learn more."""
    n_head: int
    """Heads of attention, of 64 components each from `small` on: of more and narrower ones a CPU loses speed."""
    n_embd: int
    """Width of the states; the tables of features, which are most of a small model, grow with it as well."""
    plies: int
    """Plies to read, a game's mirror image counted as another."""
    batch_plies: int = 4096
    """Plies a step: large enough for steady gradients, small enough for many steps."""
    part_plies: int = 8192
    """Plies a process reads at once: what fits into memory. A step of more is read in parts and the gradients added."""
    learning_rate: float = 2e-3
    """Peak of AdamW."""
    beta2: float = 0.98
    """How slowly AdamW forgets the size of gradients: within 50 steps, for runs are short."""
    clip: float = 1.0
    """Largest norm of a step's gradient; seldom reached, it keeps one odd batch from undoing a hundred steps."""
    warmup: int = 100
    """Steps of linear rise, in which AdamW gets to know the gradients."""
    decay: float = 0.5
    """Share of the run in which the rate falls linearly to zero. Until then a run can be made longer or shorter."""
    weight_decay: float = 0.05
    """Of AdamW. Where games are read again and again, what one of them taught should fade within about an epoch, after
    1 / (rate * decay) steps (Wang and Aitchison, 2024); see docs/log.md."""
    average: bool = False
    """Whether the result is the mean of the weights along the run (`Averaging`). It takes the place of the falling
    rate, and learns less by heart where games are read many times; see docs/log.md."""

    def config(self, **changes: Any) -> XiangqiConfig:
        """Return the configuration of a model of this size, with ``changes`` to it."""
        settings = {"n_layer": self.n_layer, "n_head": self.n_head, "n_embd": self.n_embd, "replies": True}
        return XiangqiConfig(**settings | changes)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return math.ceil(self.plies / self.batch_plies)

    @property
    def falls_at(self) -> int:
        """First step with a lower rate than the peak."""
        return math.floor(self.steps * (1 - self.decay)) + 1

    def rate(self, step: int) -> float:
        """Return the share of the peak learning rate that a step has."""
        rise = min(1.0, (step + 1) / self.warmup)
        fall = self.decay * self.steps
        return rise * min(1.0, (self.steps - step) / max(1.0, fall)) if fall else rise


PRESETS: Final = {
    "tiny": Preset(2, 2, 128, plies=1_000_000, warmup=25),  # minutes: to see that everything works
    "small": Preset(  # an hour or two on two cores; ships. Little to learn from: small steps
        6, 4, 256, plies=15_000_000, learning_rate=1.5e-3, batch_plies=2048, weight_decay=0.3
    ),
    "base": Preset(10, 8, 512, plies=400_000_000, learning_rate=1e-3, batch_plies=32768),  # a GPU for some hours
    "large": Preset(20, 16, 1024, plies=8_000_000_000, learning_rate=5e-4, batch_plies=262144),  # many GPUs
}


def find_preset(
    name: str, plies: int | None = None, learning_rate: float | None = None, average: bool = False
) -> Preset:
    """Return a preset by name, with another number of plies and another peak rate if given, and with weights averaged,
    which fade half as fast, instead of a rate that falls if wanted. Raises ``UserError``."""
    if name not in PRESETS:
        raise UserError(f"no preset {name!r}: choose from {', '.join(PRESETS)}")
    found = PRESETS[name]
    if average:
        found = replace(found, average=True, decay=0.0, weight_decay=found.weight_decay / 2)  # docs/log.md has why
    return replace(found, plies=plies or found.plies, learning_rate=learning_rate or found.learning_rate)
