"""The Trainer: batches in order, logged parts of the loss, and atomic checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import torch
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.utils.data import SequentialSampler
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainingArguments

from lm import UserError
from lm.training.averaging import Averaging
from lm.training.batches import GameBatches
from lm.training.checkpoints import advice, publish, seal, writing
from lm.training.presets import Preset


class XiangqiTrainer(Trainer):
    """Trainer that reads batches in order, logs the parts of the loss, and writes checkpoints atomically."""

    def __init__(self, model: PreTrainedModel, args: TrainingArguments, batches: GameBatches, preset: Preset) -> None:
        self.batches, self.preset, self.out = batches, preset, Path(args.output_dir or "")
        self._model, self._class = model, type(model)
        super().__init__(model, args, train_dataset=batches, data_collator=lambda items: items[0])
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = False  # our loss is divided by its own counts
        self._parts = torch.zeros(2, device=args.device)
        self.averaging: Averaging | None = None
        if preset.average:
            if self.is_fsdp_enabled:
                raise UserError("weights that are shared out by FSDP cannot be averaged: leave out --average")
            self.averaging = Averaging(model)
            self.add_callback(self.averaging)
        if self.is_fsdp_enabled and args.bf16:  # else accelerate adds gradients and casts targets in bf16
            policy = MixedPrecisionPolicy(torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)
            self.accelerator.state.fsdp_plugin.mixed_precision_policy = policy
        self.look: Callable[[], None] = lambda: None  # called before each saving
        self._logged: int | None = None  # the step of the last log, or the one resumed from
        self._spent: float | None = None  # up to the mark, once computed
        self._mark = process_time()

    def plan(self, preset: Preset) -> None:
        """Continue with a preset of another length."""
        self.preset = preset
        self.args.max_steps = self.state.max_steps = preset.steps

    def spent(self) -> float:
        """Return the CPU seconds of the run over all processes and resumptions; all processes must call this."""
        if self._spent is None:
            history = reversed(self.state.log_history)
            self._spent = next((entry["cpu_seconds"] for entry in history if "cpu_seconds" in entry), 0.0)
        now = process_time()
        new = torch.tensor([now - self._mark], device=self.args.device)
        self._spent, self._mark = self._spent + float(self.accelerator.reduce(new, "sum")), now
        return self._spent

    def whole(self) -> PreTrainedModel | None:
        """Return the model with all its weights (their mean, if the run averages) on the first process, else None.

        All processes must call this together.
        """
        if not self.is_fsdp_enabled:
            model: Any = self._model if self.averaging is None else self.averaging.mean.module
            return model if self.is_world_process_zero() else None
        weights = self.accelerator.get_state_dict(self.model)
        if not self.is_world_process_zero():
            return None
        whole = self._class(self._model.config)
        whole.load_state_dict(weights)
        return whole.to(self.args.device)  # type: ignore[arg-type]

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        return SequentialSampler(range(self.args.max_steps * self.batches.parts))

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            model = model or self.model
            parameters = [p for p in model.parameters() if p.requires_grad]
            groups = [
                {"params": [p for p in parameters if p.ndim == 2], "weight_decay": self.preset.weight_decay},
                {"params": [p for p in parameters if p.ndim != 2], "weight_decay": 0.0},
            ]
            self.optimizer = torch.optim.AdamW(
                groups, lr=self.preset.learning_rate, betas=(0.9, self.preset.beta2), fused=True
            )
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        optimizer = optimizer or self.optimizer
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self.preset.rate(step))
        return self.lr_scheduler

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return this part's share of the step's loss, scaled to undo the means taken by Trainer and over processes."""
        if self._logged is None:
            self._logged = self.state.global_step
        out = model(**inputs)
        parts = out.get("policy_loss", out.loss), out.get("value_loss", torch.zeros_like(out.loss))
        self._parts += torch.stack(parts).detach()
        loss = out.loss * (self.args.world_size * self.current_gradient_accumulation_steps)
        return (loss, out) if return_outputs else loss

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        if not torch.isfinite(norm):  # before the optimizer applies it to the weights
            step = self.state.global_step + 1
            raise UserError(f"the norm of the gradient is {float(norm)} at step {step}; {advice(self.out)}")
        return norm

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log the loss with its parts, and the plies and CPU seconds of the whole run."""
        if "loss" in logs:
            step = self.state.global_step
            policy, value = self.accelerator.reduce(self._parts / max(1, step - (self._logged or 0)), "sum").tolist()
            logs |= {"policy_loss": policy, "value_loss": value}
            logs |= {"plies": self.batches.plies(step), "cpu_seconds": round(self.spent(), 2)}
            self.state.epoch = step / self.batches.per_epoch  # of the games, not of the sampler's items
            self._parts.zero_()
            self._logged = step
        super().log(logs, *args, **kwargs)

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.out / "unfinished")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.averaging is not None:
            self.averaging.load(Path(resume_from_checkpoint))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.look()
        with writing("a checkpoint", self.out):
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                written = self.out / "unfinished" / f"checkpoint-{self.state.global_step}"
                if self.averaging is not None:
                    self.averaging.save(written)
                seal(written)
                publish(written, self.out)
