"""The tokens of a game: the 2086 moves in ICCS, numbered as in ``xiangqi.MOVES``, and special tokens after them.

A game begins with ``[BOS]``, followed by optional prompts, the moves, and an ending if the players or a mate ended the
game. ``[PAD]`` is padding.
"""

from __future__ import annotations

from typing import Final

from lm import UserError
from lm.model.prompts import Aim, Source, Strength
from xiangqi import MOVES

PROMPT_TOKENS: Final[dict[str, Source | Strength | Aim]] = {
    **{f"[{choice.word}]": choice for choice in (*Source, *Strength) if choice},
    "[red wins]": Aim.WIN,
    "[draw]": Aim.DRAW,
    "[black wins]": Aim.LOSS,
}
"""Prompt tokens and their meaning; aims are Red's. A game has at most one of each kind."""
ENDINGS: Final = ("[mate]", "[red resigns]", "[black resigns]", "[draw agreed]")
"""How a game ends. ``[mate]`` means that the side to move has no legal move: checkmate or stalemate."""

SPECIAL: Final = ("[PAD]", "[BOS]", "[UNK]", *PROMPT_TOKENS, *ENDINGS)
"""Special tokens, which follow the moves in the vocabulary."""
VOCABULARY: Final = len(MOVES) + len(SPECIAL)
PAD: Final = len(MOVES)
"""Padding, which also follows a finished game."""
BOS: Final = len(MOVES) + 1
"""Beginning of a sequence, before prompts and moves."""
PROMPTS: Final = len(MOVES) + 3
"""The first prompt token; prompts go on up to the endings."""
MATE: Final = VOCABULARY - len(ENDINGS)
"""The first ending token; endings are the last tokens of the vocabulary."""

CHARS: Final = ("[PAD]", "[BOS]", *"abcdefghi0123456789")
"""The character vocabulary."""
CHAR_PAD: Final = 0
CHAR_BOS: Final = 1


def word(token: int) -> str:
    """Return a token of the move vocabulary as text. Raises ``UserError`` for a number outside the vocabulary.

    >>> word(576), word(BOS)
    ('h2e2', '[BOS]')
    """
    if not 0 <= token < VOCABULARY:
        raise UserError(f"unknown token {token} (tokens: {VOCABULARY})")
    return MOVES[token].iccs if token < len(MOVES) else SPECIAL[token - len(MOVES)]
