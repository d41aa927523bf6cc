"""``xqlm terminal`` and ``engine``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lm.cli.options import FenOption, PlayerOption, SideOption


def terminal(
    file: Annotated[
        Path | None, typer.Argument(help="A record to open.", exists=True, dir_okay=False, show_default=False)
    ] = None,
    player: PlayerOption = "lm",
    side: SideOption = "red",
    fen: FenOption = None,
    letters: Annotated[
        bool | None,
        typer.Option("--letters/--characters", show_default=False, help="How pieces are shown; else by the locale."),
    ] = None,
) -> None:
    """Play in the terminal by typing moves."""
    from lm.terminal.program import main

    main(player, side, fen, letters, file)


def engine(
    player: Annotated[
        str | None,
        typer.Option("--player", metavar="SPEC", show_default=False, help="Who plays instead of the option Level."),
    ] = None,
) -> None:
    """Play for a board that speaks UCI or UCCI, on standard input and output."""
    from lm.uci.program import main

    main(player)
