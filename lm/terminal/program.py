"""``xqlm terminal``: the board on standard input and output."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from lm.players.specs import Spec
from lm.terminal.commands import Terminal
from lm.terminal.screen import Output, Screen
from xiangqi import STARTING_FEN


def main(spec: str, side: str, fen: str | None, letters: bool | None, file: Path | None = None) -> None:
    """Play on standard input and output, with colours, redrawing and line editing on a terminal.

    ``letters`` says whether pieces are letters; ``None`` if they are where the terminal shows no Chinese characters.
    ``file`` is a record to open.
    """
    screen = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    terminal = Terminal(
        Spec.parse(spec),
        side,
        fen or STARTING_FEN,
        output=_screen() if screen else Output(_ask, _write),
        color=screen and "NO_COLOR" not in os.environ,
        letters=not shows_chinese(sys.stdout.encoding, os.environ) if letters is None else letters,
        traditional=not reads_simplified(os.environ),
    )
    with contextlib.suppress(ImportError):
        import readline  # adds line editing to input(); Windows has its own

        def complete(text: str, state: int) -> str | None:
            line = readline.get_line_buffer()
            words = glob.glob(f"{text}*") if line.startswith(("open ", "save ")) else terminal.words
            return next((word for word in [word for word in words if word.startswith(text)][state:]), None)

        readline.set_completer(complete)
        readline.set_completer_delims(" ")
        readline.parse_and_bind("tab: complete")
    terminal.run(file)


def _screen() -> Output:
    if os.name == "nt":
        os.system("")  # its console understands colours and the cursor's movements from then on
    return Screen(input, _write, shutil.get_terminal_size)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _ask(prompt: str) -> str:
    line = input(prompt)
    if not sys.stdin.isatty():
        print(line)  # so that a transcript shows the input
    return line


def shows_chinese(encoding: str, environment: Mapping[str, str]) -> bool:
    """Return whether a terminal with this encoding and these variables is likely to show Chinese characters.

    Python writes UTF-8 even where the locale is that of C, so the variables are asked too.

    >>> shows_chinese("utf-8", {"LANG": "en_GB.UTF-8"}), shows_chinese("gb18030", {"LANG": "zh_CN.GB18030"})
    (True, True)
    >>> shows_chinese("utf-8", {"LANG": "C"}), shows_chinese("latin-1", {"LANG": "de_DE"})
    (False, False)
    """
    try:
        "帥將楚河漢界".encode(encoding)
    except UnicodeEncodeError:
        return False
    if os.name == "nt":
        return True
    if environment.get("TERM") == "linux":  # the console without windows, whose font has no Chinese characters
        return False
    names = ["LC_ALL", "LC_CTYPE", "LANG"]
    if environment.get("LC_CTYPE") == "C.UTF-8" and environment.get("LANG", "C") in ("", "C", "POSIX"):
        names.remove("LC_CTYPE")  # Python itself has set it
    return next((environment[name] for name in names if environment.get(name)), "C") not in ("C", "POSIX")


def reads_simplified(environment: Mapping[str, str]) -> bool:
    """Return whether these variables are of someone who reads simplified characters.

    >>> [reads_simplified({"LANG": name}) for name in ("zh_CN.UTF-8", "zh_SG", "zh_TW.UTF-8", "en_GB.UTF-8")]
    [True, True, False, False]
    """
    name = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return name.startswith(("zh_CN", "zh_SG", "zh_Hans"))
