"""The players of many simultaneous games: one player for all its games if it can, else (engines) one for each game."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from lm.players.player import Player, blamed
from lm.players.specs import Spec

OpenPlayer = Callable[[Spec], Player]


class Pool:
    """Opens players as games need them, and keeps free ones for later games.

    A player that can play only one game (`Player.one_game`: an engine) is opened once for each simultaneous game, and
    receives ``new_game`` before each, so that nothing in its memory passes from one game to another. There are at most
    ``processes`` of these, except that the first game always gets its players. With ``alone`` every player is treated
    so.
    """

    def __init__(self, processes: int, open_player: OpenPlayer = Spec.open, alone: bool = False) -> None:
        self._limit, self._open_player, self._alone = processes, open_player, alone
        self._shared: dict[Spec, Player] = {}
        self._free: dict[Spec, list[Player]] = {}
        self._taken: list[Player] = []

    def take(self, specs: Sequence[Spec]) -> list[Player] | None:
        """Return the players of a new game, or ``None`` if there is no room for its engines now.

        Raises ``UserError`` or ``PlayerError`` if a player cannot be opened.
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
        """Take back the players of a game that has ended."""
        for spec, player in zip(specs, players, strict=False):
            if player in self._taken:
                self._taken.remove(player)
                self._free.setdefault(spec, []).append(player)

    def close(self) -> None:
        """Stop and close all players, even while they think."""
        players = [*self._shared.values(), *self._taken, *(player for free in self._free.values() for player in free)]
        for player in self._taken:
            player.stop()
        if players:
            with ThreadPoolExecutor(len(players)) as threads:  # each may be slow to close
                list(threads.map(lambda player: player.close(), players))

    def _is_shared(self, spec: Spec) -> bool:
        if spec not in self._shared and spec not in self._free:
            player = self._open_player(spec)
            if player.one_game or self._alone:
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
        with blamed():
            player.new_game()
        return player

    def _make_room(self) -> None:
        """Close free players until another one can be opened."""
        for free in self._free.values():
            while free and len(self._taken) + sum(map(len, self._free.values())) >= self._limit:
                free.pop().close()
