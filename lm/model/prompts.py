"""What a model may be asked for: a voice, a kind of game, and how games end."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm.model.generation import TokenGame
from lm.model.tokenizer import RESULTS

HUMAN: Final = 0


ENGINE: Final = 1


STYLES: Final = ("human", "engine")


PROMPTS: Final = ("none", "human", "engine", "amateur", "junior", "club", "master", "win", "draw", "loss")
"""What a game may be asked to be: who plays it, how strong the players are, and how it ends for the side to move. Each
may be left out (``none``, row 0)."""


ENDS: Final = ("goes on", "mated", "resigns", "opponent resigns", "draw agreed")
"""How a game may end at a ply, seen from the side to move."""


def prompt_rows(game: TokenGame) -> NDArray[np.int64]:
    """Return the rows ``(n + 1, 3)`` of `PROMPTS` at the plies of a game of n moves, the result as the mover sees it.

    >>> from lm.model.tokenizer import move_tokenizer
    >>> prompt_rows(TokenGame.read(move_tokenizer()("[human] [red wins] h2e2")["input_ids"])).tolist()
    [[1, 0, 7], [1, 0, 9]]
    """
    source, strength = (PROMPTS.index(prompt.strip("[]") or "none") for prompt in (game.source, game.strength))
    red = dict(zip(("", *RESULTS), ("none", "win", "draw", "loss"), strict=True))[game.result]
    black = {"win": "loss", "loss": "win"}.get(red, red)
    aims = [PROMPTS.index(aim) for aim in (red, black)]
    return np.array([(source, strength, aims[ply % 2]) for ply in range(game.board.ply + 1)])
