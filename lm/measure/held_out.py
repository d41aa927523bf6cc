"""Games that a model was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lm.dataset.records import opening
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
