"""Voices, prompts and endings: enums whose numbers are table rows or classes, and whose words users write.

A *voice* selects whose next move the model predicts: a human's or an engine's. A *prompt* describes the game that is
asked for: its source (who plays), the strength of the players, and the aim (how it ends).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lm import one_of


class Choice(IntEnum):
    """An enum whose members users write as words.

    >>> End.OPPONENT_RESIGNS.word, Voice.parse("voice", "engine") is Voice.ENGINE
    ('opponent resigns', True)
    """

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", " ")

    @classmethod
    def parse(cls, option: str, word: str) -> Self:
        """Return the member that a word names. Raises ``UserError`` with the option's name and the words allowed."""
        words = [choice.word for choice in cls]
        return list(cls)[words.index(one_of(option, word, words))]


class Voice(Choice):
    """Whose moves the model predicts."""

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
    """How the game ends for the side to move, as a row of the prompt table."""

    NONE = 0
    WIN = 7
    DRAW = 8
    LOSS = 9

    @property
    def opponents(self) -> Aim:
        """The same aim from the opponent's side."""
        return {Aim.WIN: Aim.LOSS, Aim.LOSS: Aim.WIN}.get(self, self)


PROMPT_ROWS: Final = 10
"""Rows of the prompt table. Row 0 is for a part that is left out; it is always zero."""


class End(Choice):
    """Whether and how a game ends at a ply, from the view of the side to move."""

    GOES_ON = 0
    MATED = 1
    RESIGNS = 2
    OPPONENT_RESIGNS = 3
    DRAW_AGREED = 4


class Prompt(NamedTuple):
    """The kind of game that is asked for; each part may be left out."""

    source: Source = Source.NONE
    strength: Strength = Strength.NONE
    aim: Aim = Aim.NONE
    """How the game ends for one of the sides, the asker."""

    def rows(self, asker_moves: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the rows of the prompt table ``(N, 3)`` for N plies; ``asker_moves`` ``(N,)`` is true at the asker's.

        >>> Prompt(Source.HUMAN, aim=Aim.WIN).rows(np.array([True, False])).tolist()
        [[1, 0, 7], [1, 0, 9]]
        """
        aims = np.where(asker_moves, self.aim, self.aim.opponents)
        return np.stack([np.full_like(aims, self.source), np.full_like(aims, self.strength), aims], 1)


NO_PROMPT: Final = Prompt()
"""The prompt with all parts left out."""
