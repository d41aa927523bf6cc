"""A client for xiangqi engines that speak UCI or UCCI, blocking or in asyncio.

>>> import sys
>>> from xiangqi import Board
>>> from xiangqi.engine import EngineError, Limit, SimpleEngine
>>> script = '''
... while (line := input()) != "quit":
...     answers = {"uci": "uciok", "isready": "readyok"}
...     print(answers.get(line, "bestmove h2e2" if line.startswith("go") else ""), flush=True)
... '''
>>> with SimpleEngine.popen_uci([sys.executable, "-c", script]) as engine:
...     print(engine.play(Board(), Limit(time=0.1)).move)
h2e2
>>> try:
...     SimpleEngine.popen_uci("no-such-engine --fast")
... except EngineError as error:
...     print(error)
cannot start the engine: no such file or directory (command: no-such-engine --fast)

``SimpleEngine`` blocks and may be used from any thread; ``popen_uci`` and ``popen_ucci`` are the asyncio versions. Any
failure of an engine raises an ``EngineError`` with the command, the engine's last line, and the end of its standard
error. An engine that hangs is killed, and no process is left behind. A search without a time limit may take any time,
as long as the engine writes output or at least answers ``isready``.

UCI engines number the ranks from 0 (Pikafish) or from 1 (Fairy-Stockfish). An engine's first move from the starting
position shows which, because no square that Red can leave in one numbering can be left in the other. Unless
``first_rank`` is given, the client therefore asks for that move before the first search, at depth 1 and for at most a
second. Engines that play several variants are set to xiangqi.

Malformed numbers and unknown words in an engine's output are skipped; the rest is kept. The scores of UCCI engines are
converted to centipawns, see ``Score``.
"""

from xiangqi.engine.analysis import Analysis
from xiangqi.engine.client import Engine, popen_ucci, popen_uci
from xiangqi.engine.simple import SimpleAnalysis, SimpleEngine
from xiangqi.engine.values import (
    EngineError,
    EngineMoveError,
    EngineOptionError,
    EngineStartError,
    EngineTerminatedError,
    EngineTimeoutError,
    Info,
    Limit,
    Option,
    OptionValue,
    PlayResult,
    Score,
    Wdl,
)

__all__ = [
    "Analysis",
    "Engine",
    "EngineError",
    "EngineMoveError",
    "EngineOptionError",
    "EngineStartError",
    "EngineTerminatedError",
    "EngineTimeoutError",
    "Info",
    "Limit",
    "Option",
    "OptionValue",
    "PlayResult",
    "Score",
    "SimpleAnalysis",
    "SimpleEngine",
    "Wdl",
    "popen_ucci",
    "popen_uci",
]
