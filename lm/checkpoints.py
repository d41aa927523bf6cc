"""The directory of a training run: checkpoints that are whole or not there, and what the run was begun with."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open

from lm import UserError
from xiangqi.formats.streams import open_replacing

KEPT: Final = 2
"""Checkpoints of a run that are kept: the newest, and one more should that be damaged."""


def checkpoints(out: Path) -> list[Path]:
    """Return the checkpoints of a run, oldest first."""
    found = [path for path in out.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    return sorted(found, key=step_of)


def step_of(checkpoint: Path) -> int:
    """Return after how many steps a checkpoint was written.

    >>> step_of(Path("runs/train/checkpoint-1200"))
    1200
    """
    return int(checkpoint.name.removeprefix("checkpoint-"))


def latest_checkpoint(out: Path, say: Callable[[str], None] = lambda text: None) -> Path | None:
    """Return the newest checkpoint that is whole; ``say`` is told of damaged ones."""
    for checkpoint in reversed(checkpoints(out)):
        fault = fault_of(checkpoint)
        if fault is None:
            return checkpoint
        say(f"{checkpoint} is damaged and left out: {fault}")
    return None


def fault_of(checkpoint: Path) -> str | None:
    """Return what is wrong with the files of a checkpoint, or None."""
    file = checkpoint / "trainer_state.json"
    try:
        json.loads(file.read_text())  # the Trainer writes it last
        for file in checkpoint.rglob("*.safetensors"):
            with safe_open(file, "pt"):
                pass
        for file in (file for kind in ("pt", "pth", "bin") for file in checkpoint.rglob(f"*.{kind}")):
            with zipfile.ZipFile(file) as archive:
                if archive.testzip() is not None:
                    return f"{file.name} is corrupt"
    except (OSError, ValueError, SafetensorError, zipfile.BadZipFile) as error:
        return f"{file.name}: {getattr(error, 'strerror', None) or error}"
    return None


def publish(written: Path, out: Path) -> None:
    """Put a checkpoint that was written aside in its place in ``out``, durably, and remove the oldest."""
    for file in written.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
    replace(written, out / written.name)
    for old in checkpoints(out)[:-KEPT]:
        replace(old, written.parent / "old")  # so that nobody meets half of it
        shutil.rmtree(written.parent / "old")


def replace(source: Path, target: Path) -> None:
    """Move a directory to where another may be."""
    if target.exists():
        shutil.rmtree(target)
    os.replace(source, target)


def settle(out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that the run in ``out`` began with, or note these as such.

    What else the run has noted about itself is among them. Raises ``UserError`` naming what differs, other than the
    length of a run that plies are to end.
    """
    file = out / "run.json"
    if not file.exists():
        write_json(file, settings)
        return settings
    try:
        began: dict[str, Any] = json.loads(file.read_text())
    except ValueError as error:
        raise UserError(f"{file}: {error}") from None
    free = {"length"} if settings["cpu_seconds"] else {"length", "plies"}
    for name in sorted((began.keys() | settings.keys()) - free):
        if began.get(name) != settings.get(name):
            raise UserError(
                f"{out} is a run with {name} {began.get(name)}, now it is {settings.get(name)}: "
                "name another folder with --out, or go on with the same settings"
            )
    return began


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write a file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open_replacing(file) as handle:
        handle.write((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
