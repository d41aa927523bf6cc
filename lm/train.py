"""Training on `transformers.Trainer`.

A run is a directory: `run.json` says what it was started with, `checkpoint-*/` is what going on needs, `log/` is for
TensorBoard, `model/` the result. Its length is given in plies or in CPU seconds (`Budget`). Killed at any moment and
started again, a run loses the steps since the last checkpoint and then repeats them to the bit (`lm.batches`). Under
``torchrun`` or ``accelerate launch`` the processes share each step's games; their number may change from one sitting to
the next.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.utils.data import SequentialSampler
from torch.utils.tensorboard import SummaryWriter
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainingArguments
from transformers.integrations.integration_utils import TensorBoardCallback
from transformers.utils.logging import disable_progress_bar

from lm import UserError, char
from lm.batches import GameBatches
from lm.callbacks import Averaging, Bar, Budget, EarlyLook, Saving, say
from lm.checkpoints import advice, latest_checkpoint, publish, seal, settle, step_of, write_json, writing
from lm.data import Shard
from lm.model import XiangqiConfig, XiangqiLM, has_bf16
from lm.policy import load_model
from lm.result import TOKENIZERS, deliver


@dataclass(frozen=True)
class Preset:
    """Size of a model and how it is trained.

    What is more of the model than of its size stands with it: the weights of the losses are `lm.model.LOSS_WEIGHTS`,
    how often a prompt is left out and a game mirrored is said in `lm.batches`.
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


def new_model(preset: Preset, tokens: str, init_from: Path | None, changes: dict[str, Any]) -> PreTrainedModel:
    """Return the model that a run begins with. Raises ``UserError`` if ``init_from`` is no such model."""
    if tokens == "char":
        size = preset.n_layer, preset.n_head, preset.n_embd
        return char.start_from(init_from) if init_from else char.new_model(*size)
    if init_from is None:
        return XiangqiLM(preset.config(**changes))
    model = load_model(init_from)
    model.foresee_replies(True)
    return model


def keep_memory() -> None:
    """Have the C library keep the memory of large tensors instead of returning it page by page: twice as fast on a CPU.

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


# --- The Trainer ------------------------------------------------------------------------------------------------------


class XiangqiTrainer(Trainer):
    """Trainer that reads batches in their order, adds up their parts, and writes checkpoints whole or not at all."""

    def __init__(self, model: PreTrainedModel, args: TrainingArguments, batches: GameBatches, preset: Preset) -> None:
        self.batches, self.preset, self.out = batches, preset, Path(args.output_dir or "")
        self._model, self._class = model, type(model)
        super().__init__(model, args, train_dataset=batches, data_collator=lambda items: items[0])
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = False  # the loss is divided by our own counts
        self._parts = torch.zeros(2, device=args.device)
        self.averaging: Averaging | None = None
        if preset.average:
            if self.is_fsdp_enabled:
                raise UserError("weights that are shared out by FSDP cannot be averaged: leave out --average")
            self.averaging = Averaging(model)
            self.add_callback(self.averaging)
        if self.is_fsdp_enabled and args.bf16:  # accelerate would have gradients added up and targets read in bf16, too
            policy = MixedPrecisionPolicy(torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)
            self.accelerator.state.fsdp_plugin.mixed_precision_policy = policy
        self.look: Callable[[], None] = lambda: None  # what is done before each saving
        self._logged: int | None = None  # the step of the last log in this sitting, or the one it went on from
        self._spent: float | None = None  # as of the mark, as soon as it is asked for
        self._mark = time.process_time()

    def plan(self, preset: Preset) -> None:
        """Go on by a preset of another length."""
        self.preset = preset
        self.args.max_steps = self.state.max_steps = preset.steps

    def spent(self) -> float:
        """Return the CPU seconds of all processes and sittings of the run; all processes have to ask together."""
        if self._spent is None:
            history = reversed(self.state.log_history)
            self._spent = next((entry["cpu_seconds"] for entry in history if "cpu_seconds" in entry), 0.0)
        now = time.process_time()
        new = torch.tensor([now - self._mark], device=self.args.device)
        self._spent, self._mark = self._spent + float(self.accelerator.reduce(new, "sum")), now
        return self._spent

    def whole(self) -> PreTrainedModel | None:
        """Return the model with all of its weights, the mean of those there were if that is to be the result, on the
        first process; None on others. All have to ask together."""
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
            parameters = list(model.parameters())
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
        """Return this part's share of the step's loss; the mean that Trainer and processes take of it is undone."""
        if self._logged is None:
            self._logged = self.state.global_step
        out = model(**inputs)
        parts = out.get("policy_loss", out.loss), out.get("value_loss", torch.zeros_like(out.loss))
        self._parts += torch.stack(parts).detach()
        loss = out.loss * (self.args.world_size * self.current_gradient_accumulation_steps)
        return (loss, out) if return_outputs else loss

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        if not torch.isfinite(norm):  # before the optimizer spoils the weights with it
            step = self.state.global_step + 1
            raise UserError(
                f"the gradient of step {step} is {float(norm)}, no number to go on with; {advice(self.out)}"
            )
        return norm

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add to the loss its parts, and what has been read and spent over all sittings of the run."""
        if "loss" in logs:
            step = self.state.global_step
            policy, value = self.accelerator.reduce(self._parts / max(1, step - (self._logged or 0)), "sum").tolist()
            logs |= {"policy_loss": policy, "value_loss": value}
            logs |= {"plies": self.batches.plies(step), "cpu_seconds": round(self.spent(), 2)}
            self.state.epoch = step / self.batches.per_epoch  # of the games, not of the sampler
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


# --- A run from its first command to its result -----------------------------------------------------------------------


def train(
    shards: Sequence[Shard],
    out: Path,
    preset: Preset,
    *,
    tokens: str = "move",
    init_from: Path | None = None,
    config_changes: dict[str, Any] | None = None,
    seed: int = 1,
    cpu_seconds: float | None = None,
    weights: Mapping[str, float] | None = None,
    save_minutes: float = 5,
    log_steps: int = 20,
    progress: bool = True,
) -> Path:
    """Train a model, or go on where ``out`` stopped; return the directory of the result, ``out/model``.

    ``tokens`` is what it reads: ``move``, or ``char`` for the system of 2020 (`lm.char`), which sees no board.
    ``config_changes`` are those to the preset's configuration, for a new model that reads moves.
    ``cpu_seconds`` makes the run as long as they allow, of all its processes and sittings together; what the preset
    says about its length is then a first guess, by which the curriculum of characters begins. ``weights`` say how often
    the games of a source or tier are read in an epoch (`GameBatches`). Checkpoints are ``save_minutes`` apart.
    A finished run is left as it is. Asked to stop, it saves first and then raises ``KeyboardInterrupt``. Raises
    ``UserError`` for data without training games, settings that ``out`` was not begun with, a gradient that is no
    number, a run that diverges, a damaged shard and a disk that is full; what was saved before stays good.
    """
    if tokens not in TOKENIZERS:
        raise UserError(f"tokens must be one of {', '.join(TOKENIZERS)}: {tokens!r}")
    settings = {
        **asdict(preset),
        "tokens": tokens,
        "config": config_changes or {},
        "seed": seed,
        "init_from": str(init_from) if init_from else None,
        "data": [shard.fingerprint() for shard in shards],
        "cpu_seconds": cpu_seconds,
        "weights": dict(weights) if weights else None,
    }
    try:
        began = settle(out, settings)
        checkpoint = latest_checkpoint(out, say)
        if began["plies"] != preset.plies:
            check_new_length(out, preset, began["plies"], checkpoint)
            write_json(out / "run.json", settings)
        elif finished(out):
            if os.environ.get("RANK", "0") == "0":
                say("this run is finished")
            return out / "model"
        disable_progress_bar()  # for every file that is written, there would be one
        torch.manual_seed(seed)
        model = new_model(preset, tokens, init_from, config_changes or {})
        trainer = make_trainer(model, shards, out, preset, seed, log_steps, weights)
        saving = Saving(save_minutes)
        trainer.add_callback(saving)
        trainer.look = EarlyLook(trainer, shards, tokens)
        budget = None
        if "length" in began:
            known = replace(preset, **began["length"])
            trainer.plan(known)
            trainer.batches.settle(known.steps, round(known.steps * (1 - known.decay)))
        elif cpu_seconds is not None:

            def note(known: Preset) -> None:
                length = {"plies": known.plies, "decay": known.decay}
                write_json(out / "run.json", settings | {"length": length})

            budget = Budget(trainer, cpu_seconds, note)
            trainer.add_callback(budget)
        bar, writer = Bar(trainer, progress, budget), None
        trainer.add_callback(bar)
        if trainer.is_world_process_zero():
            shutil.rmtree(out / "unfinished", ignore_errors=True)
            writer = SummaryWriter(str(out / "log"), purge_step=step_of(checkpoint) + 1 if checkpoint else 0)
            trainer.add_callback(TensorBoardCallback(writer))
        try:
            with saving.listening():
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        finally:
            bar.close()
            with suppress(OSError):
                if writer is not None:
                    writer.close()
        if trainer.state.global_step < trainer.preset.steps:
            raise KeyboardInterrupt(f"stopped at {bar.place(trainer.state.global_step)}")
        whole = trainer.whole()
        if whole is not None:
            deliver(trainer.state, whole, shards, out, trainer.preset, tokens, init_from)
            shutil.rmtree(out / "unfinished")
        trainer.accelerator.wait_for_everyone()
    except OSError as error:
        raise UserError(f"{error.filename or out}: {error.strerror or error}") from None
    return out / "model"


def finished(out: Path) -> bool:
    """Whether a run has brought its result, that of the length that it is to have."""
    try:
        made = json.loads((out / "model" / "metrics.json").read_text())
        wanted = json.loads((out / "run.json").read_text())
    except FileNotFoundError:
        return False
    return bool(made["preset"]["plies"] == wanted.get("length", wanted)["plies"])


def check_new_length(out: Path, preset: Preset, plies: int, checkpoint: Path | None) -> None:
    """Raise ``UserError`` if a run begun for ``plies`` can have no other length, as its rate has left the peak."""
    done = step_of(checkpoint) if checkpoint else 0
    if done >= min(preset.falls_at, replace(preset, plies=plies).falls_at):
        raise UserError(
            f"{out} was begun for {plies} plies; after {done} steps it is too late for {preset.plies}, as the "
            f"learning rate falls or should have fallen: start a new run with --init-from {out / 'model'}"
        )


def make_trainer(
    model: PreTrainedModel,
    shards: Sequence[Shard],
    out: Path,
    preset: Preset,
    seed: int,
    log_steps: int,
    weights: Mapping[str, float] | None = None,
) -> XiangqiTrainer:
    """Return the Trainer of this process: how its device and the number of processes change what a preset says."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    gpu = device.type == "cuda"
    processes, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    accumulation = math.ceil(preset.batch_plies / preset.part_plies / processes)
    config = char.reading_config(model)
    kind = GameBatches if config is model.config else char.CharBatches
    batches = kind(
        shards,
        config,
        preset.batch_plies,
        preset.steps,
        seed,
        parts=processes * accumulation,
        stride=processes,
        threads=max(1, len(os.sched_getaffinity(0)) // (2 * local)),
        weights=weights,
    )
    arguments = TrainingArguments(
        output_dir=str(out),
        max_steps=preset.steps,
        per_device_train_batch_size=1,  # an item is a part of a step already
        gradient_accumulation_steps=accumulation,
        bf16=has_bf16(device),
        use_cpu=not gpu,
        ddp_backend="gloo" if processes > 1 and not gpu else None,
        ddp_find_unused_parameters=len(config.candidate_groups) == 1,  # what scores contexts is idle then
        max_grad_norm=preset.clip,
        logging_steps=log_steps,
        save_strategy="no",  # Saving decides
        dataloader_pin_memory=gpu,
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
        seed=seed,
    )
    return XiangqiTrainer(model, arguments, batches, preset)
