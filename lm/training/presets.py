"""Presets: sizes of models and the recipes that train them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from lm import UserError
from lm.model.groups import CANDIDATE_GROUPS, INPUT_GROUPS
from lm.model.pretrained_config import XiangqiConfig

RISE: Final = 0.1
"""Largest share of a run in which the rate rises: one that is shorter than the warm-up would never reach its peak."""


POLICY_TARGETS: Final = ("shares", "regrets", "best")
"""What the engine's voice may learn; see `lm.training.batches.Targets`."""
LEARNERS: Final = ("all", "value")
"""The parts of a model that may learn."""


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
    """Steps of linear rise of the rate, while AdamW's estimates of the gradients settle. See `fitted`."""
    decay: float = 0.5
    """Last share of the run, in which the rate falls linearly to zero. Before it a run's length can still change."""
    weight_decay: float = 0.05
    """AdamW's weight decay. If games are read many times, its timescale, 1 / (rate * decay) steps, should be about an
    epoch (Wang and Aitchison, 2024); see docs/log.md."""
    policy_target: str = "shares"
    """What the engine's voice learns of moves that were weighed; see `lm.training.batches.Targets`."""
    regret_tau: float = 0.04
    """Temperature of regrets there, in expected score."""
    value_blend: float = 0.5
    """Share of an opinion, against the game's result, in the value of a ply that has both."""
    learner: str = "all"
    """Which part of the model learns. With ``value`` it goes on playing the same moves without a search."""
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

    def fitted(self) -> Preset:
        """Return the preset with a warm-up of at most the share `RISE` of its steps.

        Thirty steps of 500 plies from random weights (`tiny`, width 64, warm-up 100): 2.577 instead of 2.700 nats on
        held-out games.
        """
        return replace(self, warmup=min(self.warmup, math.ceil(RISE * self.steps)))

    def rate(self, step: int) -> float:
        """Return a step's learning rate as a share of the peak rate."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
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


def find_preset(name: str, settings: Mapping[str, Any] | None = None, average: bool = False) -> Preset:
    """Return a preset by name, with some of its settings changed.

    With ``average``, the weights are averaged instead of letting the rate fall, and the weight decay is halved. Raises
    ``UserError`` for an unknown name, and for a width that the heads cannot share.
    """
    if name not in PRESETS:
        raise UserError(f"no preset {name!r}: choose from {', '.join(PRESETS)}")
    found = PRESETS[name]
    if average:
        found = replace(found, average=True, decay=0.0, weight_decay=found.weight_decay / 2)  # docs/log.md has why
    found = replace(found, **settings or {})
    if found.n_embd % found.n_head:
        raise UserError(f"n_embd {found.n_embd} is no multiple of n_head {found.n_head}")
    return found


# --- Settings by name -------------------------------------------------------------------------------------------------


def whole(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from ``least`` on."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 15 and int(text) >= least):
            raise ValueError(f"a whole number from {least} on")
        return int(text)

    return read


def number(least: float, most: float, word: str) -> Callable[[str], float]:
    """Return a reader of numbers between two others, which ``word`` describes."""

    def read(text: str) -> float:
        try:
            if least <= (found := float(text)) <= most:
                return found
        except ValueError:
            pass
        raise ValueError(word)

    return read


def feature_groups(known: Mapping[str, int], least: str | None = None) -> Callable[[str], list[str]]:
    """Return a reader of feature groups, separated by commas; ``least`` is one that has to be among them."""

    def read(text: str) -> list[str]:
        found = [name.strip() for name in text.split(",") if name.strip()]
        if set(found) - set(known) or (least and least not in found):
            raise ValueError(f"feature groups{f' with {least}' if least else ''}, of {', '.join(known)}")
        return found

    return read


def word(*known: str) -> Callable[[str], str]:
    """Return a reader of one of some words."""

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"one of {', '.join(known)}")
        return text

    return read


Readers = Mapping[str, Callable[[str], Any]]
SIZES: Final[Readers] = {"n_layer": whole(1), "n_head": whole(1), "n_embd": whole(1)}
"""The settings of a preset that make the size of a model, and how each is read."""
RECIPE: Final[Readers] = {
    "plies": whole(1),
    "batch_plies": whole(1),
    "part_plies": whole(1),
    "learning_rate": number(1e-12, 1e3, "a number above 0"),
    "beta2": number(0, 1 - 1e-9, "a number from 0 on, below 1"),
    "clip": number(1e-12, 1e12, "a number above 0"),
    "warmup": whole(0),
    "decay": number(0, 1, "a share from 0 to 1"),
    "weight_decay": number(0, 1e3, "a number from 0 on"),
    "policy_target": word(*POLICY_TARGETS),
    "regret_tau": number(1e-3, 10, "a number from 0.001 to 10"),
    "value_blend": number(0, 1, "a share from 0 to 1"),
    "learner": word(*LEARNERS),
}
"""Its other settings; ``average`` is none of them, since it changes some of these."""
CONFIG: Final[Readers] = {
    "n_query": whole(1),
    "n_context": whole(2),
    "input_groups": feature_groups(INPUT_GROUPS),
    "candidate_groups": feature_groups(CANDIDATE_GROUPS, "move"),
}
"""The settings of a new model that reads moves, which are the same in every preset (`ModelConfig`)."""


def read_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Return the values of settings given as ``name=value``.

    >>> read_settings(["warmup=10", "input_groups=move,board"])
    {'warmup': 10, 'input_groups': ['move', 'board']}

    Raises ``UserError`` for a wrong name, with all names; for a wrong value; and for a name that is given twice.
    """
    readers, found = {**RECIPE, **SIZES, **CONFIG}, dict[str, Any]()
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise UserError(f"--set {text}: expected NAME=VALUE, as in batch_plies=1024")
        if name not in readers:
            raise UserError(f"--set {text}: no setting {name!r}: choose from {', '.join(readers)}")
        if name in found:
            raise UserError(f"--set {text}: {name} is given twice")
        try:
            found[name] = readers[name](value)
        except ValueError as error:
            raise UserError(f"--set {text}: {name} must be {error}") from None
    return found
