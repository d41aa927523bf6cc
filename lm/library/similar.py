"""Similar positions: neighbours of a position by the model's states, with what was played there.

A state is what the model knows of a position when it predicts what people play. States are whitened to 64 numbers
(rotated to their principal components, each scaled to variance 1), and compared by the cosine of their angle. That
foresees moves and results better than pieces in common do (``docs/log.md``).
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lm import UserError
from lm.library.entries import RESULTS, Entry
from lm.library.library import Library
from lm.model.cache import KVCache
from lm.model.encoding import GameMoves
from lm.model.folder import Network, load_network, model_path
from lm.model.network import BATCH, evaluate_games, make_answers, make_workspace
from lm.model.prompts import NO_PROMPT, Voice
from xiangqi import MOVES, Board, Move
from xiangqi.formats.streams import open_replacing
from xiangqi.kernels import MOVE_MIRRORED

GAMES: Final = 3000
"""Games of the library that are read for the index, or as many as it has."""
PLIES: Final = range(8, 100)
STEP: Final = 3
"""Of a game's positions, every third is kept: both sides are to move, and few are nearly alike."""
NUMBERS: Final = 64
_ARRAYS: Final = ("vectors", "games", "plies", "turns", "moves", "mean", "whitening", "model")


@dataclass(frozen=True)
class Neighbour:
    """A position of a game that is similar to the one asked for."""

    entry: Entry
    """The game, with the ply of the position."""
    likeness: float
    """From -1 to 1, where the position asked for is."""
    move: Move
    """What was played there, mirrored if the position is similar to the mirror image."""


class Reader:
    """Reads games with a model, and returns its states."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.context = network.config.n_context
        """Positions of a game that are read at most."""
        self._space = make_workspace(network.config, network.eight_bits)
        self._answers = make_answers(BATCH)
        self._cache = KVCache(network.config)

    def states(self, game: GameMoves) -> NDArray[np.float32]:
        """Return the states of a game's positions ``(n + 1, D)``; fewer where it is longer than the model's context."""
        weights, cache, width = self._network.weights, self._cache, self._network.config.n_embd
        moves = game.moves[: self.context - 1]
        plies = np.arange(len(moves) + 1)
        path = cache.take(len(plies))
        found = np.empty((len(plies), width), np.float32)
        for start in range(0, len(plies), BATCH):
            rows = plies[start : start + BATCH]
            evaluate_games(
                weights,
                cache.keys,
                cache.values,
                game.cells[None],
                np.array([game.turn]),
                np.array([game.clock]),
                moves[None],
                path[None],
                np.zeros(len(rows), np.int64),
                rows,
                int(Voice.HUMAN),
                NO_PROMPT.rows(np.zeros(len(rows), np.bool_)),
                self._space,
                self._answers,
            )
            found[rows] = self._space.stream[: len(rows), :width]
        cache.free(path)
        return found


class Index:
    """The states of many positions of a library's games, in a file beside it.

    `build` makes it, which takes about a minute; `open` reads it, or returns ``None`` if there is none for the model.
    """

    def __init__(self, reader: Reader, arrays: dict[str, NDArray[Any]]) -> None:
        self._reader = reader
        self._vectors = arrays["vectors"].astype(np.float32)  # which products are quicker with than with halves
        self._games, self._plies = arrays["games"], arrays["plies"]
        self._turns, self._moves = arrays["turns"], arrays["moves"]
        self._mean, self._whitening = arrays["mean"], arrays["whitening"]

    @classmethod
    def open(cls, library: Library, model: Path | None = None) -> Index | None:
        """Read the index of a library. Raises ``UserError`` that names a damaged file."""
        path = path_of(library)
        if not path.exists():
            return None
        try:
            with np.load(path) as file:
                arrays = {name: file[name] for name in _ARRAYS}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: damaged: {error}; delete it to have it made again") from None
        if str(arrays["model"]) != _fingerprint(model):
            return None
        return cls(Reader(load_network(model)), arrays)

    @classmethod
    def build(cls, library: Library, model: Path | None = None, most: int = GAMES) -> Iterator[int]:
        """Read games of the library and write the index; yields how many were read. Raises ``UserError`` for a library
        with too few positions."""
        reader = Reader(load_network(model))
        numbers = library.numbers()
        chosen = numbers[:: max(len(numbers) // most, 1)][:most]
        parts: list[tuple[NDArray[Any], ...]] = []
        for done, number in enumerate(chosen, 1):
            board, moves = library.start_and_moves(number)
            game = GameMoves(moves, board.cells.copy(), board.turn, board.halfmove_clock)
            first = PLIES.start + done % STEP
            plies = np.arange(first, min(PLIES.stop, len(moves), reader.context), STEP)
            if len(plies):
                states = reader.states(game)[plies].astype(np.float16)
                turns = ((plies + board.turn) % 2).astype(np.uint8)
                numbered = np.full(len(plies), number, np.uint32)
                parts.append((states, numbered, plies.astype(np.uint16), turns, moves[plies]))
            yield done
        if sum(len(part[0]) for part in parts) < 2 * NUMBERS:
            raise UserError(f"{library.path}: too few games to look for similar positions")
        states, games, plies, turns, moves = (np.concatenate(column) for column in zip(*parts, strict=True))
        mean = states.mean(0, dtype=np.float32)
        values, vectors = np.linalg.eigh(np.cov(states.astype(np.float32) - mean, rowvar=False))
        scales = np.sqrt(np.maximum(values[-NUMBERS:], 1e-6 * values[-1]))
        whitening = (vectors[:, -NUMBERS:] / scales).astype(np.float32)
        with open_replacing(path_of(library)) as file:
            np.savez(
                file,
                vectors=_whitened(states.astype(np.float32), mean, whitening).astype(np.float16),
                games=games,
                plies=plies,
                turns=turns,
                moves=moves,
                mean=mean,
                whitening=whitening,
                model=np.array(_fingerprint(model)),
            )

    def neighbours(self, library: Library, board: Board, count: int = 32) -> list[Neighbour]:
        """Return the most similar positions with the same side to move, at most one of each game."""
        game = GameMoves.of(board).with_past()
        own, image = (
            self._vectors @ _whitened(self._reader.states(one)[-1:], self._mean, self._whitening)[0]
            for one in (game, game.mirror())
        )
        likeness = np.where(self._turns == board.turn, np.maximum(own, image), np.float32(-2))
        found: list[Neighbour] = []
        taken: set[int] = set()
        for place in np.argsort(-likeness, kind="stable").tolist():
            number = int(self._games[place])
            if len(found) == count or likeness[place] < -1:
                break
            if number in taken:
                continue
            taken.add(number)
            move = int(self._moves[place])
            move = move if own[place] >= image[place] else int(MOVE_MIRRORED[move])
            entry = library.entry(number, int(self._plies[place]))
            found.append(Neighbour(entry, float(likeness[place]), MOVES[move]))
        return found


def foreseen(board: Board, neighbours: list[Neighbour]) -> list[tuple[Move, float]]:
    """Return the legal moves that were played in similar positions, with their shares, the most played first."""
    moves = [neighbour.move for neighbour in neighbours if board.is_legal(neighbour.move)]
    shares = {move: moves.count(move) / len(moves) for move in moves}
    return sorted(shares.items(), key=lambda item: -item[1])


def expected(neighbours: list[Neighbour]) -> float | None:
    """Return the mean score of Red in the games of similar positions; ``None`` if no result is known."""
    scores = [RESULTS.index(neighbour.entry.result) / 2 for neighbour in neighbours if neighbour.entry.result != "*"]
    return sum(scores) / len(scores) if scores else None


def _whitened(
    states: NDArray[np.float32], mean: NDArray[np.float32], whitening: NDArray[np.float32]
) -> NDArray[np.float32]:
    numbers = (states - mean) @ whitening
    unit: NDArray[np.float32] = numbers / np.linalg.norm(numbers, axis=1, keepdims=True)
    return unit


def path_of(library: Library) -> Path:
    """Return the file of a library's index."""
    return library.path.with_suffix(".similar.npz")


def _fingerprint(model: Path | None) -> str:
    return hashlib.blake2b((model_path(model) / "model.safetensors").read_bytes(), digest_size=16).hexdigest()
