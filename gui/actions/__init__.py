"""The actions of a person at the board, by button, by key or from the menu."""

from __future__ import annotations

import enum
from typing import Literal

from gui.strings import has, say

Tone = Literal["quiet", "busy", "alert", "good"]
"""The tone of a status line, which decides its colour."""
Group = Literal["game", "analysis", "study", "library", "steps", "tree", "board", "files"]
"""Where an action stands in the menu."""


class Action(enum.Enum):
    """An action: the key of its text in `gui.strings`, its key on the keyboard, and its group in the menu."""

    NEW = "new", "N", "game"
    UNDO = "undo", "U", "game"
    REDO = "redo", "Shift+U", "game"
    HINT = "hint", "Q", "game"
    ADD_ENGINE = "add_engine", "Ctrl+E", "game"
    MOVE_NOW = "move_now", "M", "game"
    PAUSE = "pause", "Ctrl+Space", "game"
    DRAW = "draw", "D", "game"
    RESIGN = "resign", "R", "game"
    LEVEL = "level", "L", "game"
    LET_STAND = "let_stand", "Enter", "game"
    SWAP = "swap", "S", "game"
    BOTH = "both", "B", "game"

    ANALYSE = "analyse", "Space", "analysis"
    MORE_LINES = "more_lines", "+", "analysis"
    FEWER_LINES = "fewer_lines", "-", "analysis"
    THREATS = "threats", "X", "analysis"
    BEST_ARROWS = "best_arrows", "A", "analysis"
    PEOPLE_ARROWS = "people_arrows", "H", "analysis"

    MIND = "mind", "I", "study"
    NEXT_MOVE = "next_move", "O", "study"
    GLOW = "glow", "Y", "study"
    REVIEW = "review", "V", "study"
    NEXT_MISTAKE = "next_mistake", "J", "study"
    PREVIOUS_MISTAKE = "previous_mistake", "Shift+J", "study"
    RETRY = "retry", "K", "study"
    SAVE_REVIEW = "save_review", "Shift+V", "study"
    TEACH = "teach", "Z", "study"

    LIBRARY = "library", "F3", "library"
    SIMILAR = "similar", "Shift+F3", "library"
    SEARCH_LIBRARY = "search_library", "Ctrl+F", "library"
    IMPORT = "import", "Ctrl+I", "library"
    PUZZLES = "puzzles", "F5", "library"

    FIRST = "first", "Home", "steps"
    BACK = "back", "Left", "steps"
    FORWARD = "forward", "Right", "steps"
    LAST = "last", "End", "steps"
    UPPER_BRANCH = "upper_branch", "Up", "steps"
    LOWER_BRANCH = "lower_branch", "Down", "steps"
    TO_GAME = "to_game", "G", "steps"
    PLAY_FROM_HERE = "play_from_here", "P", "steps"

    COMMENT = "comment", "C", "tree"
    GOOD = "good", "1", "tree"
    MISTAKE = "mistake", "2", "tree"
    BRILLIANT = "brilliant", "3", "tree"
    BLUNDER = "blunder", "4", "tree"
    INTERESTING = "interesting", "5", "tree"
    DUBIOUS = "dubious", "6", "tree"
    ERASE = "erase", "0", "tree"
    PROMOTE = "promote", "Ctrl+Up", "tree"
    DEMOTE = "demote", "Ctrl+Down", "tree"
    PROMOTE_TO_MAIN = "promote_to_main", "Ctrl+Home", "tree"
    DELETE = "delete", "Delete", "tree"

    FLIP = "flip", "F", "board"
    EDIT = "edit", "E", "board"
    NOTATION = "notation", "W", "board"
    SCRIPT = "script", "T", "board"
    LETTERS = "letters", "Shift+T", "board"
    NEXT_VIEW = "next_view", "Tab", "board"
    SETTINGS = "settings", "Ctrl+,", "board"
    FULL_SCREEN = "full_screen", "F11", "board"
    MENU = "menu", "F10", "board"
    HELP = "help", "F1", "board"

    OPEN = "open", "Ctrl+O", "files"
    SAVE = "save", "Ctrl+S", "files"
    SAVE_AS = "save_as", "Ctrl+Shift+S", "files"
    GAMES = "games", "Ctrl+G", "files"
    PREVIOUS_GAME = "previous_game", "PageUp", "files"
    NEXT_GAME = "next_game", "PageDown", "files"
    COPY = "copy", "Ctrl+C", "files"
    COPY_AS = "copy_as", "Ctrl+Shift+C", "files"
    PASTE = "paste", "Ctrl+V", "files"
    PICTURE = "picture", "Ctrl+P", "files"
    COPY_PICTURE = "copy_picture", "Ctrl+Shift+P", "files"
    MEND = "mend", "Ctrl+R", "files"
    QUIT = "quit", "Ctrl+Q", "files"

    @property
    def label(self) -> str:
        """The text on the button."""
        return say(self.value[0])

    @property
    def title(self) -> str:
        """The text in the menu, where a button has only a sign."""
        long = f"{self.value[0]}.long"
        return say(long) if has(long) else self.label

    @property
    def first_key(self) -> str:
        """The key that it has unless the person chose another one."""
        return self.value[1]

    @property
    def shortcut(self) -> str:
        """The key, after ``Ctrl+`` or ``Shift+`` if it needs these."""
        return chosen_keys.get(self, self.first_key)

    @property
    def group(self) -> Group:
        """The group of the menu."""
        return self.value[2]


chosen_keys: dict[Action, str] = {}
"""The keys that the person chose in place of the first ones; `gui.keys.Keys` changes them."""
MARKS = {
    Action.GOOD: 1,
    Action.MISTAKE: 2,
    Action.BRILLIANT: 3,
    Action.BLUNDER: 4,
    Action.INTERESTING: 5,
    Action.DUBIOUS: 6,
}
"""The numeric annotation glyph (NAG) that an action sets or removes."""
SIGNS = {1: "!", 2: "?", 3: "!!", 4: "??", 5: "!?", 6: "?!"}
"""How these glyphs are written after a move."""
