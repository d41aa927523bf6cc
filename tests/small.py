"""A model small enough for tests, whose every part does something, and games for it."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import torch

from lm.model.cache import Entries
from lm.model.encoding import Encoder, GameMoves
from lm.model.model import PolicyOutput, XiangqiLM
from lm.model.pretrained_config import XiangqiConfig
from lm.model.tensor_cache import TensorCache
from xiangqi import Board


def small_model(seed: int = 0, **changes: object) -> XiangqiLM:
    torch.manual_seed(seed)
    settings = {"n_layer": 2, "n_head": 2, "n_embd": 32, "n_query": 16, "n_context": 160} | changes
    model = XiangqiLM(XiangqiConfig(**settings)).eval()  # type: ignore[arg-type]
    for parameter in model.parameters():
        if not parameter.abs().sum():  # what training would fill
            torch.nn.init.normal_(parameter, std=0.1)
    model.prompts.weight.data[0] = 0.0  # what is not asked for says nothing
    model.end_head.bias.data[0] = 9.0  # games mostly go on
    return model


def random_game(seed: int, plies: int) -> Board:
    chance, board = random.Random(seed), Board()
    while board.ply < plies and (moves := board.legal_moves):
        board.push(chance.choice(moves))
    return board


class Reader:
    """Reads games on from ply to ply, each with a path through the cache."""

    def __init__(self, model: XiangqiLM) -> None:
        self.model, self.cache = model, TensorCache(model.config, entries=8)
        self.paths: dict[int, Entries] = {}

    def read_on(self, games: list[GameMoves], names: list[int], plies: list[int]) -> PolicyOutput:
        """Read the named games as far as they have so many moves, and score the last ply of each."""
        parts = []
        for game, name, end in zip(games, names, plies, strict=True):
            path = self.paths.get(name, np.zeros(0, np.int64))
            parts.append(replace(game, moves=game.moves[:end], first=len(path)))
            self.paths[name] = np.append(path, self.cache.take(end + 1 - len(path)))
        features = Encoder(self.model.config.input_groups, self.model.config.candidate_groups)(parts)
        rows = torch.from_numpy(features.lengths).cumsum(0) - 1
        paths = [self.paths[name] for name in names]
        with torch.inference_mode():
            out = self.model(**features.tensors(), rows=rows, cache=self.cache, paths=paths)
        out.wdl_logits = out.wdl_logits[rows]
        assert isinstance(out, PolicyOutput)
        return out
