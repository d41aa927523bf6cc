"""Files at the board: opened, stepped through and saved; and games as text.

It needs no window. Files are read in the reader's process (`gui.processes.reader`); what it reports comes in by `take`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from gui.actions import Action, Tone
from gui.errors import describe
from gui.games_folder import GamesFolder
from gui.processes.reading import Fetched, FileEntry, Finished, Listed, Mended, Report
from gui.session import SAVED, Session
from gui.settings import Settings
from gui.strings import say, translated
from xiangqi import formats
from xiangqi.formats import FormatError, dhtmlxq, jsonl, pgn

if TYPE_CHECKING:
    from xiangqi.game import Game


class Reads(Protocol):
    """What reads files, as `gui.processes.reader.Reader`."""

    def read(self, source: Path | str) -> int:
        """Read a file, or a text; return the number that its reports carry."""
        ...

    def fetch(self, index: int) -> None:
        """Ask for a game of the file."""
        ...

    def mend(self, game: Game) -> int:
        """Ask for guesses of a game's unread moves; return the number that the answer carries."""
        ...

    def poll(self) -> Report | None:
        """Return the next report."""
        ...

    def close(self) -> None:
        """End the process."""
        ...


@dataclass(frozen=True)
class Kind:
    """A way to write a game."""

    name: str
    """The key of its name in `gui.strings`, after ``kind.``."""
    suffix: str
    options: dict[str, Any] = field(default_factory=dict)


KINDS: Final = (
    Kind("pgn.iccs", ".pgn"),
    Kind("pgn.wxf", ".pgn", {"notation": "wxf"}),
    Kind("pgn.chinese", ".pgn", {"notation": "chinese"}),
    Kind("xqf", ".xqf"),
    Kind("ubb", ".ubb"),
    Kind("jsonl", ".jsonl"),
)
"""The files that a game can be saved as."""
MARKS_AS_TEXT: Final = ("xqf", "ubb")
"""The kinds that have no marks (! and ?): they become text in comments."""
TEXTS: Final = ("fen", "pgn.chinese", "pgn.wxf", "pgn.iccs", "moves.chinese", "moves.wxf", "uci", "ubb", "jsonl")
"""The texts that can be copied."""


def as_text(session: Session, game: Game, name: str) -> str:
    """Return the position shown or the game as one of `TEXTS`. Raises ``FormatError``."""
    kind, _, notation = name.partition(".")
    match kind:
        case "fen":
            return session.shown.fen()
        case "pgn":
            return pgn.dumps(game, notation)  # type: ignore[arg-type]
        case "moves":
            return pgn.dumps(game, notation, headers=False, comments=False, variations=False)  # type: ignore[arg-type]
        case "uci":
            moves = " ".join(move.iccs for move in game.moves())
            return f"position fen {game.fen}" + (f" moves {moves}" if moves else "")
        case "ubb":
            return dhtmlxq.dumps(game)
    return jsonl.dumps(game)


class Files:
    """The file at hand and its games. ``notice`` shows a line; ``record`` returns the game as it is written."""

    def __init__(
        self,
        session: Session,
        folder: GamesFolder,
        reader: Reads,
        settings: Settings,
        notice: Callable[[str, Tone], None],
        record: Callable[[], Game],
    ) -> None:
        self.session, self.folder, self.reader, self.settings = session, folder, reader, settings
        self._notice, self.game = notice, record
        self.path: Path | None = None
        """The file that the games come from, or that the game was saved to."""
        self.kind = KINDS[0]
        """How the game was saved last."""
        self.entries: list[FileEntry] = []
        """The games of the file, so far as they have been read."""
        self.index = 0
        """Which of them is on the board."""
        self.reading = False
        """Whether a file or a text is being read."""
        self.mending = False
        self._number = self._mend_number = 0
        self._source: Path | str = ""
        self._whole = True
        """Whether all that is in the file could be read, so that writing it again loses nothing."""
        self._wanted = 0
        """The index of the game that was asked for last."""
        self._asked_in = -1
        """The session's number when that game was asked for; -1 once it has come, or cannot come any more."""
        self._mended_at = -1, -1
        """The session's number and revision when guesses were asked for."""
        self._game_number = session.number
        """The session's number of the game that the file has."""
        saved = session.table.game.headers.pop(SAVED, None)
        self._saved = self._text() if saved else ""
        self._shown: tuple[int, int, str] = -1, -1, ""
        """The number of the reading whose game came last, that of the session then, and the game's text."""

    # --- State --------------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What the games are called together: the name of their file, or that they were pasted."""
        return say("file.pasted") if self.path is None else self.path.name

    @property
    def several(self) -> bool:
        """Whether the file has more than one game."""
        return len(self.entries) > 1

    @property
    def unsaved(self) -> bool:
        """Whether the game has moves or comments that no file has."""
        game = self.session.table.game
        return bool(game.variations or game.comment) and self._text() != self._saved

    @property
    def is_current(self) -> bool:
        """Whether the game on the board is that of the file."""
        return self.path is not None and self._game_number == self.session.number

    @property
    def awaited(self) -> bool:
        """Whether a game is on its way to the board. It does not come where another one was begun meanwhile."""
        return self._asked_in == self.session.number

    @property
    def can_mend(self) -> bool:
        """Whether the game has moves that could not be read."""
        return bool(self.session.table.game.unread) and not self.mending

    def _text(self) -> str:
        return pgn.dumps(self.session.table.game, headers=False)

    # --- Opening ------------------------------------------------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Read a file. Its first game comes to the board; the game before is kept in a file if no file has it."""
        self._read(path)

    def paste(self, text: str) -> None:
        """Read a game or a position from a text."""
        self._read(text)

    def _read(self, source: Path | str) -> None:
        self._source, self._wanted, self.reading, self._whole = source, 0, True, True
        self.path, self.entries = None, []  # the reader has forgotten them
        self._asked_in = self.session.number
        self._number = self.reader.read(source)

    def choose(self, index: int) -> None:
        """Fetch a game of the file."""
        if 0 <= index < len(self.entries):
            self._wanted, self._asked_in = index, self.session.number
            self.reader.fetch(index)

    def step(self, games: int) -> None:
        """Fetch the game so many places further on in the file, or back."""
        self.choose(max(0, min(len(self.entries) - 1, self._wanted + games)))

    def mend(self) -> None:
        """Ask for guesses of what could not be read of the game."""
        self.mending, self._mended_at = True, (self.session.number, self.session.revision)
        self._mend_number = self.reader.mend(self.session.table.game)

    def take(self, report: Report) -> None:
        """Take in a report of the reader."""
        if isinstance(report, Mended):
            if report.number == self._mend_number:
                self._take_mended(report)
        elif report.number != self._number:
            pass
        elif isinstance(report, Listed):
            self.entries.extend(report.games)
        elif isinstance(report, Finished):
            self._finish(report)
        elif report.index == self._wanted and self.awaited:
            self._asked_in = -1
            self._show(report)

    def _finish(self, report: Finished) -> None:
        self.reading = False
        self._whole = not report.fault
        if not self.entries:
            self._asked_in = -1
        got = self.entries and self._shown[0] == report.number
        if report.fault:
            name = self._source.name if isinstance(self._source, Path) else say("file.pasted") if got else ""
            key = "notice.read_part" if got else "notice.unread" if name else "notice.unread_text"
            self._notice(say(key, name=name, reason=self._within(report.fault)), "alert")
        elif got and self.several and isinstance(self._source, str):
            self._notice(say("notice.pasted_several", count=len(self.entries), key=Action.GAMES.shortcut), "good")

    def _within(self, fault: str) -> str:
        """Return what is said of a fault without the path of the file that was opened: the status line is short."""
        for between in (", ", ": "):
            fault = fault.removeprefix(f"{self._source}{between}")
        return fault

    def _show(self, fetched: Fetched) -> None:
        session, game = self.session, fetched.game
        there = self._shown == (fetched.number, session.number, self._text())  # the reader still has the game
        kept = "" if there else self.set_aside()
        if kept is None:
            return
        try:
            session.study(game)
        except ValueError as error:
            self._notice(translated(describe(error)), "alert")
            return
        self.path = self._source if isinstance(self._source, Path) else None
        self.index, self._game_number = fetched.index, session.number
        self._shown = fetched.number, session.number, self._text()
        if self.path is not None:
            same = [kind for kind in KINDS if kind.suffix == self.path.suffix.lower()]
            self.kind = next((kind for kind in same if kind.name.endswith(fetched.notation)), (same or KINDS)[0])
            self.settings.used(self.path)
            self._saved = self._text()
        if game.errors:
            key = "notice.fault_mend" if game.unread else "notice.fault"
            told = {"key": Action.MEND.shortcut} if game.unread else {}
            self._notice(say(key, reason=self._within(describe(game.errors[0])), **told), "alert")
        elif self.path is not None or self.several:
            key = "notice.kept" if kept else "notice.opened"
            self._notice(say(key, name=self.name, number=fetched.index + 1, kept=kept), "good")
        else:
            self._notice(say("notice.pasted", key=Action.BOTH.shortcut), "good")

    def bring(self, game: Game, ply: int) -> None:
        """Lay a game of the library open at a ply; the game before is kept in a file if no file has it."""
        if self.set_aside() is None:
            return
        self.session.study(game)
        self.session.view(ply)
        self.path, self.entries, self._saved = None, [], self._text()
        names = [game.headers.get(side, "").strip("?. ") or "?" for side in ("Red", "Black")]
        self._notice(say("notice.brought", game=" - ".join(names)), "good")

    def set_aside(self) -> str | None:
        """Write the game on the board to the games folder if no file has it.

        Returns the file's name, empty if there was nothing to write, or ``None`` if that failed.
        """
        if not self.unsaved:
            return ""
        try:
            return self.folder.save(self.game()).name
        except (OSError, ValueError) as error:
            self._notice(say("notice.not_saved", reason=describe(error)), "alert")
            return None

    def _take_mended(self, report: Mended) -> None:
        self.mending = False
        if report.game is None:
            reason = report.fault or say("notice.no_guess")
            self._notice(say("notice.not_mended", reason=reason), "alert")
            return
        number, revision = self._mended_at
        if self.session.number != number:
            return
        kept = self.set_aside() if self.session.revision != revision else ""
        if kept is None:
            return
        self.session.study(report.game)
        if self._game_number == number:
            self._game_number = self.session.number
        key = "notice.mended_kept" if kept else "notice.mended"
        self._notice(say(key, count=report.guesses, kept=kept), "good")

    # --- Saving -------------------------------------------------------------------------------------------------------

    @property
    def own_file(self) -> Path | None:
        """The file that *Save* writes: where the game was saved before, or the file of one sound game that it is of."""
        sound = not self.several and not self.session.table.game.errors
        writes = self.path is not None and self.path.suffix.lower() in {kind.suffix for kind in KINDS}
        return self.path if self.is_current and sound and self._whole and writes and not self.reading else None

    def save(self) -> None:
        """Write the game to its file, or to a new one in the folder of games."""
        if (path := self.own_file) is not None:
            self.save_as(path, self.kind)
            return
        try:
            self._has_written(self.folder.save(self.game()), KINDS[0])
        except (OSError, ValueError) as error:
            self._notice(say("notice.not_saved", reason=describe(error)), "alert")

    def save_as(self, path: Path, kind: Kind) -> None:
        """Write the game to a file. What its format leaves out is told, and no file has that then."""
        try:
            formats.save(self.game(), path, **kind.options)
        except (OSError, FormatError) as error:
            self._notice(say("notice.not_saved", reason=describe(error)), "alert")
            return
        self._has_written(path, kind)

    def _has_written(self, path: Path, kind: Kind) -> None:
        if path != self.path:
            self.entries, self.index, self._wanted, self._whole = [], 0, 0, True
        self.path, self.kind, self._game_number = path, kind, self.session.number
        self.settings.used(path)
        game = self.session.table.game
        if missing := formats.left_out(game, path):
            parts = say("list.comma").join(say(f"part.{part}") for part in missing)
            self._notice(say("notice.saved_without", parts=parts, path=path), "alert")
            return
        self._saved = self._text()
        if self.session.ending is not None:
            with contextlib.suppress(OSError):
                self.folder.drop()
        as_text = kind.name in MARKS_AS_TEXT and any(node.has_nags() for node in game.walk())
        self._notice(say("notice.saved_marks" if as_text else "notice.saved", path=path), "good")

    def suggested(self, kind: Kind) -> str:
        """Return a name for a new file: that of the players if they are known."""
        names = [self.game().headers.get(side, "?") for side in ("Red", "Black")]
        known = [name for name in names if name.strip("?. ")]
        text = " - ".join(known) if len(known) == 2 else "game"
        return "".join("_" if c in '/\\:*?"<>|' or ord(c) < 32 else c for c in text)[:80] + kind.suffix
