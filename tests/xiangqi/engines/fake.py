"""A small engine that speaks UCI or UCCI and can be told to misbehave: ``fake.py [uci|ucci] [FAULT] [NAME=VALUE ...]``.

It answers the first search with ``first`` (default ``h2e2``), any later one with ``best``. ``log=FILE`` keeps the lines
that it was told; ``says=TEXT`` is written before each best move; ``pid=FILE`` keeps the number of its process.
"""

import os
import signal
import subprocess
import sys
import time


def main():
    protocol, fault = sys.argv[1], sys.argv[2]
    given = dict(word.split("=", 1) for word in sys.argv[3:])
    log = open(given["log"], "a") if "log" in given else None  # noqa: SIM115
    if "pid" in given:
        with open(given["pid"], "w") as file:
            file.write(str(os.getpid()))
    moves = [given.get("first", "h2e2"), given.get("best", "h2e2")]

    def say(*lines):
        for line in lines:
            if fault == "tabs":
                sys.stdout.write(line.replace(" ", " \t") + "\t\r\n")
            else:
                sys.stdout.write(line + ("\r" if fault == "carriage-returns" else "\n"))
        sys.stdout.flush()

    def hang():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)

    def greet():
        if fault == "mute":
            return
        if fault == "die-at-once":
            sys.stderr.write("cannot open nn.nnue\n")
            sys.exit(3)
        if fault == "huge-lines":
            say("x" * 3_000_000, "info string " + "y" * 3_000_000)
        say(
            "", "nonsense", "option", "option nonsense", "option name type", f"id name Fake {fault}", "id author nobody"
        )
        if protocol == "uci":
            say(
                "option name Threads type spin default 1 min 1 max 8",
                "option name Ponder type check default false",
                "option name Analysis Style type combo default Normal var Solid var Very Risky var Normal",
                "option name Book File type string default <empty>",
                "option name Clear Hash type button",
                "option name MultiPV type spin default 1 min 1 max 5",
            )
            if fault == "checks":
                say("option name Own Book type check default true")
            if fault == "no-default":
                say("option name Style type string")
            if "variants" in given:
                say("option name UCI_Variant type combo default chess var " + given["variants"].replace(",", " var "))
        else:
            say("id copyright 1998 棋", "option usemillisec type check default false", "option newgame type button")
            say("option style type combo default normal var solid var normal")
        say(f"{protocol}ok")

    def search(line):
        if fault == "die-in-search":
            say("info depth 1 score cp 5")
            sys.stderr.write("Segmentation fault\nbacktrace: none\n")
            sys.stderr.flush()
            os._exit(11)
        if fault == "killed-in-search":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "hang-in-search":
            say("info depth 1")
            hang()
        if fault == "talks":
            while True:
                say("info string thinking")
                time.sleep(0.01)
        if fault == "repeats":
            while True:
                say("info depth 1 score cp 1 pv h2e2")
                time.sleep(0.01)
        if fault == "talks-and-answers":
            say("info depth 1 score cp 1 pv h2e2")
            return
        if fault == "flood":
            while True:
                say("garbage " * 50)
        if fault == "garbage":
            say(
                "\x00\x01\x02",
                "info",
                "info depth",
                "info depth x score cp",
                "info score",
                "info score mate",
                "info pv",
            )
            say(
                "info multipv 99 depth 1",
                "info multipv",
                "info wdl 1",
                "info time -",
                "info depth 4 score cp 12 pv h2e2 z9",
            )
            sys.stdout.buffer.write(b"\xff\xfe\xba\xec\n\r\n")
        if "ponder" in line.split():
            return
        if fault == "slow" and "infinite" not in line:
            time.sleep(float(given["sleep"]))
        if ("infinite" in line or "movetime 600000" in line) and fault != "ignores-infinite":
            say("info depth 1 score cp 10 pv h2e2", "info depth 2 score cp 11 pv h2e2 h9g7")
            return
        if "says" in given:
            say(given["says"])
        best = moves[0] if len(moves) == 1 else moves.pop(0)
        if fault == "unfinished":
            sys.stdout.write(f"bestmove {best}")
            sys.stdout.flush()
            os._exit(0)
        say(best if best == "nobestmove" else f"bestmove {best}")
        if fault == "die-after-move":
            os._exit(0)

    if fault == "child":  # a wrapper whose real engine is a process of its own
        del sys.argv[2]
        sys.exit(subprocess.call([sys.executable, "-S", sys.argv[0], protocol, "stubborn", *sys.argv[2:]]))
    if fault == "leaves-a-child":  # which holds on to the pipes
        subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    readied = False
    for line in sys.stdin:
        line = line.strip()
        if log:
            log.write(line + "\n")
            log.flush()
        if line == protocol:
            greet()
        elif line == "uci" and fault == "leaves-at-uci":
            sys.exit(1)
        elif line == "isready":
            if fault == "never-ready" and readied:
                hang()
            readied = True
            if fault == "slow":
                time.sleep(0.01)
            say("readyok")
        elif line.startswith("go"):
            search(line)
        elif line.startswith("ponderhit"):
            if fault == "hang-at-ponderhit":
                hang()
            search("go")
        elif line == "stop":
            if fault == "ignores-stop":
                hang()
            say(f"bestmove {moves.pop(0) if len(moves) > 1 else moves[0]}")
            if fault == "late-nobestmove":  # it had moved when the stop came, and answers that as well
                time.sleep(0.1)
                say("nobestmove")
        elif line == "quit" and fault != "stubborn":
            break
    if fault == "stubborn":
        hang()


if __name__ == "__main__":
    main()
