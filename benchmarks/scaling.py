"""The cost of a larger run: the measured figures of docs/scaling.md.

    python benchmarks/scaling.py             # a minute or two
    python benchmarks/scaling.py --json

Times are processor times of one core. Measured are: converting records to a shard, with the memory and the size of the
shard; encoding a step of games, with the part of the compiled rules, which threads run in parallel; planning an epoch
of many games; writing a checkpoint; parameters and FLOPs of the presets (counted as in `benchmarks/train.py`).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tracemalloc
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from train import flops_a_ply

from lm import data_path
from lm.dataset.records import read_records
from lm.dataset.shards import Shard, build, cached
from lm.model import features
from lm.model.model import XiangqiLM
from lm.training.batches import GameBatches
from lm.training.memory import keep_memory
from lm.training.presets import PRESETS
from xiangqi import load, save

PLANNED = 1_000_000
"""Games in the epoch that is planned."""


class Timed:
    """A function with the processor time that this thread has spent in it."""

    def __init__(self, function: object) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *args: object) -> object:
        start = time.thread_time()
        try:
            return self.function(*args)  # type: ignore[operator]
        finally:
            self.seconds += time.thread_time() - start


def conversion(games: int, folder: Path) -> dict[str, float]:
    """Return the speed of converting PGN to a shard, its memory, and the size of the shard."""
    save(islice(load(data_path("games") / "practical.pgn.zst"), games), folder / "games.pgn")
    build([folder / "games.pgn"], folder / "warm")
    start = time.process_time()
    counts = build([folder / "games.pgn"], folder / "shard")
    seconds = time.process_time() - start
    size = sum(file.stat().st_size for file in (folder / "shard").glob("*.npy"))
    tracemalloc.start()
    kept = list(islice(read_records(folder / "games.pgn", print), 200))
    memory = tracemalloc.get_traced_memory()[0] / len(kept)
    tracemalloc.stop()
    return {
        "conversion, games/s": counts["games"] / seconds,
        "conversion, bytes of memory/game": memory,
        "shard, bytes/ply": size / counts["plies"],
    }


def encoding(shard: Shard) -> dict[str, float]:
    """Return the cost of encoding steps, and the part of the compiled rules."""
    preset = PRESETS["small"]
    batches = GameBatches([shard], preset.config(), preset.part_plies, 99, 1)
    batches.encode(0)
    kernel = features.encode_game
    features.encode_game = timed = Timed(kernel)  # type: ignore[assignment]
    start = time.thread_time()
    for step in range(1, 9):
        batches.encode(step)
    seconds, plies = time.thread_time() - start, batches.plies(9) - batches.plies(1)
    features.encode_game = kernel
    return {
        "encoding, µs/ply": 1e6 * seconds / plies,
        "of which the compiled rules, µs/ply": 1e6 * timed.seconds / plies,
    }


def planning(shard: Shard) -> dict[str, float]:
    """Return the cost of shuffling and dividing an epoch of many games, with lengths as in the shard."""
    lengths = np.resize(np.diff(shard.offsets), PLANNED)
    plies, nothing = int(lengths.sum()), np.zeros(PLANNED, np.uint8)
    many = Shard(
        np.broadcast_to(np.int16(0), plies),
        np.broadcast_to(np.int16(-1), plies),
        np.broadcast_to(np.uint8(255), plies),
        np.concatenate([[0], np.cumsum(lengths)]),
        nothing.view(np.int8),
        nothing,
        nothing,
        nothing,
        {"sources": [""], "tiers": [""]},
    )
    start = time.process_time()
    batches = GameBatches([many], PRESETS["large"].config(), PRESETS["large"].batch_plies, 1000, 1)
    batches.games(0)
    return {"planning an epoch, s/million games": (time.process_time() - start) * 1e6 / PLANNED}


def checkpoint(folder: Path) -> dict[str, float]:
    """Return the speed of writing a model and the two moments of AdamW."""
    model = XiangqiLM(PRESETS["small"].config())
    start = time.process_time()
    model.save_pretrained(folder)
    torch.save([[torch.zeros_like(p) for p in model.parameters()] for _ in range(2)], folder / "optimizer.pt")
    seconds = time.process_time() - start
    size = sum(file.stat().st_size for file in folder.iterdir())
    return {
        "checkpoint, bytes/parameter": size / sum(p.numel() for p in model.parameters()),
        "checkpoint, MB/s of a core": size / 1e6 / seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--games", type=int, default=2000, help="games to convert")
    parser.add_argument("--data", type=Path, help="a shard, instead of the shipped games")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    keep_memory()  # as training does
    torch.set_num_threads(1)
    shard = Shard.open(arguments.data or cached(sorted(data_path("games").glob("*.pgn.zst")), Path("cache")))
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        found |= conversion(arguments.games, Path(folder))
        found |= encoding(shard) | planning(shard)
        found |= checkpoint(Path(folder) / "model")
    for name, preset in PRESETS.items():
        with torch.device("meta"):
            found[f"{name}, parameters"] = sum(p.numel() for p in XiangqiLM(preset.config()).parameters())
        found[f"{name}, training FLOPs a ply"] = flops_a_ply(shard, preset.config())
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:40} {value:,.4g}" if value < 1e4 else f"{name:40} {value:,.0f}")


if __name__ == "__main__":
    main()
