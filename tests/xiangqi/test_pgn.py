"""PGN: every notation, encoding and oddity that is read, what is written, and what happens to broken games."""

import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiangqi import Board, FormatError, Game, GameNode, Move
from xiangqi.formats import pgn

OPENING = ["h2e2", "h9g7", "h0g2", "i9h9", "g3g4"]

CHINESE = """\
[Game "Chinese Chess"]
[Event "1982年全国赛"]
[Red "湖北 柳大华"]
[Black "广东 杨官璘"]
[Result "1-0"]
[Format "Chinese"]

1. 炮二平五 马８进７
2. 马二进三 车９平８
3. 兵七进一 1-0
"""
TRADITIONAL = """\
[Red "胡榮華"]
[Black "楊官璘"]

1. 炮二平五 馬８進７
2. 馬二進三 車９平８
3. 兵七進一 1/2-1/2
"""
WXF = '[Red "A"]\n[Format "WXF"]\n\n1. C2=5 H8+7\n2. H2+3 R9=8 3. P7+1 0-1\n'
ICCS = '[Red "A"]\n[Format "ICCS"]\n\n1. H2-E2 H9-G7 2. H0-G2 I9-H9 3. C3-C4 0-1\n'


def read(data: str | bytes) -> tuple[list[Game], list[FormatError]]:
    """Return the games and the errors of a file."""
    errors: list[FormatError] = []
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return list(pgn.read(stream, errors.append)), errors


def one(data: str | bytes) -> Game:
    games, errors = read(data)
    assert errors == []
    assert len(games) == 1
    return games[0]


def iccs(game: GameNode) -> list[str]:
    return [node.move.iccs for node in game.main_line()]


def shape(game: Game) -> object:
    """Everything that a game says, as plain data."""
    nodes = [(node.ply, node.move.iccs, node.comment, node.starting_comment, sorted(node.nags)) for node in game.walk()]
    return game.headers, game.fen, game.comment, nodes


class TestNotations:
    @pytest.mark.parametrize("text", [CHINESE, WXF, ICCS, TRADITIONAL])
    def test_all_tell_the_same_game(self, text: str) -> None:
        assert iccs(one(text)) == ["h2e2", "h9g7", "h0g2", "i9h9", "c3c4"]

    @pytest.mark.parametrize(
        "text",
        ["1. h2e2 h9g7", "1.h2e2 h9g7", "1. H2E2 1... H9G7", "h2-e2 h9-g7", "1、炮二平五 馬８進７", "1.C2.5 h8+7"],
    )
    def test_dresses(self, text: str) -> None:
        assert iccs(one(f'[Red "A"]\n\n{text} *\n')) == ["h2e2", "h9g7"]

    def test_format_may_lie(self) -> None:
        assert iccs(one('[Format "Chinese"]\n\n1. C2=5 H9-G7+ *')) == ["h2e2", "h9g7"]

    def test_tandem_pawns_with_full_stop(self) -> None:
        start = "3k5/6P2/2P3P2/2P3P2/9/9/9/9/9/4K4 w"
        move = Move.from_iccs("g7h7")
        assert Board(start).wxf(move) == "33=2"
        assert one(f'[FEN "{start}"]\n\n1. 33.2 d9d8 *').moves() == [move, Move.from_iccs("d9d8")]


class TestHeaders:
    def test_white_is_red(self) -> None:
        game = one('[White "A"]\n[WhiteElo "2400"]\n[Black "B"]\n[Variant "xiangqi"]\n\n1. h2e2 *')
        assert game.headers == {"Black": "B", "Red": "A", "RedElo": "2400"}

    @pytest.mark.parametrize("side", ["w", "r"])
    def test_fen(self, side: str) -> None:
        game = one(f'[SetUp "1"]\n[FEN "3k5/9/9/9/9/9/9/9/9/R4K3 {side}"]\n\n1. a0a9 *')
        assert game.fen == "3k5/9/9/9/9/9/9/9/9/R4K3 w - - 0 1"
        assert "FEN" not in game.headers
        assert iccs(game) == ["a0a9"]

    def test_fen_with_black_to_move(self) -> None:
        game = one('[FEN "3k5/9/9/9/9/9/9/9/9/R4K3 b - - 5 30"]\n\n30... d9d8 31. a0a8 *')
        assert iccs(game) == ["d9d8", "a0a8"]
        assert "30... D9-D8 31. A0-A8" in str(game)

    @pytest.mark.parametrize(
        ("header", "termination", "result"),
        [
            ("1-0", "1-0", "1-0"),
            ("红胜", "", "1-0"),
            ("和棋", "", "1/2-1/2"),
            ("*", "0-1", "0-1"),
            ("0-1", "*", "0-1"),
            ("?", "黑胜", "0-1"),
            ("1/2", "1/2", "1/2-1/2"),
            ("?", "", "*"),
        ],
    )
    def test_result(self, header: str, termination: str, result: str) -> None:
        assert one(f'[Result "{header}"]\n\n1. h2e2 {termination}').result == result

    def test_quotes(self) -> None:
        game = one(
            '[Event "a \\"b\\" \\\\ c"]\n[Site "un"quoted" marks"]\n[Red "C:\\games\\"]\n[Round "1"][Black "B"]\n'
        )
        assert game.headers == {
            "Event": 'a "b" \\ c',
            "Site": 'un"quoted" marks',
            "Red": "C:\\games\\",
            "Round": "1",
            "Black": "B",
        }

    def test_broken_header_is_passed_over_but_not_a_broken_fen(self) -> None:
        assert one('[Red "A"]\n[Event "x]\n[Black "B"]\n\n1. h2e2 *').headers == {"Red": "A", "Black": "B"}
        games, errors = read('[Red "A"]\n[FEN 3k5/9\n\n1. h2e2 *')
        assert (games, [error.line for error in errors]) == ([], [2])


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
    def test_simplified(self, encoding: str) -> None:
        game = one(CHINESE.encode(encoding))
        assert (game.headers["Red"], len(iccs(game))) == ("湖北 柳大华", 5)

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "big5"])
    def test_traditional(self, encoding: str) -> None:
        game = one(TRADITIONAL.encode(encoding))
        assert (game.headers["Red"], len(iccs(game))) == ("胡榮華", 5)

    @pytest.mark.parametrize(("encoding", "name"), [("gb18030", "许银川"), ("big5", "許銀川"), ("utf-8", "许银川")])
    def test_names_beside_iccs(self, encoding: str, name: str) -> None:
        assert one(f'[Red "{name}"]\n\n1. H2-E2 *'.encode(encoding)).headers["Red"] == name

    def test_half_characters_that_look_like_syntax(self) -> None:
        # The second bytes of these characters in Big5 are | } \ { ]
        game = one('[Red "四三功一許"]\n\n1. 炮二平五 {許功蓋 育 回} 馬８進７ *\n'.encode("big5"))
        assert (game.headers["Red"], game.variations[0].comment) == ("四三功一許", "許功蓋 育 回")

    def test_a_file_of_several_encodings(self) -> None:
        games, errors = read(b"\n".join([CHINESE.encode(), CHINESE.encode("gb18030"), TRADITIONAL.encode("gb18030")]))
        assert errors == []
        assert [game.headers["Black"] for game in games] == ["广东 杨官璘", "广东 杨官璘", "楊官璘"]

    def test_broken_utf8_stays_utf8(self) -> None:
        data = CHINESE.encode().replace("赛".encode(), "赛".encode()[:2])
        assert one(data).headers["Event"].startswith("1982年全国")

    def test_line_ends(self) -> None:
        assert shape(one(CHINESE.replace("\n", "\r\n"))) == shape(one(CHINESE))


class TestMovetext:
    def test_comments_and_glyphs(self) -> None:
        game = one("{before} 1. h2e2! {after\n  both} $14 h9g7 {} ; to the end { of the line\n2. h0g2?! *")
        first, second, third = game.main_line()
        assert (game.comment, first.comment, second.comment) == ("before", "after\nboth", "to the end { of the line")
        assert (first.nags, second.nags, third.nags) == ({1, 14}, set(), {6})

    def test_tags_for_programs(self) -> None:
        game = one("{[%eval 0.1]} 1. h2e2 {[%eval 0.35] [%best b2e2]} {[%clk 0:01:02] x} h9g7 *")
        node = game.variations[0]
        assert (game.eval, node.eval, node.best, node.clock) == (0.1, 0.35, Move.from_iccs("b2e2"), 62)
        assert node.comment == "[%eval 0.35] [%best b2e2] [%clk 0:01:02] x"

    def test_variations(self) -> None:
        game = one("1. h2e2 ({other side} 1. b2e2 h9g7 (1... b9c7 2. b0c2) 2. h0g2) (1. c3c4) 1... h9g7 2. h0g2 *")
        assert [(node.ply, node.move.iccs) for node in game.walk()] == [
            (1, "h2e2"),
            (2, "h9g7"),
            (3, "h0g2"),
            (1, "b2e2"),
            (2, "h9g7"),
            (3, "h0g2"),
            (2, "b9c7"),
            (3, "b0c2"),
            (1, "c3c4"),
        ]
        assert game.variations[1].starting_comment == "other side"

    def test_variation_of_words_only(self) -> None:
        assert one("1. h2e2 ({why not}) h9g7 *").variations[0].comment == "why not"

    def test_result_within_a_variation_ends_nothing(self) -> None:
        assert iccs(one("1. h2e2 (1. b2e2 1-0) h9g7 2. h0g2 0-1")) == ["h2e2", "h9g7", "h0g2"]

    def test_what_follows_the_result_is_passed_over(self) -> None:
        text = f"{CHINESE}\n============================\n 欢迎访问 http://www.xqbase.com/\n====\n"
        games, errors = read(text + text)
        assert errors == []
        assert [len(iccs(game)) for game in games] == [5, 5]

    def test_escaped_line(self) -> None:
        assert iccs(one("1. h2e2\n% h2e2 nothing of this\nh9g7 *")) == ["h2e2", "h9g7"]

    def test_no_moves(self) -> None:
        assert one('[Red "A"]\n\n*').moves() == []


class TestManyGames:
    def test_blank_lines_mean_nothing(self) -> None:
        game = '[Red "A"]\n\n\n[Black "B"]\n\n1. h2e2\n\nh9g7\n\n1-0\n'
        games, errors = read(game * 3)
        assert errors == []
        assert [(game.headers["Black"], iccs(game), game.result) for game in games] == [
            ("B", ["h2e2", "h9g7"], "1-0")
        ] * 3

    def test_without_headers(self) -> None:
        games, _ = read("1. h2e2 h9g7 1-0\n\n1. b2e2\nb9c7 *\n1. c3c4 0-1\n")
        assert [(iccs(game)[0], game.result) for game in games] == [("h2e2", "1-0"), ("b2e2", "*"), ("c3c4", "0-1")]

    def test_comment_that_looks_like_a_header(self) -> None:
        game = one('[Red "A"]\n\n1. h2e2 {see\n  [Event "x"]\n[%eval 1.0]} h9g7 *')
        assert iccs(game) == ["h2e2", "h9g7"]

    def test_nothing(self) -> None:
        assert read("") == ([], [])
        assert read("\n \r\n\n") == ([], [])


class TestBrokenGames:
    @pytest.mark.parametrize(
        ("movetext", "line", "reason"),
        [
            ("1. h2e2 h9g7\n2. e2e9 *", 4, "illegal move 'e2e9'"),
            ("1. h2e2\nz9z9 *", 4, "not an ICCS move: 'z9z9'"),
            ("1. 炮二平五 马8进9\n2. 炮二平五 *", 4, "炮二平五"),
            ("1. h2e2 hello *", 3, "'hello'"),
            ("1. h2e2 " + "x" * 1000, 3, "cannot read 'xxxxxxxxxxxx…'"),
            ("1. h2e2 {never\nclosed", 3, "a comment is not closed"),
            ("1. h2e2 (1. b2e2 *", 3, "a variation is not closed"),
            ("1. h2e2) *", 3, "a variation closes that was never opened"),
            ("(1. h2e2) *", 3, "a variation opens where there is no move to vary"),
            ("1. h2e2 ((1. b2e2)) *", 3, "a variation opens where there is no move to vary"),
            ("1. h2e2 $", 3, "cannot read '$'"),
        ],
    )
    def test_reported_with_line_and_skipped(self, movetext: str, line: int, reason: str) -> None:
        good = '[Red "B"]\n\n1. h2e2 *\n'
        games, errors = read(f'[Red "A"]\n\n{movetext}\n\n{good}')
        assert [game.headers["Red"] for game in games] == ["B"]
        assert [error.line for error in errors] == [line]
        assert reason in errors[0].reason

    def test_lines_are_those_of_the_file(self) -> None:
        _, errors = read(CHINESE + "\n" + CHINESE.replace("马二进三", "马二进五") + CHINESE)
        assert [error.line for error in errors] == [20]

    def test_bad_fen(self) -> None:
        _, errors = read('[Red "A"]\n[FEN "9/9 w"]\n\n1. h2e2 *')
        assert str(errors[0]) == "line 2: expected 10 ranks in FEN placement, found 2: '9/9'"

    def test_file_is_named(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        path = tmp_path / "broken.pgn"
        path.write_text('[Red "A"]\n\n1. e2e9 *\n')
        assert list(pgn.read(path)) == []
        assert f"{path}, line 3: illegal move 'e2e9'" in caplog.text

    def test_handler_may_stop(self) -> None:
        def stop(error: FormatError) -> None:
            raise error

        with pytest.raises(FormatError, match="line 3"):
            list(pgn.read(io.BytesIO(b'[Red "A"]\n\n1. e2e9 *\n'), stop))

    def test_endless_game(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pgn, "MAX_GAME", 1 << 20)
        endless = b'[Red "A"]\n\n1. h2e2 {' + b"x" * (3 << 20) + b"\n"
        games, errors = read(CHINESE.encode() + endless + CHINESE.encode())
        assert len(games) == 2
        assert [(error.line, error.reason) for error in errors] == [(11, "a game of more than 1 MiB")]

    def test_loads(self) -> None:
        with pytest.raises(FormatError, match="no game in the text"):
            pgn.loads("\n")
        with pytest.raises(FormatError, match="illegal"):
            pgn.loads("1. e2e9")
        assert iccs(pgn.loads("\ufeff1. h2e2 *")) == ["h2e2"]


class TestStreaming:
    def test_memory_of_one_game(self) -> None:
        class Endless(io.RawIOBase):
            """Five thousand games that are made while they are read."""

            left = 5_000

            def readable(self) -> bool:
                return True

            def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
                if not self.left:
                    return 0
                self.left -= 1
                buffer[: len(ICCS)] = ICCS.encode()
                return len(ICCS)

        assert len(list(pgn.read(io.BytesIO(ICCS.encode())))) == 1
        tracemalloc.start()
        try:
            count = sum(1 for _ in pgn.read(io.BufferedReader(Endless())))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert count == 5_000
        assert peak < 2 << 20

    def test_first_game_comes_before_the_last_is_there(self) -> None:
        class Pipe(io.RawIOBase):
            """Two games, then nothing for ever: reading on would fail."""

            asked = 0

            def readable(self) -> bool:
                return True

            def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
                self.asked += 1
                assert self.asked == 1
                buffer[: 2 * len(ICCS)] = ICCS.encode() * 2
                return 2 * len(ICCS)

        assert iccs(next(pgn.read(io.BufferedReader(Pipe()))))[0] == "h2e2"


class TestWriting:
    def test_tags_stand_at_the_start_of_a_comment(self):
        game = one("1. h2e2 *")
        game.next().eval = 0.35
        assert "{[%eval 0.35]}" in str(game)

    def test_text(self) -> None:
        game = one(
            '[Black "B"]\n[Event "E"]\n[Opening "O"]\n[Red "A \\"x\\""]\n{c} 1. h2e2! (1. b2e2 {r}) 1... h9g7 1-0'
        )
        assert pgn.dumps(game, "chinese") == (
            '[Game "Chinese Chess"]\n[Event "E"]\n[Red "A \\"x\\""]\n[Black "B"]\n[Result "1-0"]\n[Opening "O"]\n'
            '[Format "Chinese"]\n\n{c} 1. 炮二平五 $1 (1. 炮八平五 {r}) 1... 马8进7 1-0\n'
        )

    def test_lines_stay_short(self) -> None:
        game = Game()
        game.add_main_line([Move.from_iccs(text) for text in ("a0a1", "a9a8", "a1a0", "a8a9")] * 30)
        assert max(map(len, pgn.dumps(game).splitlines())) <= 80

    def test_illegal_move(self) -> None:
        game = Game()
        game.add_main_line([Move.from_iccs("e2e9")])
        assert "E2-E9" in pgn.dumps(game)
        with pytest.raises(FormatError, match="cannot write in wxf notation: illegal move 'e2e9'"):
            pgn.dumps(game, "wxf")

    def test_unknown_notation(self) -> None:
        with pytest.raises(ValueError, match="no such notation: 'san'"):
            pgn.dumps(Game(), "san")  # type: ignore[arg-type]

    def test_failure_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = tmp_path / "games.pgn"
        path.write_text("old")
        bad = Game()
        bad.add_main_line([Move.from_iccs("e2e9")])
        with pytest.raises(FormatError):
            pgn.write([Game(), bad], path, "chinese")
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def clean(text: str) -> str:
    """What a comment becomes on its way through a file."""
    text = text.replace("}", "｝").replace("\r", "").strip()
    return "\n".join([line.strip() for line in text.split("\n")]) if "\n" in text else text


@st.composite
def games(draw: st.DrawFn) -> Game:
    """Trees of random legal moves with remarks and glyphs everywhere."""
    keys = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,5}", fullmatch=True).filter(
        lambda key: key not in ("Game", "Format", "Variant", "FEN", "SetUp", "Result") and not key.startswith("White")
    )
    headers = draw(st.dictionaries(keys, words.map(lambda text: text.replace("\r", "").replace("\n", "")), max_size=3))
    headers["Result"] = draw(st.sampled_from(["1-0", "0-1", "1/2-1/2", "*"]))
    fen = draw(st.sampled_from([Board().fen(), "3k5/9/2P3P2/2P3P2/9/9/9/9/9/4K4 b - - 3 40"]))
    game = Game(headers, fen)
    game.comment = clean(draw(words))
    nodes: list[GameNode] = [game]
    for _ in range(draw(st.integers(0, 12))):
        parent = draw(st.sampled_from(nodes))
        legal = parent.board().legal_moves
        if not legal:
            continue
        node = parent.add_variation(draw(st.sampled_from(legal)))
        node.comment = clean(draw(words))
        node.nags = draw(st.sets(st.integers(0, 255), max_size=2))
        if len(parent.variations) > 1:
            node.starting_comment = clean(draw(words))
        nodes.append(node)
    return game


class TestRoundTrip:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(games(), max_size=3), st.sampled_from(["iccs", "wxf", "chinese", "traditional"]))
    def test_what_is_written_is_read(self, written: list[Game], notation: pgn.Notation) -> None:
        file = io.BytesIO()
        assert pgn.write_to(written, file, notation) == len(written)
        found, errors = read(file.getvalue())
        assert errors == []
        assert [shape(game) for game in found] == [shape(game) for game in written]
