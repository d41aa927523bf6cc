"""Puzzles: the share of first moves that a player finds, on the frozen list ``benchmarks/puzzles.jsonl``.

    python benchmarks/puzzles.py --player search:400 [--limit N] [--json]

A puzzle is solved by its published first move or, where the list knows a mate in up to three moves, by any move that is
proven to mate as soon. The proof is a search of all moves to the mate, without pruning. Shares have 95% intervals, by
bootstrap. ``make_puzzles.py`` tells how the list was made.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lm.cli.console import progress
from lm.measure.stats import share_with_interval
from lm.players.player import Player
from lm.players.specs import Spec
from xiangqi import Board, Move
from xiangqi.tactics import Searcher

LIST = Path(__file__).with_name("puzzles.jsonl")
AT_ONCE = 32
GROUPS: dict[str, Callable[[int | None], bool]] = {
    "mate in 1": lambda mate: mate == 1,
    "mate in 2": lambda mate: mate == 2,
    "mate in 3": lambda mate: mate == 3,
    "longer mate": lambda mate: mate is not None and mate > 3,
    "no mate seen": lambda mate: mate is None,
}
PROVEN = 3
"""Longest mates, in moves, of which any as short is accepted."""


@dataclass(frozen=True)
class Puzzle:
    """A position, its published first move, and the number of moves to mate if one is known."""

    board: Board
    move: Move
    mate: int | None

    def is_solved_by(self, move: Move | None, searcher: Searcher) -> bool:
        """Whether a move is the published one or mates as soon."""
        if move is self.move or move is None or self.mate is None or self.mate > PROVEN:
            return move is self.move
        after = self.board.copy()
        after.push(move)
        if self.mate == 1 or not after.has_legal_moves():
            return not after.has_legal_moves()
        mate = searcher.tactics(after, 2 * self.mate - 2, plain=True).prices[0].mate
        return mate is not None and 0 >= mate > -self.mate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--player", default="search", help="spec of the player")
    parser.add_argument("--limit", type=int, help="only as many puzzles, the first of a fixed random order")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    puzzles = read(arguments.limit)
    player = Spec.parse(arguments.player).open()
    start = time.perf_counter()
    solved = solve(player, puzzles)
    seconds = (time.perf_counter() - start) / len(puzzles)
    player.close()
    rows = {"all": row(solved)}
    for name, of_group in GROUPS.items():
        hits = [hit for puzzle, hit in zip(puzzles, solved, strict=True) if of_group(puzzle.mate)]
        if hits:
            rows[name] = row(hits)
    if arguments.json:
        print(json.dumps({"player": arguments.player, "seconds": round(seconds, 4), **rows}))
        return
    print(f"{arguments.player}: {1000 * seconds:.0f} ms a puzzle")
    for name, (count, share, (low, high)) in rows.items():
        print(f"{name:13} {count:5} puzzles  {share:.3f}  ({low:.3f} to {high:.3f})")


def row(hits: list[bool]) -> tuple[int, float, list[float]]:
    """Return the number of puzzles, the share solved, and its interval."""
    share, interval = share_with_interval(np.array(hits))
    return len(hits), round(share, 4), [round(bound, 4) for bound in interval]


def read(limit: int | None) -> list[Puzzle]:
    """Return the list, or its first ``limit`` puzzles in an order that does not change."""
    lines = [json.loads(line) for line in LIST.read_text(encoding="utf-8").splitlines()]
    random.Random(0).shuffle(lines)
    return [Puzzle(Board(line["fen"]), Move.from_iccs(line["moves"][:4]), line["mate"]) for line in lines[:limit]]


def solve(player: Player, puzzles: list[Puzzle]) -> list[bool]:
    """Return which puzzles a player solves. Nothing that it remembers of one helps with another."""
    searcher = Searcher()
    solved: list[bool] = []
    with progress("puzzles", len(puzzles)) as (_, advance):
        at_once = 1 if player.one_game else AT_ONCE
        for first in range(0, len(puzzles), at_once):
            asked = puzzles[first : first + at_once]
            player.new_game()
            choices = player.choose([puzzle.board for puzzle in asked])
            for puzzle, choice in zip(asked, choices, strict=True):
                solved.append(puzzle.is_solved_by(choice.move, searcher))
            advance(len(solved), f"{sum(solved) / len(solved):.3f}")
    return solved


if __name__ == "__main__":
    main()
