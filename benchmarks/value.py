"""How well the model's value agrees with an engine's, alone and with what tactics say.

    python benchmarks/value.py [FILE ...] [--positions N] [--engine COMMAND] [--depth D] [--model FOLDER] [--cache FILE]

The positions are plies of held-out games between people, of the files or of the shipped ones, as many of each game as
it takes. The engine judges them at a fixed depth. Its scores and those of the tactical search count as the values from
-1 to 1 that they stand for (`xiangqi.evaluation.expected`). R² is the squared correlation with the engine's values,
with a 95% interval by bootstrap over games. *Fitted* is the mixture that the search uses, with the weights that come
nearest to the engine: ``tanh(trust atanh(v) + counting ln(10) s / 800)``.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from regret import LARGEST, Judge, chances

from lm import data_path
from lm.cli.console import interruptible, progress
from lm.cli.shipped import open_shard, shipped_games
from lm.measure.held_out import records_of
from lm.measure.stats import interval
from lm.model.folder import load_network
from lm.players.policy import Evaluator
from xiangqi import MOVES, Board
from xiangqi.tactics import Searcher

SAMPLES = 1000
STEPS = np.arange(0, 1.51, 0.05)
"""Weights tried."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--positions", type=int, default=3000, metavar="N")
    parser.add_argument("--engine", default="fairy-stockfish", metavar="COMMAND")
    parser.add_argument("--depth", type=int, default=12, metavar="D")
    parser.add_argument("--model", type=Path, default=data_path("model"), metavar="FOLDER")
    parser.add_argument("--cache", type=Path, default=Path("runs/regret.jsonl"), metavar="FILE")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.cache.parent.mkdir(parents=True, exist_ok=True)
    with interruptible():
        games, boards = positions(arguments.files, arguments.positions)
        judge = Judge(arguments.engine, arguments.depth - 1, arguments.cache)
        scores = each("judging", boards, judge.best)
        judge.close()
        evaluate, searcher = Evaluator(load_network(arguments.model), symmetries=2), Searcher()
        chance = each(f"reading, {arguments.model}", boards, lambda board: evaluate([board])[0].value)
        tactical = each("tactics of two plies", boards, lambda board: searcher.tactics(board, 2, margin=0).score)
    engine, own = 2 * chances(scores) - 1, 2 * chance - 1
    counted = math.log(10) / 800 * np.clip(tactical, -LARGEST, LARGEST)
    trust, counting = best_weights(engine, own, counted)
    values = {
        "the model": own,
        "tactics of two plies": np.tanh(counted),
        f"fitted: trust {trust:.2f}, counting {counting:.2f}": mixture(own, counted, trust, counting),
    }
    rows = {name: explained(engine, value, games) for name, value in values.items()}
    if arguments.json:
        print(json.dumps({"positions": len(boards), "depth": arguments.depth, "r2": rows}))
        return
    print(f"{len(boards)} positions of {len(set(games.tolist()))} games, depth {arguments.depth}")
    for name, (r2, low, high) in rows.items():
        print(f"{r2:.3f} ({low:.3f} to {high:.3f})  {name}")


def positions(files: list[Path], count: int) -> tuple[NDArray[np.int64], list[Board]]:
    """Return positions of games that training never saw, drawn by a fixed seed, and the number of each one's game."""
    records = records_of(open_shard(files or shipped_games(), Path("cache")), "test")
    played = [record.moves for record in records if record.tier != "engine" and record.fen is None]
    plies = [(game, ply) for game, moves in enumerate(played) for ply in range(4, len(moves))]
    chosen = sorted(random.Random(7).sample(plies, min(count, len(plies))))
    boards = [Board.from_moves([MOVES[move] for move in played[game][:ply]]) for game, ply in chosen]
    return np.array([game for game, _ in chosen]), boards


def each(what: str, boards: Sequence[Board], ask: Callable[[Board], float]) -> NDArray[np.float64]:
    """Return a number for each position."""
    found = []
    with progress(what, len(boards)) as (_, advance):
        for board in boards:
            found.append(ask(board))
            advance(len(found), "")
    return np.array(found, np.float64)


def mixture(own: NDArray[Any], counted: NDArray[Any], trust: float, counting: float) -> NDArray[np.float64]:
    """Return the values that the search would give to positions."""
    return np.tanh(trust * np.arctanh(np.clip(own, -0.999, 0.999)) + counting * counted)


def best_weights(engine: NDArray[Any], own: NDArray[Any], counted: NDArray[Any]) -> tuple[float, float]:
    """Return the weights whose mixture has the smallest mean squared error."""
    tried = [(float(a), float(b)) for a in STEPS for b in STEPS]
    return min(tried, key=lambda weights: float(((mixture(own, counted, *weights) - engine) ** 2).mean()))


def explained(engine: NDArray[Any], value: NDArray[Any], games: NDArray[Any]) -> list[float]:
    """Return R² and its interval."""
    rng = np.random.default_rng(0)
    counts = rng.multinomial(games.max() + 1, np.full(games.max() + 1, 1 / (games.max() + 1)), SAMPLES)
    drawn = [correlation(engine, value, weights[games]) ** 2 for weights in counts]
    found = [correlation(engine, value, np.ones(len(games))) ** 2, *interval(np.array(drawn))]
    return [round(float(x), 4) for x in found]


def correlation(x: NDArray[Any], y: NDArray[Any], weights: NDArray[Any]) -> float:
    x, y = x - np.average(x, weights=weights), y - np.average(y, weights=weights)
    return float((weights * x * y).sum() / math.sqrt((weights * x * x).sum() * (weights * y * y).sum()))


if __name__ == "__main__":
    main()
