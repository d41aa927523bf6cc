"""Measures how well a model predicts the moves and results of recorded games.

`evaluate` reads games and keeps the figures of every position. `Measured` averages them over any subset, with 95%
intervals by bootstrap over games, because the plies of one game are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from lm import UserError
from lm.dataset.records import UNKNOWN, Record
from lm.measure.stats import SAMPLES, interval, resample, share_interval
from lm.model import char
from lm.model.encoding import Encoder, Features, GameMoves
from lm.model.model import XiangqiLM, candidates_of, spread
from lm.model.precision import has_bf16
from lm.model.prompts import Voice
from lm.players.char_policy import score_games
from xiangqi import CANNON, KNIGHT, ROOK, Board
from xiangqi.kernels import MOVE_FROM, MOVE_MIRRORED, MOVE_TO

FIGURES: Final = ("top1", "top3", "nll", "legal_argmax", "legal_mass")
"""Means over plies: the played move is the likeliest legal one, or one of the three likeliest; its negative
log-probability in nats; the unmasked argmax is legal; total unmasked probability of the legal moves. Ties count by the
probability that a random order puts the right move first."""
LEGALITY: Final = ("legal_argmax", "legal_mass", "legal_games", "legal_games_sampled")
"""The figures of a report that depend only on the rules, not on the moves played."""

PHASES: Final = ("opening", "middlegame", "endgame")
"""Endgame: at most 5 of the 12 rooks, knights and cannons are left. Opening: the first 20 plies of the record, while at
least 10 of them are. Middlegame: the rest."""

BINS: Final = 10
"""Number of bins of forecasts, for calibration."""
PLIES_A_GROUP: Final = 10


# --- Results ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """The means over some positions, ``None`` where nothing is known. See `FIGURES` for the first five."""

    games: int
    plies: int
    top1: float | None
    top3: float | None
    nll: float | None
    legal_argmax: float | None
    legal_mass: float | None
    value_brier: float | None
    """Mean squared distance between the forecast (loss, draw, win) and the result, 0 to 2."""
    legal_games: float | None
    """Share of games in which every unmasked argmax is legal."""
    legal_games_sampled: float | None
    """Probability that all moves of a game are legal if each is drawn unmasked."""
    value_ece: float | None
    """Expected calibration error of the expected score (Naeini et al. 2015), in `BINS` bins of equal width."""
    interval: dict[str, list[float]]
    """95% intervals of the known means, by name."""


@dataclass(frozen=True)
class Bin:
    """The positions whose forecast expected scores lie in one bin."""

    forecast: float
    """Mean forecast expected score of the mover."""
    result: float
    """Mean result for the mover, 0 to 1."""
    interval: list[float]
    """95% interval of the mean result."""
    positions: int


@dataclass
class Measured:
    """The figures of the N positions of G games, including the position after each game's last move."""

    games: int
    game: NDArray[np.int64]
    """Number of the game of each position, ``(N,)``."""
    ply: NDArray[np.int64]
    """Plies of the record before it, ``(N,)``."""
    phase: NDArray[np.int8]
    """Index into `PHASES`, ``(N,)``."""
    figures: dict[str, NDArray[np.float32]]
    """``(N,)`` for each of `FIGURES`, and for ``value_brier``: the squared distance between the forecast (loss, draw,
    win) and the result, 0 to 2 (G. W. Brier, Monthly Weather Review 78, 1950). NaN where none is known."""
    forecast: NDArray[np.float32]
    """Chances of loss, draw and win for the mover, ``(N, 3)``."""
    outcome: NDArray[np.int8]
    """Results for the mover: 0 loss, 1 draw, 2 win, or `UNKNOWN`, ``(N,)``."""

    def of_plies(self, where: NDArray[np.bool_]) -> Measured:
        """Return the evaluation of the positions selected by ``where`` ``(N,)``."""
        figures = {name: values[where] for name, values in self.figures.items()}
        rest = {name: getattr(self, name)[where] for name in ("game", "ply", "phase", "forecast", "outcome")}
        return replace(self, figures=figures, **rest)

    def report(self, where: NDArray[np.bool_] | None = None, samples: int = SAMPLES) -> Report:
        """Return the means over all positions, or those selected by ``where`` ``(N,)``.

        Resampling adds noise to every bin, so the interval of ``value_ece`` is shifted down by the mean increase.
        """
        where = np.ones(len(self.game), np.bool_) if where is None else where
        present, game = np.unique(self.game[where], return_inverse=True)
        columns: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}  # sums and counts by game
        for name, values in self.figures.items():
            values = values[where]
            known = ~np.isnan(values)
            columns[name] = (
                np.bincount(game[known], values[known], len(present)).astype(np.float64),
                np.bincount(game[known], minlength=len(present)).astype(np.float64),
            )
        for name, of in (("legal_games", "legal_argmax"), ("legal_games_sampled", "legal_mass")):
            values, played = self.figures[of][where], columns[of][1] > 0
            with np.errstate(divide="ignore"):
                logs = np.log(np.nan_to_num(values, nan=1.0).astype(np.float64))
            columns[name] = np.exp(np.bincount(game, logs, len(present))) * played, played.astype(np.float64)
        bins = self._bins(where, game, len(present))

        means: dict[str, float | None] = {}
        intervals: dict[str, list[float]] = {}
        drawn = resample(np.concatenate([np.stack(pair, 1) for pair in columns.values()] + [bins], 1), samples)
        with np.errstate(invalid="ignore", divide="ignore"):
            for i, (name, (sums, counts)) in enumerate(columns.items()):
                means[name] = None
                if counts.any():
                    means[name] = mean = float(sums.sum() / counts.sum())
                    resampled = drawn[:, 2 * i] / drawn[:, 2 * i + 1]
                    if name in ("nll", "value_brier"):
                        intervals[name] = interval(resampled)
                    else:
                        intervals[name] = share_interval(mean, resampled, int((counts > 0).sum()))
            means["value_ece"] = None
            if bins.any():
                means["value_ece"] = error = float(_ece(bins.sum(0)))
                errors = _ece(drawn[:, 2 * len(columns) :])
                intervals["value_ece"] = interval(np.maximum(0, errors - np.nanmean(errors) + error))
        return Report(len(present), int(columns["nll"][1].sum()), interval=intervals, **means)

    def breakdown(self, groups: Mapping[str, Sequence[str]], samples: int = SAMPLES) -> dict[str, dict[str, Report]]:
        """Return reports by phase, by ply and by each entry of ``groups``, which are labels of the G games."""
        found: dict[str, dict[str, Report]] = {}
        for kind, labels in groups.items():
            label = np.array(labels)[self.game]
            found[kind] = {str(name): self.report(label == name, samples) for name in sorted(set(labels))}
        by_phase = {name: self.phase == i for i, name in enumerate(PHASES)}
        found["phase"] = {name: self.report(here, samples) for name, here in by_phase.items() if here.any()}
        part = self.ply // PLIES_A_GROUP
        moved = ~np.isnan(self.figures["nll"])
        found["ply"] = {
            f"{i * PLIES_A_GROUP}-{i * PLIES_A_GROUP + PLIES_A_GROUP - 1}": self.report(part == i, samples)
            for i in np.unique(part[moved]).tolist()
        }
        return found

    def calibration(self, samples: int = SAMPLES) -> list[Bin]:
        """Return the non-empty bins, of `BINS` of equal width, of forecast expected scores."""
        sums = self._bins(np.ones(len(self.game), np.bool_), self.game, self.games)
        drawn = resample(sums, samples).reshape(samples, 3, BINS)
        count, forecast, result = sums.sum(0).reshape(3, BINS)
        found = []
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = drawn[:, 2] / drawn[:, 0]
        for i in np.flatnonzero(count).tolist():
            share = float(result[i] / count[i])
            bounds = share_interval(share, shares[:, i], int((sums[:, i] > 0).sum()))
            found.append(Bin(float(forecast[i] / count[i]), share, bounds, int(count[i])))
        return found

    def _bins(self, where: NDArray[np.bool_], game: NDArray[np.int64], games: int) -> NDArray[np.float64]:
        """Return for each game the counts, sums of forecasts and sums of results by bin, ``(games, 3 * BINS)``."""
        known = self.outcome[where] != UNKNOWN
        expected = (self.forecast[where][known] @ np.array([0, 0.5, 1], np.float32)).astype(np.float64)
        result = self.outcome[where][known] / 2
        cell = game[known] * BINS + np.minimum((expected * BINS).astype(np.int64), BINS - 1)
        parts = [np.bincount(cell, weights, games * BINS) for weights in (np.ones(len(cell)), expected, result)]
        return np.stack(parts).reshape(3, games, BINS).swapaxes(0, 1).reshape(games, 3 * BINS).astype(np.float64)


def _ece(bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the expected calibration error ``(...)`` from sums ``(..., 3 * BINS)``, as returned by `_bins`."""
    counts, forecasts, results = (bins[..., i * BINS : (i + 1) * BINS] for i in range(3))
    return np.asarray(np.abs(forecasts - results).sum(-1) / counts.sum(-1))


# --- Games ------------------------------------------------------------------------------------------------------------


def game_moves(record: Record) -> GameMoves:
    """Return a record's game as input of the encoder.

    >>> game_moves(Record(np.array([576], np.int16), fen="4k4/9/9/9/9/9/9/7C1/9/4K4 w")).cells.nonzero()[0].tolist()
    [4, 25, 85]
    """
    board = Board(record.fen) if record.fen else Board()
    return GameMoves(record.moves, board.cells.copy(), board.turn, board.halfmove_clock)


def labels_of(records: Sequence[Record]) -> dict[str, list[str]]:
    """Return the source (without the file inside it) and the tier of each game, for `Measured.breakdown`.

    >>> labels_of([Record(np.zeros(1, np.int16), source="here:games/1.pgn", tier="master")])
    {'source': ['here'], 'tier': ['master']}
    """
    return {
        "source": [record.source.split(":")[0] or "unknown" for record in records],
        "tier": [record.tier or "unknown" for record in records],
    }


def phases(game: GameMoves) -> NDArray[np.int8]:
    """Return the phase, an index into `PHASES`, of each of a game's n + 1 positions, ``(n + 1,)``."""
    cells, heavy_types = game.cells.tolist(), (ROOK, KNIGHT, CANNON)
    heavy = sum(cell & 7 in heavy_types for cell in cells)
    found = np.empty(len(game.moves) + 1, np.int8)
    for ply in range(len(found)):
        found[ply] = 2 if heavy <= 5 else 0 if ply < 20 and heavy >= 10 else 1
        if ply < len(game.moves):
            a, b = int(MOVE_FROM[game.moves[ply]]), int(MOVE_TO[game.moves[ply]])
            heavy -= cells[b] & 7 in heavy_types
            cells[b], cells[a] = cells[a], 0
    return found


def batches(games: Sequence[GameMoves], plies: int) -> Iterator[NDArray[np.int64]]:
    """Yield the games by number in batches of about ``plies`` plies, padding included, shortest first.

    >>> games = [GameMoves.of(Board.from_moves(moves)) for moves in ("h2e2 h9g7", "h2e2", "h2e2 h9g7")]
    >>> [batch.tolist() for batch in batches(games, plies=4)]
    [[1, 0], [2]]
    """
    batch: list[int] = []
    for i in sorted(range(len(games)), key=lambda i: len(games[i].moves)):
        batch.append(i)
        if len(batch) * (len(games[i].moves) + 1) >= plies:
            yield np.array(batch)
            batch = []
    if batch:
        yield np.array(batch)


def readings(model: PreTrainedModel) -> int:
    """Return the number of readings that a model supports: 2 for ours, 1 for a character model, which has no board to
    mirror."""
    return 2 if isinstance(model, XiangqiLM) else 1


@torch.inference_mode()
def evaluate(
    model: PreTrainedModel,
    games: Sequence[GameMoves],
    results: Sequence[int],
    voice: Voice | Sequence[Voice] = Voice.HUMAN,
    advance: Callable[[int], None] = lambda games: None,
    symmetries: int = 1,
) -> Measured:
    """Compare a model's predictions with the moves and results (0 loss, 1 draw, 2 win for Red) of recorded games.

    ``voice`` is one voice for all games, or one a game. Games are cut at the length of the model's context. ``advance``
    is called with the number of games done. With two ``symmetries`` the mirror images are read too, as by `LMPlayer`,
    and the outputs are averaged, except for the unmasked legality; a character model ignores it. Raises ``UserError``
    if the model's scores are not finite.

    >>> from lm.model.model import XiangqiConfig
    >>> untrained = XiangqiLM(XiangqiConfig(n_layer=1, n_head=1, n_embd=8, n_query=8))
    >>> found = evaluate(untrained, [GameMoves.of(Board.from_moves("h2e2"))], [2])
    >>> round(found.report().nll, 3), round(float(np.log(44)), 3)
    (3.784, 3.784)
    """
    config = char.reading_config(model)
    encoder, longest = Encoder(config.input_groups, config.candidate_groups), config.n_context - 1
    games = [game.with_past() for game in games]
    games = [replace(game, moves=game.moves[:longest]) for game in games]
    voices = torch.as_tensor(np.broadcast_to(np.asarray(voice, np.int64), len(games)).copy())
    lengths = np.array([len(game.moves) + 1 for game in games], np.int64)
    starts, positions = np.cumsum(lengths) - lengths, int(lengths.sum())
    found = Measured(
        games=len(games),
        game=np.repeat(np.arange(len(games)), lengths),
        ply=np.arange(positions) - np.repeat(starts + [game.invented for game in games], lengths),
        phase=np.concatenate([phases(game) for game in games]),
        figures={name: np.full(positions, np.nan, np.float32) for name in (*FIGURES, "value_brier")},
        forecast=np.zeros((positions, 3), np.float32),
        outcome=np.full(positions, UNKNOWN, np.int8),
    )
    was_training = model.training
    model.eval()
    done = 0
    for batch in batches(games, 4096):
        chosen = [games[i] for i in batch]
        place = np.concatenate([np.arange(starts[i], starts[i] + lengths[i]) for i in batch])
        features = encoder(chosen)
        played = np.concatenate([_played(game) for game in chosen])
        labels = torch.from_numpy(features.labels(played))
        rows = (labels >= 0).nonzero().squeeze(1)
        game = torch.from_numpy(np.repeat(batch, features.lengths))
        with torch.autocast(model.device.type, torch.bfloat16) if has_bf16(model.device) else nullcontext():
            if isinstance(model, XiangqiLM):
                tensors, asked = features.tensors(), {"rows": rows, "voices": voices[game[rows]]}
                scores, unmasked, wdl = _read(model, tensors | asked)
                if symmetries == 2:
                    images = encoder([game.mirror() for game in chosen]).tensors()
                    of_images, _, wdl_of_images = _read(model, images | asked)
                    own, _, counts = candidates_of(rows, tensors["candidates"], tensors["candidate_counts"])
                    others, _, _ = candidates_of(rows, images["candidates"], images["candidate_counts"])
                    moves = torch.cat([own[:, 0], others[:, 0]]).long()
                    scores = _average(torch.cat([scores, of_images]), moves, counts.repeat(2))
                    wdl = (wdl + wdl_of_images) / 2
                figures = _compare(scores, labels[rows]) | _legality(unmasked, tensors, rows)
                found.forecast[place] = wdl.numpy()
                found.outcome[place] = _outcomes(features, [results[i] for i in batch])
            else:
                scores, legal, mass = (x[rows] for x in score_games(model, chosen, features))
                figures = _compare(scores, labels[rows]) | {"legal_argmax": legal, "legal_mass": mass}
        if not bool(figures["nll"].isfinite().all()):
            raise UserError("the model's scores are infinite or NaN: its weights are damaged")
        for name, values in figures.items():
            found.figures[name][place[rows.numpy()]] = values.numpy()
        done += len(batch)
        advance(done)
    known = found.outcome != UNKNOWN
    miss = found.forecast[known] - np.eye(3, dtype=np.float32)[found.outcome[known]]
    found.figures["value_brier"][known] = np.square(miss).sum(1)
    model.train(was_training)
    return found.of_plies(found.ply >= 0)


def _played(game: GameMoves) -> NDArray[np.int16]:
    """Return the move played at each position of a game, -1 for an invented move and at the end."""
    played = np.append(game.moves, -1).astype(np.int16)
    played[: game.invented] = -1
    return played


def _read(model: XiangqiLM, tensors: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the scores of legal moves ``(R, M)`` and of all moves ``(R, 2086)``, and the chances of loss, draw and win
    ``(N, 3)``, in float32 on the CPU."""
    out = model(**{name: tensor.to(model.device) for name, tensor in tensors.items()})
    scores, unmasked, wdl = (x.float().cpu() for x in (out.scores, out.move_logits, out.wdl_logits.softmax(-1)))
    return scores, unmasked, wdl


def _average(scores: torch.Tensor, moves: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return log-probabilities ``(R, M)`` of R positions, each the mean over the position and its mirror image.

    ``scores`` ``(2 R, M)``, ``moves`` ``(C,)`` (move numbers) and ``counts`` ``(2 R,)`` (moves of each position) have
    the positions in the first half and their mirror images in the second.

    >>> from xiangqi import Move
    >>> h2e2, b2e2, h2i2, b2a2 = (Move.from_iccs(iccs).index for iccs in ("h2e2", "b2e2", "h2i2", "b2a2"))
    >>> scores = torch.tensor([[0.5, 0.25], [0.1, 0.9]]).log()
    >>> moves = torch.tensor([h2e2, h2i2, b2a2, b2e2])
    >>> _average(scores, moves, torch.tensor([2, 2])).exp() ** 2  # 2/3 * 0.9, 1/3 * 0.1
    tensor([[0.6000, 0.0333]])
    """
    R, logp = len(scores) // 2, scores.log_softmax(-1)
    mirrored = torch.tensor(MOVE_MIRRORED, device=moves.device)[moves]
    own, of_images = (spread(x, counts, scores.shape[1], -1).argsort(-1) for x in (moves, mirrored))
    image = torch.empty_like(logp[:R]).scatter_(1, own[:R], logp[R:].gather(1, of_images[R:]))
    return (logp[:R] + image) / 2


def _compare(scores: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the figures of `FIGURES` that use the masked scores, ``(R,)`` each."""
    logp = scores.log_softmax(-1)
    right = logp.gather(1, labels.unsqueeze(1))
    # Rounding to 16 bits makes ties: each of k equal scores is ranked first with probability 1 / k.
    ahead, equal = (logp > right).sum(1), (logp == right).sum(1)
    return {
        "top1": ((1 - ahead) / equal).clamp(0, 1),
        "top3": ((3 - ahead) / equal).clamp(0, 1),
        "nll": -right.squeeze(1),
    }


def _legality(all_moves: torch.Tensor, tensors: dict[str, torch.Tensor], rows: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the figures of `FIGURES` that use the unmasked scores of all moves, ``(R,)`` each."""
    unmasked = all_moves.softmax(-1)
    slots, of, _ = candidates_of(rows, tensors["candidates"][:, :1], tensors["candidate_counts"])
    legal = torch.zeros_like(unmasked, dtype=torch.bool)
    legal[of, slots[:, 0]] = True
    likeliest = all_moves == all_moves.amax(1, keepdim=True)
    return {
        "legal_argmax": (legal & likeliest).sum(1) / likeliest.sum(1),
        "legal_mass": (unmasked * legal).sum(1),
    }


def _outcomes(features: Features, results: Sequence[int]) -> NDArray[np.int8]:
    """Return the result for the mover at each position, ``(N,)``."""
    red = np.repeat(np.array(results, np.int8), features.lengths)
    return np.where(red == UNKNOWN, UNKNOWN, np.where(features.turns == 0, red, 2 - red)).astype(np.int8)
