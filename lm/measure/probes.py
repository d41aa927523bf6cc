"""Linear probes: how much of the board can be read from each layer of a model.

A probe is a linear map from a layer's states to 15 classes (nothing, the mover's 7 kinds of piece, the enemy's 7) on
each of the 90 squares, seen from the mover's side. It is fitted in closed form (ridge regression to one-hot targets)
and tested on other games. The control is a model of the same shape with random weights: only the difference to it was
learned (J. Hewitt and P. Liang 2019 on controls for probes; K. Li et al. 2023 on boards inside language models).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from lm.measure.evaluate import batches
from lm.measure.stats import SAMPLES, resample, share_interval
from lm.model.encoding import Encoder, GameMoves
from lm.model.model import XiangqiLM
from xiangqi.kernels import MOVE_FROM, MOVE_TO

CLASSES: Final = 15
RIDGE: Final = 1e-5
"""Ridge, as a share of the mean variance of a layer's components: enough to keep the solution stable."""


@dataclass(frozen=True)
class Reading:
    """The accuracy of a probe on a layer, or of guessing."""

    pieces: float
    """Share of the occupied squares on which the right piece is named."""
    points: float
    """Share of all squares, empty ones included, that are named correctly."""
    interval: dict[str, list[float]]
    """95% intervals of both, by name, by bootstrap over games."""


@dataclass(frozen=True)
class Probes:
    """The accuracy of probes on each layer of some models."""

    plies: dict[str, int]
    """Number of positions for fitting, ``train``, and for testing, ``test``."""
    chance: Reading
    """Accuracy of guessing the commonest class of each square."""
    layers: dict[str, list[Reading]]
    """Accuracy of each layer, by the name of the model; the first is the sum of the inputs."""


def boards(game: GameMoves) -> NDArray[np.int64]:
    """Return the class of each square before each move and at the end, ``(n + 1, 90)``: 0 nothing, 1 to 7 the mover's
    pieces, 8 to 14 the enemy's. For Black the board is rotated.

    >>> boards(GameMoves.from_start(np.zeros(0, np.int16)))[0, :9].tolist()
    [5, 4, 3, 2, 1, 2, 3, 4, 5]
    """
    cells, turn = game.cells.astype(np.int64), game.turn
    found = np.empty((len(game.moves) + 1, 90), np.int64)
    for ply in range(len(found)):
        view = cells if turn == 0 else np.where(cells[::-1] > 0, cells[::-1] ^ 8, 0)
        found[ply] = np.where(view > 8, view - 1, view)
        if ply < len(game.moves):
            a, b = int(MOVE_FROM[game.moves[ply]]), int(MOVE_TO[game.moves[ply]])
            cells[b], cells[a] = cells[a], 0
            turn = 1 - turn
    return found


def random_twin(model: XiangqiLM, seed: int = 0) -> XiangqiLM:
    """Return a model of the same shape with random weights. Matrices that are initialised with zeros for training are
    random too, because layers without effect would not be a control."""
    torch.manual_seed(seed)
    twin = XiangqiLM(copy.deepcopy(model.config)).eval()
    for parameter in twin.parameters():
        if parameter.ndim == 2 and not bool(parameter.any()):
            torch.nn.init.normal_(parameter, std=0.5 * parameter.shape[1] ** -0.5)
    return twin


@torch.inference_mode()
def layer_states(model: XiangqiLM, games: Sequence[GameMoves]) -> list[torch.Tensor]:
    """Return the states ``(N, D)`` of all plies after the input sum and after each block: ``n_layer + 1`` tensors."""
    encoder = Encoder(model.config.input_groups, model.config.candidate_groups)
    collected: list[list[torch.Tensor]] = [[] for _ in range(model.config.n_layer + 1)]
    order = []
    real = torch.zeros(0)

    def keep(layer: int) -> Any:
        return lambda module, args, output: collected[layer].append(output.flatten(0, 1)[real].float())

    def keep_input(module: Any, args: Any) -> None:
        collected[0].append(args[0].flatten(0, 1)[real].float())

    hooks = [model.blocks[0].register_forward_pre_hook(keep_input)]
    hooks += [block.register_forward_hook(keep(i + 1)) for i, block in enumerate(model.blocks)]
    try:
        for batch in batches(games, 4096):
            features = encoder([games[i] for i in batch])
            tensors = features.tensors()
            lengths = tensors["lengths"]
            real = (torch.arange(int(lengths.max())) < lengths.unsqueeze(1)).flatten()
            model.states(tensors["inputs"], tensors["input_starts"], lengths)
            order += batch.tolist()
    finally:
        for hook in hooks:
            hook.remove()
    back = _as_given(order, games)
    return [torch.cat(layer)[back] for layer in collected]


def _as_given(order: list[int], games: Sequence[GameMoves]) -> torch.Tensor:
    """Return the indices ``(N,)`` that restore the order of ``games`` for plies of games read in another order."""
    lengths = np.array([len(game.moves) + 1 for game in games])
    starts = np.zeros(len(games), np.int64)
    starts[order] = np.cumsum(lengths[order]) - lengths[order]
    return torch.from_numpy(np.concatenate([np.arange(s, s + n) for s, n in zip(starts, lengths, strict=True)]))


def fit(states: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weights ``(D, K)`` and bias ``(K,)`` of a ridge regression of targets ``(N, K)`` on states ``(N, D)``.

    >>> weights, bias = fit(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[1.0], [3.0], [5.0]]))
    >>> round(float(weights), 3), round(float(bias), 3)
    (2.0, 1.0)
    """
    x, y = states.double(), targets.double()
    x_mean, y_mean = x.mean(0), y.mean(0)
    x = x - x_mean
    gram = x.T @ x
    gram.diagonal().add_(RIDGE * gram.diagonal().mean() + 1e-9)
    weights = torch.linalg.solve(gram, x.T @ (y - y_mean))
    return weights, y_mean - x_mean @ weights


def probe(
    models: dict[str, XiangqiLM], train: Sequence[GameMoves], test: Sequence[GameMoves], samples: int = SAMPLES
) -> Probes:
    """Return the accuracy of probes on each layer of each model, fitted on ``train`` and measured on ``test`` games.

    Intervals are by bootstrap over games, with ``samples`` samples.
    """
    learned = torch.from_numpy(np.concatenate([boards(game) for game in train]))
    asked = np.concatenate([boards(game) for game in test])
    game = np.repeat(np.arange(len(test)), [len(game.moves) + 1 for game in test])
    one_hot = torch.nn.functional.one_hot(learned, CLASSES).flatten(1)  # (N, 90 * 15)

    def judge(named: NDArray[np.int64]) -> Reading:
        right, occupied = named == asked, asked > 0
        by_ply = np.stack([(right & occupied).sum(1), occupied.sum(1), right.sum(1), np.full(len(right), 90)], 1)
        sums = np.stack([np.bincount(game, column) for column in by_ply.T], 1).astype(np.float64)
        total, drawn = sums.sum(0), resample(sums, samples)
        pieces, points = float(total[0] / total[1]), float(total[2] / total[3])
        interval = {
            "pieces": share_interval(pieces, drawn[:, 0] / drawn[:, 1], len(test)),
            "points": share_interval(points, drawn[:, 2] / drawn[:, 3], len(test)),
        }
        return Reading(pieces, points, interval)

    commonest = one_hot.sum(0).view(90, CLASSES).argmax(1).numpy()
    layers: dict[str, list[Reading]] = {}
    for name, model in models.items():
        layers[name] = []
        for seen, unseen in zip(layer_states(model, train), layer_states(model, test), strict=True):
            weights, bias = fit(seen, one_hot)
            guess = (unseen.double() @ weights + bias).view(-1, 90, CLASSES).argmax(-1)
            layers[name].append(judge(guess.numpy()))
    chance = judge(np.broadcast_to(commonest, asked.shape))
    return Probes({"train": len(learned), "test": len(asked)}, chance, layers)
