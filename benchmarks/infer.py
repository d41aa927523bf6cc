"""Speed of play: the cost of a policy move in a running game, with the K/V cache and without it.

    python benchmarks/infer.py [--model DIR] [--dtype NAME] [--threads N] [--cpu] [--json]

Recorded games are at ply 80. A *move* is all the work from a board to a choice: the game is looked up in the cache, its
new plies are encoded and read (two readings: as they are and mirrored), the legal moves are scored, and one that does
not lose by repetition is chosen. Against an opponent two plies are new; in self-play one. Games played in parallel are
at different plies with two new plies each, as in a match. Each figure is the median over games. ``--cpu`` measures
processor time, for a machine with other work.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import torch

from lm import data_path
from lm.model.folder import DTYPES
from lm.model.loading import load_model
from lm.model.tokenizer import move_tokenizer
from lm.players.lm_player import LMPlayer
from xiangqi import Board, Move, load

PLY = 80
GAMES = 64
STEPS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped model)")
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu", action="store_true", help="measure processor time")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clock: Callable[[], float] = time.process_time if arguments.cpu else time.perf_counter
    player = LMPlayer(arguments.model, temperature=0, dtype=arguments.dtype)
    long = (game.moves() for game in load(data_path("games") / "practical.pgn.zst") if len(game.moves()) > PLY + 20)
    games: list[list[Move]] = list(islice(long, GAMES))

    def milliseconds(boards: list[Board]) -> float:
        start = clock()
        player.choose(boards)
        return 1000 * (clock() - start)

    def median(times: Iterable[float]) -> float:
        return statistics.median(list(times)[4:])  # the first ones warm up

    def move_at(ply: int) -> float:
        return median(milliseconds([Board.from_moves(moves[:ply])]) for moves in games)

    again, against, alone = move_at(PLY - 2), move_at(PLY), move_at(PLY + 1)
    plies = [PLY - i % 16 for i in range(GAMES)]
    together = median(
        milliseconds([Board.from_moves(moves[: ply + 2 * step]) for moves, ply in zip(games, plies, strict=True)])
        for step in range(4 + STEPS)
    )
    model, opening = load_model(arguments.model), move_tokenizer()("h2e2 h9g7", return_tensors="pt")

    def tokens_a_second(use_cache: bool) -> float:
        start = clock()
        model.generate(**opening, min_new_tokens=PLY, max_new_tokens=PLY, use_cache=use_cache)
        return PLY / (clock() - start)

    tokens_a_second(use_cache=True)  # warms up
    found = {
        "dtype": arguments.dtype,
        "threads": arguments.threads,
        "clock": "processor" if arguments.cpu else "wall",
        "a move, one ply new, ms (12)": alone,
        "a move, two plies new, ms (12)": against,
        "reading the game again, ms": again,
        "one ply, share of reading again (0.2)": alone / again,
        "two plies, share of reading again (0.2)": against / again,
        f"in {GAMES} games at once, ms a move": together / GAMES,
        "generate(), tokens a second": tokens_a_second(use_cache=True),
        "generate() without its cache": tokens_a_second(use_cache=False),
    }
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:40} {value if isinstance(value, str | int) else f'{value:.3g}'}")


if __name__ == "__main__":
    main()
