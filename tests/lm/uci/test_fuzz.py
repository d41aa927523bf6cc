"""Lines that no board would send never end the engine."""

from __future__ import annotations

import random

import pytest

from lm.players.levels import LEVELS
from uci_talk import Program, Talk
from xiangqi import MOVES, STARTING_FEN, Board

WORDS = [
    *[
        "uci",
        "ucci",
        "isready",
        "setoption",
        "name",
        "value",
        "ucinewgame",
        "position",
        "startpos",
        "fen",
        "moves",
        "banmoves",
        "go",
        "stop",
        "ponderhit",
    ],
    *[
        "debug",
        "on",
        "register",
        "infinite",
        "ponder",
        "draw",
        "depth",
        "nodes",
        "time",
        "movetime",
        "wtime",
        "btime",
        "winc",
        "binc",
        "movestogo",
    ],
    *[
        "increment",
        "opptime",
        "mate",
        "searchmoves",
        "true",
        "false",
        "Hash",
        "MultiPV",
        "Threads",
        "Level",
        "UCI_Elo",
        "UCI_LimitStrength",
    ],
    *[
        "UCI_Variant",
        "xiangqi",
        "usemillisec",
        "batch",
        "newgame",
        "RuleSet",
        "none",
        "Temperature",
        "Voice",
        "engine",
        "probe",
        "(none)",
        "0000",
    ],
    *[
        "0",
        "1",
        "-1",
        "3",
        "16",
        "1e3",
        "1e400",
        "nan",
        "inf",
        "99999999999999999999",
        "-",
        "/",
        "象棋",
        "%",
        "{}",
        "\\",
        "'",
        '"',
    ],
    *("\x00", "\t", "\ufeff"),
]
COMMANDS = (
    "position startpos moves",
    "go",
    "go",
    "setoption name",
    "setoption",
    "position fen",
    "banmoves",
    "stop",
    "isready",
)


def line(chance: random.Random) -> str:
    words = [chance.choice(COMMANDS)] if chance.random() < 0.7 else []
    for _ in range(chance.choice((0, 1, 2, 3, 8))):
        kind = chance.random()
        if kind < 0.2:
            words.append(chance.choice(MOVES).iccs)
        elif kind < 0.3:
            words.append(chance.choice([move.iccs for move in Board().legal_moves]))
        elif kind < 0.35:
            fen = list(STARTING_FEN)
            for _ in range(chance.randrange(3)):
                fen[chance.randrange(len(fen))] = chance.choice("rnbakcpRNBAKCP123456789/ wb-x")
            words.append("".join(fen))
        elif kind < 0.4:
            words.append("".join(chance.choices("abcdefghi0123456789 ", k=chance.randrange(12))))
        elif kind < 0.45:
            words.append(chance.choice([level.name for level in LEVELS]))
        else:
            words.append(chance.choice(WORDS))
    text = " ".join(words)
    return text.upper() if chance.random() < 0.1 else text


@pytest.mark.parametrize(
    "lines", [pytest.param(3000, id="few"), pytest.param(100_000, id="many", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("protocol", ["uci", "ucci"])
def test_lines_never_end_the_conversation(protocol: str, lines: int) -> None:
    chance = random.Random(lines)
    talk = Talk(protocol, spec=None)
    for _ in range(lines):
        text = line(chance)
        if text.split()[:1] not in (["quit"], ["QUIT"]):
            talk.tell(text)
        if chance.random() < 0.02:
            talk.tell("setoption batch false", "stop")
            talk.said.clear()
    talk.tell("setoption batch false", "stop", "position startpos", "isready").until("readyok")
    talk.said.clear()
    assert talk.best("go depth 1").startswith("bestmove ")
    talk.server.close()


def test_bytes_never_end_the_process() -> None:
    chance = random.Random(1)
    with Program("py:uci_players:Scripted") as program:
        for _ in range(300):
            program.stdin.write(chance.randbytes(chance.randrange(80)) + b"\n" + line(chance).encode() + b"\n")
        program.tell("stop", "position startpos", "isready").until("readyok")
        program.tell("stop")
        assert program.tell("position startpos", "go depth 1").until("bestmove")
        assert program.process.poll() is None
