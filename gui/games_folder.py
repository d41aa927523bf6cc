"""The folder of games: those that a person saves, and the game in play, which is resumed at the next start."""

from __future__ import annotations

import datetime
import itertools
import re
from pathlib import Path

from filelock import FileLock, Timeout

from gui.session import SAVED
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
        self._gathered = False

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
        if not self.path.is_dir():
            return None
        if not self._gathered:
            self._gathered = True
            self._gather()
        return _read(self._own_file()) if self._own_file().exists() else None

    def set_aside(self) -> None:
        """Move the kept game to the saved games. One that a file has, or without moves and comment, is deleted."""
        if self.path.is_dir() and self._own_file().exists():
            self._put_away(self._own_file())

    def has_in_play(self, path: Path) -> bool:
        """Whether a file of the folder is of a game in play.

        >>> folder = GamesFolder(Path("a"))
        >>> [folder.has_in_play(Path(name)) for name in ("a/current-12.pgn", "a/cup.pgn", "current.pgn")]
        [True, False, False]
        """
        named = re.fullmatch(r"current(-\d+)?\.pgn", path.name) is not None
        return named and path.parent.absolute() == self.path.absolute()

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
            path = self.path / ("current.pgn" if n == 1 else f"current-{n}.pgn")
            if (lock := _locked(path)) is not None:
                self._lock, self._current = lock, path
        assert self._current is not None
        return self._current

    def _gather(self) -> None:
        """Take the newest of the games that closed boards have left; the others become saved games."""
        for path in sorted(self.path.glob("current*.pgn")):
            if path != self._own_file() and self.has_in_play(path) and (lock := _locked(path)) is not None:
                try:
                    self._take(path)
                finally:
                    lock.release()

    def _take(self, path: Path) -> None:
        """Go on with the game of another file if it is newer than the own one; the older one becomes a saved game."""
        own = self._own_file()
        if not path.exists():  # another board has it now
            return
        if own.exists() and own.stat().st_mtime >= path.stat().st_mtime:
            self._put_away(path)
        else:
            self.set_aside()
            path.rename(own)

    def _put_away(self, path: Path) -> None:
        try:
            game = _read(path)
        except FormatError:
            game = None
        if game is not None and (SAVED in game.headers or not (game.variations or game.comment)):
            path.unlink()
        else:
            path.rename(self._dated())


def _locked(path: Path) -> FileLock | None:
    """Lock a file for a game in play; return ``None`` if another board uses it."""
    lock = FileLock(path.with_name(f".{path.stem}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


def _read(path: Path) -> Game | None:
    def fail(error: FormatError) -> None:
        raise error

    return next(formats.load(path, fail), None)
