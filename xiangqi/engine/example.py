r"""A minimal engine to try the client of ``xiangqi.engine``; the examples of that package run it.

It supports UCI and UCCI, plays two stored openings and resigns when they end. It imports only ``sys``, so that it
starts fast.

>>> from xiangqi import Board
>>> from xiangqi.engine import Limit, SimpleEngine
>>> from xiangqi.engine.example import COMMAND
>>> with SimpleEngine.popen_uci(COMMAND) as engine:
...     print(engine.id["name"], engine.play(Board.from_moves("h2e2"), Limit(depth=1)).move)
Example h9g7
"""

import sys

COMMAND = (sys.executable, "-S", __file__)
"""The command that starts it."""

LINES = (
    ("h2e2", "h9g7", "h0g2", "i9h9", "i0h0", "b9c7", "c3c4", "g6g5", "b0c2", "d9e8"),
    ("c3c4", "g6g5", "b0c2", "b9c7", "h0g2", "h9g7", "b2a2", "h7i7", "a0b0", "i9h9"),
)
"""The stored openings, best first."""


def main() -> None:
    r"""Answer the commands on standard input until ``quit``.

    >>> import io
    >>> from unittest import mock
    >>> with mock.patch("sys.stdin", io.StringIO("ucci\nposition startpos moves h2e2\ngo depth 3\nquit\n")):
    ...     main()
    id name Example
    option MultiPV type spin min 1 max 2 default 1
    ucciok
    info depth 3 multipv 1 score cp -30 pv h9g7 h0g2 i9h9
    bestmove h9g7 ponder h0g2
    """
    count, answer = 1, ""
    moves: tuple[str, ...] = ()
    for text in sys.stdin:
        words = text.split() or [""]
        if words[0] in ("uci", "ucci"):
            print("id name Example")
            print(f"option {'name ' * (words[0] == 'uci')}MultiPV type spin min 1 max 2 default 1")
            print(f"{words[0]}ok")
        elif words[0] == "isready":
            print("readyok")
        elif words[0] == "setoption":
            count = int(words[-1])
        elif words[0] == "position":
            moves = tuple(words[words.index("moves") + 1 :]) if "moves" in words else ()
        elif words[0] == "go":
            depth = int(words[words.index("depth") + 1]) if "depth" in words else 5
            plans = [line[len(moves) :] for line in LINES if line[: len(moves)] == moves and len(line) > len(moves)]
            for rank, plan in enumerate(plans[:count], 1):
                score = 40 - 10 * rank if len(moves) % 2 == 0 else 10 * rank - 40
                print(f"info depth {depth} multipv {rank} score cp {score} pv {' '.join(plan[:depth])}")
            answer = f"bestmove {' ponder '.join(plans[0][:2])}" if plans else "bestmove resign"
            if words[1:] != ["infinite"] and "ponder" not in words:
                print(answer)
        elif words[0] in ("stop", "ponderhit"):
            print(answer)
        elif words[0] == "quit":
            break
        sys.stdout.flush()


if __name__ == "__main__":
    main()
