"""The games that a model was trained on: hashes of their openings, stored beside its weights.

The splits of a shard hold games out of one run only. A model that starts from another has also seen the other's games,
and its files may have different group ids, or none. So every model stores the openings of the games that it and its
start model were trained on. Such games are counted as seen, not as held out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm import UserError
from lm.dataset.records import opening
from lm.dataset.shards import Shard

FILE: Final = "trained_on.npy"
"""In a model's folder: sorted hashes, ``uint64``, 8 bytes a game."""


def hash_of(key: str) -> int:
    """Return the 64-bit hash of a game's opening, a key of `lm.dataset.records.opening`."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


class SeenGames:
    """The games that a model was trained on, identified by their first 50 plies, mirrored or not.

    >>> seen = SeenGames.of(["moves:h2e2 h9g7"])
    >>> "moves:h2e2 h9g7" in seen, "moves:h2e2" in seen, len(seen)
    (True, False, 1)
    """

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self.hashes = np.unique(hashes)

    @classmethod
    def of(cls, openings: Iterable[str]) -> SeenGames:
        """Return the games with these openings."""
        return cls(np.array([hash_of(key) for key in openings], np.uint64))

    @classmethod
    def trained_on(cls, shards: Sequence[Shard]) -> SeenGames:
        """Return the training games of shards."""
        return cls.of(opening(shard.moves_of(game)) for shard in shards for game in shard.games("train").tolist())

    @classmethod
    def load(cls, folder: Path) -> SeenGames | None:
        """Return the games that the model in a folder was trained on, or ``None`` if there is no such file.

        For a checkpoint the file is in the folder of its run. Raises ``UserError`` for a damaged file.
        """
        for path in (folder / FILE, folder.parent / FILE):
            if path.exists():
                try:
                    hashes = np.load(path, allow_pickle=False)
                except (OSError, ValueError, EOFError) as error:
                    raise UserError(f"damaged file {path}: {error}") from None
                if hashes.dtype != np.uint64 or hashes.ndim != 1:
                    raise UserError(f"damaged file {path}: {hashes.ndim} dimensions of {hashes.dtype}, not 1 of uint64")
                return cls(hashes)
        return None

    def save(self, folder: Path) -> None:
        """Write the hashes into a folder."""
        partial = folder / f"{FILE}.partial"
        with partial.open("wb") as file:
            np.save(file, self.hashes, allow_pickle=False)
        partial.replace(folder / FILE)

    def __contains__(self, key: str) -> bool:
        value = np.uint64(hash_of(key))
        at = int(np.searchsorted(self.hashes, value))
        return at < len(self.hashes) and bool(self.hashes[at] == value)

    def __or__(self, other: SeenGames) -> SeenGames:
        return SeenGames(np.concatenate([self.hashes, other.hashes]))

    def __len__(self) -> int:
        return len(self.hashes)
