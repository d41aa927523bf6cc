"""Training shards from records: reads, validates, deduplicates and splits them.

A shard is a directory of flat, memory-mapped arrays (`Shard`), about 6 bytes a ply for any format of the records, and 6
for each move that was weighed.
Features are not stored; `lm.model.encoding` computes them in microseconds a ply. `lm.dataset.records` has the rules of
the split into train, validation and test.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from lm import UserError
from lm.dataset.records import (
    RESULTS,
    SPLITS,
    UNKNOWN,
    Record,
    Weighed,
    read_records,
    splits_of,
)
from lm.model.encoding import GameMoves
from xiangqi.board import Board
from xiangqi.formats import FormatError

VERSION: Final = 4
"""Incremented when the meaning of a shard's arrays changes, so that cached shards are rebuilt."""
NO_OPINION: Final = 255
"""The value for a ply without an engine's opinion."""
KINDS: Final = 1 << 16
"""Maximum number of sources in a shard, and of tiers."""


def fit_scale(scores: NDArray[np.float32], results: NDArray[np.float32]) -> float:
    """Return the maximum-likelihood s with which ``sigmoid(score / s)`` predicts the mover's results (0, 0.5, 1)."""
    if not len(scores):
        return 1.0
    spread = max(float(np.median(np.abs(scores))), 1e-3)

    def loss(s: float) -> float:
        p = 1 / (1 + np.exp(-np.clip(scores / s, -20, 20)))
        p = np.clip(p, 1e-3, 1 - 1e-3)
        return float(-np.mean(results * np.log(p) + (1 - results) * np.log(1 - p)))

    return float(min((spread * 1.1**k for k in range(-40, 60)), key=loss))


# --- Shards -----------------------------------------------------------------------------------------------------------


@dataclass
class Shard:
    """Records as memory-mapped arrays, with P plies, G games and W weighed moves in total."""

    moves: NDArray[np.int16]
    """``(P,)`` numbers of the moves."""
    best: NDArray[np.int16]
    """``(P,)`` the engine's move, -1 if unknown."""
    expected: NDArray[np.uint8]
    """``(P,)`` the mover's expected score in units of 1/254, by the engine; ``NO_OPINION`` if unknown."""
    offsets: NDArray[np.int64]
    """``(G + 1,)`` index of each game's first ply."""
    results: NDArray[np.int8]
    """``(G,)`` Red's result: loss 0, draw 1, win 2, unknown -1."""
    splits: NDArray[np.uint8]
    """``(G,)`` index into ``SPLITS``."""
    sources: NDArray[np.uint16]
    """``(G,)`` index into ``meta["sources"]``."""
    tiers: NDArray[np.uint16]
    """``(G,)`` index into ``meta["tiers"]``."""
    weighed_counts: NDArray[np.uint8]
    """``(P,)`` how many moves were weighed at a ply; see `lm.dataset.records.Weighed`."""
    weighed_offsets: NDArray[np.int64]
    """``(G + 1,)`` index of each game's first weighed move."""
    weighed_moves: NDArray[np.int16]
    """``(W,)`` their numbers."""
    weighed_expected: NDArray[np.uint16]
    """``(W,)`` expected scores, in thousandths."""
    weighed_shares: NDArray[np.uint16]
    """``(W,)`` shares, in thousandths; ``NO_SHARE`` if unknown."""
    meta: dict[str, Any]

    path: Path = Path()
    """The directory."""

    ARRAYS: ClassVar[dict[str, type[np.generic]]] = {
        "moves": np.int16,
        "best": np.int16,
        "expected": np.uint8,
        "offsets": np.int64,
        "results": np.int8,
        "splits": np.uint8,
        "sources": np.uint16,
        "tiers": np.uint16,
        "weighed_counts": np.uint8,
        "weighed_offsets": np.int64,
        "weighed_moves": np.int16,
        "weighed_expected": np.uint16,
        "weighed_shares": np.uint16,
    }

    @classmethod
    def open(cls, path: Path) -> Shard:
        """Map a shard directory. Raises ``UserError`` with its name if it is missing, incomplete or damaged.

        The values of each game are checked, those of each ply are not: callers have to check what they read.
        """
        if not (path / "meta.json").exists():
            raise UserError(f"{path} holds no shard; if it holds games, name its files, as {path}/*.pgn")
        try:
            meta = json.loads((path / "meta.json").read_text("utf-8"))
            if meta["version"] != VERSION:
                raise ValueError(f"version {meta['version']}, expected {VERSION}")
            # As plain arrays: slices of numpy's memmap objects take several times as long.
            arrays = {name: np.load(path / f"{name}.npy", mmap_mode="r").view(np.ndarray) for name in cls.ARRAYS}
            shard = cls(**arrays, meta=meta, path=path)
            shard._check()
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise UserError(f"damaged shard {path}: {error}; delete it to have it made again") from None
        return shard

    def _check(self) -> None:
        """Raise ``ValueError`` for arrays of a wrong shape, or with wrong values of a game; plies are not checked."""
        if not self.meta.keys() >= {"rejected", "files", "starts", "fingerprint"}:
            raise ValueError("its meta.json is incomplete")
        plies, games, weighed = self.meta["plies"], self.meta["games"], self.meta["weighed"]
        sizes = dict.fromkeys(("moves", "best", "expected", "weighed_counts"), plies)
        sizes |= dict.fromkeys(("weighed_moves", "weighed_expected", "weighed_shares"), weighed)
        sizes |= dict.fromkeys(("offsets", "weighed_offsets"), games + 1)
        for name, dtype in self.ARRAYS.items():
            array = getattr(self, name)
            if array.shape != (sizes.get(name, games),):
                raise ValueError("its arrays do not fit together")
            if array.dtype != dtype:
                raise ValueError(f"its {name} are {array.dtype}, expected {np.dtype(dtype)}")
        if (self.offsets[0], self.offsets[-1]) != (0, plies) or not (np.diff(self.offsets) > 0).all():
            raise ValueError("its games do not follow one another")
        ends = self.weighed_offsets
        if (ends[0], ends[-1]) != (0, weighed) or not (np.diff(ends) >= 0).all():
            raise ValueError("its weighed moves do not follow one another")
        known = {"splits": len(SPLITS), "sources": len(self.meta["sources"]), "tiers": len(self.meta["tiers"])}
        for name, end in {"results": len(RESULTS), **known}.items():
            array, first = getattr(self, name), UNKNOWN if name == "results" else 0
            if games and not first <= array.min() <= array.max() < end:
                raise ValueError(f"its {name} are not all from {first} to {end - 1}")

    def fingerprint(self) -> str:
        """Return a short hash of the contents, which identifies the collection of games."""
        return str(self.meta["fingerprint"])

    def games(self, split: str) -> NDArray[np.int64]:
        """Return the numbers of the games of a split."""
        return np.flatnonzero(self.splits == SPLITS.index(split))

    def weigh(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """Return the weight of each game ``(G,)``: that of its source times that of its tier, 1 if not given."""
        sources, tiers = (np.array([weights.get(name, 1.0) for name in self.meta[x]]) for x in ("sources", "tiers"))
        weighed: NDArray[np.float64] = sources[self.sources] * tiers[self.tiers]
        return weighed

    def moves_of(self, game: int) -> NDArray[np.int16]:
        """Return the numbers of a game's moves ``(n,)``."""
        return np.array(self.moves[self.offsets[game] : self.offsets[game + 1]])

    def weighed(self, game: int) -> Weighed:
        """Return the moves that were weighed at a game's plies."""
        plies = slice(int(self.offsets[game]), int(self.offsets[game + 1]))
        moves = slice(int(self.weighed_offsets[game]), int(self.weighed_offsets[game + 1]))
        parts = self.weighed_moves[moves], self.weighed_expected[moves], self.weighed_shares[moves]
        return Weighed(self.weighed_counts[plies], *parts)

    def game_moves(self, game: int) -> GameMoves:
        """Return a game for the encoder."""
        moves = self.moves_of(game)
        fen = self.meta["starts"].get(str(game))
        if fen is None:
            return GameMoves.from_start(moves)
        board = Board(fen)
        return GameMoves(moves, board.cells.copy(), board.turn, board.halfmove_clock)


@dataclass
class Collection:
    """The games of some files, each once."""

    records: list[tuple[int, Record]]
    """Each with the number of its file."""
    splits: dict[str, str]
    """The split of each record's key."""
    rejects: list[dict[str, Any]]
    """Records that cannot be read or break the rules: file, line, ply and reason."""
    counts: Counter[str]
    """Numbers of games ``read``, ``rejected``, ``duplicates`` and ``games``, and of ``plies`` of those kept."""


class NoValidGameError(UserError):
    """None of the games in some files is valid. ``rejects`` are they, as in a `Collection`."""

    def __init__(self, paths: Sequence[Path], rejects: list[dict[str, Any]], first: FormatError | None) -> None:
        super().__init__(f"no valid game in {', '.join(map(str, paths))}{f': {first}' if first else ''}")
        self.rejects = rejects


def collect(paths: Sequence[Path], progress: Callable[[int], None] = lambda games: None) -> Collection:
    """Read files of records, drop copies and find the splits.

    Of several copies of a game, one with weighed moves is kept, else one with engine opinions, with the source stated
    in either. ``progress`` is called with the number of games read so far. Raises `NoValidGameError` with the first
    fault if there is no valid game.
    """
    counts: Counter[str] = Counter()
    rejects: list[dict[str, Any]] = []
    chosen: dict[bytes, tuple[int, Record]] = {}  # by identity: number of the file, record
    keys: set[tuple[str, str]] = set()  # of all records, since a dropped copy can hold out the kept one

    first_fault: FormatError | None = None

    def reject(error: FormatError) -> None:
        nonlocal first_fault
        first_fault = first_fault or error
        counts["rejected"] += 1
        rejects.append({"file": error.path, "line": error.line, "ply": error.ply, "reason": error.reason})

    for number, path in enumerate(paths):
        for record in read_records(path, reject):
            counts["read"] += 1
            if counts["read"] % 100 == 0:
                progress(counts["read"])
            keys.add((record.key(), record.opening()))
            identity = record.identity()
            first = chosen.get(identity)
            if first is None:
                chosen[identity] = number, record
                continue
            counts["duplicates"] += 1
            copies = [first, (number, record)]
            if record.told > first[1].told:
                copies.reverse()
            (kept_from, kept), (_, dropped) = copies
            if kept.source == paths[kept_from].name:  # its file does not state the game's source
                kept.source = dropped.source
            chosen[identity] = kept_from, kept
    if not chosen:
        raise NoValidGameError(paths, rejects, first_fault)
    records = list(chosen.values())
    counts["games"] = len(records)
    counts["plies"] = sum(len(r.moves) for _, r in records)
    return Collection(records, splits_of(keys), rejects, counts)


def build(paths: Sequence[Path], out: Path, progress: Callable[[int], None] = lambda games: None) -> Counter[str]:
    """Read files of records and write a shard at ``out``. Returns the counts of the `Collection`.

    Records that cannot be read or that break the rules are listed with the reason in ``out/rejects.jsonl``; `collect`
    says which copies of games are kept. Raises ``UserError`` if there is no valid game; the list is then beside
    ``out``, as ``out.rejects.jsonl``, since a shard that is there stays. Raises it before reading if ``out`` is a
    folder with anything but a shard.
    """
    if out.exists() and not _makes_way({path.name for path in out.iterdir()}):
        raise UserError(f"{out} exists and holds something other than a shard, which would be lost")
    try:
        games = collect(paths, progress)
    except NoValidGameError as error:
        if not error.rejects:
            raise
        listed = out.with_name(out.name + ".rejects.jsonl")
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text(_lines(error.rejects), "utf-8")
        raise UserError(f"{error}; games rejected: {len(error.rejects)}, see {listed}") from None
    trained = [(n, record) for n, record in games.records if games.splits[record.key()] == "train"]
    scales = {n: _scale_of([record for m, record in trained if m == n]) for n in range(len(paths))}
    _write(out, games.records, games.splits, scales, [str(p) for p in paths], games.rejects)
    return games.counts


def _lines(rejects: Iterable[dict[str, Any]]) -> str:
    """Return rejected games as JSON lines."""
    return "".join(json.dumps(reject, ensure_ascii=False) + "\n" for reject in rejects)


def _makes_way(names: set[str]) -> bool:
    """Whether a folder of these files holds nothing but a shard, so that it may be replaced."""
    ours = {"meta.json", "rejects.jsonl", *(f"{name}.npy" for name in Shard.ARRAYS)}
    return not names or ("meta.json" in names and names <= ours)


def _scale_of(records: Iterable[Record]) -> float:
    """Fit the unit of a file's scores to its results."""
    scores, results = [], []
    for r in records:
        if r.score is not None and r.result != UNKNOWN:
            mover_red = (np.arange(len(r.moves)) % 2 == 0) == (r.fen is None or " b" not in r.fen)
            scores.append(r.score)
            results.append(np.where(mover_red, r.result / 2, 1 - r.result / 2))
    if not scores:
        return 1.0
    s, y = np.concatenate(scores), np.concatenate(results).astype(np.float32)
    known = ~np.isnan(s)
    return fit_scale(s[known], y[known])


def _write(
    out: Path,
    records: list[tuple[int, Record]],
    splits: dict[str, str],
    scales: dict[int, float],
    files: list[str],
    rejects: list[dict[str, Any]],
) -> None:
    """Write a shard in a folder beside ``out`` and rename it, so that ``out`` is never incomplete."""
    sources: dict[str, int] = {}
    tiers: dict[str, int] = {}
    best, expected, weighed = [], [], list[Weighed]()
    source_of, tier_of = [], []
    for number, r in records:
        n = len(r.moves)
        best.append(np.full(n, -1, np.int16) if r.best is None else r.best)
        score = np.full(n, np.nan, np.float32) if r.score is None else r.score
        p = 254 / (1 + np.exp(-np.clip(score / scales[number], -20, 20)))
        if r.weighed is not None:  # the best one's expected score is the position's, and needs no scale
            known = r.weighed.counts > 0
            firsts = np.cumsum(r.weighed.counts, dtype=np.int64) - r.weighed.counts
            p[known] = 0.254 * r.weighed.expected[firsts[known]]
        weighed.append(r.weighed or Weighed.none(n))
        expected.append(np.where(np.isnan(p), NO_OPINION, np.rint(p)).astype(np.uint8))
        source_of.append(sources.setdefault(r.source.split(":")[0][:80], len(sources)))
        tier_of.append(tiers.setdefault(r.tier[:40], len(tiers)))
    for kind, names in (("source", sources), ("tier", tiers)):
        if len(names) > KINDS:
            raise UserError(f"the games have {len(names)} {kind}s, by their header {kind.title()}: at most {KINDS}")
    arrays: dict[str, NDArray[Any]] = {
        "moves": np.concatenate([r.moves for _, r in records]),
        "best": np.concatenate(best),
        "expected": np.concatenate(expected),
        "offsets": np.concatenate([[0], np.cumsum([len(r.moves) for _, r in records])]).astype(np.int64),
        "results": np.array([r.result for _, r in records], np.int8),
        "splits": np.array([SPLITS.index(splits[r.key()]) for _, r in records], np.uint8),
        "sources": np.array(source_of, np.uint16),
        "tiers": np.array(tier_of, np.uint16),
        "weighed_counts": np.concatenate([w.counts for w in weighed]),
        "weighed_offsets": np.cumsum([0, *(len(w.moves) for w in weighed)], dtype=np.int64),
        "weighed_moves": np.concatenate([w.moves for w in weighed]),
        "weighed_expected": np.concatenate([w.expected for w in weighed]),
        "weighed_shares": np.concatenate([w.shares for w in weighed]),
    }
    meta = {
        "version": VERSION,
        "games": len(records),
        "plies": len(arrays["moves"]),
        "weighed": len(arrays["weighed_moves"]),
        "rejected": len(rejects),
        "files": files,
        "scales": [scales[n] for n in range(len(files))],
        "sources": list(sources),
        "tiers": list(tiers),
        "starts": {str(i): r.fen for i, (_, r) in enumerate(records) if r.fen is not None},
    }
    contents = hashlib.blake2b(repr((meta["sources"], meta["tiers"], meta["starts"])).encode(), digest_size=8)
    for array in arrays.values():
        contents.update(array.data)
    meta["fingerprint"] = contents.hexdigest()
    out = out.resolve()  # to keep a symbolic link, and to give "." a name
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=out.name + ".") as temporary:
        made = Path(temporary) / "shard"
        made.mkdir()
        for name, array in arrays.items():
            np.save(made / f"{name}.npy", array)
        (made / "rejects.jsonl").write_text(_lines(rejects), "utf-8")
        (made / "meta.json").write_text(json.dumps(meta, ensure_ascii=False), "utf-8")
        if out.exists():
            shutil.rmtree(out)
        os.replace(made, out)


def cached(paths: Sequence[Path], cache: Path, progress: Callable[[int], None] = lambda games: None) -> Path:
    """Return the shard of these files under ``cache``; build it if it is missing or a file has changed."""
    facts = [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in paths]
    name = hashlib.blake2b(repr((VERSION, facts)).encode(), digest_size=8).hexdigest()
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{name}.lock"):  # only one of several processes builds it
        if not (cache / name / "meta.json").exists():
            build(paths, cache / name, progress)
    return cache / name
