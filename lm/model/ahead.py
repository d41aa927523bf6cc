"""Compiles the kernels for play before the first move, on two processors where there are two.

It matters once on a machine: machine code is kept on disk (`xiangqi.jit`). Much of it belongs to the features, and for
a search to tactics, so other processes compile those while this one compiles the network.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lm import processors
from lm.model.cache import KVCache
from lm.model.features import encode_game
from lm.model.folder import Network
from lm.model.groups import CANDIDATE_WIDTH, MAX_CANDIDATES, MAX_INPUTS
from lm.model.network import answer, evaluate_games, make_answers, make_workspace, read
from xiangqi import Board
from xiangqi.alphabeta import quiesce
from xiangqi.jit import is_missing
from xiangqi.mate_search import mate_search
from xiangqi.nnue import NO_NET
from xiangqi.tactics import set_board
from xiangqi.workspace import new_workspace


def compile_beside(kernel: Callable[..., Any], statements: str) -> subprocess.Popen[bytes] | None:
    """Start a process that runs Python ``statements``, if the ``kernel`` that they compile is not on disk yet.

    Returns ``None`` if it is there, or if there is one processor only. If the process fails, what it was to compile is
    compiled where it is first called.
    """
    if processors() < 2 or not is_missing(kernel):
        return None
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-c", statements],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def compile_kernels(network: Network, alone: bool = True) -> None:
    """Compile, or load from disk, all that reads positions with a network of this kind.

    If it is not ``alone``, another process does `look_for_a_mate` meanwhile.
    """
    helper = compile_beside(encode_game, "from lm.model.ahead import encode_a_position; encode_a_position()")
    if helper is not None and alone:
        look_for_a_mate()  # the features need it: the helper finds it on disk when it comes to that
    weights, cache, space = (
        network.weights,
        KVCache(network.config, 1),
        make_workspace(network.config, network.eight_bits),
    )
    none, out = np.zeros(0, np.int64), make_answers(0)
    paths = np.zeros((1, 1), np.int64)
    read(weights, cache.keys, cache.values, 0, none, none, paths, space)
    answer(weights, 0, 0, space, out)
    if helper is not None:
        helper.wait()
    start, moves = np.zeros(1, np.int64), np.zeros((1, 1), np.int16)
    cells, prompts = np.zeros((1, 90), np.uint8), np.zeros((0, 3), np.int64)
    evaluate_games(
        weights, cache.keys, cache.values, cells, start, start, moves, paths, none, none, 0, prompts, space, out
    )


def look_for_a_mate() -> None:
    """Compile the searches for mates and for captures that pay."""
    space = new_workspace()
    set_board(space, Board())
    quiesce(space, NO_NET, -1, 1)
    mate_search(space, np.zeros(1, np.int64), 1, 1)


def encode_a_position() -> None:
    """Compile the features."""
    inputs, ends = np.empty(MAX_INPUTS, np.int32), np.empty((2, 1), np.int64)
    candidates = np.empty((MAX_CANDIDATES, CANDIDATE_WIDTH), np.int32)
    encode_game(Board().cells.copy(), 0, 0, np.empty(0, np.int16), 0, inputs, ends[0], candidates, ends[1], True)
