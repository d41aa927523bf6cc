"""Compilation by numba: once on a machine, kept on disk from then on, and said to the user while it takes its time.

The machine code lies beside the package, or, where that is read-only, in the user's cache folder (``NUMBA_CACHE_DIR``
names another). If nothing can be written, each run compiles anew.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from numba import njit
from numba.core import event

F = TypeVar("F", bound=Callable[..., Any])

_SHARED: Final = tuple(Path(__file__).with_name(name) for name in ("attacks.py", "kernels.py", "mates.py", "move.py"))
"""Files whose functions and tables are compiled into whatever uses them."""


def compiled(function: F) -> F:
    """Compile a function that makes no arrays to machine code when it is first called. It runs without Python's lock.

    >>> @compiled
    ... def double(x: int) -> int:
    ...     return 2 * x
    >>> double(21)
    42
    """
    return _compile(function, allocates=False)


def allocating(function: F) -> F:
    """Compile a function that makes arrays, likewise."""
    return _compile(function, allocates=True)


def fastmath(function: F) -> F:
    """Compile a function of floats, likewise. Its sums may be taken in any order, so many terms are added at once."""
    return _compile(function, allocates=True, fastmath=True)


def _compile(function: F, allocates: bool, fastmath: bool = False) -> F:
    # Arrays that come from outside outlive the call. Numba would count, atomically, who holds them, at every call.
    options: dict[str, Any] = {"nogil": True, "_nrt": allocates, "fastmath": fastmath}
    try:
        dispatcher: Any = njit(cache=True, **options)(function)
    except RuntimeError:  # numba has found no folder to write to, or no file that the function comes from
        _announcement.when = f"at every start, for neither {_SHARED[0].parent} nor a cache folder can be written"
        dispatcher = njit(**options)(function)
        return cast(F, dispatcher)
    # Numba would keep the code until the function's own file changes, though others' code is part of it.
    files = sorted({Path(inspect.getfile(function)), *_SHARED})
    dispatcher._cache._cache_file._source_stamp = tuple((f.stat().st_mtime, f.stat().st_size) for f in files)
    return cast(F, dispatcher)


class _Announcement(event.Listener):
    """Says so on the standard error when something of this project has to be compiled."""

    when = "once"
    said = False

    def on_start(self, event: Any) -> None:
        if not self.said and event.data["dispatcher"].py_func.__module__.startswith(("xiangqi.", "lm.")):
            self.said = True
            print(f"xiangqi: compiling, {self.when}; this takes up to a minute", file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        pass


_announcement: Final = _Announcement()
event.register("numba:compile", _announcement)  # type: ignore[no-untyped-call]
