"""lm: a language model that plays xiangqi, and all that plays with it.

Importing the package is cheap: torch is imported by the modules that compute with it. Yet it is all that transformers'
``AutoModelForCausalLM.from_pretrained`` needs for loading our models.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from lm.auto import announce

T = TypeVar("T", str, int)


class UserError(ValueError):
    """Something that the user gave is wrong, in one line for them to read; the command line exits with code 2."""


def one_of(name: str, value: T, allowed: Sequence[T]) -> T:
    """Return the value. Raises ``UserError`` if it is none of those allowed."""
    if value not in allowed:
        raise UserError(f"{name} must be one of {', '.join(map(str, allowed))}: {value!r}")
    return value


def data_path(name: str) -> Path:
    """Return where a shipped file or folder lies: ``data/`` of a checkout, else the share folder of an installation.

    The path need not exist; whoever opens it says so.

    >>> data_path("openings.txt").name
    'openings.txt'
    """
    checkout = Path(__file__).resolve().parent.parent / "data"
    return (checkout if checkout.is_dir() else Path(sys.prefix, "share", "xqlm")) / name


def __getattr__(name: str) -> Any:
    """Return the configuration class when transformers asks for it, with which the model is known too."""
    if name != "XiangqiConfig":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lm.model.config import XiangqiConfig

    return XiangqiConfig


announce(sys.modules[__name__])
