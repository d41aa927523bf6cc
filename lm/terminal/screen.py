"""Where the terminal's board appears: on a screen that is redrawn, or on a scroll of lines, as through a pipe."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

CLEAR: Final = "\x1b[2J\x1b[H"
"""Clears the screen and moves the cursor to the upper left corner."""
KEEP: Final = "\x1b7"
"""Keeps where the cursor is, for `RETURN`."""
RETURN: Final = "\x1b8"
CLEAR_REST: Final = "\x1b[K"
"""Clears the rest of a line."""
GAP: Final = 2
"""Columns between the board and the text beside it."""
NARROWEST: Final = 36
"""Columns that the text beside the board needs."""
BELOW: Final = 2
"""Lines below the board: an empty one, and that of the prompt."""


@dataclass(frozen=True)
class View:
    """A position and what stands beside it."""

    board: str
    """The board as text, with colours or without."""
    title: tuple[str, ...] = ()
    """Who plays, a line each."""
    moves: tuple[str, ...] = ()
    """The moves of the game, a line for each two."""
    at: int = 0
    """The line of ``moves`` that should be in sight."""


class Output:
    """Shows boards, tells what happens and asks for lines, one after another."""

    def __init__(self, ask: Callable[[str], str], write: Callable[[str], None]) -> None:
        self._ask, self._write = ask, write

    @property
    def live(self) -> bool:
        """Whether what is shown is redrawn, also while a line is awaited."""
        return False

    def show(self, view: View) -> None:
        """Show a position."""
        self._write(f"{view.board}\n")

    def tell(self, text: str) -> None:
        """Say something, in one or more lines."""
        self._write(f"{text}\n")

    def ask(self, prompt: str) -> str:
        """Return a line of input. Raises ``EOFError`` at its end, and ``KeyboardInterrupt``."""
        return self._ask(prompt)

    def wait(self, text: str) -> None:
        """Show what is waited for, if it is redrawn."""
        return

    def update(self, text: str) -> None:
        """Show a text that changes, below what was told, while a line is awaited; does nothing unless ``live``."""
        return

    def leave(self) -> None:
        """Show what was told last, before the end."""
        return


class Screen(Output):
    """The board on the left, players, moves and messages to its right, and the prompt below.

    ``size`` returns the columns and rows of the terminal. Where they are too few, the board is drawn above the
    messages, and nothing is live.
    """

    def __init__(
        self, ask: Callable[[str], str], write: Callable[[str], None], size: Callable[[], tuple[int, int]]
    ) -> None:
        super().__init__(ask, write)
        self._size = size
        self._view = View("")
        self._told: list[str] = []
        self._panel: list[str] = []  # the rows beside the board as they were drawn last; none if there are none

    def show(self, view: View) -> None:
        self._view = view

    def tell(self, text: str) -> None:
        self._told.append(text)

    @property
    def live(self) -> bool:
        return self._beside() >= NARROWEST

    def ask(self, prompt: str) -> str:
        self._draw()
        try:
            return self._ask(prompt)
        finally:
            self._told.clear()

    def wait(self, text: str) -> None:
        self._draw()
        self._write(text)

    def leave(self) -> None:
        self._write("\n" + "".join(f"{text}\n" for text in self._told))
        self._told.clear()

    def _beside(self) -> int:
        """Return the columns beside the board, or 0 if there are too few rows for it."""
        board = self._view.board.splitlines()
        columns, rows = self._size()
        return columns - _width(board) - GAP - 1 if rows >= len(board) + BELOW else 0

    def _draw(self) -> None:
        board, told, width = self._view.board.splitlines(), "\n".join(self._told), self._beside()
        self._panel = []
        if width < NARROWEST:
            lines = [*board, *self._told]
        elif len(lines := wrapped(told, width)) <= len(board):
            self._panel = self._beside_the_board(lines, width)
            column = _width(board) + GAP
            lines = [
                f"{line}{' ' * (column - _bare_length(line))}{text}"
                for line, text in zip(board, self._panel, strict=True)
            ] + [""]
        else:  # a long text gets the whole screen
            lines = [*wrapped(told, self._size()[0] - 1), ""]
        self._write(CLEAR + "".join(f"{line}\n" for line in lines))

    def update(self, text: str) -> None:
        if not self._panel or not self.live:
            return
        width, column = self._beside(), _width(self._view.board.splitlines()) + GAP + 1
        lines = wrapped("\n".join([*self._told, text]), width)[: len(self._panel)]
        old, self._panel = self._panel, self._beside_the_board(lines, width)
        news = [
            f"\x1b[{row};{column}H{line}{CLEAR_REST}"
            for row, (line, before) in enumerate(zip(self._panel, old, strict=True), 1)
            if line != before
        ]
        self._write(f"{KEEP}{''.join(news)}{RETURN}")

    def _beside_the_board(self, told: list[str], width: int) -> list[str]:
        """Return the rows beside the board: the title, as many moves as there is room for, and what was told."""
        height, title = len(self._view.board.splitlines()), [_cut(line, width) for line in self._view.title]
        room = height - len(told) - 1 if told else height
        panel = title if room >= len(title) else []
        moves = room - len(panel) - 1
        if moves > 0 and self._view.moves:
            first = max(0, min(self._view.at - moves // 2, len(self._view.moves) - moves))
            panel = [*panel, "", *(_cut(line, width) for line in self._view.moves[first : first + moves])]
        return [*panel, *[""] * (height - len(panel) - len(told)), *told]


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of so many columns; a Chinese character takes two.

    >>> wrapped("Black plays 马8进7", 14)
    ['Black plays', '马8进7']
    """
    console = Console(file=StringIO(), width=width)
    return [part.plain.rstrip() for line in text.splitlines() for part in Text(line).wrap(console, width) or [Text()]]


def _cut(line: str, width: int) -> str:
    text = Text(line)
    text.truncate(width)
    return text.plain


def _bare_length(line: str) -> int:
    """Return how many columns a line takes, without its colours."""
    return cell_len(re.sub(r"\x1b\[[\d;]*m", "", line))


def _width(lines: list[str]) -> int:
    return max(map(_bare_length, lines), default=0)
