"""Held-out games, read from the splits of shards."""

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
"""Number of held-out plies on which the result of a run is evaluated."""

Games = tuple[list[GameMoves], list[int]]
"""Games and their results, numbered as in `lm.dataset.shards`."""


def held_out(shards: Sequence[Shard], split: str, plies: int, seen: SeenGames | None = None) -> dict[Voice, Games]:
    """Return games of a split by voice: about ``plies`` plies of human games and as many of engine games.

    Games in ``seen``, on which the start model of a run was trained, are left out.
    """
    games: dict[Voice, Games] = {Voice.HUMAN: ([], []), Voice.ENGINE: ([], [])}
    for shard in shards:
        room = {voice: plies // len(shards) for voice in games}
        for game in shard.games(split):
            voice = Voice.ENGINE if shard.meta["tiers"][shard.tiers[game]] == "engine" else Voice.HUMAN
            if room[voice] > 0:
                played = shard.game_moves(int(game))
                if seen is not None and opening(played.moves) in seen:
                    continue
                room[voice] -= len(played.moves)
                games[voice][0].append(played)
                games[voice][1].append(int(shard.results[game]))
    return games


def records_of(shard: Shard, split: str | None, most: int = 0) -> list[Record]:
    """Return the games of a split of a shard, or of the whole shard if that is ``None``.

    If ``most`` is not 0, about that many are returned, evenly spaced. Raises ``UserError`` if there are none.
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
