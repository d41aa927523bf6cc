"""A client for xiangqi engines that speak UCI or UCCI, blocking or in asyncio.

>>> import sys
>>> from xiangqi import Board
>>> from xiangqi.engine import EngineError, Limit, SimpleEngine
>>> toy = '''
... while (line := input()) != "quit":
...     answers = {"uci": "uciok", "isready": "readyok"}
...     print(answers.get(line, "bestmove h2e2" if line.startswith("go") else ""), flush=True)
... '''
>>> with SimpleEngine.popen_uci([sys.executable, "-c", toy]) as engine:
...     print(engine.play(Board(), Limit(time=0.1)).move)
h2e2
>>> try:
...     SimpleEngine.popen_uci("no-such-engine --fast")
... except EngineError as error:
...     print(error)
cannot start the engine: no such file or directory (command: no-such-engine --fast)

``SimpleEngine`` blocks and may be used from any thread; ``popen_uci`` and ``popen_ucci`` give the same as coroutines.
Whatever an engine does wrong ends in an ``EngineError`` that says which command it was, what it said last, and the end
of its standard error. An engine that hangs is killed, and none leaves a process behind. A search without a time of its
own may take as long as it likes while the engine says something, or at least answers ``isready``.

UCI engines number the ranks from 0 (Pikafish) or from 1 (Fairy-Stockfish). Which one it is shows in an engine's first
move from the starting position, where no square that Red can leave in one numbering can be left in the other: unless
``first_rank`` is given, an engine is asked for that move, at depth 1 and in a second at most, before its first search.
Engines that play many variants are set to xiangqi.

What an engine says is read as far as it makes sense: an odd number or an unknown word costs nothing but itself. The
scores of UCCI engines are told in centipawns, see ``Score``.
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
