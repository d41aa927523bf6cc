"""Speed of a search's leaves: positions read a second, with the network for play, in torch, and without a cache.

    python benchmarks/search.py [--model DIR] [--dtype NAME] [--cpu] [--json]

A *leaf* is a position two plies after the last one of a recorded game at ply 80; all plies before it are in the cache.
Reading it is all the work from its moves to the scores of its legal moves and its WDL. Leaves come in batches, as a
search asks for them, all of one game. Each figure is the best of several passes over the leaves of some games.

- *numba*: `lm.model.network.evaluate_games`, on one thread, and on two threads with a workspace each;
- *torch*: the same leaves through `XiangqiLM.score` in float32, with its cache, encoded the same way, one thread;
- *again*: numba without the cache: all plies of the leaf's game are read.

A *policy move* is a move by `LMPlayer` with one reading in a running game, one ply new. ``--cpu`` measures processor
time, for a machine with other work; two threads are then left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lm import data_path
from lm.model import network
from lm.model.cache import KVCache
from lm.model.encoding import Encoder, GameMoves
from lm.model.folder import DTYPES, Network, load_network
from lm.players.lm_player import LMPlayer
from xiangqi import Board, Move, load

PLY = 80
GAMES = 6
LEAVES = 64  # of each game
BATCHES = (1, 8, 16, 64)
PASSES = 4


class Tree:
    """Leaves of one game: the likeliest replies to its likeliest moves, with their paths in a cache."""

    def __init__(self, net: Network, cache: KVCache, moves: list[Move]) -> None:
        self.net, self.cache = net, cache
        root = GameMoves.of(Board.from_moves(moves))
        self.cells, self.root = root.cells, root.moves
        trunk = cache.take(PLY + 1)
        self.space = network.make_workspace(net.config, net.eight_bits)
        rows = np.arange(PLY + 1)
        out = self.read(np.tile(root.moves, (PLY + 1, 1)), rows, np.tile(trunk, (PLY + 1, 1)))
        parents = self.best(out, PLY, 20)
        entries = cache.take(len(parents))
        lines = np.array([[*root.moves, move] for move in parents], np.int16)
        paths = np.array([[*trunk, entry] for entry in entries])
        out = self.read(lines, np.full(len(lines), PLY + 1), paths)
        told = [(i, move) for i in range(len(parents)) for move in self.best(out, i, 8)][:LEAVES]
        assert len(told) == LEAVES
        new = cache.take(len(told))
        self.moves = np.array([[*lines[i], move] for i, move in told], np.int16)
        self.paths = np.array([[*paths[i], entry] for (i, _), entry in zip(told, new, strict=True)])
        self.lengths = np.full(len(told), PLY + 2)
        self.prompts = np.zeros((len(told), 3), np.int64)
        self.out = network.make_answers(len(told))

    @staticmethod
    def best(out: network.Answers, row: int, n: int) -> list[int]:
        order = out.scores[row, : out.counts[row]].argsort()[::-1]
        return out.moves[row, order[:n]].tolist()

    def read(self, moves: Any, lengths: Any, paths: Any) -> network.Answers:
        out = network.make_answers(len(lengths))
        self.evaluate(moves, lengths, paths, self.space, out)
        return out

    def batch(self, start: int, size: int, space: network.Workspace) -> None:
        part = slice(start, start + size)
        out = network.Answers(*(array[part] for array in self.out))
        self.evaluate(self.moves[part], self.lengths[part], self.paths[part], space, out)

    def evaluate(self, moves: Any, lengths: Any, paths: Any, space: network.Workspace, out: network.Answers) -> None:
        n = len(lengths)
        even = np.zeros(n, np.int64)
        network.evaluate_games(
            self.net.weights, self.cache.keys, self.cache.values, np.tile(self.cells, (n, 1)), even, even, moves,
            paths, np.arange(n), lengths, 0, np.zeros((n, 3), np.int64), space, out,
        )  # fmt: skip

    def again(self, start: int, size: int) -> None:
        """Read whole games."""
        for leaf in range(start, start + size):
            n = self.lengths[leaf] + 1
            path = np.arange(n)[None]
            network.evaluate_games(
                self.net.weights, self.again_cache.keys, self.again_cache.values, self.cells[None], np.zeros(1, int),
                np.zeros(1, int), self.moves[leaf : leaf + 1], path, np.zeros(n, int), np.arange(n), 0,
                np.zeros((n, 3), np.int64), self.space, self.again_out,
            )  # fmt: skip

    def prepare_again(self) -> None:
        self.again_cache, self.again_out = KVCache(self.net.config, 256), network.make_answers(PLY + 3)


def in_torch(folder: Path | None, trees: list[Tree]) -> list[Callable[[int, int], None]]:
    """Return for each tree a function that reads some of its leaves in torch."""
    import torch

    from lm.model.loading import load_model
    from lm.model.tensor_cache import TensorCache

    torch.set_num_threads(1)
    model = load_model(folder)
    encode = Encoder(model.config.input_groups, model.config.candidate_groups)

    def read(cache: TensorCache, games: list[GameMoves], paths: list[Any]) -> None:
        tensors = encode(games).tensors()
        rows = tensors["lengths"].cumsum(0) - 1
        with torch.inference_mode():
            model.score(**tensors, rows=rows, cache=cache, paths=paths)

    readers = []
    for tree in trees:
        cache = TensorCache(model.config, 512)
        trunk = cache.take(PLY + 1)
        read(cache, [GameMoves(tree.root, tree.cells)], [trunk])
        lines, paths, known = [], [], {}
        for moves in tree.moves:
            parent = int(moves[-2])
            if parent not in known:
                known[parent] = np.append(trunk, cache.take(1))
                read(cache, [GameMoves(moves[:-1], tree.cells, first=PLY + 1)], [known[parent]])
            lines.append(GameMoves(moves, tree.cells, first=PLY + 2))
            paths.append(np.append(known[parent], cache.take(1)))

        def batch(start: int, size: int, at: tuple[Any, ...] = (cache, lines, paths)) -> None:
            read(at[0], at[1][start : start + size], at[2][start : start + size])

        readers.append(batch)
    return readers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped model)")
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0])
    parser.add_argument("--cpu", action="store_true", help="measure processor time")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    clock: Callable[[], float] = time.thread_time if arguments.cpu else time.perf_counter
    net = load_network(arguments.model, arguments.dtype)
    long = (game.moves() for game in load(data_path("games") / "practical.pgn.zst") if len(game.moves()) > PLY + 20)
    games: list[list[Move]] = list(islice(long, 40))
    cache = KVCache(net.config, 4096)
    wide = [moves for moves in games if len(Board.from_moves(moves[:PLY]).legal_moves) > 25]
    trees = [Tree(net, cache, moves[:PLY]) for moves in wide[:GAMES]]

    def rate(read: Callable[[int, int, int], None], size: int, leaves: int = LEAVES) -> float:
        """Return leaves a second; ``read(tree, start, size)`` reads some."""
        times = []
        for _ in range(PASSES):
            start = clock()
            for tree in range(GAMES):
                for at in range(0, leaves, size):
                    read(tree, at, size)
            times.append(clock() - start)
        return GAMES * leaves / min(times)

    def numba_batch(tree: int, at: int, size: int) -> None:
        trees[tree].batch(at, size, trees[0].space)

    found: dict[str, Any] = {"dtype": arguments.dtype, "clock": "processor" if arguments.cpu else "wall", "leaves": {}}
    rates: dict[str, dict[int, float]] = {"numba": {size: rate(numba_batch, size) for size in BATCHES}}
    if not arguments.cpu:
        spaces = [network.make_workspace(net.config, net.eight_bits) for _ in range(2)]

        def all_batches(number: int, size: int) -> None:
            for tree in range(number, GAMES, 2):
                for at in range(0, LEAVES, size):
                    trees[tree].batch(at, size, spaces[number])

        with ThreadPoolExecutor(2) as pool:

            def both(size: int) -> float:
                start = clock()
                list(pool.map(lambda number: all_batches(number, size), range(2)))
                return clock() - start

            rates["numba, two threads"] = {
                size: GAMES * LEAVES / min(both(size) for _ in range(PASSES)) for size in BATCHES
            }
    readers = in_torch(arguments.model, trees)
    rates["torch"] = {size: rate(lambda tree, at, n: readers[tree](at, n), size) for size in BATCHES}
    for tree in trees:
        tree.prepare_again()
    again = rate(lambda tree, at, n: trees[tree].again(at, n), 1, leaves=2)
    found["leaves"] = rates
    found["again"] = again
    found["times torch"] = {size: rates["numba"][size] / rates["torch"][size] for size in BATCHES}
    found["times again"] = {size: rates["numba"][size] / again for size in BATCHES}
    found["parts, µs a leaf at 16"] = dict(parts(trees, clock))
    found["policy move, ms"] = policy_move(arguments.model, arguments.dtype, games, clock)
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"leaves a second ({found['dtype']}, {found['clock']} time), in batches of")
    print(f"{'':20}" + "".join(f"{size:>10}" for size in BATCHES))
    for name, by_size in rates.items():
        print(f"{name:20}" + "".join(f"{by_size[size]:10.0f}" for size in BATCHES))
    for name in ("times torch", "times again"):
        print(f"{name:20}" + "".join(f"{found[name][size]:10.1f}" for size in BATCHES))
    told = found["parts, µs a leaf at 16"]
    print("a leaf in a batch of 16: " + ", ".join(f"{name} {micros:.0f} µs" for name, micros in told.items()))
    print(f"a policy move: {found['policy move, ms']:.2f} ms")


def parts(trees: list[Tree], clock: Callable[[], float]) -> Iterator[tuple[str, float]]:
    """Yield the parts of reading leaves in batches of 16, in µs a leaf."""
    size = 16
    tree = trees[0]
    weights, space, keys, values = tree.net.weights, tree.space, tree.cache.keys, tree.cache.values

    def best(work: Callable[[], None]) -> float:
        times = []
        for _ in range(20):
            start = clock()
            work()
            times.append(clock() - start)
        return 1e6 * min(times) / size

    start, even, games = np.tile(tree.cells, (size, 1)), np.zeros(size, np.int64), np.arange(size)

    def encode() -> None:
        network.encode_positions(
            start, even, even, tree.moves, games, tree.lengths[:size], weights.looks, weights.net,
            space.inputs, space.candidates, space.counts, space.turns,
        )  # fmt: skip

    def encode_and_sum() -> None:
        encode()
        network.add_up(weights, tree.prompts[:size], space)

    def blocks() -> None:
        network.read(weights, keys, values, size, np.arange(size), tree.lengths, tree.paths, space)

    def heads() -> None:
        network.answer(weights, size, 0, space, tree.out)

    encoding = best(encode)
    yield "encoding", encoding
    yield "table", best(encode_and_sum) - encoding
    yield "blocks", best(blocks)
    yield "heads", best(heads)


def policy_move(folder: Path | None, dtype: str, games: list[list[Move]], clock: Callable[[], float]) -> float:
    """Return the median time of a move with one reading and one ply new, in ms."""
    player = LMPlayer(folder, temperature=0, dtype=dtype, symmetries=1)
    times = []
    for moves in games:
        player.choose([Board.from_moves(moves[:PLY])])
        board = Board.from_moves(moves[: PLY + 1])
        start = clock()
        player.choose([board])
        times.append(1000 * (clock() - start))
    return statistics.median(times)


if __name__ == "__main__":
    main()
