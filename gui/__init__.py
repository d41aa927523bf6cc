"""The desktop board: play xiangqi against a player of ``lm.players.specs`` in a window.

``python -m gui`` and ``xqlm play`` open it. ``session`` and ``controller`` hold the game and the person's actions,
without a window; ``app`` is the window.
"""

import os

# before any module of the board imports pygame:
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_IME_SHOW_UI", "1")  # else an input method on Windows does not show what it proposes


class NoDisplayError(RuntimeError):
    """There is no display to open a window on; the terminal board needs none."""
