"""``xqlm terminal`` and ``engine``."""

from __future__ import annotations

from typing import Annotated

import typer

from lm.cli.options import FenOption, PlayerOption, SideOption


def terminal(
    player: PlayerOption = "lm",
    side: SideOption = "red",
    fen: FenOption = None,
    letters: Annotated[
        bool, typer.Option("--letters", help="Letters for pieces instead of Chinese characters.")
    ] = False,
) -> None:
    """Play in the terminal by typing moves."""
    from lm.terminal import main

    main(player, side, fen, letters)


def engine(
    player: Annotated[
        str | None,
        typer.Option("--player", metavar="SPEC", show_default=False, help="Who plays instead of the option Level."),
    ] = None,
) -> None:
    """Play for a board that speaks UCI or UCCI, on standard input and output."""
    from lm.uci.program import main

    main(player)
