"""Which commands there are beside those of the rules, and what each needs. Needs no typer."""

from __future__ import annotations

from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Final

EXTRAS: Final = {
    "terminal": "play",
    "match": "play",
    "selfplay": "play",
    "train": "train",
    "ladder": "train",
    "data": "train",
    "evaluate": "play",
    "report": "report",
    "explain": "report",
}
"""The extra that a command needs. Commands of other packages need ``play``; the rest, the rules alone."""


def plugins() -> tuple[EntryPoint, ...]:
    """Return the commands that other packages add: entry points of the group ``xqlm.commands``, functions for typer."""
    return tuple(entry_points(group="xqlm.commands"))


def our_packages() -> set[str]:
    """Return the names of our packages and of those that add commands."""
    return {"xiangqi", "lm", *(package_of(entry.module) for entry in plugins())}


def package_of(module: str | None) -> str:
    """Return the name of the package that a module belongs to."""
    return (module or "").partition(".")[0]


def release() -> str:
    """Return the name and the version of what is installed, as ``xqlm 0.1.0``."""
    try:
        return f"xqlm {version('xqlm')}"
    except PackageNotFoundError:
        return "xqlm, not installed"
