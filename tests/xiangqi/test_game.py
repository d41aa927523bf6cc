"""Game trees."""

import copy
import gc
import pickle
from collections.abc import Callable

import pytest

from xiangqi import (
    BLACK,
    MATE_EVAL,
    NULL_MOVE,
    RED,
    STARTING_FEN,
    Board,
    ChildNode,
    Game,
    GameNode,
    IllegalMoveError,
    InvalidFenError,
    Move,
)
from xiangqi.game import count_legal

CANNON, OTHER_CANNON, KNIGHT = Move.from_iccs("h2e2"), Move.from_iccs("b2e2"), Move.from_iccs("h9g7")


@pytest.fixture
def game() -> Game:
    """1. h2e2 (1. b2e2; 1. c3c4) 1... h9g7 (1... h7e7)."""
    game = Game()
    game.add_main_line([CANNON, KNIGHT])
    game.add_variation(OTHER_CANNON)
    game.add_variation(Move.from_iccs("c3c4"))
    game.variations[0].add_variation(Move.from_iccs("h7e7"))
    return game


def names(nodes: list[ChildNode]) -> list[str]:
    return [node.move.iccs for node in nodes]


class TestTree:
    def test_root(self) -> None:
        game = Game()
        assert (game.move, game.parent, game.variations, game.comment, game.nags) == (None, None, [], "", set())
        assert isinstance(game, GameNode)
        assert game.end() is game
        assert game.next() is None

    def test_line_and_ply(self, game: Game) -> None:
        end = game.end()
        assert isinstance(end, ChildNode)
        assert names(end.line()) == ["h2e2", "h9g7"]
        assert (game.ply, end.ply) == (0, 2)
        assert end.game() is game

    def test_ply_of_every_node(self, game: Game) -> None:
        for node in (game, *game.walk()):
            assert node.ply == len(node.line())
        assert [node.ply for node in pickle.loads(pickle.dumps(game)).walk()] == [1, 2, 2, 1, 1]

    def test_the_move_as_text(self, game: Game) -> None:
        reply = game.variations[0].variations[1]
        assert (reply.wxf(), reply.chinese(), reply.chinese(traditional=True)) == ("C8=5", "炮8平5", "砲８平５")
        assert (reply.algebraic(), reply.algebraic(first_rank=1)) == ("Che7", "Che8")
        with pytest.raises(IllegalMoveError, match="'h2e2': there is no piece on h2"):
            reply.add_variation(CANNON).wxf()

    def test_turn_follows_the_start(self) -> None:
        game = Game(fen="4k4/9/9/9/9/9/9/9/9/3RK4 b")
        assert game.turn == BLACK
        assert game.add_variation(Move.from_iccs("e9e8")).turn == RED

    def test_board_has_history(self, game: Game) -> None:
        assert game.variations[0].variations[1].board().move_stack == [CANNON, Move.from_iccs("h7e7")]
        assert game.board() == Board()
        assert game.end_board() == Board.from_moves("h2e2 h9g7")

    def test_main_line(self, game: Game) -> None:
        assert names(list(game.main_line())) == ["h2e2", "h9g7"]
        assert names(list(game.variations[0].main_line())) == ["h9g7"]
        assert game.moves() == [CANNON, KNIGHT]

    def test_walk_sees_every_node_main_lines_first(self, game: Game) -> None:
        assert names(list(game.walk())) == ["h2e2", "h9g7", "h7e7", "b2e2", "c3c4"]

    def test_variation_by_move(self, game: Game) -> None:
        assert game.variation(OTHER_CANNON) is game.variations[1]
        assert game.variation(KNIGHT) is None
        with pytest.raises(ValueError, match="not a Move: 'h2e2'"):
            game.variation("h2e2")  # type: ignore[arg-type]

    def test_is_main_line(self, game: Game) -> None:
        assert [node.is_main_line() for node in game.walk()] == [True, True, False, False, False]

    def test_node_without_game(self, game: Game) -> None:
        with pytest.raises(ValueError, match="belongs to no game"):
            GameNode().board()

    def test_a_game_of_many_thousand_moves_is_no_trouble(self) -> None:
        shuffle = [Move.from_iccs(text) for text in ("a0a1", "a9a8", "a1a0", "a8a9")]
        game = Game()
        end = game.add_main_line(shuffle * 10_000)
        assert end.ply == 40_000
        assert sum(1 for _ in game.walk()) == 40_000
        assert len(str(game).split("A0-A1")) == 10_001
        del game, end
        gc.collect()


class TestCopies:
    @pytest.mark.parametrize("clone", [copy.deepcopy, lambda game: pickle.loads(pickle.dumps(game))])
    def test_whole_tree(self, game: Game, clone: Callable[[Game], Game]) -> None:
        game.headers["Red"] = "A"
        game.comment = "before"
        node = game.variations[2]
        node.comment, node.starting_comment, node.nags = "after", "first", {3}
        twin = clone(game)
        assert str(twin) == str(game)
        assert "{first} 1. C3-C4 $3 {after}" in str(twin)
        twin.variations[2].nags.add(4)
        twin.variations[0].delete()
        assert (node.nags, len(game.variations)) == ({3}, 3)

    @pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda game: pickle.loads(pickle.dumps(game))])
    def test_start_and_errors(self, clone: Callable[[Game], Game]) -> None:
        game = Game.from_pgn('[FEN "4k4/9/9/9/9/9/9/9/9/3RK4 b"]\n\n1... e9f9 d0f9 *')
        twin = clone(game)
        assert (twin.fen, twin.moves()) == (game.fen, game.moves())
        assert [error.ply for error in twin.errors] == [2]
        twin.headers["Red"] = "B"
        twin.errors.clear()
        assert "Red" not in game.headers and game.errors

    def test_length_does_not_matter(self) -> None:
        game = Game()
        game.add_main_line([Move.from_iccs(text) for text in ("a0a1", "a9a8", "a1a0", "a8a9")] * 1000)
        assert pickle.loads(pickle.dumps(game)).moves() == game.moves()


class TestEditing:
    def test_main_line_pushes_others_aside(self, game: Game) -> None:
        game.add_main_line([OTHER_CANNON, KNIGHT])
        assert names(game.variations) == ["b2e2", "h2e2", "b2e2", "c3c4"]
        assert game.add_main_line([]) is game

    def test_promote_and_demote(self, game: Game) -> None:
        last = game.variations[2]
        last.promote()
        assert names(game.variations) == ["h2e2", "c3c4", "b2e2"]
        last.promote()
        last.promote()
        assert names(game.variations) == ["c3c4", "h2e2", "b2e2"]
        last.demote()
        assert names(game.variations) == ["h2e2", "c3c4", "b2e2"]
        game.variations[2].promote_to_main()
        assert names(game.variations) == ["b2e2", "h2e2", "c3c4"]

    def test_equal_moves_are_told_apart(self) -> None:
        game = Game()
        first, second = game.add_variation(CANNON), game.add_variation(CANNON)
        second.promote()
        assert game.variations[0] is second
        assert game.variations[1] is first

    def test_delete(self, game: Game) -> None:
        node = game.variations[0]
        node.delete()
        assert names(game.variations) == ["b2e2", "c3c4"]
        with pytest.raises(ValueError, match="deleted"):
            node.delete()


class TestTags:
    @pytest.mark.parametrize(
        ("comment", "value"),
        [
            ("[%eval 0.35]", 0.35),
            ("good [%eval -12.5] move", -12.5),
            ("[%eval +1.0,20]", 1.0),
            ("[%eval #3]", MATE_EVAL - 3),
            ("[%eval #-3]", 3 - MATE_EVAL),
            ("[%eval much]", None),
            ("eval 0.35", None),
        ],
    )
    def test_eval_read(self, comment: str, value: float | None) -> None:
        game = Game()
        game.comment = comment
        assert game.eval == value

    @pytest.mark.parametrize("value", [0.0, 0.35, -3.17, 300.0, MATE_EVAL - 1, 12 - MATE_EVAL])
    def test_eval_round_trip(self, value: float) -> None:
        game = Game()
        game.comment = "remark"
        game.eval = 9.0
        game.eval = value
        assert game.eval == value
        assert game.comment.startswith("remark [%eval ")
        game.eval = None
        assert game.comment == "remark"

    def test_best(self) -> None:
        node = Game().add_variation(CANNON)
        node.comment = "[%best B2-E2] was better"
        assert node.best is OTHER_CANNON
        node.best = CANNON
        assert node.comment == "[%best h2e2] was better"
        node.comment = "[%best a0b9]"  # squares, but no move
        assert node.best is None

    @pytest.mark.parametrize(
        ("seconds", "text"), [(0, "0:00:00"), (62, "0:01:02"), (3599.96, "1:00:00"), (7325.5, "2:02:05.5")]
    )
    def test_clock(self, seconds: float, text: str) -> None:
        node = Game().add_variation(CANNON)
        node.clock = seconds
        assert node.comment == f"[%clk {text}]"
        assert node.clock == pytest.approx(seconds, abs=0.05)
        node.clock = None
        assert (node.comment, node.clock) == ("", None)

    def test_tags_live_side_by_side(self) -> None:
        node = Game().add_variation(CANNON)
        node.eval, node.best, node.clock = 0.5, OTHER_CANNON, 5
        assert node.comment == "[%eval 0.50] [%best b2e2] [%clk 0:00:05]"

    def test_nags(self) -> None:
        node = Game().add_variation(CANNON)
        assert not node.has_nags()
        node.nags.add(1)
        node.nags = node.nags | {14}
        assert node.has_nags()
        assert node.nags == {1, 14}


class TestGame:
    def test_headers_are_copied(self) -> None:
        headers = {"Red": "A"}
        game = Game(headers)
        game.headers["Black"] = "B"
        assert headers == {"Red": "A"}

    def test_result(self) -> None:
        game = Game()
        assert game.result == "*"
        game.result = "1/2-1/2"
        assert game.headers["Result"] == "1/2-1/2"
        with pytest.raises(ValueError, match="not a result: '2-0'"):
            game.result = "2-0"
        game.headers["Result"] = "won"
        assert game.result == "*"

    def test_fen_is_checked_and_completed(self) -> None:
        assert Game(fen="4k4/9/9/9/9/9/9/9/9/3RK4 r").fen == "4k4/9/9/9/9/9/9/9/9/3RK4 w - - 0 1"
        with pytest.raises(InvalidFenError):
            Game(fen="nothing")

    def test_fen_is_a_header(self) -> None:
        short, full = "4k4/9/9/9/9/9/9/9/9/3RK4 b", "4k4/9/9/9/9/9/9/9/9/3RK4 b - - 0 1"
        later = Game()
        later.headers["FEN"] = short
        for game in (Game({"FEN": short}), Game(fen=short), Game({"FEN": STARTING_FEN}, short), later):
            assert (game.fen, game.start_turn, game.board().fen()) == (full, BLACK, full)
            game.add_main_line([Move.from_iccs("e9f9")])
            again = Game.from_pgn(str(game))
            assert (again.fen, again.moves(), again.errors) == (full, game.moves(), [])
            game.fen = STARTING_FEN
            assert game.headers.get("FEN") is None

    @pytest.mark.parametrize("headers", [{}, {"FEN": ""}, {"FEN": " "}, {"FEN": STARTING_FEN}])
    def test_usual_start_is_no_header(self, headers: dict[str, str]) -> None:
        game = Game(headers)
        assert (game.fen, game.headers) == (STARTING_FEN, {})
        game.headers |= headers
        assert game.fen == STARTING_FEN and "[FEN" not in str(game)

    def test_a_header_that_is_no_fen(self) -> None:
        with pytest.raises(InvalidFenError):
            Game({"FEN": "nothing"})
        game = Game()
        game.headers["FEN"] = "nothing"
        for ask in (str, lambda game: game.fen, lambda game: game.board()):
            with pytest.raises(InvalidFenError):
                ask(game)

    def test_from_board(self) -> None:
        board = Board.from_moves("d9d8", "3k5/9/9/9/9/9/9/9/9/R4K3 b")
        game = Game.from_board(board, {"Red": "A"})
        assert (game.fen, game.moves(), game.headers["Red"]) == (board.root().fen(), board.move_stack, "A")
        assert Game.from_board(Board()).fen == STARTING_FEN

    def test_texts(self) -> None:
        game = Game.from_pgn('[Red "A"] [Black "B"] 1. h2e2 1-0')
        assert repr(game) == "<Game A - B, 1-0, 1 ply>"
        assert repr(game.variations[0]) == "<ChildNode at ply 1: h2e2>"
        assert "1. H2-E2 1-0" in str(game)


def test_count_legal_leaves_the_board_alone() -> None:
    board = Board()
    assert count_legal(board, [CANNON, KNIGHT, CANNON]) == 2
    assert count_legal(board, []) == 0
    assert count_legal(board, [NULL_MOVE, NULL_MOVE, CANNON, NULL_MOVE, KNIGHT]) == 4
    assert board == Board()
