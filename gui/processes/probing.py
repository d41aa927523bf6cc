"""The prober's process: it starts an engine once, to learn which protocol it speaks and which options it has.

It serves one question and ends. The engine is its child: if the window ends or wants nothing more, both end at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import threading
from dataclasses import dataclass
from typing import BinaryIO, Final

from gui.processes.child import pipes
from xiangqi.engine import Engine, EngineError, Option, popen_ucci, popen_uci

PROTOCOLS: Final = ("uci", "ucci")
"""What an engine may speak, in the order in which it is tried."""
PATIENCE: Final = 10.0
"""Seconds that an engine has for that."""


@dataclass(frozen=True)
class Probe:
    """Start an engine, and end it."""

    number: int
    """The report carries it, so that late ones can be told."""
    words: tuple[str, ...]
    """The command."""
    seconds: float
    """In which it has to tell its options, for all protocols together."""
    protocol: str | None = None
    """The one that it speaks; ``None`` if that is to be found out."""
    folder: str | None = None
    """The one that it runs in."""


@dataclass(frozen=True)
class Probed:
    """The engine speaks this protocol and has these options."""

    number: int
    protocol: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class NotProbed:
    """It could not be started, or ended, for this reason; without one, it gave no answer in time."""

    number: int
    reason: str = ""
    stderr: str = ""
    """The end of what it wrote to its standard error."""


Report = Probed | NotProbed


async def open_engine(request: Probe) -> tuple[str, Engine] | EngineError | None:
    """Return the engine that was started and what it speaks; why it could not be; or ``None`` if it is silent."""
    protocols = PROTOCOLS if request.protocol is None else (request.protocol,)
    failed = None
    for protocol in protocols:
        popen = popen_uci if protocol == "uci" else popen_ucci
        try:
            async with asyncio.timeout(request.seconds / len(protocols)):
                # Its own limit comes later, so that silence can be told from all other failures.
                return protocol, await popen(request.words, timeout=2 * request.seconds, cwd=request.folder)
        except TimeoutError:
            continue
        except EngineError as error:
            if error.last_said == f"{protocol}ok":  # this is what it speaks
                return error
            failed = failed or error
    return failed


async def serve(request: Probe, messages: BinaryIO) -> Report | None:
    """Return the report on an engine; ``None`` if another message, or the end of the messages, comes before."""
    loop, opening = asyncio.get_running_loop(), asyncio.ensure_future(open_engine(request))

    def listen() -> None:
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
            pickle.load(messages)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(opening.cancel)  # which kills the engine

    threading.Thread(target=listen, name="listener", daemon=True).start()
    try:
        found = await opening
    except asyncio.CancelledError:
        return None
    if found is None:
        return NotProbed(request.number)
    if isinstance(found, EngineError):
        return NotProbed(request.number, found.reason, found.stderr)
    protocol, engine = found
    options = tuple(engine.options.values())
    await engine.quit()
    return Probed(request.number, protocol, options)


def main() -> None:
    """Serve the window: read one request from standard input, and report on it."""
    messages, reports = pipes()
    with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):  # the window is gone
        report = asyncio.run(serve(pickle.load(messages), messages))
        if report is not None:
            pickle.dump(report, reports)
            reports.flush()
    os._exit(0)  # the listener may still wait
