"""JSON lines: those of 2020, those of our corpora, and broken ones."""

import io
import json
from typing import Any, ClassVar

import pytest

from xiangqi import BLACK, NULL_MOVE, Board, FormatError, Game, Move
from xiangqi.formats import json_objects, jsonl, load
from xiangqi.tags import Candidate

BLACK_START = "3k5/9/9/9/9/9/9/9/9/R4K3 b - - 0 1"


def read(*records: Any) -> tuple[list[Game], list[FormatError]]:
    """Return the games and the errors of a file; strings are lines as they are, anything else is made JSON."""
    errors: list[FormatError] = []
    text = "\n".join([record if isinstance(record, str) else json.dumps(record) for record in records])
    return list(jsonl.read(io.BytesIO(text.encode()), errors.append)), errors


def one(record: Any) -> Game:
    games, errors = read(record)
    assert errors == []
    return games[0]


class TestLinesOf2020:
    @pytest.mark.parametrize("result", ["红胜", "红方胜", "紅勝", "1-0"])
    def test_result(self, result: str) -> None:
        game = one({"iccs": ["h2e2", "h9g7"], "fen": Board().fen(), "items": {"棋局结果": result}})
        assert (game.result, game.moves()) == ("1-0", [Move.from_iccs("h2e2"), Move.from_iccs("h9g7")])

    def test_items_become_headers(self) -> None:
        game = one({"iccs": ["H2-E2"], "items": {"红方": "胡荣华", "棋局类型": "全局", "棋局结果": "和棋"}})
        assert game.headers == {"Red": "胡荣华", "棋局类型": "全局", "Result": "1/2-1/2"}

    def test_fen(self) -> None:
        assert one({"iccs": ["d9d8"], "fen": BLACK_START, "items": {}}).start_turn == BLACK


class TestOurLines:
    def test_headers(self) -> None:
        game = one(
            {"moves": "h2e2", "result": "0-1", "red": "A", "event": "", "red_elo": "1000", "gid": 7, "truncated": True}
        )
        assert game.headers == {"Red": "A", "RedElo": "1000", "Gid": "7", "Truncated": "true", "Result": "0-1"}

    def test_best_belongs_to_its_ply_and_score_to_the_position_before(self) -> None:
        game = one({"moves": "h2e2 h9g7 h0g2", "best": "b2e2 - h0g2", "score": [40, None, -1200]})
        first, second, third = game.main_line()
        assert [node.best for node in (first, second, third)] == [
            Move.from_iccs("b2e2"),
            None,
            Move.from_iccs("h0g2"),
        ]
        assert [node.eval for node in (game, first, second, third)] == [0.4, None, -12.0, None]

    def test_score_is_the_movers(self) -> None:
        game = one({"moves": "d9d8 a0a1", "fen": BLACK_START, "score": [-900, 900]})
        assert (game.eval, game.variations[0].eval) == (9.0, 9.0)

    def test_short_lists_are_enough(self) -> None:
        game = one({"moves": "h2e2 h9g7", "best": "h2e2", "score": []})
        assert [node.comment for node in game.main_line()] == ["[%best h2e2]", ""]


class TestRoundTrip:
    @pytest.mark.parametrize(
        "record",
        [
            {"moves": "", "result": "*"},
            {"moves": "h2e2 h9g7", "result": "1-0", "red": "胡荣华", "gid": 12, "tier": "master", "red_elo": "2400"},
            {"moves": "h2e2 h9g7", "result": "*", "best": "- b9c7", "score": [-3, None]},
            {"moves": "d9d8 a0a9", "result": "*", "fen": BLACK_START, "score": [-30000, 29999]},
            {"moves": "h2e2", "result": "*", "ecco": "C55", "opening": "中炮"},
        ],
    )
    def test_same_line(self, record: dict[str, Any]) -> None:
        assert json.loads(jsonl.dumps(one(record))) == record

    def test_passes(self) -> None:
        game = Game()
        game.add_main_line([NULL_MOVE, Move.from_iccs("h9g7"), NULL_MOVE, NULL_MOVE])
        assert one(jsonl.dumps(game)).moves() == game.moves()

    def test_control_characters(self) -> None:
        assert one({"moves": "", "red": "L\0in"}).headers["Red"] == "L in"
        assert json.loads(jsonl.dumps(Game({"Red": "L\0in"})))["red"] == "L in"

    def test_headers_that_would_be_fields(self) -> None:
        game = Game({"Moves": "many", "Best": "of three", "Red": "A"})
        assert json.loads(jsonl.dumps(game)) == {"moves": "", "result": "*", "red": "A"}

    def test_file(self) -> None:
        file = io.BytesIO()
        assert jsonl.write_to([Game({"Red": "马"}), Game()], file) == 2
        assert file.getvalue().decode().splitlines()[0] == '{"moves": "", "result": "*", "red": "马"}'


class TestBrokenLines:
    @pytest.mark.parametrize(
        ("record", "reason"),
        [
            ("{", "not JSON"),
            ("[1]", "not a JSON object"),
            ("[" * 100_000, "the JSON is nested too deeply"),
            ('{"gid": ' + "9" * 10_000 + "}", "not JSON"),
            ({"red": "A"}, "there are no moves (expected a key moves or iccs)"),
            ({"moves": 5}, "the moves are neither a string nor a list of strings"),
            ({"moves": "", "fen": "9/9"}, "expected 10 ranks in FEN placement, found 2"),
            ({"moves": "", "fen": 3}, "fen is not a string"),
        ],
    )
    def test_reported_with_line_and_skipped(self, record: Any, reason: str) -> None:
        games, errors = read({"moves": "h2e2"}, "", record, {"moves": "b2e2"})
        assert len(games) == 2
        assert [error.line for error in errors] == [3]
        assert errors[0].reason.startswith(reason)

    @pytest.mark.parametrize(
        ("record", "moves", "ply", "reason"),
        [
            ({"iccs": ["h2e2", None, "h9g7"]}, "h2e2", 2, "a move is a string, not None"),
            ({"moves": "h2e2 h2 h9g7"}, "h2e2", 2, "not an ICCS move: 'h2' (expected two squares, as h2e2)"),
            ({"moves": "h2e2 h2e2 h9g7"}, "h2e2", 2, "illegal move 'h2e2': there is no piece on h2"),
            ({"moves": "h2e2 0000 h2e2"}, "h2e2 0000", 3, "illegal move 'h2e2': there is no piece on h2"),
            ({"moves": "h2e2 h2e2 z"}, "h2e2", 2, "illegal move 'h2e2'"),
            ({"moves": "e2e9"}, "", 1, "illegal move 'e2e9'"),
            ({"moves": "h2e2", "best": "e"}, "h2e2", 1, "best: not an ICCS move: 'e'"),
            ({"moves": "h2e2", "best": ["h2e2"]}, "h2e2", None, "best is not a string or score is not a list"),
            ({"moves": "h2e2", "score": ["high"]}, "h2e2", 1, "not a score: 'high'"),
            ({"moves": "h2e2", "score": [10**400]}, "h2e2", 1, "not a score"),
            ({"moves": "h2e2", "score": [float("nan")]}, "h2e2", 1, "not a score: nan"),
        ],
    )
    def test_what_is_sound_is_kept(self, record: Any, moves: str, ply: int | None, reason: str) -> None:
        games, errors = read({"moves": "h2e2"}, record | {"result": "1-0", "red": "A"}, {"moves": "b2e2"})
        assert [(error.line, error.ply) for error in errors] == [(2, ply)]
        assert errors[0].reason.startswith(reason)
        assert (" ".join(move.iccs for move in games[1].moves()), games[1].result) == (moves, "1-0")
        assert (games[1].headers["Red"], games[1].errors) == ("A", errors)

    def test_opinions_of_sound_plies_are_kept(self) -> None:
        (game,), _ = read({"moves": "h2e2 h9g7 e2e9", "best": "b2e2 x h0g2", "score": [10, "x", 30]})
        first, second = game.main_line()
        assert (game.eval, first.best, first.eval, second.best) == (0.1, Move.from_iccs("b2e2"), None, None)

    def test_another_encoding(self) -> None:
        data = '{"moves": "h2e2", "red": "马"}\n'.encode("gb18030") + b'{"moves": ""}'
        assert [game.headers.get("Red") for game in jsonl.read(io.BytesIO(data))] == ["马", None]

    def test_line_without_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(json_objects, "MAX_SIZE", 1 << 16)
        games, errors = read({"moves": "", "red": "A" * 200_000}, {"moves": "h2e2"}, {"moves": "e2e9"})
        assert len(games) == 2
        assert [error.line for error in errors] == [1, 3]

    @pytest.mark.parametrize("end", ["\r\n", "\r"])
    def test_line_ends(self, end: str) -> None:
        text = end.join(['{"moves": "h2e2"}', "{", '{"moves": "b2e2"}'])
        errors: list[FormatError] = []
        assert len(list(load(io.BytesIO(text.encode()), errors.append))) == 2
        assert [error.line for error in errors] == [2]

    def test_the_first_line_may_be_broken(self) -> None:
        errors: list[FormatError] = []
        (game,) = load(io.BytesIO(b'h9g7", "result": "1-0"}\n{"moves": "h2e2"}\n'), errors.append)
        assert (len(game.moves()), [error.line for error in errors]) == (1, [1])

    def test_a_comment_of_pgn_is_no_line_of_json(self) -> None:
        (game,) = load(io.BytesIO(b'{"Red": "wins" below} 1. h2e2 *'))
        assert (game.comment, len(game.moves())) == ('"Red": "wins" below', 1)


class TestLabels:
    LINE: ClassVar = {
        "moves": "h2e2 h9g7 h0g2",
        "result": "*",
        "best": "h2e2 - c3c4",
        "score": [20, None, -15],
        "wdl": [[400, 300, 300], None, [200, 500, 300]],
        "depth": [7, None, 6],
        "nodes": [64, None, 64],
        "candidates": ["h2e2:612:24:430 b2e2:590", None, "c3c4:500::700 h0g2:455:3"],
    }

    def test_they_are_read_and_written_alike_and_pass_through_pgn(self) -> None:
        game = jsonl.loads(json.dumps(self.LINE))
        assert not game.errors
        assert (game.wdl, game.depth, game.nodes) == ((400, 300, 300), 7, 64)
        assert game.next().next().next().candidates[0] == Candidate(Move.from_iccs("c3c4"), 0.5, None, 0.7)
        assert json.loads(jsonl.dumps(game)) == self.LINE
        assert json.loads(jsonl.dumps(Game.from_pgn(str(game)))) == self.LINE

    @pytest.mark.parametrize(
        ("key", "value", "fault"),
        [
            ("wdl", [[1, 2]], "not wdl: [1, 2]"),
            ("wdl", [[1, 2, 3000]], "not wdl: [1, 2, 3000]"),
            ("depth", ["7"], "not depth: '7'"),
            ("nodes", [True], "not nodes: True"),
            ("candidates", [["h2e2"]], "not candidates: ['h2e2']"),
            ("candidates", ["h2e2:1001"], "not candidates: 'h2e2:1001'"),
            ("candidates", "h2e2:100", "candidates is not a list"),
        ],
    )
    def test_a_fault_is_named(self, key: str, value: object, fault: str) -> None:
        game = jsonl.loads(json.dumps(self.LINE | {key: value}))
        assert [error.reason for error in game.errors] == [fault]
        assert len(game.moves()) == 3


class TestListsAndIndentedObjects:
    GAMES: ClassVar[list[dict[str, Any]]] = [
        {"moves": "h2e2 h9g7", "red": 'a {brace \\" and ]', "result": "1-0"},
        {"iccs": ["b2e2"], "items": {"红方": "許銀川", "棋局结果": "和棋"}},
        {"moves": "", "black": "}"},
    ]
    TEXTS: ClassVar[list[str]] = [
        json.dumps(GAMES, ensure_ascii=False),
        json.dumps(GAMES, ensure_ascii=False, indent=2),
        json.dumps(GAMES, ensure_ascii=False, indent=0),
        "[\n" + ",\n".join(json.dumps(game, ensure_ascii=False) for game in GAMES) + "\n]\n",
        "\n".join(json.dumps(game, ensure_ascii=False, indent="\t") for game in GAMES),
        " ".join(json.dumps(game, ensure_ascii=False) for game in GAMES),
        "[" + ",".join(json.dumps(game, ensure_ascii=False, indent=4) for game in GAMES) + "]",
        json.dumps({"games": GAMES}, ensure_ascii=False),
        json.dumps({"count": 3, "of": {"list": [{}]}, "data": GAMES, "next": None}, ensure_ascii=False, indent=2),
        '{"records":\n ['
        + ",\n".join(json.dumps(game, ensure_ascii=False) for game in GAMES)
        + '\n], "at": {"page": 1}}',
    ]

    @pytest.mark.parametrize("text", TEXTS)
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "big5hkscs"])
    def test_they_are_read_like_lines(self, text: str, encoding: str) -> None:
        if encoding == "big5hkscs":
            text = text.replace("红", "紅").replace("结", "結")
        games = list(load(io.BytesIO(text.encode(encoding)), pytest.fail))
        assert [len(game.moves()) for game in games] == [2, 1, 0]
        assert games[0].headers["Red"] == self.GAMES[0]["red"]
        assert "許銀川" in games[1].headers.values()
        assert games[2].headers["Black"] == "}"

    @pytest.mark.parametrize("text", TEXTS)
    def test_a_stream_in_small_pieces(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(json_objects, "MAX_SIZE", 150)
        assert len(list(jsonl.read(io.BytesIO(text.encode()), pytest.fail))) == 3

    def test_a_game_of_a_list_that_is_too_long_is_passed_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(json_objects, "MAX_SIZE", 1 << 16)
        games, errors = read(json.dumps([{"moves": "h2e2"}, {"moves": "", "red": "A" * 300_000}, {"moves": "b2e2"}]))
        assert [game.moves()[0].iccs for game in games] == ["h2e2", "b2e2"]
        assert [str(error) for error in errors] == ["game 2: a game of more than 8 MiB"]

    def test_faults_are_told_with_their_place(self) -> None:
        faulty = [{"moves": "h2e2"}, {"moves": "h2e2 h2e2"}, {"red": "A"}]
        for indent, lines in ((1, [5, 8]), (None, [None, None])):
            games, errors = read(json.dumps(faulty, indent=indent))
            places = [(error.game, error.line, error.ply) for error in errors]
            assert (len(games), places) == (2, [(2, lines[0], 2), (3, lines[1], None)])
        assert str(errors[1]).startswith("game 3: there are no moves")

    def test_places_of_faults_in_a_list_that_an_object_has(self) -> None:
        games, errors = read(
            json.dumps({"games": [{"moves": "h2e2"}, {"moves": "h2e2 h2e2"}]}, indent=1), {"moves": ""}
        )
        assert [(error.game, error.line, error.ply) for error in errors] == [(2, 6, 2)]
        assert len(games) == 3

    def test_a_list_of_something_else_is_part_of_a_game(self) -> None:
        (game,), _ = read({"clubs": [{"name": "A"}, {"name": "B"}], "moves": "h2e2"})
        assert len(game.moves()) == 1

    def test_a_broken_game_does_not_take_the_next_with_it(self) -> None:
        text = json.dumps([{"moves": "h2e2"}, {"moves": "b2e2", "red": "A"}, {"moves": "c3c4"}], indent=2)
        for broken in (text.replace('"A"\n  }', '"A"'), text.replace('"A"', '"A')):
            games, errors = read(broken)
            assert [game.moves()[0].iccs for game in games] == ["h2e2", "c3c4"]
            assert [error.game for error in errors] == [2]

    def test_a_line_is_told_where_the_json_breaks(self) -> None:
        _, (error,) = read(json.dumps({"moves": "h2e2", "red": "A"}, indent=2).replace('"red":', '"red"'))
        assert str(error) == "line 3: not JSON: Expecting ':' delimiter (column 9)"

    @pytest.mark.parametrize("beginning", ["[", '{"games": ['])
    def test_a_list_that_was_cut_off(self, beginning: str) -> None:
        games, errors = read(beginning + '\n{"moves": "h2e2"},\n')
        assert [str(error) for error in errors] == ["line 1: the list that begins here is not closed"]
        assert len(games) == 1


class TestOtherNotations:
    @pytest.mark.parametrize(
        "moves",
        [
            "炮二平五 马8进7 马二进三",
            "1. 炮二平五 馬８進７ 2. 傌二進三 *",
            "C2=5 H8+7 H2+3",
            "h3e3 h10g8 h1g3",
            ["炮二平五", "马8进7", "马二进三"],
            ["Che2", "Hg7", "Hg2"],
            "H2-E2 H9-G7 马二进三",
        ],
    )
    @pytest.mark.parametrize("key", ["moves", "iccs"])
    def test_they_are_detected(self, key: str, moves: Any) -> None:
        game = one({key: moves, "score": [40, None, -10], "red": "A"})
        assert [move.iccs for move in game.moves()] == ["h2e2", "h9g7", "h0g2"]
        assert (game.eval, game.headers["Red"]) == (0.4, "A")

    def test_the_result_may_end_the_text(self) -> None:
        assert one({"moves": "C2=5 H8+7 1-0"}).result == "1-0"
        assert one({"moves": "C2=5 H8+7 1-0", "result": "0-1"}).result == "0-1"

    def test_faults(self) -> None:
        (game,), (error,) = read({"moves": "炮二平五 马8进7 马二进六 车9平8"})
        assert (len(game.moves()), error.line, error.ply) == (2, 1, 3)
        assert error.reason.startswith("illegal move '马二进六'")
        assert [move.text for move in game.unread] == ["马二进六", "车9平8"]
        (_,), (error,) = read({"moves": "炮二进九"})
        assert "炮二进九" in error.reason
