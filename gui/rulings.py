"""The facts behind an ending as the board tells them: moves in the notation chosen, and no names of squares.

The board has no such names at its edges, and its marks show what they would tell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lm.matches.table import Ending

_SQUARES: Final = re.compile(r" (?:on|from) [a-i]\d(?: and [a-i]\d)*\b")
_MOVE: Final = re.compile(r"(?<=^ply )(\d+)(: \w+ )[a-i]\d[a-i]\d\b")


def told(ending: Ending, texts: Sequence[str]) -> Ending:
    """Return an ending with its facts in the words of the board. ``texts`` are the moves of the game.

    >>> from lm.matches.table import Ending
    >>> facts = ("ply 2: black h9g7 checks from g7", "red newly chases the rook from a0 with every move")
    >>> told(Ending(None, "repetition", facts), ["炮二平五", "馬8進7"]).evidence
    ('ply 2: black 馬8進7 checks', 'red newly chases the rook with every move')
    """
    return replace(ending, evidence=tuple(_told(fact, texts) for fact in ending.evidence))


def _told(fact: str, texts: Sequence[str]) -> str:
    return _MOVE.sub(lambda found: f"{found[1]}{found[2]}{texts[int(found[1]) - 1]}", _SQUARES.sub("", fact))
