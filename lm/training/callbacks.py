"""Callbacks of a training run: saving and stopping, the CPU budget, looks at held-out games, and progress."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import torch
import torch.distributed as dist
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from lm import UserError
from lm.dataset.seen import SeenGames
from lm.dataset.shards import Shard
from lm.measure.evaluate import evaluate
from lm.measure.held_out import held_out
from lm.model.prompts import Voice
from lm.training.checkpoints import advice

if TYPE_CHECKING:
    from lm.training.presets import Preset
    from lm.training.trainer import XiangqiTrainer

ENDLESS: Final = 10**15
"""Plies of a run whose length is not known yet."""
LATELY: Final = 0.2
"""Last share of the plateau, whose speed gives the length of the fall."""
LOOK_PLIES: Final = {"move": 15_000, "char": 1_500}
"""Held-out plies of an early look; scoring moves by their characters costs ten times as much."""
WORSE: Final = 0.5
"""Nats by which a look may be worse than the best before; the curriculum of characters alone may cost 0.2."""
SAY_EVERY: Final = 30
"""Seconds between lines of progress when there is no terminal."""
SPEED_STEPS: Final = 5
"""Steps after the first, which compiles, from whose speed the time of the run is told."""
SPEED_SECONDS: Final = (5.0, 30.0)
"""Seconds that these steps take at least, else there are more of them; and seconds after which fewer are enough."""


def say(text: str) -> None:
    """Print a message on standard error; rich puts it above the progress bar if there is one."""
    print(text, file=sys.stderr, flush=True)


class Saving(TrainerCallback):
    """Saves every so many minutes, at the end, and before stopping on request, in which all processes agree."""

    def __init__(self, minutes: float) -> None:
        self.seconds = minutes * 60
        self.last = time.monotonic()
        self.asked_to_stop = self.stopping = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Stop after the current step on Ctrl-C or SIGTERM, and at once on a second Ctrl-C."""

        def stop(number: int, frame: Any) -> None:
            self.asked_to_stop = True
            if int(os.environ.get("WORLD_SIZE", "1")) == 1:  # torchrun forwards a Ctrl-C that all processes have had
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

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        wishes = torch.tensor([time.monotonic() - self.last >= self.seconds, self.asked_to_stop], device=args.device)
        if args.world_size > 1:
            wishes = wishes.int()
            dist.all_reduce(wishes, dist.ReduceOp.MAX)
        due, self.stopping = (bool(wish) for wish in wishes)
        if due or self.stopping or state.global_step >= state.max_steps:
            control.should_log = control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.last = time.monotonic()
        control.should_training_stop |= self.stopping


class Budget(TrainerCallback):
    """Sets the length of a run by the CPU seconds that it may take.

    The learning rate stays at its peak until the plateau's share of the seconds is spent. The recent speed then gives
    the number of steps of the fall. ``note`` is called with this once a checkpoint has been written: a run killed after
    that repeats the fall exactly, one killed before measures again.
    """

    def __init__(self, trainer: XiangqiTrainer, seconds: float, note: Callable[[Preset], None]) -> None:
        self.trainer, self.guess, self.seconds, self.note = trainer, trainer.preset, seconds, note
        self.plateau = (1 - self.guess.decay) * seconds
        self.spent, self.due, self.known = 0.0, False, False
        trainer.plan(replace(self.guess, plies=ENDLESS))

    def steps(self, done: int) -> int:
        """Return the estimated number of steps of the run, from its speed so far."""
        return round(done * self.seconds / self.spent) if self.spent else self.guess.steps

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if not self.known:
            self.spent = self.trainer.spent()
            self.due = self.spent >= self.plateau
            control.should_log |= self.due
            control.should_save |= self.due

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if not self.due or self.known:
            return
        done = state.global_step
        since = self.spent - LATELY * self.plateau
        late = [x for x in state.log_history if x.get("cpu_seconds", math.inf) <= since]
        step, seconds = (late[-1]["step"], late[-1]["cpu_seconds"]) if late else (0, 0.0)
        left = self.seconds - self.trainer.spent()  # without the time of the saving just done
        fall = max(1, round(left * (done - step) / (self.spent - seconds)))
        preset = replace(self.guess, plies=(done + fall) * self.guess.batch_plies, decay=fall / (done + fall))
        self.trainer.plan(preset)
        self.trainer.batches.settle(preset.steps, done)
        self.known = True
        if state.is_world_process_zero:
            self.note(preset)


class EarlyLook:
    """Evaluates on held-out games before the run is saved, so that the checkpoint includes the figures.

    Raises ``UserError`` for a run that diverges; it is then not saved.
    """

    def __init__(self, trainer: XiangqiTrainer, shards: Sequence[Shard], tokens: str, seen: SeenGames) -> None:
        self.trainer, self.games = trainer, held_out(shards, "validation", LOOK_PLIES[tokens], seen)[Voice.HUMAN]

    def __call__(self) -> None:
        """Evaluate; all processes have to call this together."""
        model = self.trainer.whole()
        if self.games[0] and model is not None:
            try:
                report = evaluate(model, *self.games, Voice.HUMAN).report(samples=1)
                self.trainer.log(
                    {f"eval_{k}": round(getattr(report, k), 4) for k in ("top1", "top3", "nll", "legal_argmax")}
                )
                if fault := divergence(self.trainer.state.log_history):
                    raise UserError(fault)
            except UserError as error:
                step = self.trainer.state.global_step
                raise UserError(f"the run diverges at step {step}: {error}; {advice(self.trainer.out)}") from None


def divergence(history: Sequence[dict[str, Any]]) -> str:
    """Return the evidence of divergence, if any: the last look is `WORSE` than the best, and training loss rose too.

    The training loss counts because a model that overfits gets worse on held-out games alone.
    """
    *before, last = (entry for entry in history if "eval_nll" in entry)
    best = min(before, key=lambda look: look["eval_nll"], default=last)
    losses = {entry["step"]: entry["policy_loss"] for entry in history if "policy_loss" in entry}
    if last["eval_nll"] <= best["eval_nll"] + WORSE or losses[last["step"]] <= losses[best["step"]]:
        return ""
    return f"{last['eval_nll']:.3f} nats on held-out games, {best['eval_nll']:.3f} before"


class Speed(ProgressColumn):
    """Plies read per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} plies/s" if task.speed else "")


def duration(seconds: float) -> str:
    """Return a time as people say it.

    >>> duration(80), duration(1000), duration(20000)
    ('80 seconds', '17 minutes', '5.6 hours')
    """
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


class Bar(TrainerCallback):
    """A progress bar with rate and time left, and a line with the time expected once the speed is known.

    Without a terminal there is a line every `SAY_EVERY` seconds instead of the bar.
    """

    def __init__(self, trainer: XiangqiTrainer, wanted: bool, budget: Budget | None) -> None:
        self.batches, self.wanted, self.budget = trainer.batches, wanted and trainer.is_world_process_zero(), budget
        self.figures: dict[str, str] = {}
        self.said = time.monotonic()
        self.first: tuple[int, int, float] | None = None  # this sitting's first step, plies read by its end, and when
        self.expected = False  # whether the time was told
        console = Console(stderr=True)
        figures = TextColumn("{task.fields[figures]}")
        columns = (BarColumn(), TaskProgressColumn(), Speed(), TimeRemainingColumn(), figures)
        self.bar = Progress(*columns, console=console, disable=not (self.wanted and console.is_terminal))
        self.task = self.bar.add_task("", total=None, figures="")

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.bar.reset(
            self.task,
            total=self.batches.plies(self.batches.steps),
            completed=self.batches.plies(state.global_step),
        )
        self.bar.start()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        done = state.global_step
        read = self.batches.plies(done)
        total = None if self.budget is None else round(read * self._steps(done) / done)  # None leaves it unchanged
        self.bar.update(self.task, completed=read, total=total)
        if self.wanted and not self.expected:
            self._tell_time(done, read, (self.batches.plies(self.batches.steps) if total is None else total) - read)

    def _tell_time(self, done: int, read: int, left: int) -> None:
        """Print the time that the plies left will take, once the speed is known."""
        now = time.monotonic()
        if self.first is None:
            self.first = done, read, now
            return
        steps, plies, seconds = done - self.first[0], read - self.first[1], now - self.first[2]
        if seconds >= SPEED_SECONDS[steps < SPEED_STEPS]:
            say(f"expected: {duration(left * seconds / plies)} more, at {plies / seconds:,.0f} plies/s")
            self.expected = True

    def _steps(self, done: int) -> int:
        return self.batches.steps if self.budget is None or self.budget.known else self.budget.steps(done)

    def place(self, done: int) -> str:
        """Return the progress after ``done`` steps, in words."""
        about = "" if self.budget is None or self.budget.known else "about "
        return f"step {done} of {about}{self._steps(done)}"

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
        figures = ", ".join(map(" ".join, self.figures.items()))
        self.bar.update(self.task, figures=figures)
        if self.wanted and self.bar.disable and time.monotonic() - self.said > SAY_EVERY:
            self.said = time.monotonic()
            say(f"{self.place(state.global_step)}: {figures}")

    def close(self) -> None:
        """Stop updating the bar; later messages are printed below it."""
        self.bar.stop()
