"""Speed of play: what a policy move costs in a running game, K/V cached, beside reading the game again.

    python benchmarks/infer.py [--model DIR] [--threads N] [--cpu] [--json]

Recorded games stand at ply 80. A *move* is the whole way from a board to the scores of its legal moves: the game is
looked up in the cache, its new plies are encoded and read, the scores taken. Against an opponent two plies are new,
his and ours; in self-play one. Each figure is the median over games; with ``--cpu``, for a machine with other work on
it, of the processor's time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch

from lm import data_path
from lm.policy import Evaluator, load_model
from xiangqi import Board, load

PLY = 80
GAMES = 64


def boards(ply: int) -> list[Board]:
    """Return recorded games, each at a ply."""
    found = (game for game in load(data_path("games") / "practical.pgn.zst") if len(game.moves()) > PLY + 10)
    return [Board.from_moves(game.moves()[:ply]) for game in islice(found, GAMES)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--model", type=Path, help="model folder; the shipped one")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu", action="store_true", help="count the processor's time")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clock: Callable[[], float] = time.process_time if arguments.cpu else time.perf_counter
    model = load_model(arguments.model)

    def milliseconds(evaluator: Evaluator, batch: list[Board]) -> float:
        start = clock()
        evaluator(batch)
        return 1000 * (clock() - start)

    evaluator = Evaluator(model)
    before, after = boards(PLY - 2), boards(PLY)
    again = [milliseconds(evaluator, [board]) for board in before]
    against = [milliseconds(evaluator, [board]) for board in after]
    next_ply = boards(PLY + 1)
    self_play = [milliseconds(evaluator, [board]) for board in next_ply]
    together = [milliseconds(evaluator, boards(PLY + 2 + i)) for i in range(5)]
    found = {
        "threads": arguments.threads,
        "clock": "processor" if arguments.cpu else "wall",
        "a move, one ply new, ms (12)": statistics.median(self_play),
        "a move, two plies new, ms (12)": statistics.median(against),
        "reading the game again, ms": statistics.median(again[4:]),
        "one ply, share of reading again (0.2)": statistics.median(self_play) / statistics.median(again[4:]),
        "two plies, share of reading again": statistics.median(against) / statistics.median(again[4:]),
        f"in {GAMES} games at once, ms a move": statistics.median(together[1:]) / GAMES,
    }
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:40} {value if isinstance(value, str | int) else f'{value:.3g}'}")


if __name__ == "__main__":
    main()
