"""Checks step by step whether an engine keeps to UCI or UCCI.

The steps are those of ``fastchess --compliance``, with positions of xiangqi, what the texts of the protocols demand
besides (see ``xiangqi.engine.wire``), and what boards are known to send. Each begins with an idle engine, which is
started again after a step that failed.

>>> import sys
>>> script = '''
... while (line := input()) != "quit":
...     answers = {"uci": "uciok", "isready": "readyok"}
...     print(answers.get(line, "bestmove h2e2" if line.startswith("go") else ""), flush=True)
... '''
>>> results = check([sys.executable, "-c", script], timeout=2, only=("names itself", "goes by depth"))
>>> [(result.step, result.verdict, result.note) for result in results[1:3]]
[('names itself', 'fail', 'no id name'), ('goes by depth', 'pass', '')]
"""

from __future__ import annotations

import asyncio
import shlex
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from xiangqi.engine.compliance_steps import STEPS, Skip, Step
from xiangqi.engine.raw import Fault, Talk
from xiangqi.engine.wire import UCCI, UCI, Dialect
from xiangqi.words import counted

Verdict = Literal["pass", "warn", "fail", "skip"]
VERDICTS: Final[tuple[Verdict, ...]] = ("pass", "warn", "fail", "skip")


@dataclass(frozen=True)
class Result:
    """What came of a step."""

    step: str
    verdict: Verdict
    """``warn`` where an engine does not do what boards expect but the protocol leaves open; ``skip`` where the step
    does not apply, or the engine could not be started."""
    note: str
    seconds: float


def check(
    command: str | Sequence[str],
    protocol: Literal["uci", "ucci"] = "uci",
    *,
    options: Mapping[str, str] | None = None,
    timeout: float | None = None,
    cwd: str | None = None,
    only: Collection[str] | None = None,
    report: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Take an engine through the steps of a protocol, or those in ``only``, and return what came of each.

    ``command`` is a list of arguments, or a string that is split like a shell command. ``options`` are set at each
    start. ``timeout`` is in seconds, for each answer, by default 10 and for the first 30. ``report`` is called after
    each step that is taken; an engine that does not start takes none. Raises ``OSError`` if there is no such program,
    and ``ValueError`` for a command that is empty or has quotes that do not match.
    """
    words = shlex.split(command) if isinstance(command, str) else list(command)
    if not words:
        raise ValueError("the command is empty")
    words[0] = shutil.which(words[0]) or shutil.which(words[0], path="/usr/games") or words[0]
    dialect: Dialect = UCCI if protocol == "ucci" else UCI
    talk = Talk(words, dialect, options or {}, timeout, cwd)
    steps = [step for step in STEPS if dialect in step.dialects and (only is None or step.title in only)]
    return asyncio.run(_run(talk, steps, report))


async def _run(talk: Talk, steps: Sequence[Step], report: Callable[[Result], None]) -> list[Result]:
    loop = asyncio.get_running_loop()
    results: list[Result] = []

    def tell(title: str, verdict: Verdict, note: str, began: float) -> None:
        results.append(Result(title, verdict, note, loop.time() - began))
        report(results[-1])

    try:
        began = loop.time()
        try:
            await talk.start()
        except Fault as fault:
            tell("starts and shakes hands", "fail", str(fault), began)
            return results + [Result(step.title, "skip", "the engine does not start", 0.0) for step in steps]
        tell("starts and shakes hands", "pass", "", began)
        sound = True
        for step in steps:
            began = loop.time()
            try:
                if not sound:
                    await talk.start()
                sound = not step.last
                await step.check(talk)
                if sound:
                    await talk.ready()
            except Skip as reason:
                sound = True
                tell(step.title, "skip", str(reason), began)
            except Fault as fault:
                sound = False
                tell(step.title, "fail" if step.must else "warn", str(fault), began)
            else:
                tell(step.title, "pass", "", began)
        if talk.strange:
            note = f"{counted(len(talk.strange), 'line')}, such as {talk.strange[0][:60]!r}"
            tell("says nothing but the protocol", "warn", note, loop.time())
        else:
            tell("says nothing but the protocol", "pass", "", loop.time())
        return results
    finally:
        await talk.kill()
