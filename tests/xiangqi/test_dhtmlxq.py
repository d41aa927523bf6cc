"""DhtmlXQ: published records, variations, encodings, round trips and broken texts."""

from __future__ import annotations

import io
import random
import tracemalloc
from pathlib import Path

import pytest

import xiangqi
from xiangqi import NULL_MOVE, Board, Game, Move
from xiangqi.formats import FormatError, UnknownFormatError, dhtmlxq, load, save, sniff

FILES = Path(__file__).parent / "files"

# A game of 2018 as a tournament's page had it (with the wrong end of one tag), and a study with a variation from
# dpxq.com; the moves alone.
TOURNAMENT = """[DhtmlXQ]
[DhtmlXQ_ver]www_dpxq_com[/DhtmlXQ_ver]
[DhtmlXQ_title]文山陳建宇　先勝　文山王韋中[/DhtmlXQ_title]
[DhtmlXQ_date]2018-03-24[/DhtmlXQ_date]
[DhtmlXQ_red]陳建宇[/DhtmlXQ_red]
[DhtmlXQ_blacktime][/DhtmlXQ_time]
[DhtmlXQ_black]王韋中[/DhtmlXQ_black]
[DhtmlXQ_result]紅勝[/DhtmlXQ_result]
[DhtmlXQ_binit]0919293949596979891777062646668600102030405060708012720323436383[/DhtmlXQ_binit]
[DhtmlXQ_movelist]774772427967808189797062192710222625813166650001675531381715232425240151556351542423224115454245\
474554240919123279772423775732336564232419123332645432222907386827156863150324260311222112322646574763663948463647373637\
323760424939416037304041303141404505[/DhtmlXQ_movelist]
[/DhtmlXQ]
"""
STUDY = """
[DhtmlXQ_binit]8979695949392919097717866646260600102030405060708012720323436383[/DhtmlXQ_binit]
[DhtmlXQ_movelist]2625232425242042242310312333002017372029373172746947744446454447090747461927462677472928474350\
4107171202312140508987[/DhtmlXQ_movelist]
[DhtmlXQ_move_0_13_1]311174047707808169472920070403047967811189880405[/DhtmlXQ_move_0_13_1]
[DhtmlXQ_comment13]第一行||第二行[/DhtmlXQ_comment13]
[DhtmlXQ_comment1_24]黑方优势。[/DhtmlXQ_comment1_24]
"""


def record(**tags: str) -> str:
    return (
        "[DhtmlXQ]\n"
        + "".join(f"[DhtmlXQ_{tag}]{text}[/DhtmlXQ_{tag}]\n" for tag, text in tags.items())
        + "[/DhtmlXQ]\n"
    )


def lines(game: Game) -> set[str]:
    return {" ".join(step.move.iccs for step in node.line()) for node in game.walk() if not node.variations}


def random_game(rng: random.Random, size: int) -> Game:
    board = Board()
    for _ in range(rng.choice((0, 0, 25))):
        board.push(rng.choice(board.legal_moves))
    headers = {
        "Red": "柳大华",
        "Event": "a[b]c",
        "Date": "1997.11.??",
        "Result": rng.choice(("1-0", "0-1", "1/2-1/2", "*")),
    }
    game = Game(headers, board.fen())
    nodes: list[xiangqi.game.GameNode] = [game]
    remarks = (
        "",
        "",
        "好棋",
        "第一行\n\n第二行",
        "[%eval 0.35]",
        "a|b||c|",
        "\\u0041\\",
        "[/DhtmlXQ_x] [DhtmlXQ] [1_2_3]",
    )
    for _ in range(size):
        parent = rng.choice(nodes[-6:])
        moves = [move for move in parent.board().legal_moves if parent.variation(move) is None]
        if moves:
            node = parent.add_variation(rng.choice(moves))
            node.comment = rng.choice(remarks)
            nodes.append(node)
    game.comment = rng.choice(remarks)
    return game


def as_lists(game: Game) -> list[tuple[int, str, str]]:
    return [(node.ply, node.move.iccs, node.comment) for node in game.walk()]


class TestPublishedRecords:
    def test_tournament_game(self) -> None:
        game = dhtmlxq.loads(TOURNAMENT)
        assert len(game.moves()) == 63
        assert [move.iccs for move in game.moves()[:4]] == ["h2e2", "h7e7", "h0g2", "i9i8"]
        assert game.headers == {
            "Title": "文山陳建宇　先勝　文山王韋中",
            "Date": "2018.03.24",
            "Red": "陳建宇",
            "Black": "王韋中",
            "Result": "1-0",
        }

    def test_study_with_bare_tags(self) -> None:
        game = dhtmlxq.loads(STUDY)
        assert len(game.moves()) == 29
        line = list(game.main_line())
        assert line[12].comment == "第一行\n第二行"
        second = line[11].variations[1]
        assert second.move.iccs == "d8b8"
        assert [node.comment for node in second.main_line()][10] == "黑方优势。"

    def test_the_file(self) -> None:
        assert sniff(FILES / "two.ubb") == "dhtmlxq"
        assert [len(game.moves()) for game in load(FILES / "two.ubb")] == [63, 29]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "big5"])
    def test_encodings(self, encoding: str) -> None:
        (game,) = load(io.BytesIO(TOURNAMENT.encode(encoding)))
        assert game.headers["Black"] == "王韋中" and game.result == "1-0"


class TestVariations:
    def test_rivals_nested_in_any_order(self) -> None:
        text = record(
            movelist="774770627967",
            move_2_3_3="7967",
            move_1_2_2="102219270010",
            move_0_1_1="1747",
            move_0_2_4="7242",
            comment4_2="顺炮",
        )
        game = dhtmlxq.loads(text)
        assert lines(game) == {"h2e2 h9g7 h0g2", "h2e2 h7e7", "b2e2 b9c7 b0c2 a9b9", "b2e2 b9c7 h0g2"}
        assert game.variations[0].variations[1].comment == "顺炮"

    def test_variation_at_the_end_of_a_line_goes_on(self) -> None:
        game = dhtmlxq.loads(record(movelist="7747", move_0_2_1="7062", move_0_2_2="1022", move_1_3_3="7967"))
        assert lines(game) == {"h2e2 h9g7 h0g2", "h2e2 b9c7"}

    def test_script_of_a_page(self) -> None:
        page = (
            "<div>[DhtmlXQ_title]a[/DhtmlXQ_title]<br>[DhtmlXQ_movelist][/DhtmlXQ_movelist]</div>"
            "<script>var DhtmlXQ_movelist = '[0_1_0]77477062[/0_1_0][0_2_1]7242[/0_2_1]';</script>"
        )
        assert lines(dhtmlxq.loads(page)) == {"h2e2 h9g7", "h2e2 h7e7"}

    def test_depth_costs_no_stack_and_no_time(self) -> None:
        tags = {"movelist": "0908" + "00010809010009080001080901000908" * 300}
        for i in range(1500):
            tags[f"move_{i}_{i + 1}_{i + 1}"] = ("0908", "0001", "0809", "0100")[i % 4] + (
                "0001",
                "0809",
                "0100",
                "0908",
            )[i % 4]
        game = dhtmlxq.loads(record(**tags))
        assert max(node.ply for node in game.walk() if not node.variations) > 1500

    @pytest.mark.parametrize(
        ("tags", "reason"),
        [
            ({"title": "x", "binit": "7747"}, "line 3: the starting position has 64 digits, found 4"),
            ({"binit": "00" * 2 + "99" * 30}, "line 2: two pieces, R and N, on 00"),
            ({"fen": "x"}, "line 2: expected 10 ranks"),
        ],
    )
    def test_no_position(self, tags: dict[str, str], reason: str) -> None:
        with pytest.raises(FormatError) as error:
            dhtmlxq.loads(record(**tags))
        assert str(error.value).startswith(reason)

    @pytest.mark.parametrize(
        ("tags", "found", "reason"),
        [
            ({"movelist": "7747", "move_0_5_1": "7062"}, "h2e2", "line 3: variation 1 leaves line 0 at move 5, where"),
            ({"movelist": "7747", "move_7_1_1": "7062"}, "h2e2", "line 3: variation 1 leaves line 7"),
            ({"movelist": "7747", "move_1_1_1": "7062"}, "h2e2", "line 3: variation 1 leaves line 1"),
            (
                {"movelist": "7747", "move_0_1_1": "1747", "move_0_2_1": "7062"},
                "h2e2 h9g7 / b2e2",
                "line 4: there are two variations 1",
            ),
            ({"movelist": "7747706"}, "h2e2", "line 2: a move has four digits, and the list of moves ends in '706'"),
            ({"movelist": "7747AAX0001", "move_0_9_1": "7062"}, "h2e2", "line 2: a list of moves has digits only"),
            ({"movelist": "7748", "move_0_2_1": "7062", "move_0_1_2": "1747"}, "b2e2", "line 2, ply 1: no piece moves"),
            ({"movelist": "9747"}, "", "line 2, ply 1: the move begins or ends off the board"),
            (
                {"movelist": "774770607967", "move_0_2_1": "7062", "move_0_3_2": "1022", "move_0_1_3": "17479999"},
                "h2e2 h9g7 / b2e2",
                "line 2, ply 2: illegal move 'h9g9'",
            ),
        ],
    )
    def test_what_is_sound_is_kept(self, tags: dict[str, str], found: str, reason: str) -> None:
        game = dhtmlxq.loads(record(**tags))
        left = [" ".join(step.move.iccs for step in node.line()) for node in game.walk() if not node.variations]
        assert " / ".join(left) == found
        assert str(game.errors[0]).startswith(reason)


class TestFiles:
    def test_faults_are_reported_and_the_next_game_read(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        texts = [{"movelist": "7747"}, {"movelist": "77477748"}, {"binit": "1"}, {"movelist": "77477062"}]
        path.write_text("".join(record(**tags) for tags in texts), "utf-8")
        errors: list[FormatError] = []
        assert [len(game.moves()) for game in load(path, errors.append)] == [1, 1, 2]
        assert [(error.game, error.line, error.ply) for error in errors] == [(2, 5, 2), (3, 8, None)]
        assert "a.txt, line 5, ply 2" in str(errors[0])

    @pytest.mark.parametrize("end", ["\r\n", "\r"])
    def test_line_ends(self, end: str) -> None:
        text = (record(movelist="7747", comment1="a||b") + record(movelist="7748")).replace("\n", end)
        first, second = dhtmlxq.read(io.BytesIO(text.encode()), lambda error: None)
        assert (first.next().comment, [error.line for error in second.errors]) == ("a\nb", [6])

    def test_many_games_in_a_line(self) -> None:
        text = "".join(record(red=str(number), movelist="7747").replace("\n", "") for number in range(9))
        assert [game.headers["Red"] for game in load(io.BytesIO(text.encode()))] == [str(n) for n in range(9)]

    def test_headers_alone_are_a_game(self) -> None:
        games = list(load(io.BytesIO((record(red="A") + record(red="B", movelist="7747")).encode())))
        assert [(game.headers["Red"], len(game.moves())) for game in games] == [("A", 0), ("B", 1)]

    def test_a_file_that_breaks_off(self) -> None:
        game = dhtmlxq.loads("[DhtmlXQ]\n[DhtmlXQ_red]A[/DhtmlXQ_red]\n[DhtmlXQ_movelist]7747706")
        assert (game.headers["Red"], len(game.moves()), len(game.errors)) == ("A", 1, 1)

    def test_memory_of_one_game(self) -> None:
        text = record(movelist="7747", comment1="x" * 10_000).encode() * 1_000
        stream = io.BytesIO(text)
        tracemalloc.start()
        try:
            assert sum(1 for _ in dhtmlxq.read(stream)) == 1_000
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 2 << 20

    def test_a_game_without_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dhtmlxq, "MAX_RECORD", 1 << 20)
        endless = "[DhtmlXQ]\n[DhtmlXQ_movelist]7747\n" + " " * (3 << 20) + "[/DhtmlXQ]\n"
        errors: list[FormatError] = []
        text = record(movelist="7747") + endless + record(movelist="7747")
        assert len(list(load(io.BytesIO(text.encode()), errors.append))) == 2
        assert [(error.line, error.reason) for error in errors] == [(4, "a game of more than 1 MiB")]

    @pytest.mark.parametrize(
        "text",
        [
            '[Event "see [DhtmlXQ_movelist]7747[/DhtmlXQ_movelist]"]\n\n1. h2e2 *',
            "{a [DhtmlXQ_title] of [DhtmlXQ]} 1. h2e2 *",
            "% by [DhtmlXQ_title]\n1. h2e2 *",
            '; by [DhtmlXQ_title]\n[Red "A"]\n1. h2e2 *',
            '[Red "A"]\n1. h2e2 {\n[DhtmlXQ_movelist]7747[/DhtmlXQ_movelist]} *',
        ],
    )
    def test_pgn_that_mentions_the_format(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a").write_text(text)
        assert sniff(tmp_path / "a") == "pgn"
        assert [len(game.moves()) for game in load(tmp_path / "a")] == [1]

    @pytest.mark.parametrize("mention", ['[Event "x"] 1. h2e2 *', '\n[Event "x"]\n\n1. h2e2 *\n', "1. h2e2 h9g7"])
    def test_remarks_that_look_like_pgn(self, tmp_path: Path, mention: str) -> None:
        (tmp_path / "a").write_text(record(title=mention, comment0=mention, movelist="77477062"))
        assert sniff(tmp_path / "a") == "dhtmlxq"
        assert [len(game.moves()) for game in load(tmp_path / "a")] == [2]

    def test_no_game_at_all(self) -> None:
        with pytest.raises(FormatError, match="there is no DhtmlXQ game"):
            list(load(io.BytesIO(b"[DhtmlXQ] [/DhtmlXQ]")))

    def test_position_without_moves(self) -> None:
        game = Game(fen="r3k4/9/9/9/9/9/9/9/9/3K5 b")
        again = dhtmlxq.loads(dhtmlxq.dumps(game))
        assert again.fen == game.fen and not again.variations

    @pytest.mark.parametrize("seed", range(60))
    def test_round_trip(self, seed: int) -> None:
        game = random_game(random.Random(seed), 40)
        again = dhtmlxq.loads(dhtmlxq.dumps(game))
        assert as_lists(again) == as_lists(game)
        assert again.headers | {"FEN": ""} == game.headers | {"FEN": ""} and again.comment == game.comment
        assert again.fen.split()[:2] == game.fen.split()[:2]

    def test_save_many(self, tmp_path: Path) -> None:
        games = [random_game(random.Random(seed), 10) for seed in range(5)]
        assert save(games, tmp_path / "a.ubb.zst") == 5
        assert [as_lists(game) for game in load(tmp_path / "a.ubb.zst")] == [as_lists(game) for game in games]

    def test_null_move_cannot_be_written(self, tmp_path: Path) -> None:
        game = Game()
        game.add_variation(Move.from_iccs("h2e2")).add_variation(NULL_MOVE)
        with pytest.raises(FormatError, match="null move"):
            save(game, tmp_path / "a.ubb")
        assert list(tmp_path.iterdir()) == []


class TestBareMoves:
    """A list of moves without any tag, as people paste it."""

    OPENING = "h2e2 h9g7 h0g2 i9h9"

    def test_the_file(self) -> None:
        assert sniff(FILES / "bare.ubb") == "dhtmlxq"
        (game,) = load(FILES / "bare.ubb")
        assert (" ".join(move.iccs for move in game.moves()), game.errors) == (self.OPENING, [])

    @pytest.mark.parametrize(
        "text", ["7747706279678070\n", " 7747 7062\r\n7967 8070\r\n", "77477062\n\n79678070", "\ufeff7747706279678070"]
    )
    def test_spaces_and_line_breaks(self, text: str) -> None:
        (game,) = load(io.BytesIO(text.encode()))
        assert (" ".join(move.iccs for move in game.moves()), game.errors) == (self.OPENING, [])

    def test_faults(self) -> None:
        errors: list[FormatError] = []
        games = [
            *load(io.BytesIO(b"77477062\n79678079"), errors.append),
            *load(io.BytesIO(b"7747706279"), errors.append),
        ]
        assert [len(game.moves()) for game in games] == [3, 2]
        assert [(error.line, error.ply) for error in errors] == [(1, 4), (1, None)]
        assert errors[0].reason == "no piece moves from i9 to h0"
        assert errors[1].reason == "a move has four digits, and the list of moves ends in '79'"

    @pytest.mark.parametrize("text", ["20041229", "1234", "7", "774", "9999", "7747706x"])
    def test_other_numbers(self, text: str) -> None:
        with pytest.raises(UnknownFormatError):
            load(io.BytesIO(text.encode()))

    def test_digits_between_games_are_no_game(self) -> None:
        text = "[DhtmlXQ][DhtmlXQ_movelist]7747[/DhtmlXQ_movelist][/DhtmlXQ]\n2024\n"
        assert len(list(load(io.BytesIO((text * 3).encode())))) == 3
