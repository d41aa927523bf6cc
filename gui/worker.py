"""The thread that the player lives in: it loads the player and asks it for moves, so that the window never waits."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from xiangqi import Board

if TYPE_CHECKING:
    from lm.players.player import Choice, Player

CLOSING_TIME = 5.0
"""Seconds that ``close`` waits for a player that is thinking."""


@dataclass(frozen=True)
class Request:
    """Have the player of ``spec`` ready, and if ``board`` is given let it choose a move there."""

    spec: str
    generation: int
    board: Board | None = None


@dataclass(frozen=True)
class Loaded:
    """The player of ``spec`` is ready."""

    spec: str
    name: str


@dataclass(frozen=True)
class Chosen:
    """The player's answer to the request of this generation."""

    generation: int
    choice: Choice


@dataclass(frozen=True)
class Failed:
    """The player could not be loaded, or failed while it thought; ``message`` is one line."""

    generation: int
    message: str


Report = Loaded | Chosen | Failed


def load_player(spec: str) -> Player:
    """Load a player; imports the model's libraries, so it is called in the worker's thread only."""
    from lm.players.specs import load_player

    return load_player(spec)


class Worker:
    """Runs one player in a thread of its own.

    ``notify`` is called in that thread whenever a report is ready for ``poll``. Of several requests that wait only the
    latest is served; an answer carries the generation of its request, by which the caller tells a stale one.
    """

    def __init__(self, load: Callable[[str], Player] = load_player, notify: Callable[[], None] = lambda: None) -> None:
        self._load, self._notify = load, notify
        self._requests: SimpleQueue[Request | None] = SimpleQueue()
        self._reports: SimpleQueue[Report] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="player", daemon=True)
        self._thread.start()

    def ask(self, request: Request) -> None:
        """Queue a request. Its board must not be changed afterwards: give a copy."""
        self._requests.put(request)

    def poll(self) -> Report | None:
        """Return the next report, or ``None`` at once if there is none."""
        try:
            return self._reports.get_nowait()
        except Empty:
            return None

    def close(self) -> None:
        """Close the player and end the thread; a player that thinks on for too long is left behind."""
        self._requests.put(None)
        self._thread.join(CLOSING_TIME)

    def _latest(self) -> Request | None:
        request = self._requests.get()
        while request is not None and not self._requests.empty():
            request = self._requests.get()
        return request

    def _run(self) -> None:
        player: Player | None = None
        loaded = ""
        while (request := self._latest()) is not None:
            try:
                if player is None or request.spec != loaded:
                    if player is not None:
                        player.close()
                        player = None
                    player, loaded = self._load(request.spec), request.spec
                    self._report(Loaded(request.spec, player.name))
                if request.board is not None:
                    (choice,) = player.choose([request.board])
                    self._report(Chosen(request.generation, choice))
            except Exception as error:  # whatever goes wrong in a player is told on the board, and the window lives on
                self._report(Failed(request.generation, describe(error)))
        if player is not None:
            with contextlib.suppress(Exception):  # nobody is left to be told
                player.close()

    def _report(self, report: Report) -> None:
        self._reports.put(report)
        self._notify()


def describe(error: BaseException) -> str:
    """Say an error in one line.

    >>> describe(FileNotFoundError(2, "No such file or directory", "model/config.json"))
    "No such file or directory: 'model/config.json'"
    >>> describe(KeyError("depth"))
    "KeyError: 'depth'"
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename!r}" if error.filename else "")
    text = " ".join(str(error).split())
    if isinstance(error, (ValueError, RuntimeError, ImportError, OSError)) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
