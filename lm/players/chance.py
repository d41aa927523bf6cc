"""Random generators of players that play many games at once."""

from __future__ import annotations

import numpy as np

from xiangqi import Board


class Chances:
    """One generator for each game that was begun (`Player.begin_game`), and one for all other boards.

    That of a game depends on the player's ``seed`` and the game's number alone, so that the game is the same whatever
    else the player plays, before or beside it. Without a seed it is another one each time.

    >>> boards, chances = [Board(), Board()], [Chances(seed=5), Chances(seed=5)]
    >>> chances[0].begin(boards[0], 7)
    >>> chances[1].begin(boards[1], 6)
    >>> chances[1].begin(boards[0], 7)
    >>> len({int(those.of(boards[0]).integers(1000)) for those in chances})
    1
    """

    def __init__(self, seed: int | None = None) -> None:
        self._seed = np.random.SeedSequence().generate_state(4).tolist() if seed is None else [seed]
        self._others = np.random.default_rng(seed)
        self._games: dict[int, tuple[Board, np.random.Generator]] = {}  # with the board, so that no other has its id

    def begin(self, board: Board, number: int) -> None:
        """Give a game a generator of its own; ``board`` is the object that all its positions are asked about with."""
        self._games[id(board)] = board, np.random.default_rng([*self._seed, number])

    def end(self, board: Board) -> None:
        """Drop the generator of a game."""
        self._games.pop(id(board), None)

    def of(self, board: Board) -> np.random.Generator:
        """Return the generator of a board's game."""
        known = self._games.get(id(board))
        return self._others if known is None else known[1]
