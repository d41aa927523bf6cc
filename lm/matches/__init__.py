"""Matches between players, and their statistics."""

from typing import Final

MAX_PLIES: Final = 400
"""Default number of plies after which a game is drawn. Of 46,279 games between people, seven were longer."""
MARGIN: Final = 0.05
"""Default number of seconds by which a player in a match may exceed its time: a pipe and a busy machine cost some."""
