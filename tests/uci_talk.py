"""A board that talks to the engine: in this process, or to one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from lm.players.player import Player
from lm.uci.server import Server
from uci_players import Scripted

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 120.0
"""Seconds after which an answer is taken to be missing."""


class Talk:
    """A conversation with a server in this process; ``said`` are its lines that were not read yet."""

    def __init__(self, protocol: str = "uci", player: Player | None = None, spec: str | None = "greedy:seed=1") -> None:
        self.player = player or Scripted()
        self.opened: list[str] = []
        self.said: list[str] = []
        self._news = threading.Condition()
        self.server = Server(protocol, self._hear, spec, self._open)

    def _open(self, spec: object) -> Player:
        self.opened.append(str(spec))
        return self.player

    def _hear(self, line: str) -> None:
        with self._news:
            self.said.append(line)
            self._news.notify_all()

    def tell(self, *lines: str) -> Self:
        for line in lines:
            assert self.server.handle(line)
        return self

    def until(self, word: str) -> list[str]:
        """Return the lines up to the first that begins with a word."""

        def end() -> int:
            return next((i for i, line in enumerate(self.said, 1) if line.split()[0] == word), 0)

        with self._news:
            assert self._news.wait_for(end, PATIENCE), f"no {word}, but {self.said}"
            found, self.said = self.said[: end()], self.said[end() :]
        return found

    def best(self, *lines: str) -> str:
        """Tell lines and return the answer to the last."""
        self.tell(*lines)
        return self.until("bestmove")[-1]

    def heard(self, *lines: str) -> list[str]:
        """Tell lines, and return all that was said before the answer to ``isready``."""
        return self.tell(*lines, "isready").until("readyok")[:-1]


class Program:
    """An engine in a process of its own."""

    def __init__(self, *arguments: str, stderr: int | None = subprocess.DEVNULL) -> None:
        code = "import sys; from lm.uci.program import main; main(*sys.argv[1:])"
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self._killer = threading.Timer(PATIENCE, self.process.kill)
        self._killer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait()
        self._killer.cancel()
        self.stdin.close()
        self.stdout.close()

    def tell(self, *lines: str) -> Self:
        self.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self.stdin.flush()
        return self

    def until(self, word: str) -> list[str]:
        found: list[str] = []
        while not found or found[-1].split()[:1] != [word]:
            line = self.stdout.readline().decode()
            assert line, f"the engine ended after {found}"
            found.append(line.rstrip("\n"))
        return found

    def rest(self) -> list[str]:
        """Close the engine's input and return all that it still says."""
        self.stdin.close()
        return self.stdout.read().decode().splitlines()


def words_of(lines: Sequence[str], word: str) -> list[str]:
    """Return what follows a word in each line that has it."""
    return [line.split()[line.split().index(word) + 1] for line in lines if word in line.split()[:-1]]
