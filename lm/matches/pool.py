"""The players of many games at once: one of each that can play them all, and of engines a process for each game."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from lm.players.player import Player
from lm.players.specs import Spec

OpenPlayer = Callable[[Spec], Player]


class Pool:
    """Opens players as games need them, and keeps those that are free for the next game.

    A player that can play only one game (`Player.one_game`: an engine) is opened once more for each game that it is in
    at the same time, and told of each new game, so that nothing it remembers passes from one game to another. There are
    never more than ``processes`` of those, but for the first game, which always gets its players.
    """

    def __init__(self, processes: int, open_player: OpenPlayer = Spec.open) -> None:
        self._limit, self._open_player = processes, open_player
        self._shared: dict[Spec, Player] = {}
        self._free: dict[Spec, list[Player]] = {}
        self._taken: list[Player] = []

    def take(self, specs: Sequence[Spec]) -> list[Player] | None:
        """Return the players of a game that begins, or ``None`` if there is no room for its engines now.

        Raises ``UserError`` and ``PlayerError`` as opening a player does.
        """
        engines = sum(not self._is_shared(spec) for spec in specs)
        if self._taken and len(self._taken) + engines > self._limit:
            return None
        players: list[Player] = []
        try:
            for spec in specs:
                players.append(self._shared.get(spec) or self._take_one(spec))
        except BaseException:
            self.give_back(specs, players)
            raise
        return players

    def give_back(self, specs: Sequence[Spec], players: Sequence[Player]) -> None:
        """Take the players of a game back that has ended."""
        for spec, player in zip(specs, players, strict=False):
            if player in self._taken:
                self._taken.remove(player)
                self._free.setdefault(spec, []).append(player)

    def close(self) -> None:
        """Close all players, also those that think."""
        players = [*self._shared.values(), *self._taken, *(player for free in self._free.values() for player in free)]
        if players:
            with ThreadPoolExecutor(len(players)) as threads:  # each may take its time to leave
                list(threads.map(lambda player: player.close(), players))

    def _is_shared(self, spec: Spec) -> bool:
        if spec not in self._shared and spec not in self._free:
            player = self._open_player(spec)
            if player.one_game:
                self._free[spec] = [player]
            else:
                self._shared[spec] = player
        return spec in self._shared

    def _take_one(self, spec: Spec) -> Player:
        free = self._free[spec]
        if not free:
            self._make_room()
        player = free.pop() if free else self._open_player(spec)
        self._taken.append(player)
        player.new_game()
        return player

    def _make_room(self) -> None:
        """Close free players of other kinds, so that another one can be opened."""
        for free in self._free.values():
            while free and len(self._taken) + sum(map(len, self._free.values())) >= self._limit:
                free.pop().close()
