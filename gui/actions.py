"""The actions of a person at the board, by button or by key."""

from __future__ import annotations

import enum
from typing import Literal

Tone = Literal["quiet", "busy", "alert", "good"]
"""The tone of a status line, which decides its colour."""


class Action(enum.Enum):
    """An action: the label of its button and its key."""

    NEW = "New game", "N"
    UNDO = "Undo", "U"
    RESIGN = "Resign", "R"
    DRAW = "Offer draw", "D"
    LEVEL = "Level", "L"
    SWAP = "Swap sides", "S"
    FLIP = "Flip board", "F"
    SCRIPT = "Script", "T"
    SAVE = "Save PGN", "Ctrl+S"
    COPY = "Copy FEN", "Ctrl+C"
    PASTE = "Paste", "Ctrl+V"
    FIRST = "|←", "Home"
    BACK = "←", "Left"
    FORWARD = "→", "Right"
    LAST = "→|", "End"

    @property
    def label(self) -> str:
        """The text on the button."""
        return self.value[0]

    @property
    def shortcut(self) -> str:
        """The key, prefixed with ``Ctrl+`` if it needs that."""
        return self.value[1]
