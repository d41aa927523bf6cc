"""Puzzles, positions with a solution, and the share of them that a model solves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from lm import UserError
from lm.dataset.records import UNKNOWN, record_of
from lm.measure.evaluate import (
    evaluate,
    game_moves,
)
from lm.measure.stats import SAMPLES, share_with_interval
from lm.model.encoding import GameMoves
from lm.model.prompts import Voice
from xiangqi.formats import FormatError, load

KINDS: Final = {"開局": "opening", "开局": "opening", "中局": "midgame", "殘局": "endgame", "残局": "endgame"}
"""English words for the kinds of positions that files name in Chinese."""


@dataclass(frozen=True)
class Puzzle:
    """A position with a solution: the solver's moves and the replies, alternating."""

    game: GameMoves
    fen: str
    kind: str


@dataclass(frozen=True)
class Solved:
    """The shares of some positions that a model solved."""

    positions: int
    first_move: float
    """The model's likeliest move is the first of the solution."""
    whole_line: float
    """It is the solution's at every move of the solver, given the replies."""
    interval: dict[str, list[float]]
    """95% intervals of both shares, by name."""


@dataclass(frozen=True)
class AllSolved(Solved):
    """The shares of all positions, and of parts of them."""

    by: dict[str, dict[str, Solved]]
    """By ``kind`` of position and by the number of the solver's ``moves``."""


def read_puzzles(path: Path, on_error: Callable[[FormatError], None]) -> list[Puzzle]:
    """Return the positions of a file that have a solution. Raises ``UserError`` if there are none."""
    puzzles = []
    for game in load(path, on_error=on_error):
        if game.variations and not game.errors:
            kind = game.headers.get("Kind", "unknown")
            try:
                puzzles.append(Puzzle(game_moves(record_of(game)), game.fen, KINDS.get(kind, kind)))
            except ValueError as error:
                on_error(FormatError(str(error), path=str(path)))
    if not puzzles:
        raise UserError(f"{path}: no positions with a solution")
    return puzzles


def solve(
    model: PreTrainedModel,
    puzzles: Sequence[Puzzle],
    voice: Voice = Voice.HUMAN,
    advance: Callable[[int], None] = lambda puzzles: None,
    samples: int = SAMPLES,
    symmetries: int = 1,
) -> AllSolved:
    """Return the shares of positions solved: in all, by kind, and by the number of the solver's moves.

    ``symmetries`` is as in `evaluate`. If a position has several solutions in the file, any of them counts. Other
    winning moves count as wrong.
    """
    found = evaluate(model, [puzzle.game for puzzle in puzzles], [UNKNOWN] * len(puzzles), voice, advance, symmetries)
    hit = np.nan_to_num(found.figures["top1"], nan=1.0)
    first = hit[found.ply == 0]
    whole = np.ones(len(puzzles))
    np.multiply.at(whole, found.game, np.where(found.ply % 2 == 0, hit, 1.0))

    names = {fen: i for i, fen in enumerate(dict.fromkeys(puzzle.fen for puzzle in puzzles))}
    position = np.array([names[puzzle.fen] for puzzle in puzzles])
    solved = {"first_move": np.zeros(len(names)), "whole_line": np.zeros(len(names))}
    for values, by_puzzle in zip(solved.values(), (first, whole), strict=True):
        np.maximum.at(values, position, by_puzzle)
    _, example = np.unique(position, return_index=True)  # the first puzzle of each position
    kinds = np.array([puzzles[i].kind for i in example])
    moves = np.array([(len(puzzles[i].game.moves) + 1) // 2 for i in example])
    bounds = {"1": (1, 1), "2": (2, 2), "3": (3, 3), "4-5": (4, 5), "6-9": (6, 9), "10 or more": (10, 999)}

    def share(where: NDArray[np.bool_]) -> Solved:
        found = {name: share_with_interval(values[where], samples) for name, values in solved.items()}
        intervals = {name: bounds for name, (_, bounds) in found.items()}
        return Solved(int(where.sum()), found["first_move"][0], found["whole_line"][0], intervals)

    lengths = {name: (moves >= low) & (moves <= high) for name, (low, high) in bounds.items()}
    every = share(np.ones(len(names), np.bool_))
    by = {
        "kind": {str(kind): share(kinds == kind) for kind in np.unique(kinds)},
        "moves": {name: share(here) for name, here in lengths.items() if here.any()},
    }
    return AllSolved(every.positions, every.first_move, every.whole_line, every.interval, by)
