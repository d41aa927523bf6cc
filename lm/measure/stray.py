"""Stray games: games that begin with random plies, so that their positions do not occur in normal play."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from transformers import PreTrainedModel

from lm.dataset.records import UNKNOWN
from lm.measure.evaluate import LEGALITY, Report, evaluate
from lm.measure.stats import SAMPLES
from lm.model.encoding import GameMoves
from lm.model.loading import network_of
from lm.model.model import XiangqiLM
from lm.model.prompts import Voice
from lm.model.sampling import softmax
from lm.players.char_policy import CharEvaluator
from lm.players.policy import Evaluator
from xiangqi import Board

RANDOM_PLIES: Final = 20
"""Random plies before a stray game."""


@dataclass(frozen=True)
class Legality:
    """How often a model keeps the rules unmasked: of a `Report` what does not depend on the moves played."""

    games: int
    plies: int
    legal_argmax: float | None
    legal_mass: float | None
    legal_games: float | None
    legal_games_sampled: float | None
    interval: dict[str, list[float]]
    """95% intervals of the known ones of the four figures, by name."""

    @classmethod
    def of(cls, report: Report) -> Legality:
        """Return the legality in a report."""
        return cls(
            report.games,
            report.plies,
            report.legal_argmax,
            report.legal_mass,
            report.legal_games,
            report.legal_games_sampled,
            {name: bounds for name, bounds in report.interval.items() if name in LEGALITY},
        )


@dataclass(frozen=True)
class Stray(Legality):
    """The legality over a model's own plies in stray games."""

    at_once: Legality
    """At the first of them."""
    by: dict[str, dict[str, Legality]]
    """By ``ply``."""


@torch.inference_mode()
def stray_games(
    model: PreTrainedModel, games: int, random_plies: int = RANDOM_PLIES, plies: int = 40, seed: int = 0
) -> list[GameMoves]:
    """Return games of ``random_plies`` random plies and then ``plies`` moves sampled from the model's human voice.

    Such positions are not in the training games, so memorised moves do not help.

    >>> from lm.model.pretrained_config import XiangqiConfig
    >>> from lm.model.model import XiangqiLM
    >>> untrained = XiangqiLM(XiangqiConfig(n_layer=1, n_head=1, n_embd=8, n_query=8))
    >>> [len(game.moves) for game in stray_games(untrained, 2, random_plies=3, plies=2)]
    [5, 5]
    """
    rng = np.random.default_rng(seed)
    boards: list[Board] = []
    while len(boards) < games:
        board = Board()
        while board.ply < random_plies and len(moves := board.legal_moves):
            board.push(moves[rng.integers(len(moves))])
        if board.legal_moves:
            boards.append(board)
    evaluator = Evaluator(network_of(model)) if isinstance(model, XiangqiLM) else CharEvaluator(model)
    for _ in range(plies):
        unfinished = [board for board in boards if board.has_legal_moves()]
        for board, thought in zip(unfinished, evaluator(unfinished, Voice.HUMAN), strict=True):
            chances = softmax(thought.scores.astype(np.float64))
            board.push(thought.moves[rng.choice(len(chances), p=chances)])
    return [GameMoves.of(board) for board in boards]


def after_random_plies(model: PreTrainedModel, games: int, samples: int = SAMPLES) -> Stray:
    """Return the unmasked legality in `stray_games`. The accuracy of predicting moves that the model drew itself is
    left out."""
    found = evaluate(model, stray_games(model, games), [UNKNOWN] * games)
    own = found.ply >= RANDOM_PLIES
    for values in found.figures.values():
        values[~own] = np.nan  # random moves
    return Stray(
        **vars(Legality.of(found.report(own, samples))),
        at_once=Legality.of(found.report(found.ply == RANDOM_PLIES, samples)),
        by={"ply": {ply: Legality.of(part) for ply, part in found.breakdown({}, samples)["ply"].items()}},
    )
