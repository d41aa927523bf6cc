"""Messages and progress on standard error, writing of files, and interruption. Does not need typer."""

from __future__ import annotations

import _thread
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from lm.matches.arena import Report
    from lm.matches.lists import Rows

SAY_EVERY: Final = 30
"""Seconds between lines of progress when there is no terminal."""


def say(text: str) -> None:
    """Print a message that is not part of the result."""
    print(text, file=sys.stderr, flush=True)


def figure(name: str, value: float, interval: Sequence[float]) -> str:
    """Return a line with a figure and its interval.

    >>> figure("top1", 0.5, (0.45, 0.55))
    'top1                 0.5000  (0.4500 to 0.5500)'
    """
    low, high = interval
    return f"{name:20} {value:.4f}  ({low:.4f} to {high:.4f})"


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    from xiangqi.formats.streams import open_replacing

    with open_replacing(path) as file:
        file.write(text.encode())


@contextmanager
def interruptible(advice: str = "the same command goes on") -> Iterator[None]:
    """Exit with code 130 when the work is interrupted, and print how to resume it."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        say(f"{str(stopped) or 'stopped'}; {advice}")
        sys.exit(130)


@contextmanager
def told_if_stopped(tell: Callable[[], None]) -> Iterator[None]:
    """Tell what has been done where work is interrupted, or ends because a player fails."""
    from lm.players.player import PlayerError

    try:
        yield
    except (KeyboardInterrupt, PlayerError):
        tell()
        raise


@contextmanager
def at_most(hours: float | None) -> Iterator[None]:
    """Stop the work after so many hours as Ctrl-C does, but go on behind it."""
    over = threading.Event()

    def stop() -> None:
        over.set()
        if hasattr(signal, "SIGALRM"):  # it wakes the main thread, and is heard where a shell has Ctrl-C ignored
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        else:
            _thread.interrupt_main()

    if hours is None:
        yield
        return
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.default_int_handler)
    timer = threading.Timer(3600 * hours, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        if not over.is_set():
            raise
        say(f"stopped after {hours:g} h; the same command goes on")
    finally:
        timer.cancel()


@contextmanager
def progress(
    title: str, total: int | None, at_once: bool = False, below: Callable[[], Rows] | None = None
) -> Iterator[tuple[Report, Callable[[int, str], None]]]:
    """Show progress, rate and time left on standard error; yields ``report`` and ``advance``.

    ``report(text)`` prints a line above the bar; ``advance(done, note)`` moves the bar. Without a terminal, a line is
    printed every ``SAY_EVERY`` seconds; with ``at_once``, the first one at the first ``advance``. ``below`` returns a
    table to show under the bar, renewed at each ``advance``.
    """
    from rich.console import Console, RenderableType
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column, Table
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.completed / task.elapsed * 60:.1f}/min" if task.elapsed else "")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )

    class Bar(Progress):
        below = Table()

        def get_renderables(self) -> Iterator[RenderableType]:
            yield self.make_tasks_table(self.tasks)
            if below is not None:
                yield self.below

    console = Console(stderr=True)
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title.replace("[", r"\["), total=total, note="")
        said = -math.inf if at_once else time.monotonic()

        def advance(done: int, note: str) -> None:
            nonlocal said
            if below is not None and not bar.disable:
                names, *rows = below()
                bar.below = Table(*(name if name == "player" else Column(name, justify="right") for name in names))
                for row in rows:
                    bar.below.add_row(*map(escape, row))
            bar.update(task, completed=done, note=note)
            if bar.disable and time.monotonic() - said >= SAY_EVERY:
                said = time.monotonic()
                say(f"{title}: {done}{f' of {total}' if total else ''} {note}".rstrip())

        yield lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True), advance


def fail(message: str) -> NoReturn:
    """Print one line and exit with code 2."""
    say(f"xqlm: {' '.join(message.split())}")
    sys.exit(2)
