"""Batches for training: the games of each step, and their targets.

A step is a pure function of the seed and its number. A run that was killed, or is resumed with another number of
processes, reads exactly the same games as an uninterrupted one.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from lm import UserError
from lm.dataset.records import NO_SHARE, STRENGTHS, UNKNOWN
from lm.dataset.shards import NO_OPINION, Shard
from lm.model.encoding import Encoder, GameMoves
from lm.model.pretrained_config import XiangqiConfig
from lm.model.prompts import Aim, End, Source, Voice
from xiangqi.kernels import MOVE_MIRRORED, MOVE_ROTATED

POOL: Final = 2048
"""Number of games that are sorted by length together, so that batches need little padding."""
RULES_EVERY: Final = 4
"""The rules are learned at every fourth ply, which is enough."""
REPLIES_EVERY: Final = 2
"""Replies are learned at every second ply."""
AHEAD: Final = 2
"""Items that each loading thread encodes ahead."""


class GameBatches(Dataset[dict[str, torch.Tensor]]):
    """The batches of a run, encoded by its own threads (`lm.model.features` releases Python's global lock).

    A step reads games of about ``batch_plies`` plies in total. An epoch reads every training game once, each left-right
    mirrored or not at random. ``weights``, by source or tier as named in the shards, change this: with 2 a game is read
    twice an epoch, with 0.5 half of the games are read, different ones each epoch, with 0 none. A step is divided into
    ``parts`` of about equal size without common games; item ``step * parts + part`` is one of them. Items are encoded
    ahead for a process that reads every ``stride``-th one. ``targets`` say what is learned of opinions.

    Raises ``UserError`` for data without training games, for a weight of an unknown source or tier, and for a damaged
    shard.
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
        targets: Targets | None = None,
    ) -> None:
        self.targets = targets or Targets()
        self.shards, self.encoder = shards, Encoder(config.input_groups, config.candidate_groups)
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
        # A step is at least as large as the longest game, so that none is empty.
        size = max(batch_plies, int(self._plies.max()))
        plies = self._plies.sum(dtype=np.int64) if self._weight is None else self._plies @ self._weight
        self.per_epoch, self.epoch_plies = max(1, int(plies) // size), int(plies)
        self.epoch_games = len(self._game) if self._weight is None else round(float(self._weight.sum()))
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
        """Set the final number of steps, which became known after ``known`` steps."""
        self.steps, self._known = steps, known
        for early in [i for i in self._encoded if i // self.parts > known]:
            self._encoded.pop(early).cancel()

    def progress(self, step: int) -> float:
        """Return the share of the run before a step, by the length known then; the next step may be encoded already."""
        return step / (self.steps if step > self._known else self._guess)

    def games(self, step: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Return the games ``(G,)`` of a step, those of similar length together, and whether each is mirrored."""
        epoch, number = divmod(step, self.per_epoch)
        games = self._epoch(epoch)[0][number]
        return games, np.random.default_rng((self.seed, 1, step)).random(len(games)) < 0.5

    def plies(self, steps: int) -> int:
        """Return how many plies the first ``steps`` steps read."""
        epochs, more = divmod(steps, self.per_epoch)
        within = int(self._epoch(epochs)[1][more - 1]) if more else 0
        if self._weight is None:  # every epoch reads the same games
            return epochs * int(self._plies.sum(dtype=np.int64)) + within
        while len(self._read) <= epochs:
            order = self._order(self._chance(len(self._read) - 1))
            self._read.append(self._read[-1] + int(self._plies[order].sum(dtype=np.int64)))
        return self._read[epochs] + within

    def _epoch(self, epoch: int) -> tuple[list[NDArray[np.int32]], NDArray[np.int64]]:
        """Return the games of each step of an epoch, and the plies read by the end of each step. Caches two epochs."""
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
        """Return the games of an epoch in random order, repeated by their weights."""
        order = rng.permutation(len(self._game)).astype(np.int32)
        if self._weight is None:
            return order
        # Systematic sampling: with the weights laid end to end from a random start, a game is read once for each
        # integer in its interval.
        until = np.floor(np.cumsum(self._weight[order]) + rng.random()).astype(np.int64)
        return rng.permutation(order.repeat(np.diff(until, prepend=0)))

    def _cut(self, epoch: int) -> list[NDArray[np.int32]]:
        """Sort the games of an epoch by length within pools, cut them into steps and shuffle the steps."""
        rng = self._chance(epoch)
        order = self._order(rng)
        for start in range(0, len(order), POOL):
            pool = order[start : start + POOL]
            by_length = np.argsort(self._plies[pool], kind="stable")
            # Ascending and descending in turn, so that a step across two pools has games of similar length.
            pool[:] = pool[by_length if start // POOL % 2 == 0 else by_length[::-1]]
        ends = np.cumsum(self._plies[order], dtype=np.int64)
        number = np.arange(1, self.per_epoch)
        cuts = np.searchsorted(ends, int(ends[-1]) * number // self.per_epoch)
        # With small weights there can be too few plies for every step; each still gets a game.
        cuts = np.maximum.accumulate(np.maximum(cuts - number, 0)) + number
        steps = np.split(order, np.minimum(cuts, len(order) - self.per_epoch + number))
        return [steps[i] for i in rng.permutation(len(steps))]

    def encode(self, index: int) -> dict[str, torch.Tensor]:
        """Return the arguments of `XiangqiLM.forward` for an item.

        If there are more parts than games, a part without games of its own reads one without targets.
        """
        step, part = divmod(index, self.parts)
        games, mirrored = self.games(step)
        asked = np.random.default_rng((self.seed, 2, step)).random((len(games), 3)) < 0.5
        lessons = Lessons.of(self.places(games), self.longest - 1, asked, self.targets)
        ends = np.cumsum(lessons.lengths)
        cuts = np.searchsorted(ends, ends[-1] * np.arange(1, self.parts) / self.parts)
        first, last = np.concatenate([[0], cuts, [len(games)]])[part : part + 2].tolist()
        mine = lessons.some(first, last) if first < last else lessons.some(0, 1).silent()
        flips = mirrored[first:last] if first < last else np.zeros(1, np.bool_)
        # Each part divides its losses by the counts of the whole step.
        return tensors(self.encoder, mine, flips) | {"counts": torch.from_numpy(lessons.counts())}

    def places(self, games: NDArray[np.int32]) -> list[tuple[Shard, int]]:
        """Return the shard of each game, and its number there."""
        shards = np.searchsorted(self._shard_ends, games, side="right").tolist()
        return [(self.shards[shard], game) for shard, game in zip(shards, self._game[games].tolist(), strict=True)]


@dataclass(frozen=True)
class Targets:
    """What is learned of the opinions of engines and searches."""

    policy: str = "shares"
    """What the engine's voice learns: ``best`` is the best move alone; ``regrets`` are all moves that were weighed,
    with shares exp(-regret / tau); ``shares`` are those of the search's policy, or by regrets where there are none."""
    tau: float = 0.04
    """Temperature of regrets, in expected score."""
    blend: float = 0.5
    """Share of the opinion, against the result, in the value of a ply that has both."""

    def shares(self, expected: NDArray[np.uint16], known: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Return the shares ``(k,)`` of a ply's weighed moves, from expected scores and shares in thousandths.

        >>> expected, known = np.array([520, 480], np.uint16), np.array([750, 250], np.uint16)
        >>> [[round(float(x), 2) for x in Targets(policy).shares(expected, known)] for policy in ("shares", "regrets")]
        [[0.75, 0.25], [0.73, 0.27]]
        """
        if self.policy == "shares" and (known != NO_SHARE).all() and known.any():
            found = known.astype(np.float32)
        else:
            found = np.exp((expected.astype(np.float32) - expected.max()) / np.float32(1000 * self.tau))
        return found / found.sum()


@dataclass
class Lessons:
    """Games and the targets at their positions, one game after the other: N plies of G games in total."""

    games: list[GameMoves]
    names: list[str]
    """The games' names in errors."""
    human: NDArray[np.int64]
    """Numbers of the moves to learn for the human voice ``(N,)``, -1 for none."""
    engine: NDArray[np.int64]
    """The same for the engine's voice."""
    checked: NDArray[np.bool_]
    """Whether the rules are learned at a position too, from the unmasked scores ``(N,)``."""
    wdl: NDArray[np.int64]
    """0, 1, 2 if the mover will have lost, drawn or won, -100 if that is unknown or given by the prompt ``(N,)``."""
    expected: NDArray[np.float32]
    """Expected score of the mover, NaN if unknown ``(N,)``."""
    ends: NDArray[np.int64]
    """How the game ends at the position, an `End`, -100 if unknown ``(N,)``."""
    replies: NDArray[np.int64]
    """Number of the opponent's next move, -1 where it is no target ``(N,)``."""
    prompts: NDArray[np.int64]
    """The prompts: source, strength and aim, 0 where left out ``(N, 3)``."""
    blend: NDArray[np.float32]
    """Share of the expected score, against the result, in the value ``(N,)``."""
    weighed: NDArray[np.int64]
    """Numbers of the moves that the engine's voice learns in shares ``(N, W)``, -1 for none."""
    shares: NDArray[np.float32]
    """Their shares ``(N, W)``, which sum to 1 where there are any."""

    @classmethod
    def of(
        cls,
        games: Sequence[tuple[Shard, int]],
        longest: int,
        asked: NDArray[np.bool_],
        targets: Targets = Targets(),
    ) -> Lessons:
        """Return the lessons of games given by shard and number, up to ``longest`` moves of each.

        ``asked`` ``(G, 3)``: whether each prompt is given to a game. A result given by the prompt is no target.
        """
        played = [shard.game_moves(game) for shard, game in games]
        names = [f"{shard.path}: game {game} of {', '.join(shard.meta['files'])}" for shard, game in games]
        tiers = [shard.meta["tiers"][shard.tiers[game]] for shard, game in games]
        whole = [len(game.moves) <= longest for game in played]
        for game in played:
            game.moves = game.moves[:longest]
        n = np.array([len(game.moves) for game in played])
        spans = [
            slice(int(shard.offsets[game]), int(shard.offsets[game]) + k)
            for (shard, game), k in zip(games, n, strict=True)
        ]

        def by_ply(values: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
            return np.repeat(np.array(values, np.int64), n + 1)

        def by_move(parts: Sequence[NDArray[np.generic]], last: int) -> NDArray[np.int64]:
            """Return the values of each move, and ``last`` for the position at the end of each game."""
            return np.concatenate([x for part in parts for x in (part, [last])]).astype(np.int64)

        ply, size = np.concatenate([np.arange(k + 1) for k in n]), by_ply(n)
        number, turn = by_ply([game for _, game in games]), by_ply([game.turn for game in played])
        engines = by_ply([tier == "engine" for tier in tiers]) == 1
        result = by_ply([shard.results[game] for shard, game in games])
        moves = by_move([game.moves for game in played], -1)
        best = by_move([shard.best[span] for (shard, _), span in zip(games, spans, strict=True)], -1)
        opinion = by_move([shard.expected[span] for (shard, _), span in zip(games, spans, strict=True)], NO_OPINION)
        wrong = np.flatnonzero((ply < size) & ((moves < 0) | (moves >= len(MOVE_MIRRORED))))
        if len(wrong):
            raise damaged(names[int(np.searchsorted(np.cumsum(n + 1), wrong[0], side="right"))])
        wdl = np.where(result == UNKNOWN, -100, np.where((ply + turn) % 2 == 0, result, 2 - result))
        resigned = np.array([End.RESIGNS, End.DRAW_AGREED, End.OPPONENT_RESIGNS])
        known = (by_ply(whole) == 1) & ~engines & (result != UNKNOWN)
        prompts = np.stack(
            [
                np.where(engines, Source.ENGINE, Source.HUMAN),
                by_ply([STRENGTHS.get(tier, 0) for tier in tiers]),
                np.where(wdl < 0, 0, Aim.LOSS - wdl),
            ],
            1,
        )
        given = np.repeat(asked, n + 1, 0)
        weighed, shares = _in_shares(games, n, targets)
        both = (result != UNKNOWN) & (opinion != NO_OPINION)
        return cls(
            played,
            names,
            np.where(engines, -1, moves),
            best,
            (ply + number) % RULES_EVERY == 0,
            np.where(given[:, 2], -100, wdl),
            np.where(opinion == NO_OPINION, np.nan, opinion / 254).astype(np.float32),
            np.where(ply < size, 0, np.where(known, resigned[np.maximum(wdl, 0)], -100)),
            np.where(((ply + number) % REPLIES_EVERY == 0) & (ply < size - 1), np.append(moves[1:], -1), -1),
            prompts * given,
            np.where(both, targets.blend, 0.5).astype(np.float32),
            weighed,
            shares,
        )

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Plies of each game ``(G,)``."""
        return np.array([len(game.moves) + 1 for game in self.games])

    def some(self, first: int, last: int) -> Lessons:
        """Return the lessons of the games from ``first`` up to, not including, ``last``."""
        ends = np.cumsum(self.lengths)
        start, end = int(ends[first] - len(self.games[first].moves) - 1), int(ends[last - 1])
        arrays = {field.name: getattr(self, field.name)[start:end] for field in fields(self)[2:]}
        return Lessons(self.games[first:last], self.names[first:last], **arrays)

    def silent(self) -> Lessons:
        """Return the same games without targets."""
        none, unsaid = np.full_like(self.human, -1), np.full_like(self.wdl, -100)
        unknown, unweighed = np.full_like(self.expected, np.nan), np.full_like(self.weighed, -1)
        return replace(
            self, human=none, engine=none, weighed=unweighed, wdl=unsaid, expected=unknown, ends=unsaid, replies=none
        )

    def counts(self) -> NDArray[np.int64]:
        """Return the numbers of targets ``(6,)``: moves, moves of positions with the rules, results, opinions, ends and
        replies."""
        taught = (self.human >= 0).astype(np.int64) + (self.engine >= 0)
        known = (self.wdl >= 0, ~np.isnan(self.expected), self.ends >= 0, self.replies >= 0)
        return np.array([taught.sum(), taught[self.checked].sum(), *(x.sum() for x in known)])


def _in_shares(
    games: Sequence[tuple[Shard, int]], plies: NDArray[np.int64], targets: Targets
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the weighed moves of the first ``plies`` ``(G,)`` of games, and their shares, both as in `Lessons`."""
    found = [shard.weighed(game) for shard, game in games] if targets.policy != "best" else []
    width = max((int(weighed.counts.max()) for weighed in found if len(weighed.moves)), default=0)
    starts, size = np.cumsum(plies + 1) - plies - 1, int((plies + 1).sum())
    moves, shares = np.full((size, width), -1, np.int64), np.zeros((size, width), np.float32)
    for start, count, weighed in zip(starts.tolist(), plies.tolist(), found, strict=False):
        ends = np.cumsum(weighed.counts, dtype=np.int64)
        for ply in np.flatnonzero(weighed.counts[:count]).tolist():
            k, part = int(weighed.counts[ply]), slice(int(ends[ply]) - int(weighed.counts[ply]), int(ends[ply]))
            moves[start + ply, :k] = weighed.moves[part]
            shares[start + ply, :k] = targets.shares(weighed.expected[part], weighed.shares[part])
    return moves, shares


def check(weights: Mapping[str, float], shards: Sequence[Shard]) -> None:
    """Raise ``UserError`` for an invalid weight, or one of a source or tier that no shard has."""
    known = {name for shard in shards for kind in ("sources", "tiers") for name in shard.meta[kind] if name}
    for name, weight in weights.items():
        if name not in known:
            raise UserError(f"no games of {name!r}: a weight can be given to {', '.join(sorted(known))}")
        if not 0 <= weight < np.inf:
            raise UserError(f"the weight of {name} must not be negative or infinite: {weight}")


def damaged(name: str) -> UserError:
    return UserError(f"damaged shard {name} has illegal moves; delete the shard to have it made again")


def tensors(encoder: Encoder, lessons: Lessons, mirrored: NDArray[np.bool_]) -> dict[str, torch.Tensor]:
    """Encode games and their targets: the arguments of `XiangqiLM.forward`."""
    games = [game.mirror() if flip else game for game, flip in zip(lessons.games, mirrored, strict=True)]
    features = encoder(games)
    flips = np.repeat(mirrored, features.lengths)
    rows, labels = [], []
    for moves in (lessons.human, lessons.engine):
        places = features.labels(np.where((moves >= 0) & flips, MOVE_MIRRORED[np.maximum(moves, 0)], moves))
        _check_legal(lessons, features.lengths, moves, places)
        rows.append(np.flatnonzero(moves >= 0))
        labels.append(places[rows[-1]])
    row_of = np.full(len(flips), -1)
    row_of[rows[-1]] = len(rows[0]) + np.arange(len(rows[-1]))
    soft: list[tuple[NDArray[Any], ...]] = []
    for column in range(lessons.weighed.shape[1]):
        moves, shares = lessons.weighed[:, column], lessons.shares[:, column]
        places = features.labels(np.where((moves >= 0) & flips, MOVE_MIRRORED[np.maximum(moves, 0)], moves))
        _check_legal(lessons, features.lengths, moves, places)
        told = np.flatnonzero((moves >= 0) & (row_of >= 0) & (shares > 0))
        soft.append((row_of[told], places[told], shares[told]))
    soft_rows, soft_moves, soft_shares = (
        np.concatenate([column[i] for column in soft]) if soft else np.empty(0, kind)
        for i, kind in enumerate((np.int64, np.int64, np.float32))
    )
    last = np.cumsum(features.lengths) - 1
    mated = last[np.diff(features.candidate_ends, prepend=0)[last] == 0]
    ends = lessons.ends.copy()
    ends[mated[ends[mated] > 0]] = End.MATED
    replies = np.where((lessons.replies >= 0) & flips, MOVE_MIRRORED[lessons.replies], lessons.replies)
    replies = np.where((replies >= 0) & (features.turns == 1), MOVE_ROTATED[replies], replies)
    return features.tensors() | {
        "rows": torch.from_numpy(np.concatenate(rows)),
        "voices": torch.from_numpy(np.repeat([Voice.HUMAN, Voice.ENGINE], [len(r) for r in rows])),
        "labels": torch.from_numpy(np.concatenate(labels)),
        "checked": torch.from_numpy(np.flatnonzero(lessons.checked[np.concatenate(rows)])),
        "wdl": torch.from_numpy(lessons.wdl),
        "expected": torch.from_numpy(lessons.expected),
        "ends": torch.from_numpy(ends),
        "replies": torch.from_numpy(np.where(replies < 0, -100, replies).astype(np.int64)),
        "prompts": torch.from_numpy(lessons.prompts),
        "blend": torch.from_numpy(lessons.blend),
        "soft_rows": torch.from_numpy(soft_rows),
        "soft_moves": torch.from_numpy(soft_moves),
        "soft_shares": torch.from_numpy(soft_shares),
    }


def _check_legal(
    lessons: Lessons, lengths: NDArray[np.int64], moves: NDArray[np.int64], places: NDArray[np.int64]
) -> None:
    """Raise ``UserError`` if one of the moves ``(N,)`` has no place among its ply's legal ones."""
    illegal = np.flatnonzero((moves >= 0) & (places < 0))
    if len(illegal):
        raise damaged(lessons.names[int(np.searchsorted(np.cumsum(lengths), illegal[0], side="right"))])
