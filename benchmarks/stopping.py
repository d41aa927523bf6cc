"""How soon an analysis ends that is stopped: ``python benchmarks/stopping.py [--times N]``.

Positions are of shipped games, in any order, so that most games are new to the search. The stop comes within 50 ms, 300
ms or 1.5 s, at random. The processor's time is that of the whole process from the stop to the end; on a machine with
nothing else to do, the time by the clock is about the same.
"""

from __future__ import annotations

import argparse
import os
import random
import threading
import time
from itertools import islice

os.environ["NUMPY_MADVISE_HUGEPAGE"] = "0"  # as in the board's processes

import numpy as np

from lm import data_path
from lm.players.player import Thinker
from lm.players.specs import load_player
from xiangqi import Board, Move, load

WITHIN = (0.05, 0.3, 1.5)
TIMES, PLIES, NUMBERS = ("by the processor", "by the clock"), 10, random.Random(3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=120, help="analyses to stop")
    count = parser.parse_args().times
    player = load_player("search:size=30000,threads=1")
    assert isinstance(player, Thinker)
    games = [game.moves() for game in islice(load(data_path("games") / "practical.pgn.zst"), 0, 400, 20)]
    taken = np.array(
        [stop(player, NUMBERS.choice([game for game in games if len(game) > PLIES])) for _ in range(count)]
    )
    print(f"{count} analyses of games of {PLIES} plies and more, ms from the stop to the end")
    print(f"{'':18}{'median':>8}{'95%':>8}{'99%':>8}{'most':>8}{'over 50':>9}")
    for name, column in zip(TIMES, 1000 * taken.T, strict=True):
        figures = "".join(f"{figure:8.1f}" for figure in np.percentile(column, (50, 95, 99, 100)))
        print(f"{name:18}{figures}{(column > 50).sum():9}")


def stop(player: Thinker, moves: list[Move]) -> tuple[float, float]:
    """Stop an analysis, and return the seconds that its end took, of the processor and by the clock."""
    board, ended = Board(), []
    for move in moves[: NUMBERS.randrange(PLIES, len(moves))]:
        board.push(move)
    analysis = player.analyse(board, None, 3)

    def run() -> None:
        analysis.result()
        ended.append((time.process_time(), time.perf_counter()))

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(NUMBERS.uniform(0, NUMBERS.choice(WITHIN)))
    began = time.process_time(), time.perf_counter()
    analysis.stop()
    thread.join()
    return ended[0][0] - began[0], ended[0][1] - began[1]


if __name__ == "__main__":
    main()
