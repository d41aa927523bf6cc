"""lm: a language model that plays xiangqi, with its training, players, matches and measurements.

Importing the package is cheap: only the modules that compute with torch import it. After ``import lm``, transformers'
``AutoModelForCausalLM.from_pretrained`` can load our models.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from lm.auto import announce

T = TypeVar("T", str, int)

SMALL_PAGES: Final = {"NUMPY_MADVISE_HUGEPAGE": "0"}
"""Lets numpy ask for no huge pages. To clear a dozen of them, of 2 MB each, at the first plies of another game held up
the search for 50 to 150 ms, in which it could not be stopped (``benchmarks/stopping.py``)."""
CPU_FILE: Final = Path("/proc/cpuinfo")


def __getattr__(name: str) -> Any:
    """Import ``lm.Search`` when it is first asked for: the package itself stands below all its modules."""
    if name == "Search":
        return import_module("lm.players.search_player").Search
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class UserError(ValueError):
    """Wrong input from the user. The message is one line for the user; the command line exits with code 2."""


def one_of(name: str, value: T, allowed: Sequence[T]) -> T:
    """Return the value. Raises ``UserError`` if it is not one of those allowed."""
    if value not in allowed:
        raise UserError(f"{name} must be one of {', '.join(map(str, allowed))}: {value!r}")
    return value


def processors() -> int:
    """Return how many processors this process may use; where the system does not report that, how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def freeze_loaded() -> None:
    """Leave out all objects of now when Python looks for garbage.

    numba and its kernels leave 120,000 of them. To look at each takes 50 to 90 ms, in which a search, or a window,
    would stand still now and again. This is for our own programs: what is frozen and part of a cycle is never freed.
    """
    gc.collect()
    gc.freeze()


def data_path(name: str) -> Path:
    """Return the path of a shipped file or folder: in the package ``lm.data``, or in ``data/`` of a checkout.

    The path need not exist.

    >>> data_path("openings.txt").name
    'openings.txt'
    """
    package = Path(str(files("lm")))
    installed = package / "data"
    return (installed if installed.is_dir() else package.parent / "data") / name


def user_folder() -> Path:
    """Return the folder of the user's data, such as the library of games. It need not exist."""
    from platformdirs import user_data_path

    return user_data_path("xqlm", appauthor=False)


def release() -> str:
    """Return the name and version of the installed package, as ``xqlm 0.1.0``."""
    try:
        return f"xqlm {distribution('xqlm').version}"
    except PackageNotFoundError:
        return "xqlm, not installed"


def require(package: str, extra: str) -> None:
    """Raise ``UserError`` with the install command if a package, which is part of an extra, is not installed."""
    if find_spec(package) is None:
        raise UserError(f"this needs {package}: {install_command(extra)}")


def install_command(extra: str) -> str:
    """Return the command that adds an extra, such as ``report``, to this installation.

    It installs from the origin of the installed xqlm (PEP 610): a checkout, a wheel, a repository, or else the package
    index.
    """
    from urllib.request import url2pathname  # imported here: it takes longer than the rest of the package

    try:
        url = json.loads(distribution("xqlm").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:  # a checkout that is not installed
        url = {"url": Path(str(files("lm"))).parent.as_uri(), "dir_info": {}}
    option, what = "", f"xqlm[{extra}]"
    if "dir_info" in url:
        option = "-e " if url["dir_info"].get("editable") else ""
        what = f"{url2pathname(urlsplit(url['url']).path)}[{extra}]"
    elif "vcs_info" in url:
        what += f" @ {url['vcs_info']['vcs']}+{url['url']}@{url['vcs_info']['commit_id']}"
    elif "url" in url:
        what += f" @ {url['url']}"
    return f'{sys.executable} -m pip install {option}"{what}"'


announce()


def cpu_model() -> str:
    """Return the name of the processor, or of its architecture if the system does not report it.

    A virtual machine may call all generations alike, as ``AMD EPYC``: then family and model tell which one it is.
    """
    try:
        lines = CPU_FILE.read_text("utf-8").splitlines()
    except OSError:
        lines = []
    found: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        found.setdefault(name.strip(), value.strip())
    called = found.get("model name") or platform.processor() or platform.machine()
    if {"model name", "cpu family", "model"} <= found.keys() and not any(char.isdigit() for char in called):
        return f"{called} (family {found['cpu family']}, model {found['model']})"
    return called
