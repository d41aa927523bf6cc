"""Training on `transformers.Trainer`.

A run is a directory: `run.json` says what it was started with, `checkpoint-*/` is what going on needs, `log/` is for
TensorBoard, `model/` the result. Its length is given in plies or in CPU seconds (`Budget`). Killed at any moment and
started again, a run loses the steps since the last checkpoint and then repeats them to the bit (`lm.batches`). Under
``torchrun`` or ``accelerate launch`` the processes share each step's games; their number may change from one sitting to
the next.
"""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.utils.data import SequentialSampler
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm  # type: ignore[import-untyped]
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.integrations.integration_utils import TensorBoardCallback
from transformers.utils.logging import disable_progress_bar

from lm import UserError, char
from lm.batches import GameBatches
from lm.checkpoints import latest_checkpoint, publish, settle, step_of, write_json
from lm.data import Shard
from lm.encoding import Line
from lm.evaluate import evaluate
from lm.model import ENGINE, HUMAN, STYLES, XiangqiConfig, XiangqiLM
from lm.policy import load_any_model, load_model
from lm.tokenizer import char_tokenizer, move_tokenizer


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
    part_plies: int = 8192
    """Plies a process reads at once: what fits into memory. A step of more is read in parts and the gradients added."""
    learning_rate: float = 2e-3
    """Peak of AdamW."""
    warmup: int = 100
    """Steps of linear rise."""
    decay: float = 0.5
    """Share of the run in which the rate falls linearly to zero. Until then a run can be made longer or shorter."""
    weight_decay: float = 0.05

    def config(self, **changes: Any) -> XiangqiConfig:
        settings = {
            "n_layer": self.n_layer,
            "n_head": self.n_head,
            "n_embd": self.n_embd,
            "prompts": True,
            "ends": True,
            "replies": True,
            "bounded": True,
        }
        return XiangqiConfig(**settings | changes)

    @property
    def steps(self) -> int:
        return math.ceil(self.plies / self.batch_plies)

    @property
    def falls_at(self) -> int:
        """First step with a lower rate than the peak."""
        return math.floor(self.steps * (1 - self.decay)) + 1

    def rate(self, step: int) -> float:
        """Return the share of the peak learning rate that a step has."""
        rise = min(1.0, (step + 1) / self.warmup)
        return rise * min(1.0, (self.steps - step) / max(1.0, self.decay * self.steps))


PRESETS: Final = {
    "tiny": Preset(2, 2, 128, plies=1_000_000),  # minutes: to see that everything works
    "small": Preset(  # an hour or two on two cores; ships. Little to learn from: small steps
        6, 4, 256, plies=15_000_000, learning_rate=1.5e-3, batch_plies=2048
    ),
    "base": Preset(10, 8, 512, plies=400_000_000, learning_rate=1e-3, batch_plies=32768),  # a GPU for some hours
    "large": Preset(20, 16, 1024, plies=8_000_000_000, learning_rate=5e-4, batch_plies=262144),  # many GPUs
}


def find_preset(name: str, plies: int | None = None, learning_rate: float | None = None) -> Preset:
    """Return a preset by name, with another number of plies and another peak rate if given. Raises ``UserError``."""
    if name not in PRESETS:
        raise UserError(f"no preset {name!r}: choose from {', '.join(PRESETS)}")
    found = PRESETS[name]
    return replace(found, plies=plies or found.plies, learning_rate=learning_rate or found.learning_rate)


ENDLESS: Final = 10**15
"""Plies of a run whose end is not known yet."""
LATELY: Final = 0.2
"""Share of the plateau by whose speed the length of the fall is reckoned."""
TOKENIZERS: Final = {"move": move_tokenizer, "char": char_tokenizer}
"""What a model may read: moves, together with the position; or the characters of moves, as in 2020 (`lm.char`)."""
LOOK_PLIES: Final = {"move": 15_000, "char": 1_500}
"""Held-out plies of an early look; scoring moves by their characters costs ten times as much."""
TEST_PLIES: Final = {"move": 100_000, "char": 10_000}
"""Held-out plies by which the result is judged."""
ABOUT: Final = {
    "move": """It reads a game ply by ply, sees the position through the rules, and says which legal move comes next, in
the voice of humans or of an engine, and who will win.""",
    "char": """It reads a game as the characters of its ICCS moves, sees no board and writes on, as the system of Su
Jianlin did in 2020 (https://kexue.fm/archives/7877). Of the legal moves it plays the one with the likeliest
characters.""",
}


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


def say(text: str) -> None:
    """Tell the person something, above the progress bar if there is one."""
    tqdm.write(text, file=sys.stderr)


# --- The Trainer, and what watches it ---------------------------------------------------------------------------------


class XiangqiTrainer(Trainer):
    """Trainer that reads batches in their order, adds up their parts, and writes checkpoints whole or not at all."""

    def __init__(self, model: PreTrainedModel, args: TrainingArguments, batches: GameBatches, preset: Preset) -> None:
        self.batches, self.preset, self.out = batches, preset, Path(args.output_dir or "")
        self._model, self._class = model, type(model)
        super().__init__(model, args, train_dataset=batches, data_collator=lambda items: items[0])
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = False  # the loss is divided by our own counts
        self._parts = torch.zeros(2, device=args.device)
        if self.is_fsdp_enabled and args.bf16:  # accelerate would have gradients added up and targets read in bf16, too
            policy = MixedPrecisionPolicy(torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)
            self.accelerator.state.fsdp_plugin.mixed_precision_policy = policy
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
        """Return the model with all of its weights on the first process, None on others; all have to ask together."""
        if not self.is_fsdp_enabled:
            return self._model if self.is_world_process_zero() else None
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
            self.optimizer = torch.optim.AdamW(groups, lr=self.preset.learning_rate, betas=(0.9, 0.98), fused=True)
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
            raise UserError(f"the gradient of step {step} is {float(norm)}, no number to go on with; {self._advice()}")
        return norm

    def _advice(self) -> str:
        kept = latest_checkpoint(self.out)
        return f"the last good checkpoint is {kept}" if kept else "there is no checkpoint yet"

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

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        try:
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                publish(self.out / "unfinished" / f"checkpoint-{self.state.global_step}", self.out)
        except (OSError, RuntimeError, SafetensorError) as error:  # what a full disk makes of the libraries
            reason = " ".join(str(error).split())
            raise UserError(f"cannot write a checkpoint into {self.out}: {reason}; {self._advice()}") from None


class Saving(TrainerCallback):
    """Saves every so often, at the end, and before it obeys a request to stop, which all processes agree on."""

    def __init__(self, minutes: float) -> None:
        self.seconds = minutes * 60
        self.last = time.monotonic()
        self.asked_to_stop = self.stopping = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take Ctrl-C and a request to terminate as wishes to stop after the step; obey the second Ctrl-C at once."""

        def stop(number: int, frame: Any) -> None:
            self.asked_to_stop = True
            if int(os.environ.get("WORLD_SIZE", "1")) == 1:  # torchrun hands on what the terminal has told all already
                signal.signal(signal.SIGINT, signal.default_int_handler)
            say("saving, then stopping")

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        wishes = torch.tensor([time.monotonic() - self.last >= self.seconds, self.asked_to_stop], device=args.device)
        if args.world_size > 1:
            wishes = wishes.int()
            dist.all_reduce(wishes, dist.ReduceOp.MAX)
        due, self.stopping = (bool(wish) for wish in wishes)
        if due or self.stopping or state.global_step >= state.max_steps:
            control.should_log = control.should_save = True
        return control

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        self.last = time.monotonic()
        control.should_training_stop |= self.stopping
        return control


class Budget(TrainerCallback):
    """Makes a run as long as the CPU seconds that it may take.

    The learning rate stays at its peak until the plateau's share of them is spent. How many steps the fall has is then
    known from the speed of late. It is told to ``note`` once a checkpoint has been written, so that a run killed after
    that repeats the fall exactly, and one killed before it measures again.
    """

    def __init__(self, trainer: XiangqiTrainer, seconds: float, note: Callable[[Preset], None]) -> None:
        self.trainer, self.guess, self.seconds, self.note = trainer, trainer.preset, seconds, note
        self.plateau = (1 - self.guess.decay) * seconds
        self.spent, self.due, self.known = 0.0, False, False
        trainer.plan(replace(self.guess, plies=ENDLESS))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if not self.known:
            self.spent = self.trainer.spent()
            self.due = self.spent >= self.plateau
            control.should_log |= self.due
            control.should_save |= self.due
        return control

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if not self.due or self.known:
            return
        done = state.global_step
        since = self.spent - LATELY * self.plateau
        late = [x for x in state.log_history if x.get("cpu_seconds", math.inf) <= since]
        step, seconds = (late[-1]["step"], late[-1]["cpu_seconds"]) if late else (0, 0.0)
        left = self.seconds - self.trainer.spent()  # the saving just done is no measure of a step
        fall = max(1, round(left * (done - step) / (self.spent - seconds)))
        preset = replace(self.guess, plies=(done + fall) * self.guess.batch_plies, decay=fall / (done + fall))
        self.trainer.plan(preset)
        self.trainer.batches.settle(preset.steps, done)
        self.known = True
        if state.is_world_process_zero:
            self.note(preset)


class EarlyLook(TrainerCallback):
    """Looks at held-out games whenever the run is saved, so that one that goes wrong is seen at once."""

    def __init__(self, trainer: XiangqiTrainer, shards: Sequence[Shard], plies: int) -> None:
        self.trainer, self.games = trainer, held_out(shards, "validation", plies)[HUMAN]

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        model = self.trainer.whole()
        if self.games[0] and model is not None:
            report = measure(model, self.games, HUMAN, samples=1)
            self.trainer.log({f"eval_{k}": round(report[k], 4) for k in ("top1", "top3", "nll", "legal_argmax")})


class Bar(TrainerCallback):
    """A line on the terminal with rate and time left; where there is no terminal, a line now and then."""

    def __init__(self, trainer: XiangqiTrainer, wanted: bool) -> None:
        self.batches, self.wanted = trainer.batches, wanted and trainer.is_world_process_zero()
        self.figures: dict[str, str] = {}
        self.steps = self.batches.steps
        self.said = time.monotonic()
        self.bar = tqdm(disable=True)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.bar = tqdm(
            total=self.batches.plies(self.steps),
            initial=self.batches.plies(state.global_step),
            unit=" plies",
            unit_scale=True,
            smoothing=0.02,
            mininterval=0.5,
            dynamic_ncols=True,
            disable=not (self.wanted and sys.stderr.isatty()),
            file=sys.stderr,
        )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.bar.update(self.batches.plies(state.global_step) - self.bar.n)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self.steps != self.batches.steps:  # a run with a budget has found out
            self.steps = self.batches.steps
            self.bar.total = self.batches.plies(self.steps)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        names = {"policy_loss": "policy", "value_loss": "value", "eval_top1": "held-out top-1", "eval_nll": "nll"}
        self.figures |= {names[k]: f"{v:.3f}" for k, v in (logs or {}).items() if k in names}
        self.bar.set_postfix(self.figures, refresh=False)
        if self.wanted and self.bar.disable and time.monotonic() - self.said > 30:
            self.said = time.monotonic()
            say(f"step {state.global_step} of {self.steps}: {', '.join(map(' '.join, self.figures.items()))}")

    def close(self) -> None:
        self.bar.close()


# --- What the result is worth -----------------------------------------------------------------------------------------

Games = tuple[list[Line], list[int]]
"""Games and their results."""


def held_out(shards: Sequence[Shard], split: str, plies: int) -> dict[int, Games]:
    """Return games of a split, about ``plies`` of human ones and as many of engines', by voice."""
    games: dict[int, Games] = {HUMAN: ([], []), ENGINE: ([], [])}
    for shard in shards:
        room = {voice: plies // len(shards) for voice in games}
        for game in shard.games(split):
            voice = ENGINE if shard.meta["tiers"][shard.tiers[game]] == "engine" else HUMAN
            if room[voice] > 0:
                line = shard.line(int(game))
                room[voice] -= len(line.moves)
                games[voice][0].append(line)
                games[voice][1].append(int(shard.results[game]))
    return games


def measure(model: PreTrainedModel, games: Games, voice: int, samples: int = 1000) -> dict[str, Any]:
    """Return what `lm.evaluate` reports of games."""
    return evaluate(model, *games, voice).report(samples=samples)


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
    ``cpu_seconds`` makes the run as long as they allow, of all its processes and sittings together; what the preset
    says about its length is then a first guess, by which the curriculum of characters begins. ``weights`` say how often
    the games of a source or tier are read in an epoch (`GameBatches`).
    A finished run is left as it is. Asked to stop, it saves first and then raises ``KeyboardInterrupt``. Raises
    ``UserError`` for data without training games, settings that ``out`` was not begun with, a gradient that is no
    number, a damaged shard and a disk that is full; what was saved before stays good.
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
            extend(out, preset, replace(preset, plies=began["plies"]), checkpoint)
            write_json(out / "run.json", settings)
        elif finished(out):
            return out / "model"
        disable_progress_bar()  # for every file that is written, there would be one
        torch.manual_seed(seed)
        model = new_model(preset, tokens, init_from, config_changes or {})
        trainer = make_trainer(model, shards, out, preset, seed, log_steps, weights)
        saving, look = Saving(save_minutes), EarlyLook(trainer, shards, LOOK_PLIES[tokens])
        callbacks: list[TrainerCallback] = [saving, look]
        if "length" in began:
            known = replace(preset, **began["length"])
            trainer.plan(known)
            trainer.batches.settle(known.steps, round(known.steps * (1 - known.decay)))
        elif cpu_seconds is not None:

            def note(known: Preset) -> None:
                length = {"plies": known.plies, "decay": known.decay}
                write_json(out / "run.json", settings | {"length": length})

            callbacks.append(Budget(trainer, cpu_seconds, note))
        bar, writer = Bar(trainer, progress), None
        for callback in (*callbacks, bar):
            trainer.add_callback(callback)
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
            raise KeyboardInterrupt(f"stopped at step {trainer.state.global_step} of {trainer.batches.steps}")
        whole = trainer.whole()
        if whole is not None:
            deliver(trainer.state, whole, shards, out, trainer.preset, tokens)
            shutil.rmtree(out / "unfinished")
        trainer.accelerator.wait_for_everyone()
    except OSError as error:
        raise UserError(f"{error.filename or out}: {error.strerror or error}") from None
    return out / "model"


def deliver(
    state: TrainerState, model: PreTrainedModel, shards: Sequence[Shard], out: Path, preset: Preset, tokens: str
) -> None:
    """Write the result of a run: weights, configuration, tokenizer, figures and model card."""
    aside = out / "unfinished" / "model"
    if isinstance(model, XiangqiLM):
        model.foresee_replies(False)
    # Half the bits do: a move's score keeps three digits, and the file stays small enough to ship.
    model.save_pretrained(aside, state_dict={name: x.half() for name, x in model.state_dict().items()})
    TOKENIZERS[tokens]().save_pretrained(aside)
    last = next(entry for entry in reversed(state.log_history) if "cpu_seconds" in entry)
    figures: dict[str, Any] = {
        "tokens": tokens,
        "layers": model.config.num_hidden_layers,
        "width": model.config.hidden_size,
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": state.global_step,
        **{name: last[name] for name in ("plies", "cpu_seconds", "loss", "policy_loss", "value_loss")},
        "preset": asdict(preset),
        "data": [{name: shard.meta[name] for name in ("games", "plies")} for shard in shards],
        "files": [Path(file).name for shard in shards for file in shard.meta["files"]],
        "test": {},
    }
    written = load_any_model(aside)
    for voice, games in held_out(shards, "test", TEST_PLIES[tokens]).items():
        if games[0]:
            figures["test"][STYLES[voice]] = measure(written, games, voice)
    write_json(aside / "metrics.json", figures)
    (aside / "README.md").write_text(card(figures), encoding="utf-8")
    publish(aside, out)


def card(figures: dict[str, Any]) -> str:
    """Return the model card of a run's figures."""
    rows = [
        f"| {style} | {x['games']} | {x['plies']} | {x['top1']:.4f} | {x['top3']:.4f} | {x['nll']:.4f} "
        f"| {x['legal_argmax']:.4f} |\n"
        for style, x in figures["test"].items()
    ]
    return f"""---
library_name: transformers
license: mit
pipeline_tag: text-generation
tags: [xiangqi, chinese-chess, board-game]
---

# A language model that plays xiangqi

{ABOUT[figures["tokens"]]}
{figures["layers"]} layers of width {figures["width"]}, {figures["parameters"] / 1e6:.1f} million parameters, kept in 16
bits.

```python
import lm
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("this folder")
tokenizer = AutoTokenizer.from_pretrained("this folder")
game = model.generate(**tokenizer("h2e2 h9g7", return_tensors="pt"), max_new_tokens=10)
print(tokenizer.decode(game[0]))
```

## Training

{figures["plies"]:,} plies read in {figures["steps"]:,} steps, {figures["cpu_seconds"]:,.0f} CPU seconds. Last losses:
policy {figures["policy_loss"]:.4f}, value {figures["value_loss"]:.4f}.
Games: {", ".join(figures["files"])}, {sum(x["games"] for x in figures["data"]):,} in all, of which 3% were held out.

## Held-out games

Games of the test split, which training never saw, mirrored or not.

| voice | games | plies | top-1 | top-3 | NLL, nats | unmasked argmax legal |
|---|---|---|---|---|---|---|
{"".join(rows)}
Measured by the run itself; `xqlm evaluate --model FOLDER --games FILE --split test --json` does so for all held-out
games of a file.
"""


def finished(out: Path) -> bool:
    """Whether a run has brought its result."""
    return (out / "model" / "metrics.json").exists()


def extend(out: Path, preset: Preset, before: Preset, checkpoint: Path | None) -> None:
    """Raise ``UserError`` if a run can be made neither longer nor shorter, as its learning rate has left its peak."""
    done = step_of(checkpoint) if checkpoint else 0
    if done >= min(preset.falls_at, before.falls_at):
        raise UserError(
            f"{out} was begun for {before.plies} plies; after {done} steps it is too late for {preset.plies}, as the "
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
    gpu = torch.cuda.is_available()
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
        bf16=not gpu or torch.cuda.is_bf16_supported(),
        use_cpu=not gpu,
        ddp_backend="gloo" if processes > 1 and not gpu else None,
        ddp_find_unused_parameters=len(config.candidate_groups) == 1,  # what scores contexts is idle then
        max_grad_norm=1.0,
        logging_steps=log_steps,
        save_strategy="no",  # Saving decides
        dataloader_pin_memory=gpu,
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
        seed=seed,
    )
    return XiangqiTrainer(model, arguments, batches, preset)
