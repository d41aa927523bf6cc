"""A model small enough for tests, whose every part does something, and games for it."""

from __future__ import annotations

import random

import torch

from lm.model.config import XiangqiConfig
from lm.model.model import XiangqiLM
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
