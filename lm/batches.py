"""Batches for training: which games a step reads, and what is to be learned from them.

Everything about a step is a pure function of the seed and its number: a run that was killed, or goes on with another
number of processes, reads exactly what an uninterrupted one would have read.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from lm import UserError
from lm.data import UNKNOWN, Shard
from lm.encoding import Encoder, Line
from lm.model import ENDS, ENGINE, HUMAN, PROMPTS, XiangqiConfig
from xiangqi.kernels import MOVE_MIRRORED

POOL: Final = 2048
"""Games that are sorted by length together, so that a batch wastes little on padding."""
STRENGTHS: Final = {
    "online-amateur": PROMPTS.index("amateur"),
    "junior": PROMPTS.index("junior"),
    "club": PROMPTS.index("club"),
    "club-or-master": PROMPTS.index("club"),
    "master": PROMPTS.index("master"),
}
"""What a prompt calls the players of a tier."""
AHEAD: Final = 2
"""Items that each loading thread encodes before they are asked for."""


class GameBatches(Dataset[dict[str, torch.Tensor]]):
    """The batches of a run, encoded by threads of its own (`xiangqi.features` runs without holding Python's lock).

    A step reads games of about ``batch_plies`` plies; an epoch of steps reads every training game once, left-right
    mirrored or not by chance. A step falls into ``parts`` of about equal size that share no game; item ``step * parts +
    part`` is one of them. A process that asks for every ``stride``-th item finds it encoded already. Raises
    ``UserError`` for data without training games, and when a shard turns out to be damaged.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        config: XiangqiConfig,
        batch_plies: int,
        steps: int,
        seed: int,
        *,
        parts: int = 1,
        stride: int = 1,
        threads: int = 1,
    ) -> None:
        self.shards, self.encoder = shards, Encoder(config)
        self.steps, self.seed, self.parts, self.stride = steps, seed, parts, stride
        self._guess, self._known = steps, -1
        self.longest = config.n_context - 1
        chosen = [shard.games("train").astype(np.int32) for shard in shards]
        self._game = np.concatenate(chosen)  # number within its shard
        self._shard_ends = np.cumsum([len(games) for games in chosen])
        if not len(self._game):
            raise UserError("no training games in the data (a few are always held out)")
        lengths = [np.diff(shard.offsets)[games] + 1 for shard, games in zip(shards, chosen, strict=True)]
        self._plies = np.concatenate(lengths).clip(max=self.longest).astype(np.int32)
        # A step is no smaller than the longest game, so that none is empty.
        size = max(batch_plies, int(self._plies.max()))
        self.per_epoch = max(1, int(self._plies.sum(dtype=np.int64)) // size)
        self._cuts: dict[int, tuple[list[NDArray[np.int32]], NDArray[np.int64]]] = {}  # by epoch
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(threads, "encode")
        self._ahead = AHEAD * threads
        self._encoded: dict[int, Future[dict[str, torch.Tensor]]] = {}

    def __len__(self) -> int:
        return self.steps * self.parts

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        for i in range(index, index + self.stride * (self._ahead + 1), self.stride):
            if i not in self._encoded:
                self._encoded[i] = self._threads.submit(self.encode, i)
        for skipped in [i for i in self._encoded if i < index]:
            self._encoded.pop(skipped).cancel()
        return self._encoded.pop(index).result()

    def settle(self, steps: int, known: int) -> None:
        """Take note of the real number of steps, known since ``known`` of them were done."""
        self.steps, self._known = steps, known
        for early in [i for i in self._encoded if i // self.parts > known]:
            self._encoded.pop(early).cancel()

    def progress(self, step: int) -> float:
        """Return the share of the run before a step, as it was known then; the next step may be encoded already."""
        return step / (self.steps if step > self._known else self._guess)

    def games(self, step: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Return the games ``(G,)`` that a step reads, those of like length side by side, and which are mirrored."""
        epoch, number = divmod(step, self.per_epoch)
        games = self._epoch(epoch)[0][number]
        return games, np.random.default_rng((self.seed, 1, step)).random(len(games)) < 0.5

    def plies(self, steps: int) -> int:
        """Return how many plies the first ``steps`` steps read."""
        epochs, more = divmod(steps, self.per_epoch)
        return epochs * int(self._plies.sum(dtype=np.int64)) + (int(self._epoch(epochs)[1][more - 1]) if more else 0)

    def _epoch(self, epoch: int) -> tuple[list[NDArray[np.int32]], NDArray[np.int64]]:
        """Return the games of each step of an epoch, and the plies read by the end of each; remember two epochs."""
        with self._lock:
            if epoch not in self._cuts:
                if len(self._cuts) == 2:
                    self._cuts.pop(min(self._cuts))
                steps = self._cut(epoch)
                self._cuts[epoch] = steps, np.cumsum([self._plies[games].sum() for games in steps])
            return self._cuts[epoch]

    def _cut(self, epoch: int) -> list[NDArray[np.int32]]:
        """Shuffle all games, sort them by length within pools, cut them into steps and shuffle those."""
        rng = np.random.default_rng((self.seed, 0, epoch))
        order = rng.permutation(len(self._game)).astype(np.int32)
        for number, start in enumerate(range(0, len(order), POOL)):
            pool = order[start : start + POOL]
            by_length = np.argsort(self._plies[pool], kind="stable")
            # Up and down in turn: where a step reaches into the next pool, it meets games of the same length.
            pool[:] = pool[by_length if number % 2 == 0 else by_length[::-1]]
        ends = np.cumsum(self._plies[order], dtype=np.int64)
        cuts = np.searchsorted(ends, int(ends[-1]) * np.arange(1, self.per_epoch) // self.per_epoch)
        steps = np.split(order, cuts)
        return [steps[i] for i in rng.permutation(len(steps))]

    def encode(self, index: int) -> dict[str, torch.Tensor]:
        """Return the arguments of `XiangqiLM.forward` for an item.

        A part that would be empty, for there are more parts than games, reads a game and learns nothing from it.
        """
        step, part = divmod(index, self.parts)
        games, mirrored = self.games(step)
        asked = np.random.default_rng((self.seed, 2, step)).random((len(games), 3)) < 0.5
        lessons = [self._lesson(game).asked_for(what) for game, what in zip(games.tolist(), asked, strict=True)]
        ends = np.cumsum(self._plies[games])
        where = np.searchsorted(ends, ends[-1] * np.arange(1, self.parts) / self.parts)
        mine = range(len(games))[slice(*np.concatenate([[0], where, [len(games)]])[part : part + 2].tolist())]
        counts = torch.from_numpy(np.sum([lesson.counts() for lesson in lessons], axis=0, dtype=np.int64))
        chosen = [lessons[i] for i in mine] or [lessons[0].silent()]
        flipped = [bool(mirrored[i]) for i in mine] or [False]
        return tensors(self.encoder, chosen, flipped) | {"counts": counts}

    def _lesson(self, number: int) -> Lesson:
        shard_number = int(np.searchsorted(self._shard_ends, number, side="right"))
        return Lesson.of(self.shards[shard_number], int(self._game[number]), self.longest - 1)


@dataclass
class Lesson:
    """A game of n moves and what is to be learned at each of its n + 1 positions."""

    line: Line
    human: NDArray[np.int16]
    """Numbers of the moves to learn for the human voice ``(n + 1,)``, -1 for none."""
    engine: NDArray[np.int16]
    """The same for the engine's."""
    checked: NDArray[np.bool_]
    """Positions ``(n + 1,)`` at which the rules are learned too, from the unmasked scores; a quarter will do."""
    wdl: NDArray[np.int64]
    """0, 1, 2 where the mover will have lost, drawn or won, -100 where that is not known ``(n + 1,)``."""
    expected: NDArray[np.float32]
    """Expected score of the mover by an engine's opinion, 0 to 1, or NaN ``(n + 1,)``."""
    ends: NDArray[np.int64]
    """Which of `lm.model.ENDS` is right, -100 where that is not known ``(n + 1,)``; mates are left to be seen."""
    prompts: NDArray[np.int64]
    """Rows of `lm.model.PROMPTS`: source, strength and result for the mover, 0 where unknown ``(n + 1, 3)``."""
    name: str

    @classmethod
    def of(cls, shard: Shard, game: int, longest: int) -> Lesson:
        """Return a game of a shard, as far as its first ``longest`` moves."""
        line = shard.line(game)
        line.moves = line.moves[:longest]
        n, start = len(line.moves), int(shard.offsets[game])
        name = f"game {game} of {', '.join(shard.meta['files'])}"
        if n and not 0 <= int(line.moves.min()) <= int(line.moves.max()) < len(MOVE_MIRRORED):
            raise damaged(name)
        nothing = np.full(n + 1, -1, np.int16)
        by_engine = shard.meta["tiers"][shard.tiers[game]] == "engine"
        opinion = shard.expected[start : start + n].astype(np.float32)
        result = int(shard.results[game])
        red = (np.arange(n + 1) + line.turn) % 2 == 0
        wdl = np.full(n + 1, -100) if result == UNKNOWN else np.where(red, result, 2 - result)
        ends = np.zeros(n + 1, np.int64)
        whole = n == int(shard.offsets[game + 1]) - start and not by_engine and result != UNKNOWN
        ends[-1] = (
            (ENDS.index("resigns"), ENDS.index("draw agreed"), ENDS.index("opponent resigns"))[wdl[-1]]
            if whole
            else -100
        )
        source = PROMPTS.index("engine" if by_engine else "human")
        strength = STRENGTHS.get(shard.meta["tiers"][shard.tiers[game]], 0)
        aim = np.where(wdl < 0, 0, PROMPTS.index("loss") - wdl)
        return cls(
            line,
            nothing if by_engine else np.append(line.moves, np.int16(-1)),
            np.append(shard.best[start : start + n], np.int16(-1)),
            (np.arange(n + 1) + game) % 4 == 0,
            wdl,
            np.append(np.where(opinion == 255, np.nan, opinion / 254), np.nan).astype(np.float32),
            ends,
            np.stack([np.full(n + 1, source), np.full(n + 1, strength), aim], 1),
            name,
        )

    def asked_for(self, what: NDArray[np.bool_]) -> Lesson:
        """Return the lesson with only those of its three prompts; where the result is told, it is not to be learned."""
        wdl = np.full_like(self.wdl, -100) if what[2] else self.wdl
        return replace(self, prompts=self.prompts * what, wdl=wdl)

    def counts(self) -> tuple[int, int, int, int, int]:
        """Return how many moves are learned, how many with the rules, how many results, opinions and ends."""
        taught = (self.human >= 0).astype(np.int64) + (self.engine >= 0)
        known = len(self.expected) - int(np.isnan(self.expected).sum())
        results, ends = int((self.wdl >= 0).sum()), int((self.ends >= 0).sum())
        return int(taught.sum()), int(taught[self.checked].sum()), results, known, ends

    def silent(self) -> Lesson:
        """Return the same game with nothing to learn from it."""
        none, unknown = np.full_like(self.human, -1), np.full_like(self.expected, np.nan)
        unsaid = np.full_like(self.wdl, -100)
        return replace(self, human=none, engine=none, wdl=unsaid, expected=unknown, ends=unsaid)


def damaged(name: str) -> UserError:
    return UserError(f"damaged shard: {name} has moves that the rules do not; delete the shard to have it made again")


def tensors(encoder: Encoder, lessons: Sequence[Lesson], mirrored: Sequence[bool]) -> dict[str, torch.Tensor]:
    """Encode games together with what is to be learned from them: the arguments of `XiangqiLM.forward`."""
    lines = [lesson.line.mirror() if flip else lesson.line for lesson, flip in zip(lessons, mirrored, strict=True)]
    features = encoder(lines)
    flips = np.repeat(mirrored, features.lengths)
    rows, labels = [], []
    for moves in (np.concatenate([x.human for x in lessons]), np.concatenate([x.engine for x in lessons])):
        places = features.labels(np.where((moves >= 0) & flips, MOVE_MIRRORED[np.maximum(moves, 0)], moves))
        illegal = np.flatnonzero((moves >= 0) & (places < 0))
        if len(illegal):
            raise damaged(lessons[int(np.searchsorted(np.cumsum(features.lengths), illegal[0], side="right"))].name)
        rows.append(np.flatnonzero(moves >= 0))
        labels.append(places[rows[-1]])
    last = np.cumsum(features.lengths) - 1
    mated = last[np.diff(features.candidate_ends, prepend=0)[last] == 0]
    ends = np.concatenate([lesson.ends for lesson in lessons])
    ends[mated[ends[mated] > 0]] = ENDS.index("mated")
    checked = np.concatenate([lesson.checked for lesson in lessons])[np.concatenate(rows)]
    return features.tensors() | {
        "rows": torch.from_numpy(np.concatenate(rows)),
        "voices": torch.from_numpy(np.repeat([HUMAN, ENGINE], [len(r) for r in rows])),
        "labels": torch.from_numpy(np.concatenate(labels)),
        "checked": torch.from_numpy(np.flatnonzero(checked)),
        "wdl": torch.from_numpy(np.concatenate([lesson.wdl for lesson in lessons])),
        "expected": torch.from_numpy(np.concatenate([lesson.expected for lesson in lessons])),
        "ends": torch.from_numpy(ends),
        "prompts": torch.from_numpy(np.concatenate([lesson.prompts for lesson in lessons])),
    }
