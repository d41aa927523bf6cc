"""PGN: notations, encodings and irregularities that are read, writing, and broken games."""

import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xiangqi
from xiangqi import NULL_MOVE, Board, FormatError, Game, GameNode, Move
from xiangqi.formats import UnknownFormatError, pgn

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
    """The content of a game as plain data."""
    nodes = [(node.ply, node.move.iccs, node.comment, node.starting_comment, sorted(node.nags)) for node in game.walk()]
    return game.headers, game.fen, game.comment, nodes


def drop_result(headers: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != "Result"}


class TestNotations:
    @pytest.mark.parametrize("text", [CHINESE, WXF, ICCS, TRADITIONAL])
    def test_all_tell_the_same_game(self, text: str) -> None:
        assert iccs(one(text)) == ["h2e2", "h9g7", "h0g2", "i9h9", "c3c4"]

    @pytest.mark.parametrize(
        "text",
        ["1. h2e2 h9g7", "1.h2e2 h9g7", "1. H2E2 1... H9G7", "h2-e2 h9-g7", "1、炮二平五 馬８進７", "1.C2.5 h8+7"],
    )
    def test_spellings(self, text: str) -> None:
        assert iccs(one(f'[Red "A"]\n\n{text} *\n')) == ["h2e2", "h9g7"]

    @pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5"])
    @pytest.mark.parametrize(
        "moves",
        [
            "１．炮二平五　馬８進７",
            "1．炮二平五，馬8進7。",
            "１、炮二平五　馬８進７",
            "１：炮二平五　馬８進７",
            "１．Ｃ２＝５　Ｈ８＋７",
            "１．Ｈ２－Ｅ２　Ｈ９－Ｇ７",
        ],
    )
    def test_full_width_punctuation(self, moves: str, encoding: str) -> None:
        text = f"{moves}（１…砲８平５）２．馬二進三！　１－０"
        games = list(xiangqi.load(io.BytesIO(text.encode(encoding))))
        assert [iccs(game) for game in games] == [["h2e2", "h9g7", "h0g2"]]
        (game,) = games
        assert (game.errors, game.result, game.end().nags) == ([], "1-0", {1})
        assert [node.move.iccs for node in game.walk()] == ["h2e2", "h9g7", "h0g2", "h7e7"]

    @pytest.mark.parametrize("brackets", ["【】", "［］"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "big5hkscs"])
    def test_full_width_brackets_around_headers(self, brackets: str, encoding: str) -> None:
        opening, closing = brackets
        text = TRADITIONAL.replace("[", opening).replace("]", closing)
        data = f"{text}\n{text}".encode(encoding)
        assert pgn.sniff(data)
        errors: list[FormatError] = []
        first, second = pgn.read(io.BytesIO(data), errors.append)
        assert first.headers == second.headers == pgn.loads(TRADITIONAL).headers
        assert first.moves() == second.moves() == pgn.loads(TRADITIONAL).moves()
        assert not errors

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "big5hkscs", "utf-16"])
    @pytest.mark.parametrize(
        "text",
        [
            "h2e2 h9g7 h0g2",
            "H2-E2 H9-G7\nH0-G2",
            "h3e3 h10g8 h1g3",
            "C2=5 H8+7 H2+3 *",
            "Che3 Hg8 Hg3",
            "  炮二平五，馬８進７；馬二進三。",
            "h2e2h9g7h0g2",
            "炮二平五馬8進7馬二進三",
            "1.炮二平五馬８進７ 2.馬二進三",
            "炮二平五\n馬8進7\n馬二進三",
        ],
    )
    def test_moves_without_numbers(self, text: str, encoding: str) -> None:
        (game,) = xiangqi.load(io.BytesIO(text.encode(encoding)))
        assert (iccs(game), game.errors) == (["h2e2", "h9g7", "h0g2"], [])

    @pytest.mark.parametrize("between", ["\n\n", "\n"])
    def test_games_without_headers_and_results(self, between: str) -> None:
        first = "1. h2e2 (\n1. c3c4) {\n1. c3c4} h9g7 (\n1... h7e7)\n2. h0g2"
        games = list(pgn.read(io.BytesIO(f"{first}{between}1. c3c4 g6g5\n1. …… \n2. b0c2".encode())))
        assert [iccs(game) for game in games] == [["h2e2", "h9g7", "h0g2"], ["c3c4", "g6g5", "b0c2"]]
        assert [game.errors for game in games] == [[], []]

    def test_games_without_headers_that_begin_with_a_comment(self) -> None:
        games, errors = read("{an opening} 1. h2e2 h9g7 1-0\n\n{another} 1. c3c4 g6g5 0-1\n")
        assert [(iccs(game), game.result) for game in games] == [(["h2e2", "h9g7"], "1-0"), (["c3c4", "g6g5"], "0-1")]
        assert [game.comment for game in games] == ["an opening", "another"]
        assert errors == []

    def test_moves_after_the_result_are_reported(self) -> None:
        (game,), errors = read("1. h2e2 1-0\nh9g7 2. h0g2 0-1")
        assert (iccs(game), game.result) == (["h2e2"], "1-0")
        assert [str(error) for error in errors] == ["line 2, ply 2: moves go on after the result, from 'h9g7' on"]
        assert not one("1. h2e2 h9g7 1-0 Red was lucky (h0g2)").errors

    @pytest.mark.parametrize("text", ["h2e2 or so", "Che two", "炮二平五 是中炮", "a b c", ""])
    def test_other_text_is_not_taken_for_moves(self, text: str) -> None:
        with pytest.raises(UnknownFormatError):
            xiangqi.load(io.BytesIO(text.encode()))

    @pytest.mark.parametrize(
        "comment", ["a comment", "word " * 40, "two\n\nparagraphs", "1. h2e2 was played.\n1. Once more."]
    )
    @pytest.mark.parametrize("headers", ["", '[Red "A"]\n\n'])
    def test_a_comment_on_lines_of_its_own_belongs_to_the_game_after_it(self, headers: str, comment: str) -> None:
        text = f'{headers}{{{comment}}}\n1. h2e2 {{first}}\n{{second}} h9g7 *\n\n[Red "B"]\n\n1. c3c4 *\n'
        games = list(pgn.read(io.StringIO(text)))
        assert [len(game.moves()) for game in games] == [2, 1]
        assert games[0].comment.split() == comment.split()

    @pytest.mark.parametrize("length", range(60, 100))
    def test_a_comment_of_any_length_before_the_moves_reads_back(self, length: int) -> None:
        game = Game.from_pgn("1. h2e2 h9g7 *")
        game.comment = "x" * length
        (again,) = pgn.read(io.StringIO(str(game)))
        assert (again.comment, again.moves()) == (game.comment, game.moves())

    def test_brackets_in_comments_open_and_close_no_variations(self) -> None:
        text = '[Red "A"]\n\n1. a0a1 {one} (1. c3c4 {a smile :)} h9g7) ({two)}\n1. a3a4) h9g7 *\n'
        (game,) = pgn.read(io.StringIO(text))
        assert ([len(game.variations), len(game.moves())]) == [3, 2]

    def test_full_width_comments_keep_their_characters(self) -> None:
        game = one("1．炮二平五｛好，｝ {（一）； } ；馬８進７ *")
        assert iccs(game) == ["h2e2", "h9g7"]
        assert game.next().comment == "好， （一）；"

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
        assert game.headers["FEN"] == game.fen
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

    @pytest.mark.parametrize("end", ["\r\n", "\r"])
    def test_line_ends(self, end: str) -> None:
        games, errors = read(f"{CHINESE}\n{CHINESE}{CHINESE.replace('马二进三', '马二进五')}".replace("\n", end))
        assert [shape(game) for game in games[:2]] == [shape(one(CHINESE))] * 2
        assert [(error.game, error.line) for error in errors] == [(3, 30)]

    def test_line_ends_that_come_in_halves(self) -> None:
        class Drip(io.RawIOBase):
            """A stream that hands out a byte at a time."""

            data = io.BytesIO(b'[Red "A"]\r\n\r\n1. h2e2\r\rh2e2 *\r\n')

            def readable(self) -> bool:
                return True

            def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
                byte = self.data.read(1)
                buffer[: len(byte)] = byte
                return len(byte)

        errors: list[FormatError] = []
        (game,) = pgn.read(io.BufferedReader(Drip()), errors.append)
        assert (len(game.moves()), [error.line for error in errors]) == (1, [5])


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

    def test_remarks_before_a_move(self) -> None:
        game = one("{of the game} 1. {before} h2e2 {after} 1... {and before} h9g7 ({head} 1... b9c7) *")
        first, second = game.main_line()
        assert (game.comment, first.starting_comment, first.comment) == ("of the game", "before", "after")
        assert (second.starting_comment, first.variations[1].starting_comment) == ("and before", "head")

    def test_a_remark_after_the_last_number_belongs_to_the_move_before(self) -> None:
        assert one("1. h2e2 1... {resigns} 1-0").next().comment == "resigns"

    def test_control_characters(self) -> None:
        game = one('[Red "L\0in\x1b"]\n\n1. h2e2 {go\0od\x07} *')
        assert (game.headers["Red"], game.next().comment) == ("L in ", "good")


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

    def test_headers_alone_are_games(self) -> None:
        games, errors = read('[Event "a"]\n[Red "A"]\n\n[Event "b"]\n[Result "1-0"]\n\n\n[Event "c"]\n\n1. h2e2 *')
        assert errors == []
        assert [(game.headers["Event"], len(game.moves())) for game in games] == [("a", 0), ("b", 0), ("c", 1)]
        assert [game.headers.get("Red") for game in games] == ["A", None, None]

    def test_broken_headers_and_remarks_between_headers_part_no_games(self) -> None:
        game = one('; by a program\n% of 1999\n[Event "x]\n[Site x]\n[Date\n[Red "A"]\n; more\n[Black "B"]\n1. h2e2 *')
        assert game.headers == {"Red": "A", "Black": "B"}
        assert game.comment == "by a program more"

    def test_comment_that_looks_like_a_header(self) -> None:
        game = one('[Red "A"]\n\n1. h2e2 {see\n  [Event "x"]\n[%eval 1.0]} h9g7 *')
        assert iccs(game) == ["h2e2", "h9g7"]

    def test_nothing(self) -> None:
        assert read("") == ([], [])
        assert read("\n \r\n\n") == ([], [])


class TestNullMoves:
    @pytest.mark.parametrize("text", ["--", "Z0", "0000", "00-00", "@@@@"])
    def test_spellings(self, text: str) -> None:
        game = one(f"1. h2e2 {text} 2. e2e6+ h9g7 (2... {text}! {{idle}}) *")
        assert game.moves()[:3] == [Move.from_iccs("h2e2"), NULL_MOVE, Move.from_iccs("e2e6")]
        threat = game.variations[0].variations[0].variations[0].variations[1]
        assert (threat.move, threat.nags, threat.comment) == (NULL_MOVE, {1}, "idle")

    @pytest.mark.parametrize("notation", ["iccs", "wxf", "chinese", "traditional"])
    def test_there_and_back(self, notation: pgn.Notation) -> None:
        game = Game()
        game.add_main_line([NULL_MOVE, NULL_MOVE, Move.from_iccs("h2e2"), NULL_MOVE])
        game.variations[0].add_variation(Move.from_iccs("h9g7")).add_variation(NULL_MOVE)
        assert shape(pgn.loads(pgn.dumps(game, notation)))[3] == shape(game)[3]  # type: ignore[index]

    def test_tandem_pawns_begin_with_the_same_signs(self) -> None:
        start = "3k5/6P2/6P2/6P2/6P2/9/9/9/9/4K4 w"
        game = one(f'[FEN "{start}"]\n\n1. --=4 -- *')
        assert game.moves() == [Board(start).parse_wxf("--=4"), NULL_MOVE]

    def test_a_move_after_a_pass_is_still_checked(self) -> None:
        _, errors = read("1. h2e2 -- 2. h9g7 *")
        assert [(error.ply, "illegal move 'h9g7'" in error.reason) for error in errors] == [(3, True)]


class TestFaults:
    """What cannot be read costs its line from there on, and nothing else."""

    @pytest.mark.parametrize(
        ("movetext", "line", "ply", "reason", "moves"),
        [
            ("1. h2e2 h9g7\n2. e2e9 b9c7 3. x *", 4, 3, "illegal move 'e2e9'", "h2e2 h9g7"),
            ("1. h2e2 h9g6 2. h0g2 1-0", 3, 2, "no piece moves from h9 to g6", "h2e2"),
            ("1. h2e2\nz9z9 2. h0g2 1-0", 4, 2, "not an ICCS move: 'z9z9'", "h2e2"),
            ("1. 炮二平五 马8进9\n2. 炮二平五 *", 4, 3, "炮二平五", "h2e2 h9i7"),
            ("1. e2e9 h9g7", 3, 1, "illegal move 'e2e9'", ""),
            ("1. h2e2 hello *", 3, 2, "'hello'", "h2e2"),
            ("1. h2e2 " + "x" * 1000, 3, 2, "cannot read 'xxxxxxxxxxxx…'", "h2e2"),
            ("1. h2e2 {never\nclosed", 3, 2, "a comment is not closed", "h2e2"),
            ("1. h2e2 h9g7 (1... b9c7 2. b0c2 *", 3, None, "a variation is not closed", "h2e2 h9g7 / h2e2 b9c7 b0c2"),
            ("1. h2e2) h9g7 *", 3, 2, "a variation closes that was never opened", "h2e2 h9g7"),
            ("(1. h2e2) 1. c3c4 *", 3, 1, "a variation opens where there is no move to vary", "c3c4"),
            ("1. h2e2 ((1. b2e2) 1. c3c4) h9g7 *", 3, 1, "a variation opens where", "h2e2 h9g7 / c3c4"),
            ("1. h2e2 $ h9g7 *", 3, 2, "cannot read '$'", "h2e2 h9g7"),
            # A branch ends before its unsound move; its own variations, and those beside it, stay.
            ("1. h2e2 (1. b2e2 b9c7 (1... h7e7 2. b0c2) 2. e2e9 i9h9) (1. c3c4) h9g7 *", 3, 3, "illegal move 'e2e9'",
             "h2e2 h9g7 / b2e2 b9c7 / b2e2 h7e7 b0c2 / c3c4"),
            ("1. h2e2 (1. e2e9 h9g7 (1... b9c7)) (1. c3c4) h9g7 *", 3, 1, "illegal move 'e2e9'", "h2e2 h9g7 / c3c4"),
            # So do the alternatives to an unsound move, but not to what followed from it.
            ("1. h2e2 h9h2 (1... h9g7 2. h0g2) 2. b0c2 (2. h0g2) b9c7 *", 3, 2, "illegal move 'h9h2'",
             "h2e2 h9g7 h0g2"),
            ("1. h2e2 (1. b2e2 h9h2 (1... h9g7) 2. b0c2 (2. h0g2)) h9g7 *", 3, 2, "illegal move 'h9h2'",
             "h2e2 h9g7 / b2e2 h9g7"),
        ],
    )  # fmt: skip
    def test_place_reason_and_what_is_left(
        self, movetext: str, line: int, ply: int | None, reason: str, moves: str
    ) -> None:
        good = '[Red "B"]\n\n1. h2e2 *\n'
        (game, following), errors = read(f'[Red "A"] [Result "0-1"]\n\n{movetext}\n\n{good}')
        assert [(error.game, error.line, error.ply) for error in errors] == [(1, line, ply)]
        assert reason in errors[0].reason
        assert game.errors == errors and not following.errors
        lines = [" ".join(step.move.iccs for step in node.line()) for node in game.walk() if not node.variations]
        assert " / ".join(lines) == moves
        assert (game.headers["Red"], game.result, following.headers["Red"]) == ("A", "0-1", "B")

    def test_remarks_and_glyphs_on_sound_moves_stay(self) -> None:
        (game,), errors = read("{of the game} 1. h2e2! {good} h9h2 ? {gone} (1... h9g7 $2 {kept}) 2. b0c2 {gone} 1-0")
        assert len(errors) == 1
        first, second = game.main_line()
        assert (game.comment, first.comment, first.nags) == ("of the game", "good", {1})
        assert (second.move.iccs, second.comment, second.nags, game.result) == ("h9g7", "kept", {2}, "1-0")

    def test_a_comment_that_is_not_closed_is_kept(self) -> None:
        (game,), _ = read("1. h2e2 {never\nclosed")
        assert game.next().comment == "never\nclosed"

    def test_a_text_of_which_nothing_is_left(self) -> None:
        games, errors = read(f"Games of the club, 1999\n\n{WXF}")
        assert [len(game.moves()) for game in games] == [5]
        assert [(error.line, error.ply) for error in errors] == [(1, 1)]

    def test_lines_are_told_one_by_one_up_to_a_bound(self) -> None:
        (game,), errors = read("1. h2e2 " + "(1. e2e9) " * 5000 + "h9g7 *")
        assert iccs(game) == ["h2e2", "h9g7"]
        assert len(errors) == 101
        assert str(errors[-1]) == "game 1: more than 100 faults: the rest are not listed"

    def test_lines_are_those_of_the_file(self) -> None:
        _, errors = read(CHINESE + "\n" + CHINESE.replace("马二进三", "马二进五") + CHINESE)
        assert [error.line for error in errors] == [20]

    def test_bad_fen(self) -> None:
        _, errors = read('[Red "A"]\n[FEN "9/9 w"]\n\n1. h2e2 *')
        assert str(errors[0]) == "line 2: expected 10 ranks in FEN placement, found 2: '9/9'"

    def test_file_is_named(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        path = tmp_path / "broken.pgn"
        path.write_text('[Red "A"]\n\n1. e2e9 *\n')
        assert [game.moves() for game in pgn.read(path)] == [[]]
        assert f"{path}, line 3, ply 1: illegal move 'e2e9'" in caplog.text

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
        with pytest.raises(FormatError, match="line 1, ply 1: illegal"):
            pgn.loads("1. e2e9")
        game = pgn.loads("1. h2e2 e2e9")
        assert (iccs(game), [error.ply for error in game.errors]) == (["h2e2"], [2])
        assert iccs(pgn.loads("\ufeff1. h2e2 *")) == ["h2e2"]


class TestHeadersOnly:
    TEXTS = (
        ICCS,
        '[White "A"]\n[WhiteElo "2000"]\n[Result "红胜"]\n\n1. h2e2 {[%eval 0.3]} h9g7 *\n\n[Red "B"]\n\n1. c3c4 1-0\n',
        '[Red "A"]\n[FEN "4k4/9/9/9/9/9/9/9/9/3K5 b"]\n\n1... e9e8\n*\n\n[Red "B"]\n1. C2=5 {see\n[x]} H8+7\n',
        '[Red "A"]\n\n1. h2e2 1-0\n\n1. c3c4 0-1\n\n[Red "胡荣华"]\n\n1. 炮二平五\n1/2-1/2\n',
        '[Red "A"]\n\n1. h2e2 {not closed\n\n[Red "B"]\n\n1. h2e2 (1. c3c4) *\n\n[Round "1"]\n\n[Round "2"]\n',
        '[Red "A \\"x\\""]\n\n; remark }\n1. h2e2 *\n[Red "a "quoted" b"]\n\n1. h2e2 *\n[Red "C"]\n\n1. h2e2 *\n',
    )

    @pytest.mark.parametrize("text", [*TEXTS, "".join(TEXTS), "".join(reversed(TEXTS))])
    @pytest.mark.parametrize("repeat", [1, 3])
    def test_the_headers_that_the_games_have(self, text: str, repeat: int) -> None:
        data = (text * repeat).encode()
        games = [game.headers for game in pgn.read(io.BytesIO(data), on_error=lambda error: None)]
        told = list(pgn.read_headers(io.BytesIO(data)))
        assert len(games) > 0
        assert [drop_result(headers) for headers in told] == [drop_result(headers) for headers in games]
        for headers, full in zip(told, games, strict=True):
            assert headers.get("Result", "*") in ("*", full.get("Result", "*"))

    def test_games_are_chosen_by_their_headers(self) -> None:
        text = '[Red "A"]\n\n1. h2e2 e2e2 *\n\n[Red "B"]\n\n1. c3c4 c3c4 *\n\n[Red "C"]\n\n1. b2e2 *\n'
        errors: list[FormatError] = []
        games = list(pgn.read(io.BytesIO(text.encode()), errors.append, choose=lambda headers: headers["Red"] != "A"))
        assert [(game.headers["Red"], iccs(game)) for game in games] == [("B", ["c3c4"]), ("C", ["b2e2"])]
        assert [(error.game, error.line) for error in errors] == [(2, 7)]

    def test_headers_that_cannot_be_read_are_reported(self) -> None:
        errors: list[FormatError] = []
        text = '[Red "A"]\n[FEN "9/9"]\n\n1. h2e2 *\n\n[Red "B"]\n\n1. h2e2 *\n'
        assert list(pgn.read_headers(io.BytesIO(text.encode()), errors.append)) == [{"Red": "B"}]
        assert [(error.game, error.line) for error in errors] == [(1, 2)]

    def test_lines_are_counted_over_plain_games(self) -> None:
        plain = '[Red "A"]\n[Black "B"]\n\n1. h2e2 h9g7\n2. h0g2 *\n\n'
        errors: list[FormatError] = []
        games = list(pgn.read(io.BytesIO((plain * 400 + "1. h2e2 e2e2 *\n" + plain).encode()), errors.append))
        assert [len(game.moves()) for game in games] == [3] * 400 + [1, 3]
        assert [(error.game, error.line) for error in errors] == [(401, 2401)]


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

    def test_what_may_be_left_out(self) -> None:
        game = one('[Red "A"]\n\n{go} 1. h2e2! {good} (1. b2e2 {too}) 1... h9g7 $2 (1... b9c7) 2. h0g2 *')
        movetext = pgn.dumps(game, "wxf", headers=False)
        assert movetext == "{go} 1. C2=5 $1 {good} (1. C8=5 {too}) 1... H8+7 $2 (1... H2+3) 2. H2+3 *\n"
        assert pgn.dumps(game, "wxf", headers=False, comments=False) == (
            "1. C2=5 (1. C8=5) 1... H8+7 (1... H2+3) 2. H2+3 *\n"
        )
        assert (
            pgn.dumps(game, "wxf", headers=False, variations=False) == "{go} 1. C2=5 $1 {good} 1... H8+7 $2 2. H2+3 *\n"
        )
        assert pgn.dumps(game, "wxf", headers=False, variations=False, comments=False) == "1. C2=5 H8+7 2. H2+3 *\n"

    def test_algebraic(self) -> None:
        game = one('[Red "A"]\n[Variant "other"]\n\n1. h2e2 h9g7 2. e2e6 b9c7 *')
        assert pgn.dumps(game, "algebraic").splitlines() == [
            '[Game "Chinese Chess"]',
            '[Red "A"]',
            '[Result "*"]',
            '[Variant "xiangqi"]',
            "",
            "1. Che2 Hg7 2. Cxe6 Hc7 *",
        ]

    def test_columns(self, tmp_path: Path) -> None:
        game = Game.from_board(Board.from_moves("h2e2 h9g7 h0g2 i9h9 " + "i0i1 h9h8 i1i0 h8h9 " * 10))
        lines = pgn.dumps(game, headers=False, columns=40).splitlines()
        assert 30 < max(map(len, lines)) <= 40
        assert pgn.dumps(game, headers=False, columns=None).count("\n") == 1
        xiangqi.save(game, tmp_path / "game.pgn", columns=None, notation="wxf")
        assert max(map(len, (tmp_path / "game.pgn").read_text().splitlines())) > 200
        assert one((tmp_path / "game.pgn").read_text()).moves() == game.moves()

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


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=12)


def clean(text: str) -> str:
    """What a comment becomes on its way through a file."""
    return "\n".join([line.strip() for line in text.replace("}", "｝").strip().split("\n")])


@st.composite
def games(draw: st.DrawFn) -> Game:
    """Trees of random legal moves and passes with remarks and glyphs everywhere."""
    keys = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,5}", fullmatch=True).filter(
        lambda key: key not in ("Game", "Format", "Variant", "FEN", "SetUp", "Result") and not key.startswith("White")
    )
    headers = draw(st.dictionaries(keys, words.map(lambda text: text.replace("\n", "")), max_size=3))
    headers["Result"] = draw(st.sampled_from(["1-0", "0-1", "1/2-1/2", "*"]))
    fen = draw(st.sampled_from([Board().fen(), "3k5/9/2P3P2/2P3P2/9/9/9/9/9/4K4 b - - 3 40"]))
    game = Game(headers, fen)
    game.comment = clean(draw(words))
    nodes: list[GameNode] = [game]
    for _ in range(draw(st.integers(0, 12))):
        parent = draw(st.sampled_from(nodes))
        node = parent.add_variation(draw(st.sampled_from([*parent.board().legal_moves, NULL_MOVE])))
        node.starting_comment = clean(draw(words))
        node.comment = clean(draw(words))
        node.nags = draw(st.sets(st.integers(0, 255), max_size=2))
        nodes.append(node)
    return game


class TestRoundTrip:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(games(), max_size=3), st.sampled_from(["iccs", "wxf", "chinese", "traditional", "algebraic"]))
    def test_what_is_written_is_read(self, written: list[Game], notation: pgn.Notation) -> None:
        file = io.BytesIO()
        assert pgn.write_to(written, file, notation) == len(written)
        found, errors = read(file.getvalue())
        assert errors == []
        assert [shape(game) for game in found] == [shape(game) for game in written]
