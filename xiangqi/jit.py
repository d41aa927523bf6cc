"""Compilation by numba: once on a machine, cached on disk, with a notice to the user while it lasts.

The machine code lies beside the package or, if that folder is read-only, in the user's cache folder
(``NUMBA_CACHE_DIR`` names another). If neither is writable, each run compiles again.
"""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numpy as np
from numba import types
from numba.core import event
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.codegen import JITCodeLibrary, ll
from numba.core.compiler import Compiler, compile_result
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher
from numba.core.sigutils import normalize_signature
from numba.extending import lower_cast

F = TypeVar("F", bound=Callable[..., Any])

_OURS: Final = ("xiangqi.", "lm.")
_SHARED: Final = tuple(
    Path(__file__).with_name(f"{name}.py")
    for name in (
        *("attacks", "kernels", "mates", "move"),
        *("alphabeta", "evaluation", "mate_search", "nnue", "piece_values", "root_search", "workspace"),
    )
)
"""Files whose functions and tables are compiled into the functions that use them."""

_stamps: Final[dict[Path, frozenset[str]]] = {}
"""For each file with compiled functions, what their machine code depends on."""


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
    # Nobody calls these functions from C, so they get no wrapper for it, which takes time to compile.
    options = {"nopython": True, "nogil": True, "_nrt": allocates, "fastmath": fastmath, "no_cfunc_wrapper": True}
    dispatcher = _Dispatcher(function, {}, options, _Compiler)
    try:
        dispatcher._cache = _Cache(function)
    except RuntimeError:  # numba found no folder to write to, or no source file
        _compilation.when = f"at every start, because neither {_SHARED[0].parent} nor a cache folder is writable"
    return cast(F, dispatcher)


class _Dispatcher(CPUDispatcher):
    """A compiled function.

    Numba links a function with all that it calls, optimises the whole and turns it into machine code. By default it
    does so for each function: the last in a chain of eight is optimised eight times. Here only functions that Python
    calls become machine code, and those that they call are parts of it (`_Part`). This saves two fifths of the time.
    """

    callers = 0
    """Depth of the functions that are being compiled now and call others."""

    def get_call_template(self, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        """Compile the function for a call from another one, which passes it values of these types.

        Whole numbers are passed as int64, whether constants or from small arrays, and arrays in records as arrays.
        Numba compiles a version of the function for each combination of argument types. A constant is a type of its
        own, and so is an array in a record, so there would be up to ten versions.
        """
        _Dispatcher.callers += 1
        try:
            widened = {name: _widened(kind) for name, kind in kws.items()}
            return super().get_call_template(tuple(map(_widened, args)), widened)
        finally:
            _Dispatcher.callers -= 1

    def compile(self, sig: Any) -> Any:
        """Compile the function for a signature, or load it from disk, unless that has been done."""
        with global_compiler_lock:
            known = self.overloads.get(args := tuple(normalize_signature(sig)[0]))
            if known is not None and isinstance(known.library, _Part) and not self.callers:
                del self.overloads[args]  # now Python calls it
            return super().compile(sig)

    def add_overload(self, result: Any) -> None:
        """Keep what was compiled."""
        if not isinstance(result.library, _Part):
            super().add_overload(result)
            return
        key = object()  # by which its callers find it
        self.targetctx.insert_user_function(key, result.fndesc, [result.library])
        self.overloads[tuple(result.signature.args)] = result._replace(entry_point=key)


class _Compiler(Compiler):
    """Compiles a function that another one calls as a part of it."""

    def __init__(self, typing: Any, target: Any, library: Any, args: Any, result: Any, flags: Any, local: Any) -> None:
        if _Dispatcher.callers:
            library = _Part(target.codegen(), "part")
            flags.no_compile = flags.no_cpython_wrapper = True
        super().__init__(typing, target, library, args, result, flags, local)


class _Part(JITCodeLibrary):
    """A function that becomes machine code only within its callers, with which it is optimised."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def saved(self, result: Any) -> tuple[Any, ...]:
        """Return the result of compiling it as what can be pickled."""
        self._ensure_finalized()
        result.fndesc.typemap = result.fndesc.calltypes = None
        return self._final_module.as_bitcode(), result.fndesc, result.environment, result.signature

    @classmethod
    def loaded(cls, target: Any, bitcode: bytes, fndesc: Any, environment: Any, signature: Any) -> Any:
        """Return the result of compiling it that was `saved`."""
        part = cls(target.codegen(), "part")
        part._final_module = ll.parse_bitcode(bitcode)
        part._finalized = True
        return compile_result(
            typing_context=target.typing_context, target_context=target, library=part, environment=environment,
            entry_point=None, fndesc=fndesc, type_annotation="", signature=signature, objectmode=False, lifted=(),
            typing_error=None, call_helper=None, metadata=None, reload_init=(), referenced_envs=(),
        )  # fmt: skip


class _Cache(FunctionCache):
    """What is compiled of a function, on disk: its machine code and, in a file of its own, it as a part of others."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = stamp = tuple(sorted(_stamp(function)))
        self._parts = IndexDataCacheFile(self.cache_path, f"{self._impl.filename_base}.part", stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is known of the function with a signature, or ``None``."""
        result = super().load_overload(sig, target_context)
        if result is None and _Dispatcher.callers:
            with self._guard_against_spurious_io_errors():
                if (found := self._parts.load(self._index_key(sig, target_context.codegen()))) is not None:
                    return _Part.loaded(target_context, *found)
        return result

    def save_overload(self, sig: Any, result: Any) -> None:
        """Save what was compiled."""
        if not isinstance(result.library, _Part):
            super().save_overload(sig, result)
            return
        with self._guard_against_spurious_io_errors():
            self._parts.save(self._index_key(sig, result.codegen), result.library.saved(result))


def _widened(kind: Any) -> Any:
    """Return the type that an argument of this type is passed as."""
    kind = types.unliteral(kind)
    if isinstance(kind, types.NestedArray):
        return types.Array(kind.dtype, kind.ndim, "C")
    is_whole = isinstance(kind, types.Integer)
    return types.int64 if is_whole and kind.bitwidth < 64 else kind


@lower_cast(types.NestedArray, types.Array)
def _same_array(context: Any, builder: Any, from_type: Any, to_type: Any, value: Any) -> Any:
    """Pass an array in a record as an array: the compiled code sees no difference."""
    return value


def _stamp(function: Callable[..., Any]) -> frozenset[str]:
    """Return what must not have changed since the functions of a file were compiled, if the machine code is to be used.

    Numba looks at the file only, although it compiles in functions and constants from others. Those are the files of
    all imported functions and modules. A number does not tell where it was imported from, so its value counts.
    """
    own = Path(inspect.getfile(function))
    if own not in _stamps:
        found = set(map(_version, (own, *_SHARED)))
        for name, value in function.__globals__.items():
            # A module, or the source of a compiled function or of an intrinsic.
            source: Any = value if inspect.ismodule(value) else getattr(value, "py_func", getattr(value, "_defn", None))
            if getattr(source, "__module__", getattr(source, "__name__", "")).startswith(_OURS):
                file = Path(inspect.getfile(source))
                found |= _stamps.get(file, {_version(file)})
            elif _is_constant(value):
                found.add(f"{function.__module__}.{name} = {value!r}")
        _stamps[own] = frozenset(found)
    return _stamps[own]


def _version(file: Path) -> str:
    status = file.stat()
    return f"{file.name} {status.st_mtime} {status.st_size}"


def _is_constant(value: Any) -> bool:
    """Return whether a value is a number, or a tuple of numbers, so that its text says all about it."""
    return isinstance(value, int | float | np.generic) or (isinstance(value, tuple) and all(map(_is_constant, value)))


def is_missing(function: Callable[..., Any]) -> bool:
    """Return whether the machine code of a compiled function can be kept on disk and is not there yet."""
    file = getattr(getattr(function, "_cache", None), "_cache_file", None)
    return file is not None and not file._load_index()


class _Compilation(event.Listener):
    """Prints a notice on standard error when functions of this project are compiled; on a terminal it counts them.

    Meanwhile Python does not look for garbage: numba makes so many objects that this would take a sixth of the time.
    """

    when = "once"
    printed = collects = False
    depth = done = 0

    def on_start(self, event: Any) -> None:
        if event.data["dispatcher"].py_func.__module__.startswith(_OURS):
            if not self.depth:
                self.collects = gc.isenabled()
                gc.disable()
            self.depth += 1
            if not self.printed:
                self.printed = True
                print(self._notice(), file=sys.stderr, end=self._end(), flush=True)

    def on_end(self, event: Any) -> None:
        if event.data["dispatcher"].py_func.__module__.startswith(_OURS):
            self.depth, self.done = self.depth - 1, self.done + 1
            if not self.depth and self.collects:
                gc.enable()
            if self._counts():
                text = f"{self._notice()}: {self.done} functions" if self.depth else ""
                print(f"\r{text}\033[K", file=sys.stderr, end="", flush=True)

    def _notice(self) -> str:
        return f"xiangqi: compiling, {self.when}; this takes up to a minute"

    def _end(self) -> str:
        return "" if self._counts() else "\n"

    @staticmethod
    def _counts() -> bool:
        return sys.stderr is not None and sys.stderr.isatty()


_compilation: Final = _Compilation()
event.register("numba:compile", _compilation)
