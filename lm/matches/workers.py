"""Workers: processes that do many tasks of a kind, each with players of its own, on this machine or on a cluster.

`in_order` hands out tasks and yields what was found in the order of the tasks, whoever did them. A `Crew` is where the
workers run: `Processes` here, `lm.matches.cluster.Cluster` on Ray. A worker that dies costs what it was doing: this is
done again by another.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Generic, Literal, NamedTuple, Protocol, TypeVar

from lm import UserError, freeze_loaded
from lm.players.player import Player, PlayerError
from lm.players.specs import Spec

Kept = TypeVar("Kept")
Given = TypeVar("Given")
Found = TypeVar("Found")

Work = Callable[[Sequence[Given]], Iterable[tuple[int, Found]]]
"""Does some tasks together; yields what it found for each, with the place of the task among them, as soon as it can."""
Open = Callable[[], AbstractContextManager[Work[Given, Found]]]
"""Opens what the work needs, such as players, once for each worker. It can be pickled."""

WAITING: Final = 4
"""Tasks taken ahead for each one that is being done, so that no worker waits for the one whose turn it is."""
LOSSES: Final = 5
"""Workers that may die over a task before it is given up."""
PATIENCE: Final = 5.0
"""Seconds that a worker has for closing its players."""


class Event(NamedTuple):
    """News of a worker: it has found something, can be given tasks, has failed, or is no more."""

    worker: int
    kind: Literal["found", "idle", "failed", "lost"]
    place: int = 0
    """What was found: the place of the task among those given."""
    value: Any = None
    """What was found, or the error."""


class Crew(Protocol):
    """Where workers run."""

    @property
    def size(self) -> int:
        """Number of workers."""
        ...

    def start(self, number: int, open_work: Open[Any, Any]) -> None:
        """Start a worker. It is idle when it has opened what it needs."""

    def give(self, number: int, tasks: Sequence[Any]) -> None:
        """Give tasks to an idle worker."""

    def news(self) -> Iterable[Event]:
        """Wait until there is news, and return it."""
        ...

    def stop(self, done: bool) -> None:
        """End all workers: if all is ``done`` they close their players first."""


@dataclass
class _Task(Generic[Kept, Given, Found]):
    kept: Kept
    given: Given
    done: bool = False
    found: Found | None = None
    lost: int = 0
    """Workers that died over it."""


def in_order(
    crew: Crew | None,
    open_work: Open[Given, Found],
    tasks: Iterable[tuple[Kept, Given]],
    *,
    at_once: int = 1,
    gaps: bool = False,
    report: Callable[[str], None] = lambda text: None,
) -> Generator[tuple[Kept, Found]]:
    """Yield for each task ``(kept, given)`` what was kept and what was found, in the order of the tasks.

    Each worker does up to ``at_once`` tasks together. Without a crew this process does them, one at a time. Few tasks
    are taken ahead, so any number of them fits into memory. Raises what the work raises, and ``PlayerError`` for a task
    over which `LOSSES` workers died. With ``gaps``, what was found behind a task that is not done is yielded before.
    """
    if crew is None:
        with open_work() as work:
            for kept, given in tasks:
                ((_, found),) = work([given])
                yield kept, found
        return
    left = iter(tasks)
    waiting, ready = deque[_Task[Kept, Given, Found]](), deque[_Task[Kept, Given, Found]]()
    doing: dict[int, list[_Task[Kept, Given, Found]] | None] = {}  # by worker; None while it opens its players
    idle: list[int] = []
    started = unopened = 0
    done = False
    try:
        while True:
            for kept, given in islice(left, WAITING * crew.size * at_once - len(waiting)):
                waiting.append(_Task(kept, given))
                ready.append(waiting[-1])
            if not waiting:
                done = True
                return
            while len(doing) < min(crew.size, -(-len(waiting) // at_once)):
                crew.start(started, open_work)
                doing[started] = None
                started += 1
            while idle and ready:
                block = [ready.popleft() for _ in range(min(len(ready), 1 if ready[0].lost else at_once))]
                doing[idle[-1]] = block
                crew.give(idle.pop(), [task.given for task in block])
            for worker, kind, place, value in crew.news():
                block = doing[worker] or []
                if kind == "found":
                    block[place].found, block[place].done = value, True
                elif kind == "idle":
                    doing[worker], unopened = [], 0
                    idle.append(worker)
                elif kind == "failed":
                    if gaps:
                        yield from [(task.kept, task.found) for task in waiting if task.done]  # type: ignore[misc]
                    raise value
                else:
                    unopened += doing.pop(worker) is None
                    idle = [number for number in idle if number != worker]
                    again = [task for task in block if not task.done]
                    for task in again:
                        task.lost += 1
                    if unopened == LOSSES or any(task.lost == LOSSES for task in again):
                        what = "opened its players" if unopened == LOSSES else "did the same task"
                        raise PlayerError(f"{LOSSES} times a worker ended while it {what}")
                    ready.extendleft(reversed(again))
                    report(f"a worker ended; {len(again)} of its tasks are done again")
            while waiting and waiting[0].done:
                task = waiting.popleft()
                yield task.kept, task.found  # type: ignore[misc] # it is done
    finally:
        crew.stop(done)


def one_by_one(do: Callable[[Given], Found]) -> Work[Given, Found]:
    """Return the work of doing tasks one after another."""
    return lambda tasks: ((place, do(task)) for place, task in enumerate(tasks))


@contextmanager
def with_player(spec: Spec, do: Callable[[Player, Given], Found]) -> Iterator[Work[Given, Found]]:
    """Open a player, and do each task with it, one after another."""
    player = spec.open()
    freeze_loaded()
    try:
        yield one_by_one(partial(do, player))
    finally:
        player.close()


# --- On this machine --------------------------------------------------------------------------------------------------


class Processes:
    """Workers in processes of this machine."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._workers: dict[Connection, tuple[int, BaseProcess]] = {}

    def start(self, number: int, open_work: Open[Any, Any]) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(open_work, theirs))
        process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        self._workers[ours] = number, process

    def give(self, number: int, tasks: Sequence[Any]) -> None:
        pipe = next(pipe for pipe, (other, _) in self._workers.items() if other == number)
        with suppress(OSError):  # it has just died: the news will say so
            pipe.send(tasks)

    def news(self) -> Iterator[Event]:
        for pipe in wait(list(self._workers)):
            assert isinstance(pipe, Connection)
            number, process = self._workers[pipe]
            try:
                kind, place, value = pipe.recv()
            except (EOFError, OSError):
                del self._workers[pipe]
                process.join()
                kind, place, value = "lost", 0, None
            yield Event(number, kind, place, value)

    def stop(self, done: bool) -> None:
        for pipe, (_, process) in self._workers.items():
            pipe.close()  # an idle one ends by itself
            if not done:
                process.terminate()
        for _, process in self._workers.values():
            process.join(PATIENCE)
            process.kill()
            process.join()
        self._workers.clear()


def _serve(open_work: Open[Any, Any], pipe: Connection) -> None:
    """Do what comes through a pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asked ends this one
    try:
        with open_work() as work:
            while True:
                try:
                    pipe.send(("idle", 0, None))
                    tasks = pipe.recv()
                except (EOFError, OSError):  # nobody is there any more
                    return
                for place, found in work(tasks):
                    pipe.send(("found", place, found))
    except BaseException as error:
        with suppress(OSError):
            pipe.send(("failed", 0, portable(error)))


def portable(error: BaseException) -> BaseException:
    """Return an error that another process can raise: a user's as it is, others as text with their traceback."""
    return error if isinstance(error, UserError) else RuntimeError("".join(traceback.format_exception(error)))
