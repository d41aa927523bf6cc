"""The desktop board: play xiangqi against a player of ``lm.players.specs`` in a window.

``python -m gui`` opens it, and so does ``xqlm play``. What a person can do lives in ``session`` and ``controller``,
which know no window; ``app`` is the window around them.
"""


class NoDisplayError(RuntimeError):
    """There is no display to open a window on; the terminal board is the way to play."""
