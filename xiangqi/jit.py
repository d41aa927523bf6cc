"""Compilation by numba: once on a machine, cached on disk, with a notice to the user while it lasts.

The machine code lies beside the package or, if that folder is read-only, in the user's cache folder
(``NUMBA_CACHE_DIR`` names another). If neither is writable, each run compiles again.
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

_SHARED: Final = tuple(
    Path(__file__).with_name(f"{name}.py")
    for name in (
        *("attacks", "kernels", "mates", "move"),
        *("alphabeta", "evaluation", "mate_search", "piece_values", "workspace"),
    )
)
"""Files whose functions and tables are compiled into the functions that use them."""


def compiled(function: F) -> F:
    """Compile a function that allocates no arrays to machine code at its first call. It runs without the GIL.

    >>> @compiled
    ... def double(x: int) -> int:
    ...     return 2 * x
    >>> double(21)
    42
    """
    return _compile(function, allocates=False)


def allocating(function: F) -> F:
    """Compile a function that allocates arrays; otherwise like `compiled`."""
    return _compile(function, allocates=True)


def fastmath(function: F) -> F:
    """Compile a function of floats, like `allocating`. Sums may be reordered, so that they can be vectorized."""
    return _compile(function, allocates=True, fastmath=True)


def _compile(function: F, allocates: bool, fastmath: bool = False) -> F:
    # Arrays passed in outlive the call; without this, numba would update their reference counts atomically each time.
    options: dict[str, Any] = {"nogil": True, "_nrt": allocates, "fastmath": fastmath}
    try:
        dispatcher: Any = njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no folder to write to, or no source file
        _announcement.when = f"at every start, because neither {_SHARED[0].parent} nor a cache folder is writable"
        dispatcher = njit(**options)(function)
        return cast(F, dispatcher)
    # Numba invalidates the cache only when the function's own file changes, although it inlines code from others.
    files = sorted({Path(inspect.getfile(function)), *_SHARED})
    dispatcher._cache._cache_file._source_stamp = tuple((f.stat().st_mtime, f.stat().st_size) for f in files)
    return cast(F, dispatcher)


class _Announcement(event.Listener):
    """Prints a notice on standard error when a function of this project is compiled."""

    when = "once"
    printed = False

    def on_start(self, event: Any) -> None:
        if not self.printed and event.data["dispatcher"].py_func.__module__.startswith(("xiangqi.", "lm.")):
            self.printed = True
            print(f"xiangqi: compiling, {self.when}; this takes up to a minute", file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        pass


_announcement: Final = _Announcement()
event.register("numba:compile", _announcement)  # type: ignore[no-untyped-call]
