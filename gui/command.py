"""``xqlm play``, added to the commands of ``xqlm`` by an entry point in pyproject.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lm.cli.console import say
from lm.cli.options import FenOption, PlayerOption, Side
from lm.cli.play import terminal


def play(
    file: Annotated[
        Path | None, typer.Argument(help="A file of games to open.", exists=True, dir_okay=False, show_default=False)
    ] = None,
    player: PlayerOption = "lm",
    side: Annotated[Side | None, typer.Option(help="What you play.", show_default="red")] = None,
    fen: FenOption = None,
) -> None:
    """Open the board and play; without a display, play in the terminal.

    The game in play when the board was last closed is resumed, unless --side or --fen is given.
    """
    from gui import NoDisplayError, start

    try:
        start.main(player, side, fen, file=file)
    except NoDisplayError as error:
        say(f"{error}; playing in the terminal")
        terminal(file, player, side or "red", fen)
