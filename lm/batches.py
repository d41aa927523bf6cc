"""Batches for training: which games a step reads, and what is to be learned from them.

Everything about a step is a pure function of the seed and its number: a run that was killed, or goes on with another
number of processes, reads exactly what an uninterrupted one would have read.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from lm import UserError
from lm.data import NO_OPINION, UNKNOWN, Shard
from lm.encoding import Encoder, Line
from lm.model import ENDS, ENGINE, HUMAN, PROMPTS, XiangqiConfig
from xiangqi.kernels import MOVE_MIRRORED, MOVE_ROTATED

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
RULES_EVERY: Final = 4
"""The rules are learned at each such ply; a quarter will do."""
REPLIES_EVERY: Final = 2
"""And replies at each such ply."""
AHEAD: Final = 2
"""Items that each loading thread encodes before they are asked for."""


class GameBatches(Dataset[dict[str, torch.Tensor]]):
    """The batches of a run, encoded by threads of its own (`xiangqi.features` runs without holding Python's lock).

    A step reads games of about ``batch_plies`` plies; an epoch of steps reads every training game once, left-right
    mirrored or not by chance. ``weights`` of sources or tiers, named as the shards name them, change how often: with 2
    twice, with 0.5 half of the games, others in each epoch, with 0 never. A step falls into ``parts`` of about equal
    size that share no game; item ``step * parts + part`` is one of them. A process that asks for every ``stride``-th
    item finds it encoded already. Raises ``UserError`` for data without training games, for a weight of what no shard
    has, and when a shard turns out to be damaged.
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
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.shards, self.encoder = shards, Encoder(config)
        check(weights or {}, shards)
        self.steps, self.seed, self.parts, self.stride = steps, seed, parts, stride
        self._guess, self._known = steps, -1
        self.longest = config.n_context - 1
        chosen = [shard.games("train").astype(np.int32) for shard in shards]
        self._game = np.concatenate(chosen)  # number within its shard
        self._shard_ends = np.cumsum([len(games) for games in chosen])
        self._weight: NDArray[np.float64] | None = None
        if weights:
            self._weight = np.concatenate([s.weigh(weights)[games] for s, games in zip(shards, chosen, strict=True)])
        if not len(self._game) or (self._weight is not None and not self._weight.any()):
            raise UserError("no training games in the data (a few are always held out)")
        lengths = [np.diff(shard.offsets)[games] + 1 for shard, games in zip(shards, chosen, strict=True)]
        self._plies = np.concatenate(lengths).clip(max=self.longest).astype(np.int32)
        # A step is no smaller than the longest game, so that none is empty.
        size = max(batch_plies, int(self._plies.max()))
        plies = self._plies.sum(dtype=np.int64) if self._weight is None else self._plies @ self._weight
        self.per_epoch = max(1, int(plies) // size)
        self._read = [0]  # plies, by the end of each epoch
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
        while len(self._read) <= epochs:
            order = self._order(self._chance(len(self._read) - 1))
            self._read.append(self._read[-1] + int(self._plies[order].sum(dtype=np.int64)))
        return self._read[epochs] + (int(self._epoch(epochs)[1][more - 1]) if more else 0)

    def _epoch(self, epoch: int) -> tuple[list[NDArray[np.int32]], NDArray[np.int64]]:
        """Return the games of each step of an epoch, and the plies read by the end of each; remember two epochs."""
        with self._lock:
            if epoch not in self._cuts:
                if len(self._cuts) == 2:
                    self._cuts.pop(min(self._cuts))
                steps = self._cut(epoch)
                self._cuts[epoch] = steps, np.cumsum([self._plies[games].sum() for games in steps])
            return self._cuts[epoch]

    def _chance(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, 0, epoch))

    def _order(self, rng: np.random.Generator) -> NDArray[np.int32]:
        """Return the games of an epoch, shuffled, each as often as it is to be read."""
        order = rng.permutation(len(self._game)).astype(np.int32)
        if self._weight is None:
            return order
        # The weights laid end to end, from a random start: a game is read as often as whole numbers fall on its own.
        until = np.floor(np.cumsum(self._weight[order]) + rng.random()).astype(np.int64)
        return rng.permutation(order.repeat(np.diff(until, prepend=0)))

    def _cut(self, epoch: int) -> list[NDArray[np.int32]]:
        """Sort the games of an epoch by length within pools, cut them into steps and shuffle those."""
        rng = self._chance(epoch)
        order = self._order(rng)
        for start in range(0, len(order), POOL):
            pool = order[start : start + POOL]
            by_length = np.argsort(self._plies[pool], kind="stable")
            # Up and down in turn: where a step reaches into the next pool, it meets games of the same length.
            pool[:] = pool[by_length if start // POOL % 2 == 0 else by_length[::-1]]
        ends = np.cumsum(self._plies[order], dtype=np.int64)
        number = np.arange(1, self.per_epoch)
        cuts = np.searchsorted(ends, int(ends[-1]) * number // self.per_epoch)
        # Weights may have chosen so few plies that a step would be empty: each gets a game.
        cuts = np.maximum.accumulate(np.maximum(cuts - number, 0)) + number
        steps = np.split(order, np.minimum(cuts, len(order) - self.per_epoch + number))
        return [steps[i] for i in rng.permutation(len(steps))]

    def encode(self, index: int) -> dict[str, torch.Tensor]:
        """Return the arguments of `XiangqiLM.forward` for an item.

        A part that would be empty, for there are more parts than games, reads a game and learns nothing from it.
        """
        step, part = divmod(index, self.parts)
        games, mirrored = self.games(step)
        asked = np.random.default_rng((self.seed, 2, step)).random((len(games), 3)) < 0.5
        ends = np.cumsum(self._plies[games])
        where = np.searchsorted(ends, ends[-1] * np.arange(1, self.parts) / self.parts)
        mine = range(len(games))[slice(*np.concatenate([[0], where, [len(games)]])[part : part + 2].tolist())]
        lessons = [self._lesson(int(games[i])).asked_for(asked[i]) for i in mine]
        chosen = lessons or [self._lesson(int(games[0])).silent()]
        flipped = [bool(mirrored[i]) for i in mine] or [False]
        counts = torch.from_numpy(self._counts(games, asked[:, 2]))
        return tensors(self.encoder, chosen, flipped) | {"counts": counts}

    def _counts(self, games: NDArray[np.int32], told: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return how many moves a step teaches, how many with the rules, how many results, opinions, ends and replies.

        Each of its parts divides by these ``(6,)``, so they are counted without making lessons of all games.
        """
        counts = np.zeros(6, np.int64)
        shards = np.searchsorted(self._shard_ends, games, side="right")
        for number in np.unique(shards):
            here, shard = games[shards == number], self.shards[number]
            game, n = self._game[here], self._plies[here] - 1
            start = shard.offsets[game]
            ply = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
            at = np.repeat(start, n) + ply
            engines = np.array([tier == "engine" for tier in shard.meta["tiers"]])[shard.tiers[game]]
            taught = (shard.best[at] >= 0) + np.repeat(~engines, n).astype(np.int64)
            checked = (ply + np.repeat(game, n)) % RULES_EVERY == 0
            known = shard.results[game] != UNKNOWN
            whole = known & ~engines & (n == shard.offsets[game + 1] - start)
            results = (n + 1) * (known & ~told[shards == number])
            opinions = shard.expected[at] != NO_OPINION
            replied = (ply + np.repeat(game, n)) % REPLIES_EVERY == 0
            replied &= ply < np.repeat(n, n) - 1
            counts += [
                taught.sum(),
                taught[checked].sum(),
                results.sum(),
                opinions.sum(),
                (n + whole).sum(),
                replied.sum(),
            ]
        return counts

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
    """Positions ``(n + 1,)`` at which the rules are learned too, from the unmasked scores."""
    wdl: NDArray[np.int64]
    """0, 1, 2 where the mover will have lost, drawn or won, -100 where that is not known ``(n + 1,)``."""
    expected: NDArray[np.float32]
    """Expected score of the mover by an engine's opinion, 0 to 1, or NaN ``(n + 1,)``."""
    ends: NDArray[np.int64]
    """Which of `lm.model.ENDS` is right, -100 where that is not known ``(n + 1,)``; mates are left to be seen."""
    replies: NDArray[np.int16]
    """Numbers of the opponent's next moves to be foreseen ``(n + 1,)``, -1 for none."""
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
        replies = np.append(line.moves[1:], nothing[: min(n, 1) + 1])
        replies[(np.arange(n + 1) + game) % REPLIES_EVERY != 0] = -1
        return cls(
            line,
            nothing if by_engine else np.append(line.moves, np.int16(-1)),
            np.append(shard.best[start : start + n], np.int16(-1)),
            (np.arange(n + 1) + game) % RULES_EVERY == 0,
            wdl,
            np.append(np.where(opinion == NO_OPINION, np.nan, opinion / 254), np.nan).astype(np.float32),
            ends,
            replies,
            np.stack([np.full(n + 1, source), np.full(n + 1, strength), aim], 1),
            name,
        )

    def asked_for(self, what: NDArray[np.bool_]) -> Lesson:
        """Return the lesson with only those of its three prompts; where the result is told, it is not to be learned."""
        wdl = np.full_like(self.wdl, -100) if what[2] else self.wdl
        return replace(self, prompts=self.prompts * what, wdl=wdl)

    def silent(self) -> Lesson:
        """Return the same game with nothing to learn from it."""
        none, unknown = np.full_like(self.human, -1), np.full_like(self.expected, np.nan)
        unsaid = np.full_like(self.wdl, -100)
        return replace(self, human=none, engine=none, wdl=unsaid, expected=unknown, ends=unsaid, replies=none)


def check(weights: Mapping[str, float], shards: Sequence[Shard]) -> None:
    """Raise ``UserError`` for a weight that is no weight, or of what no shard has."""
    known = {name for shard in shards for kind in ("sources", "tiers") for name in shard.meta[kind] if name}
    for name, weight in weights.items():
        if name not in known:
            raise UserError(f"no games of {name!r}: a weight can be given to {', '.join(sorted(known))}")
        if not 0 <= weight < np.inf:
            raise UserError(f"the weight of {name} has to be 0 or more: {weight}")


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
    replies = np.concatenate([lesson.replies for lesson in lessons])
    replies = np.where((replies >= 0) & flips, MOVE_MIRRORED[replies], replies)
    replies = np.where((replies >= 0) & (features.turns == 1), MOVE_ROTATED[replies], replies)
    return features.tensors() | {
        "rows": torch.from_numpy(np.concatenate(rows)),
        "voices": torch.from_numpy(np.repeat([HUMAN, ENGINE], [len(r) for r in rows])),
        "labels": torch.from_numpy(np.concatenate(labels)),
        "checked": torch.from_numpy(np.flatnonzero(checked)),
        "wdl": torch.from_numpy(np.concatenate([lesson.wdl for lesson in lessons])),
        "expected": torch.from_numpy(np.concatenate([lesson.expected for lesson in lessons])),
        "ends": torch.from_numpy(ends),
        "replies": torch.from_numpy(np.where(replies < 0, -100, replies).astype(np.int64)),
        "prompts": torch.from_numpy(np.concatenate([lesson.prompts for lesson in lessons])),
    }
