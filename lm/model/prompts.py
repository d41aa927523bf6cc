"""What a model may be asked for, and how it says that a game ends: numbers of rows, each with a word.

A *voice* is whose next move is given: a human's or an engine's. A *prompt* tells the model before it reads a game what
kind of game that is: its source (who plays it), the strength of the players, and the aim (how it is to end).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lm import one_of


class Choice(IntEnum):
    """Numbers that users write as words.

    >>> End.OPPONENT_RESIGNS.word, Voice.parse("voice", "engine") is Voice.ENGINE
    ('opponent resigns', True)
    """

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", " ")

    @classmethod
    def parse(cls, option: str, word: str) -> Self:
        """Return the choice that a word names. Raises ``UserError`` with the option's name and the words allowed."""
        words = [choice.word for choice in cls]
        return list(cls)[words.index(one_of(option, word, words))]


class Voice(Choice):
    """Whose moves the model gives."""

    HUMAN = 0
    ENGINE = 1


class Source(Choice):
    """Who plays a game, as a row of the prompt table."""

    NONE = 0
    HUMAN = 1
    ENGINE = 2


class Strength(Choice):
    """How strong the players are, as a row of the prompt table."""

    NONE = 0
    AMATEUR = 3
    JUNIOR = 4
    CLUB = 5
    MASTER = 6


class Aim(Choice):
    """How a game is to end for the side to move, as a row of the prompt table."""

    NONE = 0
    WIN = 7
    DRAW = 8
    LOSS = 9

    @property
    def opponents(self) -> Aim:
        """The same end as the opponent sees it."""
        return {Aim.WIN: Aim.LOSS, Aim.LOSS: Aim.WIN}.get(self, self)


PROMPT_ROWS: Final = 10
"""Rows of the prompt table. Row 0 stands for what is not asked for and adds nothing."""


class End(Choice):
    """Whether a game ends at a ply, and how, seen from the side to move."""

    GOES_ON = 0
    MATED = 1
    RESIGNS = 2
    OPPONENT_RESIGNS = 3
    DRAW_AGREED = 4


class Prompt(NamedTuple):
    """The kind of game that a model is asked for; each part may be left out."""

    source: Source = Source.NONE
    strength: Strength = Strength.NONE
    aim: Aim = Aim.NONE
    """How the game is to end for one of the sides, the asker."""

    def rows(self, asker_moves: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the rows of the prompt table ``(N, 3)`` for plies at which the asker is to move or not ``(N,)``.

        >>> Prompt(Source.HUMAN, aim=Aim.WIN).rows(np.array([True, False])).tolist()
        [[1, 0, 7], [1, 0, 9]]
        """
        aims = np.where(asker_moves, self.aim, self.aim.opponents)
        return np.stack([np.full_like(aims, self.source), np.full_like(aims, self.strength), aims], 1)


NO_PROMPT: Final = Prompt()
"""Nothing is asked for."""
