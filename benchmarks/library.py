"""How long the board's library takes: taking in the shipped games, and questions, from asking to the answer's arrival.

    python benchmarks/library.py [--questions 500]

Questions are those of the explorer for positions of shipped games, asked through its process, as the window does: first
while the games are taken in by the other process, then alone.
"""

from __future__ import annotations

import argparse
import queue
import random
import tempfile
import time
from itertools import islice
from pathlib import Path

from gui.library import Importer, Librarian
from gui.processes.importing import AddShipped, Done
from gui.processes.library import Explore, Explored
from lm import data_path
from xiangqi import Board, load

PLIES = 40


def positions(count: int) -> list[Board]:
    """Return positions of shipped games, of any ply up to `PLIES`."""
    chance = random.Random(1)
    games = list(islice(load(data_path("games") / "practical.pgn.zst"), 1000))
    moves = [chance.choice(games).moves() for _ in range(count)]
    return [Board.from_moves(line[: chance.randrange(PLIES)]) for line in moves]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=500)
    count = parser.parse_args().questions
    asked = positions(count)
    with tempfile.TemporaryDirectory() as folder:
        ready: queue.SimpleQueue[None] = queue.SimpleQueue()
        path = Path(folder) / "library.sqlite"
        librarian, importer = Librarian(lambda: ready.put(None), path), Importer(path=path)
        number = 0

        def ask(board: Board) -> float:
            nonlocal number
            number += 1
            start = time.perf_counter()
            librarian.ask(Explore(number, board))
            while True:
                ready.get()
                answer = librarian.poll()
                if isinstance(answer, Explored) and answer.number == number:
                    return 1000 * (time.perf_counter() - start)

        print(f"the first answer, with the start of the process: {ask(Board()) / 1000:.1f} s")
        start, times = time.perf_counter(), []
        importer.send(AddShipped())
        while not isinstance(importer.poll(), Done):
            times.append(ask(asked[len(times) % count]))
            time.sleep(0.05)
        print(f"taking in the shipped games, with questions beside it: {time.perf_counter() - start:.0f} s")
        tell("questions beside it", times)
        tell("questions alone", [ask(board) for board in asked])
        librarian.close()
        importer.close()


def tell(what: str, times: list[float]) -> None:
    times = sorted(times)
    middle, late, last = times[len(times) // 2], times[int(0.99 * len(times))], times[-1]
    print(f"{what}: {len(times)}, median {middle:.1f} ms, 99% under {late:.1f} ms, longest {last:.1f} ms")


if __name__ == "__main__":
    main()
