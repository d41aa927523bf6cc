"""The process of an engine: starting, lines of input and output, killing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Final, Self

_LONGEST_LINE: Final = 1 << 16
_LONGEST_STDERR: Final = 2000
_LINE_END: Final = re.compile(rb"[\r\n]")


class EngineProcess(asyncio.SubprocessProtocol):
    """An engine's process. Splits its output into lines, keeps the tail of its stderr, and reports its end.

    Created by ``start``.

    >>> async def main() -> None:
    ...     process = await EngineProcess.start(["sh", "-c", "echo one; exit 3"], None, print, lambda: None)
    ...     await process.ended
    ...     print(process.transport.get_returncode())
    >>> asyncio.run(main())
    one
    3
    """

    transport: asyncio.SubprocessTransport
    ended: asyncio.Future[None]
    """Done when the process has ended."""

    def __init__(self, on_line: Callable[[str], None], on_end: Callable[[], None]) -> None:
        self.on_line, self.on_end = on_line, on_end
        self.ended = asyncio.get_running_loop().create_future()
        self.stderr = b""
        self._rest = b""
        self._exited = False

    @classmethod
    async def start(
        cls, command: Sequence[str], cwd: str | None, on_line: Callable[[str], None], on_end: Callable[[], None]
    ) -> Self:
        """Start ``command`` in the folder ``cwd``, in its own process group.

        ``on_line`` is called with each line that is not empty, ``on_end`` once when the process has ended. Raises
        ``OSError`` or ``ValueError`` if the command cannot be started.
        """
        loop = asyncio.get_running_loop()
        _, process = await loop.subprocess_exec(
            lambda: cls(on_line, on_end),
            *command,
            cwd=cwd,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # a process group on Windows
        )
        return process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self.transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self.stderr = (self.stderr + data)[-_LONGEST_STDERR:]
            return
        *lines, rest = _LINE_END.split(self._rest + data)
        self._rest = rest[:_LONGEST_LINE]
        for line in lines:
            self._tell(line)

    def _tell(self, line: bytes) -> None:
        text = _decode(line[:_LONGEST_LINE]).strip()
        if text:
            self.on_line(text)

    def process_exited(self) -> None:
        self.kill()  # its children would keep the pipes open
        self._exited = True
        # The last output may still be in the pipe. If another process keeps the pipes open, do not wait for it.
        asyncio.get_running_loop().call_later(0.2, self.connection_lost, None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self._tell(self._rest)
            self.ended.set_result(None)
            self.transport.close()
            self.on_end()

    def write(self, text: str) -> None:
        """Write a line to the process; do nothing if its input is closed."""
        stdin = self.transport.get_pipe_transport(0)
        if isinstance(stdin, asyncio.WriteTransport) and not stdin.is_closing():
            stdin.write(f"{text}\n".encode())

    def kill(self) -> None:
        """Kill the process and its children. Does nothing if it has ended."""
        if self._exited:  # another process may have its number by now
            return
        pid = self.transport.get_pid()
        if sys.platform == "win32":
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], capture_output=True, check=False)
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def tail(self) -> str:
        """Return the last lines that the process wrote to stderr, joined to one."""
        return " | ".join(_decode(self.stderr).strip().splitlines()[-3:])


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030", errors="replace")
