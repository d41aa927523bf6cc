"""Records for training: read from files of any format, and split by groups of near-duplicates.

The split into train, validation and test is by game and never changes: `split_of` hashes the record's group id, so that
near-duplicates of a game are in the same split. A record without a group id is keyed by its first 50 plies or their
mirror image, whichever sorts first. If records of one shard share this key or the group id and one of them is held out,
all are; so a copy of a game without its group id is in the same split too.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm.dataset.parquet import is_parquet, open_parquet
from lm.model.prompts import Strength
from xiangqi.board import STARTING_FEN
from xiangqi.formats import FormatError, load
from xiangqi.formats.errors import ErrorHandler
from xiangqi.game import Game
from xiangqi.kernels import MOVE_MIRRORED
from xiangqi.move import MOVES, NULL_MOVE
from xiangqi.tags import Candidate

SPLITS: Final = ("train", "validation", "test")
RESULTS: Final = {"0-1": 0, "1/2-1/2": 1, "1-0": 2}
"""Results as Red's loss, draw and win; -1 in a shard is unknown."""
UNKNOWN: Final = -1
NO_SHARE: Final = 65535
"""The share of a weighed move that has none."""
MOST_WEIGHED: Final = 32
"""So many moves of a ply are kept, the best."""
BANDS: Final = ((2400, "master"), (1500, "club"), (0, "amateur"))
"""Tiers by minimum mean rating, for games without a stated tier. In our corpora masters' ratings start at 2437. Online
amateurs' end at 1090 on a server where everybody starts at 1000; elsewhere players start at 1500."""

STRENGTHS: Final = {
    "amateur": Strength.AMATEUR,
    "online-amateur": Strength.AMATEUR,
    "junior": Strength.JUNIOR,
    "club": Strength.CLUB,
    "club-or-master": Strength.CLUB,
    "master": Strength.MASTER,
}
"""The strength prompt of each tier."""


@dataclass(slots=True)
class Weighed:
    """The moves that an engine or a search weighed at the plies of a game: n plies, K moves in total."""

    counts: NDArray[np.uint8]
    """How many at each ply ``(n,)``."""
    moves: NDArray[np.int16]
    """Their numbers ``(K,)``, ply by ply, best first."""
    expected: NDArray[np.uint16]
    """The mover's expected score after each ``(K,)``, in thousandths."""
    shares: NDArray[np.uint16]
    """The share of each in the policy that was found ``(K,)``, in thousandths; `NO_SHARE` if there is none."""

    @classmethod
    def none(cls, plies: int) -> Weighed:
        """Return none at so many plies."""
        empty = np.empty(0, np.uint16)
        return cls(np.zeros(plies, np.uint8), np.empty(0, np.int16), empty, empty)

    @classmethod
    def of(cls, plies: Sequence[Sequence[Candidate]]) -> Weighed | None:
        """Return the candidates of each ply of a game, or ``None`` if there are none at all."""
        flat = [candidate for ply in plies for candidate in ply[:MOST_WEIGHED]]
        if not flat:
            return None
        return cls(
            np.array([min(len(ply), MOST_WEIGHED) for ply in plies], np.uint8),
            np.array([candidate.move.index for candidate in flat], np.int16),
            np.array([round(1000 * candidate.expected) for candidate in flat], np.uint16),
            np.array([NO_SHARE if c.share is None else round(1000 * c.share) for c in flat], np.uint16),
        )


@dataclass(slots=True)
class Record:
    """One game with its data for training."""

    moves: NDArray[np.int16]
    """Numbers of the moves."""
    result: int = UNKNOWN
    best: NDArray[np.int16] | None = None
    """The engine's move at each ply, to be learned; -1 where it has no opinion."""
    score: NDArray[np.float32] | None = None
    """The engine's score of each ply for the mover, in the engine's units; NaN where it has no opinion."""
    gid: str | None = None
    source: str = ""
    tier: str = ""
    fen: str | None = None
    """The starting position, if it is not the initial one."""
    weighed: Weighed | None = None
    """The moves that were weighed at each ply."""

    @property
    def told(self) -> tuple[bool, bool]:
        """How much is known beside the moves: the greater, the more."""
        return self.weighed is not None, self.best is not None

    def key(self) -> str:
        """Return the text that decides the record's split."""
        return self.opening() if self.gid is None else f"gid:{self.gid}"

    def opening(self) -> str:
        """Return the key of a record without a group id."""
        return opening(self.moves)

    def identity(self) -> bytes:
        """Return a key that is equal for two copies of one game or of its mirror image."""
        placement, _, rest = (self.fen or "").partition(" ")
        mirrored = "/".join(rank[::-1] for rank in placement.split("/"))
        forms = (placement, self.moves), (mirrored, MOVE_MIRRORED[self.moves])
        return hashlib.blake2b(min(f"{p} {rest}".encode() + m.tobytes() for p, m in forms), digest_size=16).digest()


def opening(moves: NDArray[np.int16]) -> str:
    """Return the first 50 plies of a game ``(n,)`` or their mirror image, whichever sorts first, as a key.

    >>> opening(np.array([576], np.int16)) == opening(MOVE_MIRRORED[[576]])  # h2e2 and b2e2
    True
    """
    head = moves[:50]
    return "moves:" + min(_iccs(head), _iccs(MOVE_MIRRORED[head]))


def _iccs(moves: NDArray[np.int16]) -> str:
    return " ".join(MOVES[i].iccs for i in moves.tolist())


def split_of(key: str) -> str:
    """Return the split of a key: 1 game in 50 is for test and 1 in 100 for validation.

    >>> split_of("gid:1"), split_of("gid:3")
    ('train', 'train')
    """
    bucket = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") % 1000
    return "test" if bucket < 20 else "validation" if bucket < 30 else "train"


def splits_of(records: Collection[tuple[str, str]]) -> dict[str, str]:
    """Return the splits by key of records, given as pairs of key and opening.

    Records that share a key or an opening are in one split: test if one of them is, else validation, else train.

    >>> splits_of([("gid:67", "moves:a"), ("gid:3", "moves:a"), ("gid:3", "moves:b"), ("moves:b", "moves:b")])
    {'gid:67': 'test', 'gid:3': 'test', 'moves:b': 'test'}
    """
    openings = {opening: 0 for _, opening in records}
    splits = {key: SPLITS.index(split_of(key)) for key, _ in records}
    while differing := [(key, opening) for key, opening in records if splits[key] != openings[opening]]:
        for key, opening in differing:
            splits[key] = openings[opening] = max(splits[key], openings[opening])
    return {key: SPLITS[split] for key, split in splits.items()}


def read_records(path: Path, on_error: ErrorHandler) -> Iterator[Record]:
    """Yield the sound games of a file of any format; for each other game, ``on_error`` receives its first fault.

    Raises `FormatError` or ``OSError`` if the whole file cannot be read.
    """
    last: int | None = -1  # number of the game in the file, None if there is only one

    def tell_first(error: FormatError) -> None:
        nonlocal last
        if error.game != last:
            on_error(error)
        last = error.game

    for game in load(open_parquet(path) if is_parquet(path) else path, on_error=tell_first):
        if game.errors:  # the sound part ends early, or does not fit the stated result
            continue
        try:
            yield record_of(game, path.name)
        except ValueError as error:
            on_error(FormatError(str(error), path=str(path)))


def record_of(game: Game, source: str = "") -> Record:
    """Return the main line of a game, whose moves are legal, as a record.

    Comments contain the engine's opinions: ``[%best]`` is the move to learn instead of the move played,
    ``[%candidates]`` are the moves to learn in shares, ``[%eval]`` is the value of the position before the next move.
    Raises ``ValueError`` for a game without moves or with a null move.
    """
    headers = game.headers
    moves: list[int] = []
    best, score, weighed = [], [], list[list[Candidate]]()
    sign = 1 - 2 * game.start_turn
    value = game.eval
    for node in game.main_line():
        if node.move is NULL_MOVE:
            raise ValueError(f"a side passes at ply {len(moves) + 1}")
        moves.append(node.move.index)
        candidates = node.candidates if node.comment else []
        weighed.append(candidates)
        learned = (node.best if node.comment else None) or (candidates[0].move if candidates else None)
        best.append(learned.index if learned else -1)
        score.append(math.nan if value is None else sign * value)
        value = node.eval if node.comment else None
        sign = -sign
    if not moves:
        raise ValueError("a game without moves")
    conflict = headers.get("ResultConflict") == "true"
    return Record(
        np.array(moves, np.int16),
        UNKNOWN if conflict else RESULTS.get(headers.get("Result", "*"), UNKNOWN),
        np.array(best, np.int16) if max(best) >= 0 else None,
        None if all(math.isnan(s) for s in score) else np.array(score, np.float32),
        headers.get("Gid"),
        headers.get("Source", source),
        "engine" if "RandomPlies" in headers else headers.get("Tier") or _band(headers),
        None if game.fen == STARTING_FEN else game.fen,
        Weighed.of(weighed),
    )


def _band(headers: Mapping[str, str]) -> str:
    """Return the tier for the mean of the players' known ratings, or "" if there are none."""
    known = [re.match(r"\s*([1-9]\d{2,3})\b", headers.get(name, "")) for name in ("RedElo", "BlackElo")]
    ratings = [int(rating[1]) for rating in known if rating]
    return next(band for least, band in BANDS if sum(ratings) >= least * len(ratings)) if ratings else ""
