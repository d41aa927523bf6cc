"""The directory of a training run: checkpoints, written whole or not at all, and the settings of the run."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError

from lm import UserError
from xiangqi.formats.streams import open_replacing

KEPT: Final = 2
"""Number of checkpoints kept: the newest, and one more in case that one is damaged."""
LIST: Final = "files.json"
"""The file in a checkpoint with the checksum of every other file."""


def checkpoints(out: Path) -> list[Path]:
    """Return the checkpoints of a run, oldest first."""
    found = [path for path in out.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    return sorted(found, key=step_of)


def step_of(checkpoint: Path) -> int:
    """Return the step after which a checkpoint was written.

    >>> step_of(Path("runs/train/checkpoint-1200"))
    1200
    """
    return int(checkpoint.name.removeprefix("checkpoint-"))


def latest_checkpoint(out: Path, say: Callable[[str], None] = lambda text: None) -> Path | None:
    """Return the newest undamaged checkpoint; ``say`` is called with a message about each damaged one."""
    for checkpoint in reversed(checkpoints(out)):
        fault = fault_of(checkpoint)
        if fault is None:
            return checkpoint
        say(f"{checkpoint} is damaged and left out: {fault}")
    return None


def fault_of(checkpoint: Path) -> str | None:
    """Return the first fault of a checkpoint's files, or None."""
    file = checkpoint / LIST
    try:
        for name, checksum in json.loads(file.read_text("utf-8")).items():
            file = checkpoint / name
            if checksum_of(file) != checksum:
                return f"{name} is corrupt"
    except (OSError, ValueError, AttributeError) as error:
        return f"{file.name}: {getattr(error, 'strerror', None) or error}"
    return None


def checksum_of(file: Path) -> int:
    """Return the CRC-32 of a file."""
    checksum = 0
    with file.open("rb") as handle:
        while part := handle.read(1 << 20):
            checksum = zlib.crc32(part, checksum)
    return checksum


def seal(written: Path) -> None:
    """Write the checksums of a checkpoint's files, for `fault_of`."""
    files = sorted(file for file in written.rglob("*") if file.is_file())
    write_json(written / LIST, {file.relative_to(written).as_posix(): checksum_of(file) for file in files})


def publish(written: Path, out: Path) -> None:
    """Move a folder written elsewhere to its place in ``out``, durably, and remove the oldest checkpoint."""
    for path in (*written.rglob("*"), written):
        flush(path)
    replace(written, out / written.name)
    flush(out)
    for old in checkpoints(out)[:-KEPT]:
        replace(old, written.parent / "old")  # so that it is never seen half deleted
        shutil.rmtree(written.parent / "old")


def flush(path: Path) -> None:
    """Flush a file or a directory to the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open directories
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(what: str, out: Path) -> Iterator[None]:
    """Raise ``UserError`` if a library fails to write a run's files, for instance because the disk is full."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        free = f"{shutil.disk_usage(out).free / 1e6:,.0f} MB are free there"
        raise UserError(f"cannot write {what} into {out}: {reason} ({free}); {advice(out)}") from None


def advice(out: Path) -> str:
    """Return a sentence on where a failed run can be resumed."""
    kept = latest_checkpoint(out)
    return f"the last good checkpoint is {kept}" if kept else "there is no checkpoint yet"


def replace(source: Path, target: Path) -> None:
    """Move a directory, replacing one at the target."""
    if target.exists():
        shutil.rmtree(target)
    os.replace(source, target)


def settle(out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that the run in ``out`` started with; for a new run, write the given ones.

    They include everything else that the run has noted. A run with neither a checkpoint nor a result starts anew.
    Raises ``UserError`` with the settings that differ, except the length of a run in plies, which may change; and for a
    folder that holds something else.
    """
    file = out / "run.json"
    taken = next((name for name in ("model", "unfinished", "log") if (out / name).exists()), None)
    if taken and not file.exists():
        raise UserError(f"{out} has {taken} but no run.json, so it is not the folder of a run: name another with --out")
    if not (checkpoints(out) or (out / "model").exists()):
        write_json(file, settings)
        return settings
    try:
        began: dict[str, Any] = json.loads(file.read_text("utf-8"))
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
