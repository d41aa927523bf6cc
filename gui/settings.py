"""What the board remembers of its user from one day to the next, in a file of the user's settings."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Final

import platformdirs

from gui.errors import describe
from gui.strings import say

RECENT: Final = 12
"""So many files are remembered."""


class Settings:
    """Values by name, as JSON. Without a path nothing is kept.

    A file that is missing counts as empty. So does one that is damaged: it is put aside, and `faults` tells.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._values: dict[str, Any] = {}
        self.faults: list[str] = []
        """What was wrong with the file, a line each."""
        if path is not None:
            try:
                found = json.loads(path.read_text("utf-8"))
                if not isinstance(found, dict):
                    raise ValueError(f"{type(found).__name__} in place of an object")
                self._values = found
            except FileNotFoundError:
                pass
            except (OSError, ValueError, RecursionError) as error:
                self._put_aside(path, error)

    def _put_aside(self, path: Path, error: Exception) -> None:
        aside = path.with_suffix(".damaged.json")
        with contextlib.suppress(OSError):
            path.replace(aside)
        self.complain(
            say("notice.bad_settings", name=aside.name if aside.exists() else path.name, reason=describe(error))
        )

    def complain(self, fault: str) -> None:
        """Take note of something wrong in the file."""
        self.faults.append(fault)

    @classmethod
    def of_user(cls) -> Settings:
        """Return those of the user."""
        return cls(platformdirs.user_config_path("xqlm", appauthor=False) / "board.json")

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def get(self, name: str, default: Any) -> Any:
        """Return a value of the default's type; the default if there is none."""
        value = self._values.get(name, default)
        return value if isinstance(value, type(default)) else default

    def set(self, name: str, value: Any) -> None:
        """Keep a value. What cannot be written is kept until the window closes."""
        if name in self._values and self._values[name] == value:
            return
        self._values[name] = value
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
                part.write_text(json.dumps(self._values, ensure_ascii=False, indent=2), "utf-8")
                part.replace(self._path)

    @property
    def recent(self) -> list[Path]:
        """The files opened or saved last, the latest first; those that are gone are left out."""
        paths = [Path(text) for text in self.get("recent", []) if isinstance(text, str)]
        return [path for path in paths if path.is_file()]

    def used(self, path: Path) -> None:
        """Remember a file."""
        text = str(path.absolute())
        older = [other for other in self.get("recent", []) if other != text]
        self.set("recent", [text, *older][:RECENT])
