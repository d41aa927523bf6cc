"""How long the board's library takes: taking games in, and questions, from asking to the answer's arrival.

    python benchmarks/library.py [--questions 2000] [--import games.jsonl ...]

Questions are those of the explorer for positions of shipped games and of the files, asked through its process, as the
window does: while the other process takes in the shipped games, then the files, and then alone. Alone, games with a
position and a player are searched as well. The import of the first
file is stopped once, and its process is killed once; each time it has to go on where it was. On Linux, beside the time
on the wall stands that of the processor, of both processes that a question needs, how long they could have run but had
to wait for it, and the rest: for the disk, or for each other.
"""

from __future__ import annotations

import argparse
import gc
import os
import queue
import random
import signal
import tempfile
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from gui.library import Importer, Librarian
from gui.processes.importing import AddFile, AddShipped, Crashed, Done, Failed, Progress, Stop, Task
from gui.processes.library import Explore, Explored, Listed, Search
from lm import data_path
from lm.library.entries import Filter
from xiangqi import Board, load

PLIES = 40
PLAYERS = ("胡荣华", "王", "nobody")
"""Names that many games have, very many, and none."""
PAUSE = 0.02
"""Seconds between two questions beside an import: nobody asks without pause."""
STOPPED_AT, KILLED_AT = 25_000, 55_000
"""Games of a file after which its import is stopped, and its process killed."""


@dataclass(frozen=True)
class Used:
    """What was used of the clock, of the processor and of the queue for it, in seconds."""

    wall: float
    processor: float
    waiting: float

    @classmethod
    def now(cls, *processes: int | None) -> Used:
        """Return the clock, and what the processes have used since their start, all threads together."""
        processor = waiting = 0
        for process in processes:
            for file in Path(f"/proc/{process}/task").glob("*/schedstat"):
                used, waited, _ = map(int, file.read_text().split())
                processor, waiting = processor + used, waiting + waited
        return cls(time.perf_counter(), processor / 1e9, waiting / 1e9)

    @property
    def rest(self) -> float:
        """Time that was neither used nor spent in the queue; two that wait at once count twice there."""
        return max(0.0, self.wall - self.processor - self.waiting)

    def __sub__(self, other: Used) -> Used:
        return Used(self.wall - other.wall, self.processor - other.processor, self.waiting - other.waiting)


class Desk:
    """Asks about positions, and takes games in beside that."""

    def __init__(self, path: Path, boards: list[Board]) -> None:
        self.path, self._boards = path, boards
        self._ready: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._number = 0
        self.librarian, self.importer = Librarian(lambda: self._ready.put(None), path), Importer(path=path)

    def ask(self, board: Board | None = None, player: str = "") -> Used:
        """Ask about a position, or for the games of a player with it; return what it took until the answer was here."""
        self._number += 1
        librarian = self.librarian.pid
        board = board or self._boards[self._number % len(self._boards)]
        before = Used.now(librarian, os.getpid())
        self.librarian.ask(Search(self._number, Filter(player), board) if player else Explore(self._number, board))
        while True:
            self._ready.get()
            answer = self.librarian.poll()
            if isinstance(answer, Explored | Listed) and answer.number == self._number:
                return Used.now(librarian, os.getpid()) - before

    def take_in(self, task: Task, asked: list[Used], stop_at: float = float("inf"), kill: bool = False) -> Progress:
        """Do a task, ask questions meanwhile, and tell what it took; it is stopped or killed at a number of games."""
        last, told, longest, stopped = Progress(task), time.perf_counter(), 0.0, 0.0
        self.importer.send(task)
        start = Used.now(self.importer.pid)
        used = start - start
        while True:
            while (report := self.importer.poll()) is None:
                asked.append(self.ask())
                time.sleep(PAUSE)
                now = Used.now(self.importer.pid)
                used = now - start if now.processor else used  # else it was killed
            longest, told = max(longest, time.perf_counter() - told), time.perf_counter()
            match report:
                case Progress():
                    last = report
                    if last.read >= stop_at and not stopped:
                        stopped = time.perf_counter()
                        if kill:
                            os.kill(self.importer.pid or 0, signal.SIGKILL)
                        else:
                            self.importer.send(Stop())
                case Done() | Crashed():
                    break
                case Failed():
                    raise SystemExit(report.message)
        added = report.added if isinstance(report, Done) else last.added
        what = "" if not stopped else " until killed" if kill else f" until stopped, in {told - stopped:.1f} s"
        print(
            f"  {last.read:,} games read, {added:,} new, {show(used)}{what}; longest without progress {longest:.1f} s"
        )
        return last


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=2000, help="so many are asked alone")
    parser.add_argument("--import", dest="files", type=Path, nargs="*", default=[], help="files of games to take in")
    options = parser.parse_args()
    shipped = data_path("games") / "practical.pgn.zst"
    boards = positions([shipped, *options.files], options.questions)
    gc.freeze()  # of what is loaded here, nothing is garbage
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder) / "library.sqlite", boards)
        print(f"the first answer of an empty library, with the start of the process: {desk.ask(Board()).wall:.1f} s")
        print("taking in the shipped games:")
        desk.take_in(AddShipped(), asked := [])
        tell("questions beside it", asked)
        asked = []
        for index, file in enumerate(options.files):
            print(f"taking in {file.name}:")
            if index == 0:
                desk.take_in(AddFile(file), asked, STOPPED_AT)
                desk.take_in(AddFile(file), asked, KILLED_AT, kill=True)
            desk.take_in(AddFile(file), asked)
        if options.files:
            tell("questions beside it", asked)
        desk.librarian.close()
        desk = Desk(desk.path, boards)
        print(f"the first answer, with the start of the process: {desk.ask(Board()).wall:.1f} s")
        tell("questions alone", [desk.ask() for _ in boards])
        tell("searches alone", [desk.ask(player=name) for name, _ in zip(cycle(PLAYERS), boards, strict=False)])
        tell("searches at the start", [desk.ask(Board(), name) for name in 20 * PLAYERS])
        desk.librarian.close()
        desk.importer.close()
        size = sum(file.stat().st_size for file in desk.path.parent.iterdir())
        print(f"on disk: {size / 1e6:.0f} MB")


def positions(files: list[Path], count: int) -> list[Board]:
    """Return positions of the first games of files, of any ply up to `PLIES`."""
    chance = random.Random(1)
    games = [game.moves() for file in files for game in islice(load(file), 1000)]
    lines = [chance.choice(games) for _ in range(count)]
    return [Board.from_moves(line[: chance.randrange(PLIES)]) for line in lines]


def tell(what: str, asked: list[Used]) -> None:
    """Print how long answers took, and what the five longest of them are made of."""
    for name in ("wall", "processor", "rest"):
        times = sorted(1000 * getattr(used, name) for used in asked)
        middle, late, last = times[len(times) // 2], times[int(0.99 * len(times))], times[-1]
        print(f"{what}, {name}: {len(times)}, median {middle:.1f} ms, 99% under {late:.1f} ms, longest {last:.1f} ms")
    for used in sorted(asked, key=lambda used: -used.wall)[:5]:
        print(f"  {show(used)}")


def show(used: Used) -> str:
    """Say what was used."""
    wall, processor, waiting = (
        f"{1000 * time:.0f} ms" if used.wall < 1 else f"{time:.1f} s"
        for time in (used.wall, used.processor, used.waiting)
    )
    return f"{wall} (processor {processor}, waiting for it {waiting})"


if __name__ == "__main__":
    main()
