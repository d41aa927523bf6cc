"""What Windows and macOS lack is asked for only where it is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AS_ON_WINDOWS = """
import ctypes, importlib, os, pkgutil, platform, signal, sys

for name in {libraries}:  # these know what to do there
    importlib.import_module(name)
sys.modules.update(dict.fromkeys(("fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "termios", "tty")))
for module, names in {missing}.items():
    for name in names:
        if hasattr(globals()[module], name):
            delattr(globals()[module], name)

class CDLL(ctypes.CDLL):
    def __init__(self, name, *args, **kwargs):
        if name is None:
            raise TypeError("expected a name")
        super().__init__(name, *args, **kwargs)

ctypes.CDLL = CDLL
platform.libc_ver = lambda: ("", "")
"""
LIBRARIES = [
    "asyncio",
    "concurrent.futures.thread",
    "multiprocessing.synchronize",
    "shutil",
    "subprocess",
    "tempfile",
    "accelerate",
    "filelock",
    "numba.core.caching",
    "pygame",
    "rich.live",
    "rich.progress",
    "torch.utils.tensorboard",
    "transformers.trainer",
    "typer",
    "zstandard",
]
MISSING = {
    "os": ("confstr", "fork", "forkpty", "getloadavg", "getpgid", "killpg", "sched_getaffinity", "setsid", "uname"),
    "signal": ("SIGALRM", "SIGHUP", "SIGKILL", "SIGSTOP", "SIGCONT", "SIGUSR1", "alarm", "pthread_sigmask"),
}
MODULES = """
import gui, lm, xiangqi
for package in (gui, lm, xiangqi):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if module.name.startswith("gui.fonts.make_") or module.name.startswith("lm.data."):
            continue  # tools for who works on the repository
        importlib.import_module(module.name)
from lm.training.memory import keep_memory
from lm.training.run import processors
keep_memory()
assert processors() >= 1
"""
GAME = """
from lm.cli import main
sys.argv = ["xqlm", "terminal", "--player", "random:seed=1"]
main()
"""


def run(code: str, words: str = "") -> subprocess.CompletedProcess[str]:
    start = AS_ON_WINDOWS.format(libraries=LIBRARIES, missing=MISSING)
    return subprocess.run(
        [sys.executable, "-c", start + code], cwd=ROOT, input=words, capture_output=True, encoding="utf-8"
    )


class TestWithoutPosix:
    def test_every_module_is_imported_and_a_game_is_played(self) -> None:
        done = run(MODULES + GAME, "h2e2\nquit\n")
        assert done.returncode == 0, done.stderr
        assert "Black plays" in done.stdout
