"""Numbers of things in words, for messages."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "game"), counted(2000, "game"), counted(0, "ply"), counted(2, "play")
    ('1 game', '2,000 games', '0 plies', '2 plays')
    """
    if number == 1:
        return f"1 {thing}"
    plural = f"{thing[:-1]}ies" if thing[-1] == "y" and thing[-2] not in "aeou" else f"{thing}s"
    return f"{number:,} {plural}"
