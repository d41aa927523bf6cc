"""What the board remembers of its user from one day to the next, in a file of the user's settings."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Final

import platformdirs

RECENT: Final = 12
"""So many files are remembered."""


class Settings:
    """Values by name, as JSON. A file that is missing or damaged counts as empty; without a path nothing is kept."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._values: dict[str, Any] = {}
        if path is not None:
            with contextlib.suppress(OSError, ValueError):
                found = json.loads(path.read_text("utf-8"))
                self._values = found if isinstance(found, dict) else {}

    @classmethod
    def of_user(cls) -> Settings:
        """Return those of the user."""
        return cls(platformdirs.user_config_path("xqlm", appauthor=False) / "board.json")

    def get(self, name: str, default: Any) -> Any:
        """Return a value of the default's type; the default if there is none."""
        value = self._values.get(name, default)
        return value if isinstance(value, type(default)) else default

    def set(self, name: str, value: Any) -> None:
        """Keep a value. What cannot be written is kept until the window closes."""
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
