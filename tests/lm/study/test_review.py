from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lm import UserError
from lm.players.player import GeneratedAnalysis, Line, Thinker
from lm.study.report import as_text, write_review
from lm.study.review import Review
from xiangqi import BLACK, RED, Board, Game, Move, load
from xiangqi.engine import Info, Limit, Score, Wdl

MOVES = "h2e2 h9g7 h0g2 i9h9 i0h0 b9c7"
LONE_KING = '[FEN "9/9/9/9/9/9/9/9/4K4/9 w"] 1. e1e2 *'


class Scripted(Thinker):
    """Expects for Red, after so many plies, what it is told; its best move is the one of the game if ``agrees``."""

    name = "scripted"

    def __init__(self, values: list[float], best: dict[int, str] | None = None) -> None:
        self.values, self.best, self.asked = values, best or {}, list[int]()

    def choose(self, boards, limits=None):
        raise NotImplementedError

    def analyse(self, board: Board, limit: Limit | None = None, multipv: int = 1) -> GeneratedAnalysis:
        self.asked.append(board.ply)
        value = self.values[board.ply]
        own = 1 - value if board.turn else value
        moves = MOVES.split()
        best = self.best.get(board.ply) or (moves[board.ply] if board.ply < len(moves) else board.legal_moves[0].iccs)
        info = Info(score=Score(board.turn, cp=0), wdl=Wdl(1000 * own, 0, 1000 * (1 - own)), pv=(Move.from_iccs(best),))

        class Said(GeneratedAnalysis):
            def _generate(self) -> Iterator[Line]:
                self._lines = [Line(info)]
                yield from self._lines

        return Said(board, limit or Limit(), multipv)


def reviewed(values: list[float], best: dict[int, str] | None = None, moves: str = MOVES) -> Review:
    game = Game()
    game.add_main_line(Board.from_moves(moves).move_stack)
    review = Review(game)
    for _ in review.run(Scripted(values, best), Limit(nodes=1)):
        pass
    return review


class TestJudgement:
    def test_a_blunder_of_black(self) -> None:
        review = reviewed([0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9], {3: "b9c7"})
        (bad,) = review.worst(BLACK)
        assert (bad.ply, bad.move.iccs, bad.verdict, bad.turns) == (4, "i9h9", "blunder", True)
        assert bad.lost == pytest.approx(0.4)
        assert review.worst(RED) == []
        assert review.turning_points() == [bad]
        assert review.counts(BLACK) == {"inaccuracy": 0, "mistake": 0, "blunder": 1}

    def test_the_best_move_loses_nothing_whatever_is_seen_later(self) -> None:
        review = reviewed([0.5, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2])
        assert [judged.verdict for judged in review.judged] == ["best"] * 6
        assert review.accuracy(RED) == pytest.approx(100, abs=0.1)
        assert review.turning_points() == []

    def test_a_mistake_that_leaves_the_winner_ahead_is_no_turning_point(self) -> None:
        review = reviewed([0.95, 0.80, 0.80, 0.80, 0.80, 0.80, 0.80], {0: "b2e2"})
        assert [judged.verdict for judged in review.worst(RED)] == ["mistake"]
        assert review.turning_points() == []

    def test_accuracy_falls_with_what_is_lost(self) -> None:
        other = {0: "b2e2"}
        values = [0.5, 0.45, 0.45, 0.45, 0.45, 0.45, 0.45], [0.5, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]
        little, much = (reviewed(each, other).accuracy(RED) for each in values)
        assert 100 > little > much > 50

    def test_the_worst_come_first(self) -> None:
        best = {0: "b2e2", 2: "b0c2", 4: "b0c2"}
        review = reviewed([0.9, 0.8, 0.8, 0.5, 0.5, 0.44, 0.44], best)
        assert [judged.ply for judged in review.worst(RED)] == [3, 1, 5]
        assert [judged.ply for judged in review.worst(RED, 1)] == [3]

    def test_a_mate_on_the_board_needs_no_thinker(self) -> None:
        game = Game(fen="3k5/1R7/9/9/9/9/9/R8/9/4K4 w")
        game.add_main_line([Move.from_iccs("a2a9")])
        review, thinker = Review(game), Scripted([0.9], {0: "b8b9"})
        list(review.run(thinker, Limit(nodes=1)))
        assert thinker.asked == [0]
        assert review.points[-1].value == 1.0
        assert review.points[-1].line == ()


class TestRun:
    def test_it_goes_on_where_it_was_stopped(self) -> None:
        game = Game()
        game.add_main_line(Board.from_moves(MOVES).move_stack)
        review, thinker = Review(game), Scripted([0.5] * 7)
        assert [point.ply for point in islice(review.run(thinker, Limit(nodes=1)), 3)] == [0, 1, 2]
        assert not review.done
        assert len(review.judged) == 2
        assert [point.ply for point in review.run(thinker, Limit(nodes=1))] == [3, 4, 5, 6]
        assert review.done
        assert thinker.asked == list(range(7))

    @pytest.mark.parametrize(
        ("game", "message"),
        [
            (Game(), "without moves"),
            (Game.from_pgn('[FEN "9/9/9/9/9/9/9/9/4K4/9 w"] 1. e1e2 *'), "impossible position"),
        ],
    )
    def test_games_that_cannot_be_reviewed(self, game: Game, message: str) -> None:
        with pytest.raises(UserError, match=message):
            Review(game)

    def test_a_null_move_ends_it(self) -> None:
        assert len(Review(Game.from_pgn("1. h2e2 -- 2. h0g2 *")).moves) == 1


class TestAnnotated:
    def test_marks_and_better_moves_are_written(self) -> None:
        game = reviewed([0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9], {3: "b9c7"}).annotated()
        node = game.end().line()[3]
        assert node.nags == {4}
        assert node.eval is not None
        assert [other.move.iccs for other in node.parent.variations] == ["i9h9", "b9c7"]
        assert [move.iccs for move in Game.from_pgn(str(game)).moves()] == MOVES.split()


class TestReport:
    @pytest.fixture
    def review(self) -> Review:
        review = reviewed([0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.6], {3: "b9c7", 5: "a9a8"})
        review.game.headers |= {"Red": "Hu & Co", "Event": "<Cup>", "Result": "1-0"}
        return review

    def test_a_page_has_a_board_for_each_of_the_worst_moves_and_escapes_names(
        self, review: Review, tmp_path: Path
    ) -> None:
        path = tmp_path / "review.html"
        write_review(review, path, 3, "wxf")
        page = path.read_text("utf-8")
        parsed = ElementTree.fromstring(page.removeprefix("<!doctype html>\n").replace('<meta charset="utf-8">', ""))
        assert parsed.find("head/title").text == "Hu & Co - Black, 1-0, <Cup>"
        figures = parsed.findall("body/figure")
        captions = ["".join(figure.find("figcaption").itertext()) for figure in figures if figure.find("figcaption")]
        assert len(captions) == 1
        assert captions[0].startswith("2... R9=8??")
        assert "better: 2... H2+3" in captions[0]
        dots = [element for element in figures[0].iter() if element.tag.endswith("circle")]
        assert len(dots) == 1

    def test_text_and_the_game_by_the_suffix(self, review: Review, tmp_path: Path) -> None:
        write_review(review, tmp_path / "review.txt", 3, "wxf")
        assert (tmp_path / "review.txt").read_text("utf-8") == as_text(review, 3, "wxf") + "\n"
        write_review(review, tmp_path / "review.pgn", 3, "wxf")
        (game,) = load(tmp_path / "review.pgn")
        assert game.headers["Red"] == "Hu & Co"
        assert [node.nags for node in game.main_line()][3] == {4}


class TestCommand:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "game.pgn"
        path.write_text(f'[Red "A"]\n[Result "1-0"]\n\n1. {MOVES} 1-0\n')
        return path

    def test_text(self, xqlm: Callable[..., tuple[int, str, str]], file: Path, model_folder: Path) -> None:
        words = ["--player", "search:model=none", "--nodes", 8, "--model", model_folder]
        out_file = file.with_name("out.pgn")
        code, out, _ = xqlm("review", file, *words, "--out", out_file)
        assert code == 0
        assert out.startswith("A - Black, 1-0\n\nRed: accuracy ")
        assert len(out.split("by move:\n")[1].splitlines()[0]) == 7
        assert all(node.eval is not None for node in next(load(out_file)).main_line())
        page = file.with_name("out.html")
        assert xqlm("review", file, *words, "--out", page)[0] == 0
        assert page.read_text("utf-8").startswith("<!doctype html>")

    def test_json(self, xqlm: Callable[..., tuple[int, str, str]], file: Path, model_folder: Path) -> None:
        words = ["--player", "search:model=none", "--nodes", 8, "--model", model_folder, "--json"]
        code, out, _ = xqlm("review", file, *words)
        told = json.loads(out)
        assert code == 0
        assert [move["move"] for move in told["moves"]] == MOVES.split()
        assert len(told["values"]) == 7
        for move in told["moves"]:
            assert 0 < move["share"] < 1
            assert 1 <= len(move["people"]) <= 3
            assert move["rank"] > 3 or move["move"] in move["people"]

    @pytest.mark.parametrize(
        ("words", "message"),
        [(["--game", 2], "no game 2"), (["--player", "random"], "random cannot judge positions")],
    )
    def test_mistakes(
        self,
        xqlm: Callable[..., tuple[int, str, str]],
        file: Path,
        model_folder: Path,
        words: list[object],
        message: str,
    ) -> None:
        code, out, err = xqlm("review", file, "--model", model_folder, *words)
        assert (code, out) == (2, "")
        assert message in err
