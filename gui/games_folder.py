"""The folder of games: those that a person saves, and the game in play, which is resumed at the next start."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path

from filelock import FileLock, Timeout

from xiangqi import formats
from xiangqi.formats import FormatError
from xiangqi.game import Game


class GamesFolder:
    """PGN files of one game each. Boards that are open at the same time keep their games in different files.

    The folder is made when the first game is written. All methods raise ``OSError`` if reading or writing fails.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: FileLock | None = None
        self._current: Path | None = None

    def save(self, game: Game) -> Path:
        """Write a game to a file named by date and time, and return its path."""
        path = self._dated()
        path.parent.mkdir(parents=True, exist_ok=True)
        formats.save(game, path)
        return path

    def keep(self, game: Game) -> None:
        """Write the game in play over the game kept before."""
        self.path.mkdir(parents=True, exist_ok=True)
        formats.save(game, self._own_file())

    def drop(self) -> None:
        """Delete the kept game."""
        if self.path.is_dir():
            self._own_file().unlink(missing_ok=True)

    def kept(self) -> Game | None:
        """Return the game that was in play when a board was last closed. Raises ``FormatError`` if it is damaged."""
        if not self.path.is_dir() or not self._own_file().exists():
            return None

        def fail(error: FormatError) -> None:
            raise error

        return next(formats.load(self._own_file(), fail), None)

    def set_aside(self) -> None:
        """Move the kept game to the saved games."""
        if self.path.is_dir() and self._own_file().exists():
            self._own_file().rename(self._dated())

    def close(self) -> None:
        """Release the kept game to the next board that is opened."""
        if self._lock is not None:
            self._lock.release()
            self._lock = self._current = None

    def _dated(self) -> Path:
        stamp = datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
        numbers = itertools.chain([""], (f"-{n}" for n in itertools.count(2)))
        return next(path for n in numbers if not (path := self.path / f"{stamp}{n}.pgn").exists())

    def _own_file(self) -> Path:
        """Return the first file for a game in play that no other board uses."""
        for n in itertools.count(1):
            if self._current is not None:
                break
            name = "current" if n == 1 else f"current-{n}"
            lock = FileLock(self.path / f".{name}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            self._lock, self._current = lock, self.path / f"{name}.pgn"
        assert self._current is not None
        return self._current
