"""How well do similar positions foresee the next move and the result? States of the model against plain overlap.

    python benchmarks/similar.py [--references 900] [--games 250]

References are the positions of plies 8 to 79 of shipped training games, queries eight such positions of each shipped
test game that no reference equals, mirrored or not. Of a query and of its mirror image, the references most similar and
with the same side to move are its neighbours. The move most of them went on with is the guess; their mean result,
drawn towards the mean of all, is the forecast.

Similarity is either the cosine of two states of the model, the last ones, whitened to 64 numbers; or the share of
pieces in common, those on the same squares divided by all.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from lm import data_path
from lm.cli.console import progress
from lm.dataset.positions import keys_of
from lm.dataset.records import Record, record_of, split_of
from lm.measure.evaluate import game_moves
from lm.measure.probes import layer_states
from lm.model.loading import load_any_model
from xiangqi import load
from xiangqi.kernels import MOVE_FROM, MOVE_MIRRORED, MOVE_TO

PLIES: Final = range(8, 80)
ASKED: Final = 8
NUMBERS: Final = 64
NEIGHBOURS: Final = (1, 8, 32)
PRIOR: Final = 4
"""The mean of all results counts as much as so many neighbours."""


@dataclass
class Positions:
    """Positions of games, with what followed."""

    states: NDArray[np.float32]
    cells: NDArray[np.uint8]
    moves: NDArray[np.int16]
    results: NDArray[np.float64]
    """Red's: 0, 0.5 or 1."""
    turns: NDArray[np.int64]
    keys: NDArray[np.uint64]
    games: NDArray[np.int64]

    def where(self, kept: Any) -> Positions:
        return Positions(**{name: values[kept] for name, values in vars(self).items()})


Similarity = Callable[[Positions], NDArray[np.float32]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--references", type=int, default=900, help="training games")
    parser.add_argument("--games", type=int, default=250, help="test games")
    arguments = parser.parse_args()

    found: dict[str, list[Record]] = {"train": [], "test": [], "validation": []}
    for game in load(data_path("games") / "practical.pgn.zst"):
        record = record_of(game)
        if record.result >= 0:
            found[split_of(record.key())].append(record)
    for split in found.values():
        random.Random(0).shuffle(split)
    train, test = found["train"][: arguments.references], found["test"][: arguments.games]
    references = positions_of(train, lambda record: PLIES)
    own, image = (positions_of(test, asked, mirrored) for mirrored in (False, True))
    new = ~np.isin(own.keys, references.keys)
    own, image = own.where(new), image.where(new)
    print(f"{len(references.moves)} references, {len(own.moves)} queries")
    base = references.results.mean()
    print(f"mean result: squared error {np.mean((own.results - base) ** 2):.4f}")
    errors = {
        name: foresight(references, own, image, similarity)
        for name, similarity in {"pieces": by_pieces(references), "states": by_states(references)}.items()
    }
    for k in NEIGHBOURS:
        for what, column in (("move foreseen", 0), ("squared error of the result", 1)):
            pieces, states = (errors[name][k][column] for name in ("pieces", "states"))
            low, high = interval(states - pieces, own.games)
            print(
                f"{k:>2} neighbours, {what}: pieces {pieces.mean():.4f}, states {states.mean():.4f}, "
                f"difference {low:+.4f} to {high:+.4f}"
            )


def asked(record: Record) -> list[int]:
    """Return plies of a game to ask about, by chance, but always the same ones."""
    last = min(PLIES.stop, len(record.moves))
    drawn = random.Random(int(record.moves.astype(np.int64).sum()))
    return sorted(drawn.sample(range(PLIES.start, max(last, PLIES.start + ASKED)), ASKED))


def positions_of(records: list[Record], plies: Callable[[Record], Sequence[int]], mirrored: bool = False) -> Positions:
    """Return some positions of games, which the model read from their first move."""
    model = load_any_model(None)
    parts: list[Positions] = []
    with progress("reading games", len(records)) as (_, advance):
        for start in range(0, len(records), 16):
            some = records[start : start + 16]
            games = [game.mirror() if mirrored else game for game in map(game_moves, some)]
            with torch.no_grad():
                states = layer_states(model, games)[-1].float().numpy()
            at = 0
            for number, (record, game) in enumerate(zip(some, games, strict=True), start):
                kept = [ply for ply in plies(record) if ply < len(game.moves)]
                cells = np.array(list(boards(game.cells, game.moves)))[kept]
                turns, keys = (np.array(kept, np.int64) + game.turn) % 2, keys_of([game])[kept]
                results = np.full(len(kept), record.result / 2)
                own = states[at : at + len(game.moves) + 1][kept]
                parts.append(Positions(own, cells, game.moves[kept], results, turns, keys, np.full(len(kept), number)))
                at += len(game.moves) + 1
            advance(start, "")
    return Positions(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})


def boards(cells: NDArray[np.uint8], moves: NDArray[np.int16]) -> Iterator[NDArray[np.uint8]]:
    """Yield the positions before each move ``(90,)``."""
    cells = cells.copy()
    for move in moves.tolist():
        yield cells.copy()
        cells[MOVE_TO[move]], cells[MOVE_FROM[move]] = cells[MOVE_FROM[move]], 0


def by_pieces(references: Positions) -> Similarity:
    def marked(cells: NDArray[np.uint8]) -> NDArray[np.float32]:
        marks = np.zeros((len(cells), 90 * 16), np.float32)
        rows, squares = np.nonzero(cells)
        marks[rows, squares * 16 + cells[rows, squares]] = 1
        return marks

    known = marked(references.cells)

    def similarity(queries: Positions) -> NDArray[np.float32]:
        own = marked(queries.cells)
        common = own @ known.T
        shares: NDArray[np.float32] = common / (own.sum(1)[:, None] + known.sum(1) - common)
        return shares

    return similarity


def by_states(references: Positions) -> Similarity:
    mean = references.states.mean(0)
    values, vectors = np.linalg.eigh(np.cov(references.states - mean, rowvar=False))
    whitening = vectors[:, -NUMBERS:] / np.sqrt(values[-NUMBERS:])

    def whitened(states: NDArray[np.float32]) -> NDArray[np.float32]:
        numbers = ((states - mean) @ whitening).astype(np.float32)
        unit: NDArray[np.float32] = numbers / np.linalg.norm(numbers, axis=1, keepdims=True)
        return unit

    known = whitened(references.states)
    return lambda queries: whitened(queries.states) @ known.T


def foresight(
    references: Positions, own: Positions, image: Positions, similarity: Similarity
) -> dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return by number of neighbours whether each move was foreseen, and the squared error of each result."""
    base, count, most = references.results.mean(), len(references.moves), max(NEIGHBOURS)
    hits: dict[int, list[bool]] = {k: [] for k in NEIGHBOURS}
    errors: dict[int, list[float]] = {k: [] for k in NEIGHBOURS}
    for query in range(len(own.moves)):
        if query % 64 == 0:  # many at once are quicker
            some = slice(query, query + 64)
            alike = np.concatenate([similarity(own.where(some)), similarity(image.where(some))], 1)
        both = alike[query % 64]
        both[np.tile(references.turns != own.turns[query], 2)] = -np.inf
        nearest = np.argpartition(-both, most)[:most]
        nearest = nearest[np.argsort(-both[nearest])]
        there = nearest % count
        moves = np.where(nearest < count, references.moves[there], MOVE_MIRRORED[references.moves[there]])
        for k in NEIGHBOURS:
            hits[k].append(Counter(moves[:k].tolist()).most_common(1)[0][0] == own.moves[query])
            forecast = (references.results[there[:k]].sum() + PRIOR * base) / (k + PRIOR)
            errors[k].append((forecast - own.results[query]) ** 2)
    return {k: (np.array(hits[k], np.float64), np.array(errors[k])) for k in NEIGHBOURS}


def interval(differences: NDArray[np.float64], games: NDArray[np.int64]) -> tuple[float, float]:
    """Return the 95% interval of a mean, by bootstrap over games."""
    _, numbers = np.unique(games, return_inverse=True)
    sums, sizes = np.bincount(numbers, differences), np.bincount(numbers)
    draws = np.random.default_rng(0).integers(0, len(sums), (1000, len(sums)))
    low, high = np.percentile(sums[draws].sum(1) / sizes[draws].sum(1), [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
