"""lm: a language model that plays xiangqi, and all that plays with it.

Importing the package is cheap: torch is imported by the modules that compute with it. Yet it is all that transformers'
``AutoModelForCausalLM.from_pretrained`` needs for loading our models.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from lm.auto import announce

T = TypeVar("T", str, int)


class UserError(ValueError):
    """Something that the user gave is wrong, in one line for them to read; the command line exits with code 2."""


def one_of(name: str, value: T, allowed: Sequence[T]) -> T:
    """Return the value. Raises ``UserError`` if it is none of those allowed."""
    if value not in allowed:
        raise UserError(f"{name} must be one of {', '.join(map(str, allowed))}: {value!r}")
    return value


def processors() -> int:
    """Return how many processors this process may use, as far as the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def data_path(name: str) -> Path:
    """Return where a shipped file or folder lies: in the package ``lm.data``, which in a checkout is ``data/``.

    The path need not exist; whoever opens it says so.

    >>> data_path("openings.txt").name
    'openings.txt'
    """
    package = Path(str(files("lm")))
    installed = package / "data"
    return (installed if installed.is_dir() else package.parent / "data") / name


def require(package: str, extra: str) -> None:
    """Raise ``UserError``, which says how to install it, unless there is the package that an extra brings."""
    if find_spec(package) is None:
        raise UserError(f"this needs {package}: {install_command(extra)}")


def install_command(extra: str) -> str:
    """Return the command that adds an extra, as ``report``, to this installation.

    It installs from where xqlm came from (PEP 610): a checkout, a wheel, a repository, or else the package index.
    """
    from urllib.request import url2pathname  # which takes longer than the rest of the package

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
