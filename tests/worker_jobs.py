"""Work for the workers of tests/lm/matches/test_workers.py, which other processes import."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lm import UserError
from lm.matches.workers import Work


@contextmanager
def squares(folder: Path, deaths: int = 0) -> Iterator[Work[int, int]]:
    """Square numbers. The first workers that are given a 7 die over it; -1 is an error."""

    def work(tasks: Sequence[int]) -> Iterator[tuple[int, int]]:
        for place, number in reversed(list(enumerate(tasks))):
            if number == 7 and len(list(folder.glob("dead*"))) < deaths:
                (folder / f"dead{os.getpid()}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if number < 0:
                raise UserError("no roots here")
            yield place, number**2

    yield work
    (folder / f"closed{os.getpid()}").touch()


@contextmanager
def not_opened() -> Iterator[Work[int, int]]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield lambda tasks: []
