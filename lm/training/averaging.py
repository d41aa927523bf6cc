"""The mean of the weights over a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from torch.optim.swa_utils import AveragedModel
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

AVERAGE_EVERY: Final = 5
"""Steps between two samples of the weights for the mean."""


class Averaging(TrainerCallback):
    """Computes the mean of the weights over a run; the weights after step t have weight t.

    This is the polynomial-decay averaging of O. Shamir and T. Zhang, "Stochastic Gradient Descent for Non-smooth
    Optimization", 2013, with eta = 1. The length of the run need not be known.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.mean = AveragedModel(model, avg_fn=lambda mean, new, n: mean.lerp(new, 2 / (n + 2)))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step % AVERAGE_EVERY == 0:
            self.mean.update_parameters(self.model)

    def save(self, checkpoint: Path) -> None:
        """Write the mean into a checkpoint."""
        torch.save(self.mean.state_dict(), checkpoint / "mean.pt")

    def load(self, checkpoint: Path) -> None:
        """Load the mean from a checkpoint."""
        self.mean.load_state_dict(torch.load(checkpoint / "mean.pt", weights_only=True))
