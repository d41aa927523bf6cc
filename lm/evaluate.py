"""How well a model foresees the moves of recorded games, and how well it judges who wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from lm import UserError
from lm.data import UNKNOWN, Record, read_records, split_of
from lm.encoding import Encoder, Line
from lm.model import HUMAN, XiangqiLM
from xiangqi import Board
from xiangqi.formats import FormatError

FIGURES: Final = ("top1", "top3", "nll", "legal_argmax", "legal_mass")
"""Means over plies: the played move is the likeliest legal one, one of three; its negative log-probability in nats; the
unmasked argmax is legal; unmasked probability of all legal moves together."""


@dataclass
class Evaluation:
    """Sums over the plies of each game, so that means over any set of games, and their intervals, are cheap."""

    plies: NDArray[np.int64]
    """``(G,)``"""
    sums: dict[str, NDArray[np.float64]]
    """``(G,)`` for each of `FIGURES`."""
    judged: NDArray[np.int64]
    """Plies of each game whose result is known, ``(G,)``."""
    brier: NDArray[np.float64]
    """Sums over them of the squared distance between the forecast (win, draw, loss) and the result, 0 to 2 each
    (G. W. Brier, Monthly Weather Review 78, 1950), ``(G,)``."""

    def report(self, samples: int = 1000) -> dict[str, Any]:
        """Return means over all plies, with 95% intervals by bootstrap over games (B. Efron 1979)."""
        figures = {name: (values, self.plies) for name, values in self.sums.items()}
        figures["value_brier"] = (self.brier, self.judged)
        means: dict[str, Any] = {"games": len(self.plies), "plies": int(self.plies.sum())}
        intervals = {}
        draws = np.random.default_rng(0).integers(0, len(self.plies), (samples, len(self.plies)))
        for name, (sums, counts) in figures.items():
            if counts.sum() == 0:
                means[name] = None
                continue
            means[name] = float(sums.sum() / counts.sum())
            shares = sums[draws].sum(1) / np.maximum(counts[draws].sum(1), 1)
            intervals[name] = [float(x) for x in np.percentile(shares, [2.5, 97.5])]
        return means | {"interval": intervals}


def read_games(path: Path, split: str | None, on_error: Callable[[FormatError], None]) -> list[Record]:
    """Return the valid games of a file, or those of a split. Raises ``UserError`` if there are none."""
    records = []
    for record in read_records(path, on_error):
        if split is None or split_of(record.key()) == split:
            records.append(record)
    if not records:
        raise UserError(f"{path}: no valid games{f' of the {split} split' if split else ''}")
    return records


def line_of(record: Record) -> Line:
    """Return a record's game for the encoder."""
    board = Board(record.fen) if record.fen else Board()
    return Line(record.moves, board.cells.copy(), board.turn, board.halfmove_clock)


def batches(lines: Sequence[Line], plies: int) -> Iterator[NDArray[np.int64]]:
    """Yield the games by number in batches of about ``plies`` plies, padding included, shortest first."""
    batch: list[int] = []
    for game in sorted(range(len(lines)), key=lambda i: len(lines[i].moves)):
        batch.append(game)
        if len(batch) * (len(lines[game].moves) + 1) >= plies:
            yield np.array(batch)
            batch = []
    if batch:
        yield np.array(batch)


@torch.inference_mode()
def evaluate(
    model: XiangqiLM,
    lines: Sequence[Line],
    results: Sequence[int],
    voice: int = HUMAN,
    advance: Callable[[int], None] = lambda games: None,
) -> Evaluation:
    """Read games and compare what the model expects with what was played and with the results (0, 1, 2 for Red).

    Games longer than the model reads are read as far. ``advance`` is called with the number of games done.
    """
    encoder, longest = Encoder(model.config), model.config.n_context - 1
    lines = [Line(line.moves[:longest], line.cells, line.turn, line.clock) for line in lines]
    games = len(lines)
    found = Evaluation(
        np.zeros(games, np.int64),
        {name: np.zeros(games) for name in FIGURES},
        np.zeros(games, np.int64),
        np.zeros(games),
    )
    was_training = model.training
    model.eval()
    done = 0
    for batch in batches(lines, 4096):
        chosen = [lines[i] for i in batch]
        features = encoder(chosen)
        played = np.concatenate([np.append(line.moves, -1) for line in chosen]).astype(np.int16)
        labels = torch.from_numpy(features.labels(played))
        rows = (labels >= 0).nonzero().squeeze(1)
        game = torch.from_numpy(np.repeat(batch, features.lengths))
        tensors = features.tensors()
        with torch.autocast("cpu", torch.bfloat16):
            out = model(**tensors, rows=rows, voices=torch.full_like(rows, voice))
        figures = _compare(out.scores, out.move_logits.float(), tensors, rows, labels[rows])
        np.add.at(found.plies, game[rows].numpy(), 1)
        for name, values in figures.items():
            np.add.at(found.sums[name], game[rows].numpy(), values.double().numpy())
        red = torch.tensor([results[i] for i in batch]).repeat_interleave(torch.from_numpy(features.lengths))
        known = red != UNKNOWN
        outcome = torch.where(torch.from_numpy(features.turns) == 0, red, 2 - red)[known]
        forecast = out.wdl_logits[known].softmax(-1)
        miss = (forecast - torch.nn.functional.one_hot(outcome.long(), 3)).square().sum(-1)
        np.add.at(found.judged, game[known].numpy(), 1)
        np.add.at(found.brier, game[known].numpy(), miss.double().numpy())
        done += len(batch)
        advance(done)
    model.train(was_training)
    return found


def _compare(
    scores: torch.Tensor, all_moves: torch.Tensor, tensors: dict[str, torch.Tensor], rows: torch.Tensor, labels: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return each of `FIGURES` for every scored ply, ``(R,)``."""
    logp = scores.log_softmax(-1)
    right = logp.gather(1, labels.unsqueeze(1))
    rank = (logp > right).sum(1)
    unmasked = all_moves.softmax(-1)
    candidates, counts = tensors["candidates"][rows, :, 0], tensors["candidate_counts"][rows]
    real = torch.arange(candidates.shape[1]) < counts.unsqueeze(1)
    legal = torch.zeros_like(unmasked, dtype=torch.bool).scatter_reduce_(1, candidates, real, "amax")
    return {
        "top1": rank == 0,
        "top3": rank < 3,
        "nll": -right.squeeze(1),
        "legal_argmax": legal.gather(1, unmasked.argmax(1, keepdim=True)).squeeze(1),
        "legal_mass": (unmasked * legal).sum(1),
    }

