"""Games by which a model is judged: those of a split of a shard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from lm import UserError
from lm.dataset.records import Record, opening
from lm.dataset.seen import SeenGames
from lm.dataset.shards import Shard
from lm.model.encoding import GameMoves
from lm.model.prompts import Voice

TEST_PLIES: Final = {"move": 100_000, "char": 10_000}
"""Held-out plies by which the result is judged."""

Games = tuple[list[GameMoves], list[int]]
"""Games and their results, as `lm.dataset.shards` numbers those."""


def held_out(shards: Sequence[Shard], split: str, plies: int, seen: SeenGames | None = None) -> dict[Voice, Games]:
    """Return games of a split, about ``plies`` of human ones and as many of engines', by voice.

    Games that were ``seen``, by the model that a run started from, are not among them.
    """
    games: dict[Voice, Games] = {Voice.HUMAN: ([], []), Voice.ENGINE: ([], [])}
    for shard in shards:
        room = {voice: plies // len(shards) for voice in games}
        for game in shard.games(split):
            voice = Voice.ENGINE if shard.meta["tiers"][shard.tiers[game]] == "engine" else Voice.HUMAN
            if room[voice] > 0:
                line = shard.line(int(game))
                if seen is not None and opening(line.moves) in seen:
                    continue
                room[voice] -= len(line.moves)
                games[voice][0].append(line)
                games[voice][1].append(int(shard.results[game]))
    return games


def records_of(shard: Shard, split: str | None, most: int = 0) -> list[Record]:
    """Return the games of a split of a shard, or all if that is ``None``; about ``most`` of them if that is not 0.

    Raises ``UserError`` if there are none.
    """
    games = np.arange(len(shard.splits)) if split is None else shard.games(split)
    if not len(games):
        raise UserError(f"no games of the {split} split in {', '.join(shard.meta['files'])}")
    if most:
        games = games[:: max(1, len(games) // most)]
    return [
        Record(
            shard.moves_of(game),
            int(shard.results[game]),
            source=shard.meta["sources"][shard.sources[game]],
            tier=shard.meta["tiers"][shard.tiers[game]],
            fen=shard.meta["starts"].get(str(game)),
        )
        for game in games.tolist()
    ]
