"""``python -m gui``: open the board."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gui import NoDisplayError


def main() -> int:
    """Read the command line and open the window; a user's mistake gets a one-line message and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m gui", description="Play xiangqi in a window.")
    parser.add_argument("file", type=Path, nargs="?", help="a file of games to open")
    parser.add_argument("--player", default="lm", metavar="SPEC", help="the opponent, as lm:temperature=0.5 or random")
    parser.add_argument("--side", choices=("red", "black", "both", "none"), help="what you play (default: red)")
    parser.add_argument("--fen", help="position to start from")
    parser.add_argument("--games-dir", type=Path, help="where games are saved (default: ~/xiangqi)")
    options = parser.parse_args()
    from gui.start import main as play

    try:
        return play(options.player, options.side, options.fen, options.games_dir, options.file)
    except (NoDisplayError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
