"""Sounds of the pieces, made from damped vibrations: a move, a capture, a check, the end of a game.

The sound device is opened at the first sound, in a thread; without one the board is silent.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pygame
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gui.session import Session

RATE: Final = 44_100
"""Samples a second."""
Name = Literal["move", "capture", "check", "end"]
NAMES: Final[tuple[Name, ...]] = ("move", "capture", "check", "end")

_Partial = tuple[float, float, float]
"""A vibration: hertz, strength, and the seconds in which it falls to a third."""
_WOOD: Final[tuple[_Partial, ...]] = ((310, 0.8, 0.030), (742, 1.0, 0.020), (1310, 0.6, 0.011), (2290, 0.3, 0.006))
_BELL: Final[tuple[_Partial, ...]] = ((784, 0.5, 0.22), (1177, 0.3, 0.16), (2110, 0.12, 0.07))
_GONG: Final[tuple[_Partial, ...]] = (
    (131, 0.9, 0.9),
    (197, 0.6, 0.7),
    (311, 0.45, 0.5),
    (466, 0.25, 0.3),
    (701, 0.1, 0.2),
)


def samples(name: Name) -> NDArray[np.int16]:
    """Return a sound, one channel at `RATE`."""
    sound = _sound(name)
    peak = 0.55 if name == "move" else 0.85  # a move is heard often
    return (sound / np.abs(sound).max() * peak * np.iinfo(np.int16).max).astype(np.int16)


def _sound(name: Name) -> NDArray[np.float64]:
    match name:
        case "move":
            return _struck(_WOOD, 0.16, knock=0.5)
        case "capture":
            return _mixed((0.0, _struck(_pitched(_WOOD, 0.8), 0.2, knock=0.9)), (0.06, 0.7 * _sound("move")))
        case "check":
            return _mixed((0.0, _sound("move")), (0.03, 1.5 * _struck(_BELL, 0.9)))
        case "end":
            return _struck(_GONG, 2.4, knock=0.2)


def _struck(partials: tuple[_Partial, ...], seconds: float, knock: float = 0.0) -> NDArray[np.float64]:
    """Return what something sounds like that is struck; ``knock`` is the noise of the blow itself."""
    t = np.arange(round(seconds * RATE)) / RATE
    sound = sum(strength * np.sin(2 * np.pi * hertz * t) * np.exp(-t / decay) for hertz, strength, decay in partials)
    blow = np.random.default_rng(5).standard_normal(len(t)) * np.exp(-t / 0.0025)
    fade = np.clip((seconds - t) / (0.2 * seconds), 0, 1)  # which ends in silence
    return np.asarray((sound + knock * blow) * fade)


def _pitched(partials: tuple[_Partial, ...], factor: float) -> tuple[_Partial, ...]:
    return tuple((hertz * factor, strength, decay) for hertz, strength, decay in partials)


def _mixed(*parts: tuple[float, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return sounds together, each from its second on."""
    starts = [round(second * RATE) for second, _ in parts]
    sound = np.zeros(max(start + len(part) for start, (_, part) in zip(starts, parts, strict=True)))
    for start, (_, part) in zip(starts, parts, strict=True):
        sound[start : start + len(part)] += part
    return sound


class Sounds:
    """Plays a sound for each move that is shown, and for the end of the game."""

    def __init__(self) -> None:
        self.volume = 0.6
        """0 to 1; nothing is played at 0."""
        self.device = True
        """Whether there is a sound device, as far as is known."""
        self._ready: dict[Name, pygame.mixer.Sound] = {}
        self._opening: threading.Thread | None = None
        self._shown: tuple[object, ...] = ()
        self._pieces = 0
        self._over = False

    def follow(self, session: Session) -> None:
        """Play what belongs to a change of the position shown. Call it whenever that may have changed."""
        shown = session.number, session.node
        pieces, over = int(np.count_nonzero(session.shown.cells)), session.live and session.ending is not None
        if shown == self._shown and over == self._over:
            return
        before, self._shown = self._shown, shown
        fewer, self._pieces = pieces < self._pieces, pieces
        ends, self._over = over and not self._over, over
        if not before:
            return
        if ends:
            self.play("end")
        elif (session.number, session.node.parent) == before:
            self.play("check" if session.checked_king is not None else "capture" if fewer else "move")

    def play(self, name: Name) -> None:
        """Play a sound, at once or as soon as the device is open."""
        if self.volume <= 0 or not self.device:
            return
        if name in self._ready:
            self._ready[name].set_volume(self.volume**2)  # loudness as it is heard
            self._ready[name].play()
        elif self._opening is None:
            self._opening = threading.Thread(target=self._open, args=(name,), name="sounds", daemon=True)
            self._opening.start()

    def _open(self, first: Name) -> None:
        try:
            with _no_messages():
                pygame.mixer.init(RATE, -16, 1, 512, allowedchanges=0)
            self._ready = {name: pygame.mixer.Sound(buffer=samples(name).tobytes()) for name in NAMES}
        except pygame.error:
            self.device = False
            return
        self.play(first)

    def close(self) -> None:
        """Close the device. Where opening it takes long, it is left to the end of the process."""
        if self._opening is not None:
            self._opening.join(2)
            if not self._opening.is_alive():
                pygame.mixer.quit()


@contextlib.contextmanager
def _no_messages() -> Iterator[None]:
    """Keep the system's sound library from writing to the terminal where there is no device."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no terminal
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
