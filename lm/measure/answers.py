"""Measures any player by its answers: models, engines and functions by one protocol, that of `lm.players.player`.

A player is asked for a move in positions of held-out games. Its answer is the likeliest of its moves where it lists all
legal ones with their probabilities, and then these give the NLL too; otherwise it is the move that it chooses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm.dataset.records import Record
from lm.measure.stats import resample, share_interval
from lm.players.player import Choice, Player, PlayerError, choices
from xiangqi import MOVES, Board, Move

SCHEMA: Final = "xqlm player 1"
"""Name and version of the form of a `Card` as JSON."""
BATCH: Final = 64
"""Positions that a player is asked about at once."""


@dataclass(frozen=True)
class Question:
    """A position with its history, and the answer that counts."""

    board: Board
    answer: Move
    group: int
    """Number of its game: answers in one game are not independent."""


@dataclass(frozen=True)
class Card:
    """The figures of a player."""

    schema: str
    player: str
    """Its spec."""
    games: int
    positions: int
    top1: float
    """Share of positions in which its answer is the move that was played."""
    nll: float | None
    """Mean negative log-probability of the move played, in nats; ``None`` without probabilities of all moves."""
    legal: float | None
    """Of a model that knows no rules, the total probability of legal moves before the mask; of others the share of
    positions in which the answer is legal; ``None`` for players that choose from the legal moves."""
    puzzles: int
    solved: float | None
    """Share of puzzles in which its answer is the first move of the solution; ``None`` without puzzles."""
    interval: dict[str, list[float]]
    """95% intervals of the known figures, by bootstrap over games and puzzles."""
    elo: float | None = None
    """Rating from matches, if it has played any; its interval is among the others."""


def questions_of(records: Sequence[Record], positions: int, seed: int = 0) -> list[Question]:
    """Return positions of games with the moves played there: at most so many, as many of each game as of the others.

    >>> [question.answer.iccs for question in questions_of([Record(np.array([576], np.int16))], 5)]
    ['h2e2']
    """
    chance = np.random.default_rng(seed)
    each = max(1, positions // max(1, len(records)))
    order = chance.permutation(len(records))[: positions // each]
    found = []
    for number in sorted(order.tolist()):
        record = records[number]
        plies = chance.permutation(len(record.moves))[:each]
        board = Board(record.fen) if record.fen else Board()
        for ply, move in enumerate(record.moves.tolist()):
            if ply in plies:
                found.append(Question(board.copy(), MOVES[move], number))
            board.push(MOVES[move])
    return found


def measure(
    player: Player,
    questions: Sequence[Question],
    puzzles: Sequence[Question] = (),
    advance: Callable[[int], None] = lambda done: None,
) -> Card:
    """Ask a player all questions and return its figures. Several puzzles of one group are one with several solutions.

    ``advance`` is called with the number of questions asked. An illegal answer counts as wrong. Raises ``PlayerError``
    if the player fails otherwise.
    """
    rows = _ask(player, questions, advance)
    figures = {"top1": rows[:, 0], "nll": rows[:, 1], "legal": rows[:, 2]}
    groups = np.array([question.group for question in questions])
    means: dict[str, float | None] = dict.fromkeys(figures)
    intervals: dict[str, list[float]] = {}
    for name, values in figures.items():
        if len(values) and not np.isnan(values).any():
            means[name], intervals[name] = _mean(values, groups, shares=name != "nll")
    solved, count = None, 0
    if puzzles:
        found = _ask(player, puzzles, lambda done: advance(len(questions) + done))[:, 0]
        _, group = np.unique([puzzle.group for puzzle in puzzles], return_inverse=True)
        count = int(group.max()) + 1
        best = np.zeros(count)
        np.maximum.at(best, group, found)
        solved, intervals["solved"] = _mean(best, np.arange(count), shares=True)
    return Card(
        SCHEMA,
        player.name,
        len(np.unique(groups)),
        len(questions),
        means["top1"] or 0.0,
        means["nll"],
        means["legal"],
        count,
        solved,
        intervals,
    )


def _ask(player: Player, questions: Sequence[Question], advance: Callable[[int], None]) -> NDArray[np.float64]:
    """Return for each question whether the answer is right, its NLL, and its legality ``(n, 3)``; NaN is not known."""
    rows: list[tuple[float, float, float]] = []
    size = 1 if player.one_game else BATCH  # an engine that fails in a batch would not say where
    mass = getattr(player, "legal_mass", lambda boards: None)
    for start in range(0, len(questions), size):
        batch = questions[start : start + size]
        boards = [question.board for question in batch]
        try:
            answers = choices(player, boards)
        except PlayerError as error:
            if size > 1 or error.failure not in ("illegal move", "no move"):
                raise
            rows.append((0.0, math.nan, 0.0))
        else:
            legal = mass(boards) or [1.0 if player.one_game else math.nan] * len(batch)
            rows += [
                (*_judge(*pair), share) for pair, share in zip(zip(batch, answers, strict=True), legal, strict=True)
            ]
        advance(len(rows))
    return np.array(rows, np.float64).reshape(-1, 3)


def _judge(question: Question, choice: Choice) -> tuple[float, float]:
    """Return whether a choice is the answer, and the NLL of the answer."""
    shares = dict(choice.candidates)
    if shares.keys() != set(question.board.legal_moves):
        return float(choice.move == question.answer), math.nan
    likeliest = max(shares, key=shares.__getitem__)
    return float(likeliest == question.answer), -math.log(max(shares[question.answer], 1e-12))


def _mean(values: NDArray[np.float64], groups: NDArray[np.int64], shares: bool) -> tuple[float, list[float]]:
    """Return the mean and its 95% interval by bootstrap over groups."""
    _, group = np.unique(groups, return_inverse=True)
    sums = np.stack([np.bincount(group, values), np.bincount(group)], 1).astype(np.float64)
    drawn = resample(sums)
    mean, means = float(values.mean()), drawn[:, 0] / drawn[:, 1]
    if shares:
        return mean, share_interval(mean, means, len(sums))
    low, high = np.percentile(means, [2.5, 97.5])
    return mean, [float(low), float(high)]
