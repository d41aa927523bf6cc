"""Damaged files of the formats but PGN and JSONL: the result must be a game or a ``FormatError``, quickly.

PGN and JSONL are damaged in test_formats; here only what is in algebraic notation or in UTF-16.
"""

from __future__ import annotations

import contextlib
import io
import random
import struct
import time
import zlib
from pathlib import Path

import pytest

from xiangqi import Game
from xiangqi.formats import (
    FormatError,
    UnknownFormatError,
    cbf,
    cbl,
    ccbridge,
    dhtmlxq,
    load,
    mxq,
    pgn,
    sg,
    wxf,
    xqf,
    xqstudio,
)

FILES = Path(__file__).parent / "files"


def _library(record: bytes) -> bytes:
    head = bytearray(66624 + 276)
    head[:16] = b"CCBridgeLibrary\0"
    struct.pack_into("<I", head, 60, 1)
    return bytes(head) + (record + bytes(-len(record) % 4096)) * 2


RECORD = (FILES / "tree.cbr").read_bytes()
FIRST = (FILES / "first.cbl").read_bytes()
TEXT = """
--------------------
标题: 第一局
结果: 红方胜
--------------------
  1. 炮二平五  马８进７    2. 马二进三  …………

好棋

  2. …………  车９平８
--------------------
棋谱由XQStudio生成 (http://www.qipaile.net/xqstudio)
"""
ALGEBRAIC = '[Red "A"]\n\n1. Che3+ {+0.38/19} Hg8 (1... Chxe7 2. xe7) 2. Hg3 ± Rh10 $10 3. P7+1 A10e9 *\n'
SEEDS = {
    "published.xqf": (xqf, (FILES / "published.xqf").read_bytes()),
    "enciphered.xqf": (xqf, (FILES / "enciphered.xqf").read_bytes()),
    "tree.cbr": (cbl, RECORD),
    "library.cbl": (cbl, _library(RECORD)),
    "game.cbf": (cbf, (FILES / "game.cbf").read_bytes()),
    "two.ubb": (dhtmlxq, (FILES / "two.ubb").read_bytes()),
    "bare.ubb": (dhtmlxq, (FILES / "bare.ubb").read_bytes()),
    "first.cbl": (ccbridge, zlib.decompress(FIRST[20:])),  # damaged before it is packed
    "packed.cbl": (ccbridge, FIRST),
    "one.sg": (sg, (FILES / "one.sg").read_bytes()),
    "one.mxq": (mxq, (FILES / "one.mxq").read_bytes()),
    "game.wxf": (wxf, (FILES / "game.wxf").read_bytes()),
    "game.txt": (xqstudio, TEXT.encode()),
    "gb.txt": (xqstudio, TEXT.encode("gb18030")),
    "algebraic.pgn": (pgn, ALGEBRAIC.encode()),
    "utf-16.pgn": (pgn, ALGEBRAIC.encode("utf-16")),
}
BORING = {"published.xqf": 1024, "enciphered.xqf": 1024, "tree.cbr": 2112, "library.cbl": 66624 + 276 + 2112}
BORING |= {"first.cbl": 212, "packed.cbl": 20, "one.sg": 210, "one.mxq": 40, "game.wxf": 70}
"""Where the header ends: half of the damage is done after it."""
TOKENS = (
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xf0\x0f",
    b"[DhtmlXQ_",
    b"[/",
    b"]",
    b"<a>",
    b"<Move ",
    b"&",
    b"99",
    b"\r\n",
    b"{",
    b"}",
    b"}END",
    b"START{",
    b"FEN ",
    b"SETUP{ Ra0 ",
    b"/*",
    b"*/",
    b"-" * 20,
    b"Che2 ",
    b"10",
    b"+-",
    "±".encode(),
    "…………".encode(),
    "红方: ".encode(),
)


def damage(rng: random.Random, name: str, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        low = BORING.get(name, 0) if rng.random() < 0.5 else 0
        at = rng.randrange(min(low, len(out)), len(out) + 1)
        end = min(len(out), at + rng.choice((1, 4, 16, 200)))
        kind = rng.randrange(7)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(out):
            out[at] = rng.randrange(256)
        elif kind == 2:
            del out[at:end]
        elif kind == 3:
            out[at:at] = out[at:end] * rng.choice((1, 2, 50))
        elif kind == 4:
            out[at:end] = rng.choice(TOKENS)
        elif kind == 5:
            out[at:at] = rng.choice(TOKENS) * rng.choice((1, 3, 100))
        else:
            del out[at if rng.random() < 0.3 else end :]
    return bytes(out)


def packed(name: str, data: bytes) -> bytes:
    return FIRST[:16] + struct.pack("<I", len(data)) + zlib.compress(data, 0) if name == "first.cbl" else data


def check(name: str, seed: int) -> int:
    """Read one damaged file and return how many moves came out of it."""
    module, data = SEEDS[name]
    data = damage(random.Random(f"{name} {seed}"), name, data)
    data = packed(name, data)
    start = time.process_time()
    games: list[Game] = []
    errors: list[FormatError] = []
    for read in (load, module.read):
        try:
            games += read(io.BytesIO(data), errors.append)
        except FormatError as error:
            errors.append(error)
            if isinstance(error, UnknownFormatError):
                continue
        break
    assert all(error.reason and "\n" not in str(error) for error in errors)
    for game in games:
        # Every move of the tree takes some bytes of the file, and the tree survives being written.
        assert 2 * sum(1 for _ in game.walk()) <= len(data)
        try:
            text = dhtmlxq.dumps(game)
        except FormatError:  # a damaged position may have too many pieces for it
            continue
        again = dhtmlxq.loads(text)
        assert [(node.ply, node.move) for node in again.walk()] == [(node.ply, node.move) for node in game.walk()]
    assert time.process_time() - start < 2, f"{name} {seed} takes too long"
    return sum(1 for game in games for _ in game.walk())


@pytest.mark.parametrize("name", SEEDS)
class TestDamage:
    def test_undamaged(self, name: str) -> None:
        data = packed(name, SEEDS[name][1])
        assert len(list(load(io.BytesIO(data)))) == (2 if name in ("library.cbl", "two.ubb") else 1)

    def test_some(self, name: str) -> None:
        read = [check(name, seed) for seed in range(340)]
        assert any(read) and len(set(read)) > 1  # the damage is neither always fatal nor always harmless

    @pytest.mark.slow
    def test_many(self, name: str) -> None:
        for seed in range(340, 20_340):
            check(name, seed)


class TestRunaways:
    """Inputs whose cost could grow faster than their size."""

    @pytest.mark.parametrize(
        "data",
        [
            b"[DhtmlXQ_movelist]" * 60_000,
            b"[DhtmlXQ]" * 100_000,
            pytest.param(b"[DhtmlXQ_movelist]" + b"0908000108090100" * 60_000, marks=pytest.mark.slow),
            b"[DhtmlXQ][DhtmlXQ_movelist]0908" + b"".join(b"[DhtmlXQ_move_0_1_%d]0908" % i for i in range(1, 30_000)),
            b"<ChineseChessRecord>" + b"<MoveList>" * 100_000,
            b"<ChineseChessRecord><MoveList>" + b'<Move value="09-08"/><Move value="00-01"/>' * 20_000,
            b"CCBridgeLibrary\0" + bytes(48) + b"CCBridge Record\0" * 60_000,
            b"CCBridgeLibrary\0" + bytes(48) + (b"CCBridge Record\0" + bytes(4080)) * 250,
            (FILES / "published.xqf").read_bytes()[:1024] + b"\x18\x20\xff\0\0\0\0\0" * 100_000,
            pytest.param(b"7747" + b"0908000108090100" * 60_000, marks=pytest.mark.slow),
            b"7747" + b" " * 1_000_000,
            (FILES / "one.sg").read_bytes() * 800,
            (FILES / "one.mxq").read_bytes() + b"\x057A-6C" * 150_000,
            pytest.param(b"\0" * 39 + b"\x05Moves" + b"\0" * 1_000_000, marks=pytest.mark.slow),
            b"START{" + b" " * 1_000_000,
            b"START{\n" * 140_000,
            pytest.param(b"START{" + b"}" * 1_000_000, marks=pytest.mark.slow),
            b"START{" + b"} " * 500_000,
            b"START{" + b"/*" * 500_000,
            b"START{ C2.5 }END\n" * 2_000,
            b"RED A\n" * 160_000 + b"START{",
            b"RED " + b";" * 1_000_000 + b"\nSTART{",
            b"SETUP{" * 160_000 + b"\nSTART{",
            b"SETUP{ " + b"Ra0 " * 250_000 + b"}\nSTART{",
            b"-" * 20 + b"\n1. " + "炮二平五".encode() + b"\n" + b"{\n" * 500_000,
            b"-" * 20 + b"\n1. " + "炮二平五".encode() + b"\n" + b" " * 1_000_000 + b"x",
            b"-" * 1_000_000 + b"x\n1. " + "炮二平五".encode(),
            (b"-" * 20 + b"\n") * 50_000 + b"1. " + "炮二平五".encode(),
            pytest.param(b"1. Che3 " + b"Hg8 He3 " * 100_000, marks=pytest.mark.slow),
            pytest.param(b"1. Che3 Hg8 " + b"(1. Cbe3) " * 80_000, marks=pytest.mark.slow),
            b"1. h3e3 " + "= ± +- ".encode() * 100_000,
            b"1. h3e3 " + b"+-=/" * 250_000,
            b'[FEN "3k5/9/9/2n6/2P6/9/2P6/9/2c6/4K4 w"]\n\n' + b"(P7+1 K4+1) " * 80_000,
            pytest.param(
                b'[FEN "3k5/9/9/2n6/2P6/9/2P6/9/2c6/4K4 w"]\n\nK5=4 K4=5 ' + b"(K4+1 P7+1 C3-5) " * 50_000,
                marks=pytest.mark.slow,
            ),
            pytest.param(b"1. a2a3 a9a8 " + b"a3a2 a8a9 a2a3 a9a8 " * 20_000 + b"h10g8", marks=pytest.mark.slow),
            "1. h2e2 *\n".encode("utf-16-le") * 4_000,
        ],
    )
    def test_a_megabyte_takes_a_moment(self, data: bytes) -> None:
        start = time.process_time()
        with contextlib.suppress(FormatError):
            list(load(io.BytesIO(data), lambda error: None))
        assert time.process_time() - start < 20  # what grows with the square of the size takes minutes
