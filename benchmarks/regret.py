"""How much the moves of players lose, by an engine's judgement: a measure of strength that is cheaper than games.

    python benchmarks/regret.py [SPEC ...] [--positions N] [--engine COMMAND] [--depth D] [--cache FILE] [--json]

The positions are from the shipped games of engines, one a game; those that the engine judges to be nearly decided are
left out. The *regret* of a move is the expected score that it loses against the best move: the engine searches the
position to depth D + 1, and the position after each move that a player chose to depth D. The judgements are kept in the
cache file, so a further player costs only the moves that nobody chose before, and a run that was stopped goes on.

Means have 95% intervals, by bootstrap over positions. The difference to the first player is over the same positions.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm import data_path
from lm.cli.console import interruptible, progress
from lm.measure.stats import interval, resample
from lm.players.player import Player
from lm.players.specs import Spec
from xiangqi import Board, Move, load
from xiangqi.engine import Limit, Score, SimpleEngine
from xiangqi.evaluation import expected

PLIES = range(8, 110)
DECIDED = 700
"""Centipawns from which a position is left out."""
LARGEST = 2000
"""Scores are cut to it; a mate counts as much."""
BLUNDER = 0.1


class Judge:
    """An engine with a memory on disk, of the scores of moves and positions in centipawns for the side to move."""

    def __init__(self, command: str, depth: int, cache: Path) -> None:
        self._engine = SimpleEngine.popen_uci(command, options={"UCI_Variant": "xiangqi", "Threads": 1})
        self._depth = depth
        self._known: dict[tuple[int, str, str], int] = {}
        cache.touch()
        with cache.open(encoding="utf-8") as file:
            for line in file:
                searched, moves, move, score = json.loads(line)
                self._known[searched, moves, move] = score
        self._file = cache.open("a", encoding="utf-8")

    def best(self, board: Board) -> int:
        """Return the score of a position."""
        return self._score(board, "", lambda: (board, self._depth + 1))

    def score(self, board: Board, move: Move) -> int:
        """Return the score of a move."""
        after = board.copy()
        after.push(move)
        return self._score(board, move.iccs, lambda: (after, self._depth))

    def _score(self, board: Board, move: str, searched: Callable[[], tuple[Board, int]]) -> int:
        key = self._depth, " ".join(played.iccs for played in board.move_stack), move
        if key not in self._known:
            position, depth = searched()
            if outcome := position.outcome():
                cp = 0 if outcome.winner is None else (LARGEST if outcome.winner == board.turn else -LARGEST)
            else:
                cp = self._centipawns(self._engine.analyse(position, Limit(depth=depth)).score, board.turn)
            self._known[key] = cp
            print(json.dumps([*key, cp]), file=self._file, flush=True)
        return self._known[key]

    @staticmethod
    def _centipawns(score: Score | None, turn: int) -> int:
        if score is None:
            raise SystemExit("the engine gave no score")
        pov = score.pov(turn)
        if pov.cp is None:
            return LARGEST if (pov.mate or 0) > 0 else -LARGEST
        return round(min(max(pov.cp, -LARGEST), LARGEST))

    def close(self) -> None:
        self._engine.close()
        self._file.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("specs", nargs="*", default=["search:240", "tactics:nodes=300000"], metavar="SPEC")
    parser.add_argument("--positions", type=int, default=1000, metavar="N")
    parser.add_argument("--engine", default="fairy-stockfish", metavar="COMMAND")
    parser.add_argument("--depth", type=int, default=13, metavar="D")
    parser.add_argument("--cache", type=Path, default=Path("runs/regret.jsonl"), metavar="FILE")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.cache.parent.mkdir(parents=True, exist_ok=True)
    judge = Judge(arguments.engine, arguments.depth, arguments.cache)
    with interruptible():
        boards = list(islice(positions(judge), arguments.positions))
        chosen = {spec: moves(spec, boards) for spec in arguments.specs}
        scores = {spec: np.array(judged(spec, boards, found, judge)) for spec, (found, _) in chosen.items()}
        best = np.max([[judge.best(board) for board in boards], *scores.values()], axis=0)
    judge.close()
    lost = {spec: chances(best) - chances(found) for spec, found in scores.items()}
    first = lost[arguments.specs[0]]
    rows = {
        spec: {
            "regret": mean(values),
            "against the first": mean(values - first),
            "blunders": round(float((values > BLUNDER).mean()), 4),
            "ms a move": round(1000 * chosen[spec][1] / len(boards), 1),
        }
        for spec, values in lost.items()
    }
    if arguments.json:
        print(json.dumps({"positions": len(boards), "depth": arguments.depth, "players": rows}))
        return
    print(f"{len(boards)} positions; loss of expected score in hundredths, and moves that lose more than {BLUNDER}")
    for spec, row in rows.items():
        regret, gap = row["regret"], row["against the first"]
        print(
            f"{regret[0]:.2f} ({regret[1]:.2f} to {regret[2]:.2f})  {gap[0]:+.2f} ({gap[1]:+.2f} to {gap[2]:+.2f})",
            end="",
        )
        print(f"  {row['blunders']:.1%}  {row['ms a move']:6.1f} ms  {spec}")


def positions(judge: Judge) -> Iterator[Board]:
    """Yield positions that are not decided."""
    rng = random.Random(7)
    for game in load(data_path("games") / "engine.pgn.zst"):
        played = game.moves()
        ply = rng.choice(PLIES)
        board = Board.from_moves(played[:ply])
        if ply < len(played) and len(board.legal_moves) > 1 and abs(judge.best(board)) < DECIDED:
            yield board


def moves(spec: str, boards: list[Board]) -> tuple[list[Move], float]:
    """Return a player's moves, and the processor time that they took in seconds. It remembers nothing between them."""
    player: Player = Spec.parse(spec).open()
    found: list[Move] = []
    seconds = 0.0
    with progress(spec, len(boards)) as (_, advance):
        for board in boards:
            player.new_game()
            start = time.process_time()
            (choice,) = player.choose([board])
            seconds += time.process_time() - start
            found.append(choice.move or board.legal_moves[0])
            advance(len(found), "")
    player.close()
    return found, seconds


def judged(spec: str, boards: list[Board], found: list[Move], judge: Judge) -> list[int]:
    """Return the scores of a player's moves."""
    scores = []
    with progress(f"judging {spec}", len(boards)) as (_, advance):
        for board, move in zip(boards, found, strict=True):
            scores.append(judge.score(board, move))
            advance(len(scores), "")
    return scores


def chances(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Return expected scores from 0 to 1."""
    return np.array([expected(score) for score in scores.tolist()])


def mean(values: NDArray[np.float64]) -> list[float]:
    """Return the mean and its interval, in hundredths."""
    low, high = interval(resample(values[:, None])[:, 0] / len(values))
    return [round(100 * x, 3) for x in (float(values.mean()), low, high)]


if __name__ == "__main__":
    main()
