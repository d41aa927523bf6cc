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
from lm.model.folder import Network
from lm.model.groups import CANDIDATE_WIDTH, MAX_CANDIDATES, MAX_INPUTS
from lm.model.network import encode_positions, evaluate, make_answers, make_workspace
from xiangqi import Board
from xiangqi.jit import is_missing
from xiangqi.nnue import NO_NET


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


def compile_kernels(network: Network, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Compile, or load from disk, all that reads positions with a network of this kind.

    ``meanwhile`` is called while another process compiles the features, if one does.
    """
    helper = compile_beside(encode_positions, "from lm.model.ahead import encode_a_position; encode_a_position()")
    if helper is not None:
        meanwhile()
    cache, space = KVCache(network.config, 1), make_workspace(network.config, network.eight_bits)
    none, paths, prompts = np.zeros(0, np.int64), np.zeros((1, 1), np.int64), np.zeros((0, 3), np.int64)
    evaluate(network.weights, cache.keys, cache.values, paths, none, none, 0, prompts, space, make_answers(0))
    if helper is not None:
        helper.wait()
    encode_a_position()


def encode_a_position() -> None:
    """Compile the features."""
    zero = np.zeros(1, np.int64)
    encode_positions(
        Board().cells[None].copy(), zero, zero, np.zeros((1, 1), np.int16), zero, zero, True, NO_NET,
        np.empty((1, MAX_INPUTS), np.int32), np.empty((1, MAX_CANDIDATES, CANDIDATE_WIDTH), np.int32),
        np.empty((2, 1), np.int64), np.empty(1, np.int64),
    )  # fmt: skip
