"""Compiles the kernels of a search in two parts of about the same size, for two processes; see `lm.model.ahead`."""

from __future__ import annotations

import numpy as np

from lm.players.search.clock import Budget
from lm.players.search.leaves import Leaves, Workspace
from lm.players.search.params import Params
from lm.players.search.tree_search import TreeSearch
from xiangqi import Board


def compile_tactics() -> None:
    """Compile what looks for mates and prices moves."""
    leaves, space, board = Leaves(), Workspace(1), Board()
    leaves.set_board(board)
    space.batch.cells[0], space.batch.lengths[0] = board.cells, 0
    leaves.find_mates(space, 1, 1, 1)
    leaves.find_root_mate(space, 1, 1)
    leaves.read(space, 1)
    leaves.correct_root(space, 1, 1)
    leaves.correct(space, 1, 1, 1)
    next(leaves.verify(space, space.answers.moves[0, :2], np.zeros(2, np.int64), 1, 1))


def grow_a_tree() -> None:
    """Compile the tree, with a search that knows neither a model nor tactics, in a game that goes on."""
    search = TreeSearch(Leaves(), Params(depth=-1, mate_moves=0))
    for board in (Board.from_moves("h2e2 h9g7"), Board.from_moves("h2e2 h9g7 h0g2")):
        search.set_root(board)
        for _ in search.think(100, Budget()):
            pass
