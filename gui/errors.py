"""Errors in the words of the board."""

from __future__ import annotations


def describe(error: BaseException) -> str:
    """Describe an error in one line.

    >>> describe(FileNotFoundError(2, "No such file or directory", "model/config.json"))
    "No such file or directory: 'model/config.json'"
    >>> describe(KeyError("depth"))
    "KeyError: 'depth'"
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {str(error.filename)!r}" if error.filename else "")
    text = " ".join(str(error).split())
    if isinstance(error, (ValueError, RuntimeError, ImportError, OSError)) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
