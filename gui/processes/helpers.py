"""The processes beside the window, as the controller knows them. Each starts when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gui.files import Reads
from gui.library import Asks, Importer, Librarian, Writes
from gui.processes.prober import Prober
from gui.processes.reader import Reader
from gui.processes.worker import Worker
from gui.puzzles import Puzzler, Trains


@dataclass(frozen=True)
class Helpers:
    """One of each."""

    worker: Worker
    """Plays, analyses, reviews and thinks."""
    reader: Reads
    """Reads files."""
    librarian: Asks
    """Answers questions on the library."""
    importer: Writes
    """Writes to the library."""
    puzzler: Trains
    """Sets puzzles."""
    prober: Prober
    """Starts engines, to learn their options."""

    @classmethod
    def of_window(cls, notify: Callable[[], None] = lambda: None, folder: Path | None = None) -> Helpers:
        """Return those of a window; ``notify`` is called in another thread whenever one has a report.

        ``folder`` is that of the library and of the record of puzzles, by default the user's.
        """
        library = folder / "library.sqlite" if folder is not None else None
        record = folder / "puzzles.json" if folder is not None else None
        return cls(
            Worker(notify=notify),
            Reader(notify),
            Librarian(notify, library),
            Importer(notify, library),
            Puzzler(notify, record),
            Prober(notify),
        )

    def close(self) -> None:
        """End all processes."""
        for helper in (self.worker, self.reader, self.librarian, self.importer, self.puzzler, self.prober):
            helper.close()
