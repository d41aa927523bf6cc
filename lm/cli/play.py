"""``xqlm play`` and ``terminal``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from lm.cli.console import say
from lm.cli.options import (
    FenOption,
    PlayerOption,
    SideOption,
)

if TYPE_CHECKING:
    pass


def play(player: PlayerOption = "lm", side: SideOption = "red", fen: FenOption = None) -> None:
    """Open the board and play; where there is no display, play in the terminal."""
    window = import_module("gui.app")  # by name: the board stands on this package, not the other way round
    try:
        window.main(player, side, fen)
    except window.NoDisplayError as error:
        say(f"{error}; playing in the terminal")
        terminal(player, side, fen)


def terminal(
    player: PlayerOption = "lm",
    side: SideOption = "red",
    fen: FenOption = None,
    letters: Annotated[
        bool, typer.Option("--letters", help="Letters for pieces instead of Chinese characters.")
    ] = False,
) -> None:
    """Play in the terminal by typing moves."""
    from lm.terminal import main as play_in_terminal

    play_in_terminal(player, side, fen, letters)
