"""All formats together: detection, loading, saving, converting, and damaged files."""

import contextlib
import gzip
import io
import os
import pickle
import random
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import xiangqi
from xiangqi import NULL_MOVE, Board, FormatError, Game, GameNode, Move, UnknownFormatError, formats
from xiangqi.formats import FORMATS, convert, load, save, sniff, streams
from xiangqi.formats.streams import bare_suffix, open_replacing
from xiangqi.formats.text import TextDecoder, parse_result
from xiangqi.tags import Drawn

WRITABLE = sorted(name for name, module in FORMATS.items() if hasattr(module, "write"))
SAMPLES = Path(__file__).parent / "files"


def sample() -> Game:
    """A game with something of everything."""
    game = Game({"Event": "全国赛", "Red": "胡荣华", "Black": "杨官璘", "Date": "1960.01.02", "Result": "1-0"})
    game.add_main_line([Move.from_iccs(text) for text in ["h2e2", "h9g7", "h0g2", "i9h9", "i0h0", "b9c7", "c3c4"]])
    game.comment = "序"
    first = game.variations[0]
    first.comment = "[%eval 0.35] 好棋"
    first.nags.add(1)
    other = first.add_variation(Move.from_iccs("h7e7"))
    other.comment = "also"
    other.add_main_line([Move.from_iccs("e2e6")])
    return game


def saved(path: Path) -> bytes:
    save(sample(), path)
    return path.read_bytes()


@pytest.fixture(params=WRITABLE)
def suffix(request: pytest.FixtureRequest) -> str:
    return FORMATS[request.param].SUFFIXES[0]


class TestLoadAndSave:
    def test_every_format_written_is_known_by_its_content(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"game{suffix}"
        assert save(sample(), path) == 1
        disguised = path.rename(tmp_path / "game.txt")
        assert suffix in FORMATS[sniff(disguised)].SUFFIXES
        (game,) = load(disguised)
        assert game.moves() == sample().moves()
        assert (game.headers["Red"], game.result) == ("胡荣华", "1-0")

    @pytest.mark.parametrize("packed", ["", ".gz", ".zst", ".ZST"])
    def test_compression(self, tmp_path: Path, packed: str) -> None:
        path = tmp_path / f"games.PGN{packed}"
        assert save(iter([sample(), sample()]), path) == 2
        head = path.read_bytes()[:4]
        assert (head[:2] == b"\x1f\x8b", head == b"\x28\xb5\x2f\xfd") == (packed == ".gz", packed.lower() == ".zst")
        assert len(list(load(path.rename(tmp_path / "disguised")))) == 2

    def test_compressed_in_pieces(self) -> None:
        text = f"{sample()}\n".encode()
        for pack in (gzip.compress, zstandard.ZstdCompressor().compress):
            assert len(list(load(io.BytesIO(pack(text) + pack(text))))) == 2

    def test_streams(self, tmp_path: Path) -> None:
        text = f"{sample()}\n"
        path = tmp_path / "game"
        path.write_text(text, encoding="utf-8")
        with path.open("rb") as binary, path.open(encoding="utf-8") as characters:
            for stream in (binary, characters, io.BytesIO(text.encode()), io.StringIO(text)):
                (game,) = load(stream)
                assert game.headers["Red"] == "胡荣华"
                assert not stream.closed

    def test_options_reach_the_writer(self, tmp_path: Path) -> None:
        path = tmp_path / "game.pgn"
        save(sample(), path, notation="traditional")
        assert "1. 炮二平五" in path.read_text(encoding="utf-8")

    def test_front_door(self) -> None:
        assert xiangqi.load is load
        assert xiangqi.save is save
        assert xiangqi.Game is Game


class TestPipes:
    """What can be read only once, and comes in pieces of any size."""

    @pytest.mark.parametrize("piece", [1, 3, 1000, 1 << 20])
    @pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
    @pytest.mark.parametrize("format_suffix", [".pgn", ".jsonl", ".ubb", ".xqf"])
    def test_every_game_arrives(self, tmp_path: Path, format_suffix: str, packed: str, piece: int) -> None:
        count = 1 if format_suffix == ".xqf" else 2 if piece < 1000 else 1500
        source, pipe = tmp_path / f"games{format_suffix}{packed}", tmp_path / "pipe"
        save([sample()] * count, source)
        os.mkfifo(pipe)

        def feed() -> None:
            data = source.read_bytes()
            with open(pipe, "wb", buffering=0) as file:
                for start in range(0, len(data), piece):
                    file.write(data[start : start + piece])

        writer = threading.Thread(target=feed)
        writer.start()
        errors: list[FormatError] = []
        games = list(load(pipe, errors.append))
        writer.join()
        assert (len(games), errors) == (count, [])
        assert games[-1].moves() == sample().moves()

    def test_errors_name_the_pipe(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_text, args=("1. h2e2 h2e2 *",))
        writer.start()
        errors: list[FormatError] = []
        list(load(pipe, errors.append))
        writer.join()
        assert [error.path for error in errors] == [str(pipe)]

    def test_standard_input(self) -> None:
        code = "import xiangqi; print(sum(len(game.moves()) for game in xiangqi.load('/dev/stdin')))"
        games = f"{sample()}\n" * 500
        run = subprocess.run([sys.executable, "-c", code], input=games, capture_output=True, text=True, check=True)
        assert int(run.stdout) == 500 * len(sample().moves())


class TestEncodings:
    TEXT = '[Red "胡荣华"]\n[Black "Müller"]\n\n1. h2e2 h9g7 1-0\n'

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_unicode_is_detected(self, encoding: str, end: str) -> None:
        games = (self.TEXT * 3).replace("\n", end).encode(encoding)
        assert [game.headers for game in load(io.BytesIO(games))] == [
            {"Red": "胡荣华", "Black": "Müller", "Result": "1-0"}
        ] * 3

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ('{"moves": "h2e2 h9g7", "red": "胡荣华"}\n', "jsonl"),
            ("[DhtmlXQ][DhtmlXQ_red]胡荣华[/DhtmlXQ_red][DhtmlXQ_movelist]7747[/DhtmlXQ_movelist]", "dhtmlxq"),
            ("<ChineseChessRecord><Head><Red>胡荣华</Red></Head></ChineseChessRecord>", "cbf"),
        ],
    )
    def test_other_formats_in_utf_16(self, text: str, name: str, tmp_path: Path) -> None:
        path = tmp_path / "game"
        path.write_text(text, encoding="utf-16")
        assert sniff(path) == name
        assert [game.headers["Red"] for game in load(path)] == ["胡荣华"]

    @pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-32", "utf-7"])
    def test_any_other_is_given(self, encoding: str, tmp_path: Path) -> None:
        path, target = tmp_path / "game", tmp_path / "game.pgn"
        text = self.TEXT.replace("胡荣华", "Ö. Ärger")
        path.write_text(text, encoding=encoding)
        assert [game.headers["Red"] for game in load(path, encoding=encoding)] == ["Ö. Ärger"]
        assert convert(path, target, encoding=encoding).games == 1
        assert [game.headers["Black"] for game in load(target)] == ["Müller"]

    def test_characters_need_no_encoding(self) -> None:
        assert [game.headers["Red"] for game in load(io.StringIO(self.TEXT), encoding="latin-1")] == ["胡荣华"]

    def test_texts_of_binary_files(self, tmp_path: Path) -> None:
        data = formats.xqf.dumps(Game({"Red": "AAAAAA"})).replace(b"AAAAAA", "楊官璘".encode("big5"))
        (tmp_path / "game").write_bytes(data)
        assert [game.headers["Red"] for game in load(tmp_path / "game", encoding="big5")] == ["楊官璘"]

    @pytest.mark.parametrize("encoding", ["latin-99", "rot13", "base64", "undefined", ""])
    def test_no_such_encoding(self, encoding: str) -> None:
        with pytest.raises(FormatError, match=f"there is no encoding '{encoding}'"):
            load(io.BytesIO(self.TEXT.encode()), encoding=encoding)

    def test_what_is_invalid_costs_a_character(self) -> None:
        text = '[Red "A\udcff"]\n\n1. h2e2 h9g7 *'.encode("utf-8", "surrogateescape")
        assert [len(game.moves()) for game in load(io.BytesIO(text), encoding="utf-8")] == [2]

    def test_large_files_are_decoded_in_linear_time(self) -> None:
        games = (self.TEXT * 20_000).encode("utf-16")
        started = time.process_time()
        assert sum(1 for _ in load(io.BytesIO(games))) == 20_000
        assert time.process_time() - started < 20


class TestBounds:
    @pytest.mark.parametrize("name", ["xqf", "cbl", "cbf", "dhtmlxq"])
    @pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
    def test_a_small_file_that_unpacks_to_much(
        self, name: str, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module, limit in (
            (streams, "MAX_FILE"),
            (FORMATS["cbl"], "MAX_RECORD"),
            (FORMATS["dhtmlxq"], "MAX_RECORD"),
        ):
            monkeypatch.setattr(module, limit, 2 << 20)
        beginning = {
            "xqf": formats.xqf.dumps(Game())[:1024],
            "cbl": b"CCBridge Record\0",
            "cbf": b"<ChineseChessRecord>",
            "dhtmlxq": b"[DhtmlXQ_movelist]7747",
        }[name]
        packed = pack(beginning + b" " * (100 << 20))
        errors: list[FormatError] = []
        tracemalloc.start()
        try:
            list(load(io.BytesIO(packed), errors.append))
        except FormatError as error:
            errors.append(error)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert [error.reason.endswith("than 2 MiB") for error in errors] == [True]
        assert peak < 70 << 20  # zstandard unpacks a kilobyte of its file at a time

    def test_zstd_is_unpacked_in_linear_time(self) -> None:
        """Each byte that is unpacked is handed on once: not cut from an ever shorter rest."""
        data = zstandard.compress(b"[DhtmlXQ_movelist]7747" + b" " * (30 << 20))
        errors: list[FormatError] = []
        started = time.process_time()
        list(load(io.BytesIO(data), errors.append))
        assert time.process_time() - started < 3
        assert [error.reason for error in errors] == ["a game of more than 8 MiB"]


class TestErrors:
    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "the file is empty"),
            (b" \n", "the file is empty"),
            (b"\0\1\2\3", "not in a known format"),
            (b"hello", "not in"),
        ],
    )
    def test_unknown_content(self, tmp_path: Path, data: bytes, reason: str) -> None:
        path = tmp_path / "file.pgn"
        path.write_bytes(data)
        with pytest.raises(UnknownFormatError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: {reason}")

    def test_unknown_suffix(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownFormatError, match=r"cannot write files with suffix '\.docx' \(known: .*\.pgn"):
            save(sample(), tmp_path / "game.docx")

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "nothing.pgn")

    @pytest.mark.parametrize("packed", [".gz", ".zst"])
    def test_broken_compression(self, tmp_path: Path, packed: str) -> None:
        path = tmp_path / f"games.jsonl{packed}"
        rng = random.Random(1)
        save([Game({"Red": str(rng.random())}) for _ in range(4_000)], path)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        seen = []
        with pytest.raises(FormatError, match="broken compression"):
            seen.extend(load(path))
        path.write_bytes(data[: len(data) // 2] + bytes(99) + data[len(data) // 2 :])
        with pytest.raises(FormatError, match="broken compression"):
            seen.extend(load(path))

    def test_message_names_file_and_place(self) -> None:
        assert str(FormatError("bad", path="a.xqf", offset=7)) == "a.xqf, byte 7: bad"
        assert str(FormatError("bad")) == "bad"
        assert isinstance(FormatError("bad"), ValueError)


class TestUnread:
    """What a reader drops of the main line is kept as text."""

    @pytest.mark.parametrize(
        ("text", "unread"),
        [
            ('[Red "A"]\n1. C2=? {why} H8+7 2. H2+3! *', ["C2=?", "H8+7", "H2+3!"]),
            ('[Red "A"]\n1. 炮?平五 马8进7 *', ["炮?平五", "马8进7"]),
            ('[Red "A"]\n1. ?2=5 H8+7 2. H2+? ?9=8 *', ["?2=5", "H8+7", "H2+?", "?9=8"]),
            ('[Red "A"]\n1. h2?2 h9g7 2. h0g2 (2. b0c2) i9h9 *', ["h2?2", "h9g7", "h0g2", "i9h9"]),
            ('{"moves": "h2e9 h9g7"}', ["h2e9", "h9g7"]),
            ('{"moves": ["h2e9", 7]}', ["h2e9", "7"]),
            ("[DhtmlXQ][DhtmlXQ_movelist]77437062[/DhtmlXQ_movelist][/DhtmlXQ]", ["h2e6", "h9g7"]),
        ],
    )
    def test_texts(self, text: str, unread: list[str]) -> None:
        (game,) = load(io.StringIO(text), on_error=lambda error: None)
        assert game.moves() == []
        assert [(move.text, move.ply) for move in game.unread] == [(word, 1 + i) for i, word in enumerate(unread)]

    def test_annotations(self) -> None:
        game = Game.from_pgn("1. h2e2 h9h8 {one} (1... h9g7 {not} 2. b0c2) 2. h0g2! {two} (2. c3c4 $5 {nor}) {three} *")
        assert [(move.text, move.ply, move.comment, move.nags) for move in game.unread] == [
            ("h9h8", 2, "one", frozenset()),
            ("h0g2!", 3, "two three", frozenset({1})),
        ]
        assert pickle.loads(pickle.dumps(game)).unread == game.unread

    def test_ranks_from_one(self) -> None:
        assert [move.first_rank for move in Game.from_pgn("1. Che3 Rb10? 2. Hg3 *").unread] == [1, 1]

    def test_only_of_the_main_line(self) -> None:
        assert Game.from_pgn("1. h2e2 (1. h2h9 a9a8) h9g7 (1... a9a1) *").unread == []
        dhtmlxq = "[DhtmlXQ_movelist]77477062[/DhtmlXQ_movelist][DhtmlXQ_move_0_1_1]00990099[/DhtmlXQ_move_0_1_1]"
        (game,) = load(io.StringIO(f"[DhtmlXQ]{dhtmlxq}[/DhtmlXQ]"), on_error=lambda error: None)
        assert game.errors
        assert game.unread == []


class TestReplacing:
    def test_nothing_is_seen_before_the_end(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("old")
        with open_replacing(path) as file:
            file.write(b"new")
            assert path.read_text() == "old"
        assert path.read_text() == "new"

    def test_failure_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with pytest.raises(TypeError), open_replacing(tmp_path / "file.gz") as file:
            file.write("half")  # type: ignore[arg-type]
        assert list(tmp_path.iterdir()) == []

    def test_error_names_the_file_that_was_asked_for(self, tmp_path: Path) -> None:
        path = tmp_path / "missing" / "game.pgn"
        with pytest.raises(FileNotFoundError) as caught:
            save(Game(), path)
        assert caught.value.filename == str(path)

    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
    def test_mode_of_what_is_replaced(self, tmp_path: Path, mode: int) -> None:
        path, link = tmp_path / "game.pgn", tmp_path / "link.pgn"
        link.symlink_to(path)
        path.touch()
        path.chmod(mode)
        for target in (path, link):
            with open_replacing(target) as file:
                part = next(found for found in tmp_path.iterdir() if found.name.endswith(".part"))
                assert part.stat().st_mode & 0o777 == mode
                file.write(b"new")
        assert path.stat().st_mode & 0o777 == mode

    def test_mode_of_what_is_new(self, tmp_path: Path) -> None:
        (tmp_path / "other").touch()
        save(sample(), tmp_path / "game.pgn")
        assert (tmp_path / "game.pgn").stat().st_mode == (tmp_path / "other").stat().st_mode

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
    def test_owner_of_what_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "game.pgn"
        path.touch()
        os.chown(path, 1234, 4321)
        save(sample(), path)
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)

    def test_link_stays_a_link(self, tmp_path: Path) -> None:
        link = tmp_path / "link.pgn"
        link.symlink_to(tmp_path / "target.pgn")
        save(sample(), link)
        assert link.is_symlink()
        assert (tmp_path / "target.pgn").is_file()

    def test_pipe_is_written_to(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe.pgn"
        os.mkfifo(pipe)
        writer = threading.Thread(target=save, args=(sample(), pipe))
        writer.start()
        assert pipe.read_bytes().startswith(b"[Game")
        writer.join()
        assert pipe.is_fifo()

    def test_suffix(self) -> None:
        assert [bare_suffix(name) for name in ("a.pgn", "a.XQF.gz", "a.b.jsonl.zst", "a")] == [
            ".pgn",
            ".xqf",
            ".jsonl",
            "",
        ]


class TestConvert:
    def test_counts_and_errors(self, tmp_path: Path) -> None:
        source = tmp_path / "games.pgn"
        lost, short = '[Red "X"]\n[FEN "x"]\n\n1. e2e9 *', '[Red "Y"]\n\n1. h2e2 e2e9 *'
        source.write_text(f"{sample()}\n{lost}\n\n{short}\n\n{sample()}\n", encoding="utf-8")
        done = convert(source, tmp_path / "games.jsonl.zst")
        assert (done.games, [(error.game, error.line, error.ply) for error in done.errors]) == (
            3,
            [(2, 13, None), (3, 19, 2)],
        )
        whole = sample().moves()
        assert [game.moves() for game in load(tmp_path / "games.jsonl.zst")] == [whole, whole[:1], whole]

    def test_a_game_that_the_new_format_cannot_hold_costs_only_itself(self, tmp_path: Path) -> None:
        source, target = tmp_path / "games.pgn", tmp_path / "games.ubb"
        lost, null = '[FEN "x"]\n\n1. e2e9 *', '[Red "Y"]\n\n1. h2e2 -- *'
        source.write_text(f"{sample()}\n{lost}\n\n{null}\n\n{sample()}\n", encoding="utf-8")
        done = convert(source, target)
        assert (done.games, [error.game for error in done.errors]) == (2, [2, 3])
        assert str(done.errors[1]) == f"{source}, game 3: the game has a null move, which XQF and DhtmlXQ cannot hold"
        assert [game.moves() for game in load(target)] == [sample().moves()] * 2

    @pytest.mark.parametrize("suffix", [".ubb", ".xqf"])
    def test_no_game_that_the_new_format_can_hold(self, suffix: str, tmp_path: Path) -> None:
        target = tmp_path / f"game{suffix}"
        with pytest.raises(FormatError, match="null move"):
            convert(io.StringIO("1. h2e2 -- *"), target)
        assert not target.exists()

    def test_a_file_is_not_written_over_itself(self, tmp_path: Path) -> None:
        source = tmp_path / "games.pgn"
        source.write_text("1. h2e2 h9g7 2. e2e9 *\n")
        for target in (source, tmp_path / "." / "games.pgn"):
            with pytest.raises(FormatError, match=r"games\.pgn: the games would be written over the file"):
                convert(str(source), target)
        assert "e2e9" in source.read_text()

    def test_nothing_readable_overwrites_nothing(self, tmp_path: Path) -> None:
        source, target = tmp_path / "games.pgn", tmp_path / "games.jsonl"
        source.write_text('[Red "X"]\n\n1. e2e9 *\n')
        target.write_text("old")
        with pytest.raises(FormatError, match="illegal move"):
            convert(source, target)
        assert target.read_text() == "old"

    @pytest.mark.parametrize("name", ["first.cbl", "one.sg", "one.mxq", "game.wxf", "bare.ubb"])
    def test_what_is_only_read(self, name: str, tmp_path: Path, suffix: str) -> None:
        assert convert(SAMPLES / name, tmp_path / f"game{suffix}").errors == []
        (game,), (again,) = load(SAMPLES / name), load(tmp_path / f"game{suffix}")
        assert again.moves() == game.moves() and again.headers.get("Red") == game.headers.get("Red")

    def test_there_and_back(self, tmp_path: Path, suffix: str) -> None:
        start = tmp_path / "a.pgn"
        save(sample(), start)
        convert(start, tmp_path / f"b{suffix}")
        convert(tmp_path / f"b{suffix}", tmp_path / "c.pgn")
        (game,) = load(tmp_path / "c.pgn")
        assert game.moves() == sample().moves()


class TestText:
    @pytest.mark.parametrize(
        ("text", "result"),
        [
            ("1-0", "1-0"),
            ("1 : 0", "1-0"),
            ("红胜", "1-0"),
            ("先胜", "1-0"),
            ("紅方勝", "1-0"),
            ("Red wins", "1-0"),
            ("0-1", "0-1"),
            ("黑勝", "0-1"),
            ("红先负", "0-1"),
            ("1/2-1/2", "1/2-1/2"),
            ("½–½", "*"),
            ("和", "1/2-1/2"),
            ("0.5-0.5", "1/2-1/2"),
            ("未知", "*"),
            ("", "*"),
        ],
    )
    def test_results(self, text: str, result: str) -> None:
        assert parse_result(text) == result

    def test_a_short_name_is_read_as_what_came_before(self) -> None:
        decoder = TextDecoder()
        assert decoder.decode("象棋比賽楊官璘胡榮華".encode("big5")) == "象棋比賽楊官璘胡榮華"
        assert decoder.decode("王".encode("big5")) == "王"
        assert TextDecoder().decode("王".encode("gb18030")) == "王"


# --- Any tree, in every format that can hold it ----------------------------------------------------------------------

STARTS = (Board().fen(), "3k5/9/2P3P2/2P3P2/9/9/9/9/9/4K4 b - - 0 1", "4k4/9/9/9/4c4/9/9/9/4A4/4K3R w - - 0 1")
remarks = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=12).map(str.strip)


@st.composite
def trees(draw: st.DrawFn, lines: bool = False) -> Game:
    """Trees of legal moves with remarks on them; with ``lines``, main lines of moves and passes with opinions."""
    game = Game({"Red": draw(st.sampled_from(["", "柳大华", "L. {in} [x]"]))}, draw(st.sampled_from(STARTS)))
    game.result = draw(st.sampled_from(xiangqi.RESULTS))
    nodes: list[GameNode] = [game]
    for _ in range(draw(st.integers(0, 12))):
        parent = nodes[-1] if lines else draw(st.sampled_from(nodes))
        moves = parent.board().legal_moves + [NULL_MOVE] * lines
        if not moves:
            continue
        node = parent.add_variation(draw(st.sampled_from(moves)))
        if lines:
            parent.eval = draw(st.none() | st.integers(-30_000, 30_000).map(lambda score: score / 100))
        else:
            node.comment = draw(remarks)
        nodes.append(node)
    if not lines:
        game.comment = draw(remarks)
    return game


def told(game: Game) -> object:
    """The content of a game without the counters of its start, which some formats do not store."""
    nodes = [(node.ply, node.move, node.comment, node.starting_comment, node.nags) for node in game.walk()]
    return game.fen.split()[:2], game.result, game.headers.get("Red", ""), game.comment, nodes


class TestRoundTrip:
    @pytest.mark.parametrize("name", ["xqf", "dhtmlxq", "pgn"])
    @settings(max_examples=40)
    @given(game=trees())
    def test_tree(self, name: str, game: Game) -> None:
        module = FORMATS[name]
        data = module.dumps(game)  # type: ignore[attr-defined]
        errors: list[FormatError] = []
        (again,) = load(io.BytesIO(data if isinstance(data, bytes) else data.encode()), errors.append)
        if name == "pgn":
            for node in (game, *game.walk()):  # what braces cannot hold
                node.comment = "\n".join(line.strip() for line in node.comment.replace("}", "｝").split("\n"))
        assert (told(again), errors) == (told(game), [])

    @settings(max_examples=40)
    @given(game=trees(lines=True))
    def test_line(self, game: Game) -> None:
        assert told(formats.jsonl.loads(formats.jsonl.dumps(game))) == told(game)


def test_what_a_format_leaves_out_is_what_does_not_come_back(tmp_path: Path, suffix: str) -> None:
    game = sample()
    game.next().drawn = [Drawn("G", 7, 7)]  # type: ignore[union-attr]
    game.next().clock = 62  # type: ignore[union-attr]
    save(game, tmp_path / f"game{suffix}")
    (again,) = load(tmp_path / f"game{suffix}")
    assert formats.left_out(again, "all.jsonl") == [
        part
        for part in formats.left_out(game, "all.jsonl")
        if part not in formats.left_out(game, f"game{suffix}") and (part != "marks" or suffix == ".pgn")
    ]
    assert len(list(again.walk())) == (len(list(game.walk())) if suffix != ".jsonl" else len(game.moves()))


# --- Damaged files ----------------------------------------------------------------------------------------------------


def seeds(directory: Path) -> list[tuple[str, bytes]]:
    """Small good files of every format, with the name of the format, to be damaged."""
    found = [(name, saved(directory / f"seed{FORMATS[name].SUFFIXES[0]}")) for name in WRITABLE]
    for notation in ("wxf", "chinese", "traditional"):
        save([sample(), sample()], directory / "seed.pgn", notation=notation)
        found.append(("pgn", (directory / "seed.pgn").read_bytes()))
    found.append(("pgn", found[-1][1].decode().encode("big5hkscs", "replace")))
    found.append(("pgn", found[-2][1].decode().encode("gb18030")))
    found.append(("jsonl", '{"iccs": ["h2e2", "h9g7"], "fen": "", "items": {"棋局结果": "红胜"}}\n'.encode()))
    found.append(("jsonl", b'{"moves": "h2e2 h9g7", "best": "b2e2 -", "score": [1, null], "gid": 3}\n' * 3))
    packed = [("pgn", gzip.compress(found[0][1])), ("jsonl", zstandard.compress(found[-1][1]))]
    for path in sorted(SAMPLES.iterdir()) if SAMPLES.exists() else []:
        data = path.read_bytes()
        if len(data) < 30_000:
            found.append((sniff(path), data))
    return found + packed


SYNTAX = b'{}()[]"\\;%$*!?\n\r\0-+=.#/0123456789abcdefghiKABNRCP \xff\xb0\xa4'


def mutate(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Damage a file in a few places: change, cut, repeat, insert, or splice with another."""
    text = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place, size = rng.randrange(len(text) + 1), min(rng.choice((1, 1, 2, 4, 16, 256)), 2048)
        action = rng.randrange(7)
        if action == 0:
            text[place : place + 1] = bytes([rng.randrange(256)])
        elif action == 1:
            text[place : place + 1] = bytes([rng.choice(SYNTAX)])
        elif action == 2:
            del text[place : place + size]
        elif action == 3:
            text[place:place] = text[place : place + size] * rng.choice((1, 2, 50))
        elif action == 4:
            text[place:place] = bytes([rng.choice(SYNTAX)]) * rng.choice((1, 3, 200))
        elif action == 5:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            text[place:place] = other[start : start + size]
        else:
            text[place : place + 4] = rng.randrange(2**32).to_bytes(4, "little")
    return bytes(text[:100_000])


def exercise(count: int, seed: int, directory: Path) -> None:
    """Feed damaged files to ``load`` and to the reader of their format: none may do more than refuse them."""
    rng = random.Random(seed)
    files = seeds(directory)
    others = [data for _, data in files]
    readers: list[Callable[[io.BytesIO], object]] = [load]
    slowest = 0.0
    for number in range(count):
        name, data = rng.choice(files)
        damaged = mutate(data, others, rng)
        reader = rng.choice([*readers, FORMATS[name].read])
        errors: list[FormatError] = []
        started = time.process_time()
        try:
            for game in reader(io.BytesIO(damaged), errors.append):  # type: ignore[call-arg,attr-defined]
                assert isinstance(game, Game)
                assert formats.pgn.loads(str(game)).moves() == game.moves()
        except FormatError as error:
            errors.append(error)
        except Exception as error:
            raise AssertionError(f"mutation {number} of seed {seed} ({name}): {error!r}: {damaged[:500]!r}") from error
        slowest = max(slowest, time.process_time() - started)
        assert all(error.reason and "\n" not in str(error) for error in errors)
    assert slowest < 5


class TestDamage:
    def test_two_thousand_damaged_files(self, tmp_path: Path) -> None:
        exercise(2_000, 1, tmp_path)

    @pytest.mark.slow
    def test_a_hundred_thousand_damaged_files(self, tmp_path: Path) -> None:
        exercise(100_000, 2, tmp_path)

    @pytest.mark.parametrize(
        "text",
        [
            b'[Red "A"]\n\n1. h2e2' + b"{a}" * 100_000 + b" *\n",
            b'[Red "A"]\n\n1. h2e2' + b"(b2e2)" * 50_000 + b" *\n",
            b'[Red "A"]\n\n1. h2e2' + b"{a}(b2e2)" * 40_000 + b" *\n",
            b'[Red "A"]\n\n' + b"1" * 900_000 + b" *\n",
            b'[Red "A"]\n\n' + b"1 " * 400_000 + b" *\n",
            b'[Red "A"]\n\n1' + b" " * 900_000 + b"x *\n",
            b'[Red "A"]\n\n1. ' + b"h2e2 h9g7 e2h2 g7h9 " * 20_000 + b" *\n",
            b'[Red "A"]\n\n1. ' + b"h2e2 (b2e2 " * 80_000 + b" *\n",
            b'[Red "A"]\n\n1. h2e2 ' + b"(" * 900_000,
            b'[Red "A"]\n[Event "' + b'" ' * 450_000 + b"\n",
            b'[Red "A"]\n[Event ' + b'"\\' * 450_000 + b"\n",
            b'[Red "A"]\n' + b"[" * 900_000,
            b'[Red "A"]\n' * 90_000,
            b'[Red "A"]\n1\n' * 5_000,
            b'[Red "A"]' + b"\n" * 900_000,
            b"1. h2e2 *\n" * 10_000,
            b'{"moves": "' + b"h2e2 h9g7 e2h2 g7h9 " * 20_000 + b'"}',
            b'{"moves": ' + b"[" * 900_000,
            b'[Red "A"]\n\n1. h2e2 ' + b"{" * 900_000,
            b'[Red "A"]\n\n1. h2e2 ' + b"{}" * 100_000 + b"{" * 100_000,
            b'[Red "A"]\n\n1. h2e2 ' + b"{ " * 400_000 + b"}",
            b"{" * 900_000,
            b"{}" * 400_000 + b'[Red "A"]',
            b'[Red "A"]\n\n1. h2e2 ' + b")" * 900_000,
            b'[Red "A"]\n\n1. h2e2 ' + b"$ " * 400_000,
            b'[Red "A"]\n\n1. h2e2 ' + b"(h2h2)" * 100_000,
            b'[Red "A"]\n\n1. h2e2 h2h2 ' + b"(" * 900_000,
            b'[Red "A"]\n\n1. h2e2 ' + b"1. {a} " * 100_000,
            '[Red "A"]\n\n１．炮二平五 '.encode() + "｛".encode() * 300_000,
            '[Red "A"]\n\n１．炮二平五 '.encode() + "（".encode() * 300_000,
            b'[Red "A"]\n\n' * 20_000,
            b"[" * 900_000,
            b'{"' * 400_000,
            b"[DhtmlXQ_title]" + b"[" * 900_000,
            b"<!--" * 200_000 + b"<ChineseChessRecord",
            b"<!---->" * 100_000 + b"<ChineseChessRecord>",
            b"<ChineseChessRecord><MoveList>" + b'<Move value="00-00"/>' * 40_000,
        ],
        ids=range(37),
    )
    def test_no_runaway(self, text: bytes) -> None:
        started = time.process_time()
        with contextlib.suppress(FormatError):
            for game in load(io.BytesIO(text), lambda error: None):
                assert len(game.errors) <= 101
        assert time.process_time() - started < 30  # what ran away took minutes
