"""``xqlm play``, which pyproject.toml adds to the commands of ``xqlm``."""

from __future__ import annotations

from lm.cli.console import say
from lm.cli.options import FenOption, PlayerOption, SideOption
from lm.cli.play import terminal


def play(player: PlayerOption = "lm", side: SideOption = "red", fen: FenOption = None) -> None:
    """Open the board and play; where there is no display, play in the terminal."""
    from gui import NoDisplayError, app

    try:
        app.main(player, side, fen)
    except NoDisplayError as error:
        say(f"{error}; playing in the terminal")
        terminal(player, side, fen)
