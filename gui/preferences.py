"""What a person may choose of the board's looks and sounds, each out of a few values, kept in the settings."""

from __future__ import annotations

import locale
import os
from dataclasses import dataclass
from typing import Final

from gui.palettes import THEMES
from gui.settings import Settings
from gui.strings import LANGUAGES, say

Value = str | int


@dataclass(frozen=True)
class Preference:
    """A preference and its values, in the order in which they are offered."""

    name: str
    values: tuple[Value, ...]
    default: Value

    @property
    def title(self) -> str:
        """What it is called."""
        return say(f"preference.{self.name}")

    def label(self, value: Value) -> str:
        """Return what a value is called."""
        if self.name == "language":
            return LANGUAGES[str(value)]
        if self.name == "analysis":
            return say("preference.analysis.seconds", seconds=value) if value else say("preference.analysis.endless")
        return f"{value}%" if isinstance(value, int) else say(f"preference.{self.name}.{value}")


PREFERENCES: Final = (
    Preference("language", tuple(LANGUAGES), "en"),
    Preference("pieces", ("characters", "letters", "both", "pictures"), "characters"),
    Preference("script", ("language", "traditional", "simplified"), "language"),
    Preference("notation", ("chinese", "wxf", "iccs"), "chinese"),
    Preference("theme", tuple(THEMES), "rosewood"),
    Preference("coordinates", ("on", "off"), "on"),
    Preference("animation", ("none", "fast", "normal", "slow"), "normal"),
    Preference("sounds", ("on", "off"), "on"),
    Preference("volume", (20, 40, 60, 80, 100), 60),
    Preference("teaching", ("on", "off"), "off"),
    Preference("analysis", (0, 3, 10, 30, 60), 0),
    Preference("scale", (100, 125, 150, 175, 200), 100),
)
_BY_NAME: Final = {preference.name: preference for preference in PREFERENCES}


class Preferences:
    """The values chosen. A value in the file that is none of those offered counts as the default, and is told."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.revision = 0
        """Incremented by every change."""
        for preference in PREFERENCES:
            if (value := settings.get(preference.name, preference.default)) not in preference.values:
                allowed = ", ".join(map(str, preference.values))
                settings.complain(say("notice.bad_setting", name=preference.name, value=value, allowed=allowed))
                settings.set(preference.name, preference.default)

    def __getitem__(self, name: str) -> Value:
        """Return the value of a preference. Raises ``KeyError``."""
        return self._settings.get(name, _BY_NAME[name].default)

    def set(self, name: str, value: Value) -> None:
        """Change a preference. Raises ``ValueError`` for a value that is not offered."""
        if value not in _BY_NAME[name].values:
            raise ValueError(f"{name}: no value {value!r}")
        if value != self[name]:
            self._settings.set(name, value)
            self.revision += 1

    @property
    def traditional(self) -> bool:
        """Whether pieces and moves have traditional characters.

        Who has not chosen gets those of the language; with English the traditional ones.
        """
        script = self["script"]
        return self["language"] != "zh-Hans" if script == "language" else script == "traditional"

    def switch_script(self) -> None:
        """Change between traditional and simplified characters."""
        wanted = not self.traditional
        self.set("script", "language")
        if self.traditional != wanted:
            self.set("script", "traditional" if wanted else "simplified")

    def step(self, name: str, by: int = 1) -> None:
        """Change a preference to its next value, or to one before; after the last comes the first."""
        values = _BY_NAME[name].values
        self.set(name, values[(values.index(self[name]) + by) % len(values)])


def language_of_system() -> str:
    """Return the language of the table that the system's user reads."""
    names = [os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    name = next((name for name in names if name), None) or locale.getlocale()[0] or ""
    name = name.lower().replace("-", "_")
    if not name.startswith(("zh", "chinese")):
        return "en"
    return (
        "zh-Hant" if any(place in name for place in ("tw", "hk", "mo", "hant", "taiwan", "hong", "trad")) else "zh-Hans"
    )
