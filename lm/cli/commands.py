"""The commands beside those of the rules, and the extra that each needs. Does not need typer."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Final

EXTRAS: Final = {
    "terminal": "play",
    "match": "play",
    "selfplay": "play",
    "annotate": "play",
    "tournament": "play",
    "ratings": "play",
    "rulings": "play",
    "levels": "play",
    "strength": "play",
    "leaderboard": "torch",
    "engine": "play",
    "explore": "play",
    "import": "play",
    "repair": "play",
    "review": "play",
    "similar": "play",
    "train": "train",
    "ladder": "train",
    "data": "train",
    "distil": "train",
    "evaluate": "torch",
    "report": "report",
    "explain": "report",
}
"""The extra that a command needs. Commands of other packages need ``play``; all others need only the rules."""


def plugins() -> tuple[EntryPoint, ...]:
    """Return the commands of other packages: entry points in the group ``xqlm.commands`` that name typer functions."""
    return tuple(entry_points(group="xqlm.commands"))


def our_packages() -> set[str]:
    """Return the names of our packages and of those that add commands."""
    return {"xiangqi", "lm", *(package_of(entry.module) for entry in plugins())}


def package_of(module: str | None) -> str:
    """Return the name of the package that a module belongs to."""
    return (module or "").partition(".")[0]
