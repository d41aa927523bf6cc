"""Repair of records: legal lines, typos, the marks in a repaired game, and the command. The shipped model reads."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import pytest

from lm import data_path
from lm.model.folder import load_network
from lm.repair.lines import Kind, Words
from lm.repair.repairer import Repairer
from lm.repair.rewriting import Repair
from lm.repair.typos import log_chance, spellings
from xiangqi import Board, Game, Move, load, save

OPENING = "h2e2 h9g7 h0g2 i9h9 i0h0 b9c7 c3c4 g6g5 h0h6 h7i7 h6g6 i7i8"
"""Twelve plies that people play."""


@pytest.fixture(scope="module")
def repairer() -> Repairer:
    return Repairer(load_network())


def record(text: str) -> Game:
    return Game.from_pgn(f'[Red "A"]\n\n{text} *')


def repair(repairer: Repairer, text: str) -> Repair:
    game = record(text)
    before = str(game), list(game.errors), list(game.unread)
    found = repairer.repair(game)
    assert found is not None
    assert (str(game), game.errors, game.unread) == before
    assert found.game.end_board().move_stack == found.game.moves()
    assert (found.game.errors, found.game.unread) == ([], [])
    return found


def moves(game: Game) -> str:
    return " ".join(move.iccs for move in game.moves())


def written(notation: str, ply: int, text: str) -> str:
    """Return the opening with the text of one ply replaced."""
    board, texts = Board(), []
    for move in map(Move.from_iccs, OPENING.split()):
        texts.append({"iccs": move.iccs, "wxf": board.wxf(move), "chinese": board.chinese(move)}[notation])
        board.push(move)
    texts[ply] = text
    return " ".join(texts)


class TestKinds:
    @pytest.mark.parametrize("notation", ["iccs", "wxf", "chinese"])
    @pytest.mark.parametrize(("ply", "text"), [(4, "?"), (4, "xxx"), (6, "xyz"), (6, ""), (2, "h9h1")])
    def test_a_ply_that_says_nothing(self, repairer: Repairer, notation: str, ply: int, text: str) -> None:
        assert moves(repair(repairer, written(notation, ply, text)).game) == OPENING

    @pytest.mark.parametrize(
        ("notation", "ply", "text"),
        [
            ("iccs", 4, "i0h?"),
            ("iccs", 2, "h0g3"),
            ("iccs", 6, "c3c"),
            ("iccs", 0, "h2e22"),
            ("iccs", 10, "6hg6"),
            ("iccs", 5, "B9-C?"),
            ("wxf", 0, "C2=?"),
            ("wxf", 2, "?2+3"),
            ("wxf", 6, "P7+7"),
            ("chinese", 0, "跑二平五"),
            ("chinese", 0, "炮?平五"),
            ("chinese", 6, "兵七七一"),
        ],
    )
    def test_typos(self, repairer: Repairer, notation: str, ply: int, text: str) -> None:
        found = repair(repairer, written(notation, ply, text))
        assert moves(found.game) == OPENING
        (guess,) = found.guesses
        assert guess.ply == ply + 1
        assert guess.what.startswith(f"{text!r} read as ")
        assert [node.ply for node in found.game.main_line() if "[%guess" in node.comment] == [ply + 1]

    def test_the_cause_may_come_before_the_unsound_ply(self, repairer: Repairer) -> None:
        found = repair(repairer, written("iccs", 4, "i0i1"))  # legal, but then there is no rook on h0
        assert moves(found.game) == OPENING

    def test_a_ply_twice(self, repairer: Repairer) -> None:
        found = repair(repairer, written("iccs", 2, "h0g2 h0g2"))
        assert moves(found.game) == OPENING
        assert [(guess.ply, guess.what) for guess in found.guesses] == [(2, "'h0g2' left out")]

    def test_several_faults(self, repairer: Repairer) -> None:
        text = written("iccs", 4, "i0?0").replace("g6g5 ", "").replace("h7i7", "h7ii")
        found = repair(repairer, text)
        assert moves(found.game) == OPENING
        assert [guess.ply for guess in found.guesses] == [5, 8, 10]

    def test_a_whole_move_left_out(self, repairer: Repairer) -> None:
        found = repair(repairer, OPENING.replace("h0g2 i9h9 ", ""))
        assert moves(found.game) == OPENING

    def test_a_set_up_position(self, repairer: Repairer) -> None:
        game = Game.from_pgn('[FEN "3k5/9/9/9/9/9/9/9/R8/4K4 w"]\n[Red "A"]\n\na1a? d9d8 *')
        found = repairer.repair(game)
        assert found is not None
        assert found.game.fen == game.fen
        assert moves(found.game).startswith("a1a")
        assert moves(found.game).endswith(" d9d8")

    def test_gibberish_is_not_repaired(self, repairer: Repairer) -> None:
        assert repairer.repair(record("h2e2 " + "foo bar baz " * 9)) is None

    def test_nothing_to_repair(self, repairer: Repairer) -> None:
        with pytest.raises(ValueError, match="nothing to repair"):
            repairer.repair(record(OPENING))


class TestRanking:
    def test_probabilities(self, repairer: Repairer) -> None:
        words = Words(record("h2e2 h9g7 xx"))
        candidates = repairer.rank(words, repairer.lines(words))
        chances = [candidate.probability for candidate in candidates]
        assert sum(chances) == pytest.approx(1)
        assert chances == sorted(chances, reverse=True)
        assert len({candidate.line.moves for candidate in candidates}) == len(candidates) > 30

    def test_text_and_model_both_count(self, repairer: Repairer) -> None:
        """The text is nearest to b0a2; b0c2 is what people play."""
        probable = {
            text: {
                candidate.line.moves[-1].iccs: candidate.probability
                for candidate in repairer.rank(words, repairer.lines(words))
            }
            for text in ("xxxx", "b0a3")
            if (words := Words(record(f"h2e2 h9g7 h0g2 i9h9 i0h0 b9c7 {text}")))
        }
        assert probable["xxxx"]["c3c4"] > probable["xxxx"]["b0a2"]
        assert probable["b0a3"]["b0a2"] > probable["b0a3"]["c3c4"]
        assert probable["b0a3"]["b0a2"] > probable["xxxx"]["b0a2"]

    def test_more_typos_are_less_probable(self) -> None:
        right = spellings(Board(), Move.from_iccs("h2e2"))
        chances = [log_chance(text, right, 0) for text in ("h2e2", "h2e?", "h2e3", "a7f3")]
        assert chances == sorted(chances, reverse=True)
        assert len(set(chances)) == 4

    @pytest.mark.parametrize("notation", ["iccs", "wxf", "chinese"])
    def test_every_line_is_legal_and_reads_the_record(self, repairer: Repairer, notation: str) -> None:
        rng = random.Random(notation)
        for game in islice(load(data_path("games") / "practical.pgn.zst"), 5):
            played = game.moves()[:40]
            board, texts = Board(), []
            for move in played:
                texts.append({"iccs": move.iccs, "wxf": board.wxf(move), "chinese": board.chinese(move)}[notation])
                board.push(move)
            whole = texts
            while not (game := record(" ".join(texts))).unread:
                at = rng.randrange(39)
                texts = whole[:at] + whole[at + 1 :]
            words = Words(game)
            lines = repairer.lines(words)
            assert tuple(played) in {line.moves for line in lines}
            for line in lines:
                assert Board.from_moves(line.moves).ply == len(line.moves)
                extra = sum({Kind.MISSING: 1, Kind.EXTRA: -1, Kind.WRONG: 0}[edit.kind] for edit in line.edits)
                assert len(line.moves) == len(texts) + extra


class TestMarks:
    def test_comments_glyphs_and_variations_stay(self, repairer: Repairer) -> None:
        text = "{start} h2e2! {one} h9g7 (h7e7 {other}) h0g? {two} (h0i2) i9h9!? {three} i0h0 *"
        found = repair(repairer, text)
        assert moves(found.game) == "h2e2 h9g7 h0g2 i9h9 i0h0"
        nodes = list(found.game.main_line())
        assert [node.comment for node in nodes if node.ply != 3] == ["one", "", "three", ""]
        assert nodes[2].comment.startswith("[%guess 0.9")
        assert nodes[2].comment.endswith(" two")
        assert [node.nags for node in nodes] == [{1}, set(), set(), {5}, set()]
        assert found.game.comment == "start"
        assert [node.move.iccs for node in found.game.variations[0].variations] == ["h9g7", "h7e7"]
        assert [node.move.iccs for node in nodes[1].variations] == ["h0g2", "h0i2"]
        assert found.game.headers["Guess"].startswith("ply 3 0.9")

    def test_a_variation_that_is_the_guess_becomes_the_main_line(self, repairer: Repairer) -> None:
        found = repair(repairer, "h2e2 h9g7 h0g3 (h0g2 {right} a9a8) i9h9 i0h0 b9c7")
        assert moves(found.game) == "h2e2 h9g7 h0g2 i9h9 i0h0 b9c7"
        (node,) = found.game.variations[0].variations[0].variations
        assert node.comment.endswith("right")
        assert [child.move.iccs for child in node.variations] == ["i9h9", "a9a8"]

    def test_what_was_recorded_stays_as_a_variation(self, repairer: Repairer) -> None:
        found = repair(repairer, OPENING.replace("i0h0", "i0i1"))
        as_recorded = [node for node in found.game.walk() if node.starting_comment == "as recorded"]
        assert [node.move.iccs for node in as_recorded] == ["i0i1"]
        assert not as_recorded[0].is_main_line()

    def test_the_other_readings_are_told(self, repairer: Repairer) -> None:
        (guess,) = repair(repairer, "h2e2 h9g7 xx").guesses
        assert 0 < guess.probability < 1
        assert len(guess.others) == 3
        assert all(chance <= guess.probability for _, chance in guess.others)
        assert str(guess).startswith(f"'xx' read as H2+3; or {guess.others[0][0]} 0.")


class TestCommand:
    def test_file(self, xqlm, tmp_path: Path) -> None:
        source, target = tmp_path / "in.pgn", tmp_path / "out.pgn"
        texts = [OPENING.replace("i0h0", "i0h?"), OPENING, f"h2e2 {'foo bar ' * 9}", "h2e2 (h2e9) h9g7"]
        source.write_text("\n".join(f'[Red "{i}"]\n\n{text} *\n' for i, text in enumerate(texts)), encoding="utf-8")
        before = source.read_bytes()
        code, out, err = xqlm("repair", source, target)
        assert code == 0
        first, last = out.splitlines()
        assert first.startswith(f"{source}, line 3, ply 5: guess for ply 5 (")
        assert "'i0h?' read as i0h0" in first
        assert last == f"4 games written to {target}: 1 of 2 with an unsound main line repaired"
        faults = [line for line in err.splitlines() if line.startswith("not repaired")]
        assert ["foo" in fault for fault in faults] == [True, False]
        assert "h2 to e9" in faults[1]
        assert source.read_bytes() == before
        assert [moves(game) for game in load(target)] == [OPENING, OPENING, "h2e2", "h2e2 h9g7"]

    def test_in_the_notation_of_the_record(self, xqlm, tmp_path: Path) -> None:
        source, target = tmp_path / "in.txt", tmp_path / "out.pgn"
        source.write_text("炮二平五 马8进7 马二进三 车9平8 车一平二 炮8进？ *", encoding="utf-8")
        code, out, _ = xqlm("repair", source, target, "--notation", "chinese")
        assert (code, out.splitlines()[-1]) == (
            0,
            f"1 game written to {target}: 1 of 1 with an unsound main line repaired",
        )
        assert "车一平二 炮8进4" in target.read_text(encoding="utf-8")

    @pytest.mark.parametrize("suffix", [".pgn", ".jsonl", ".xqf", ".txt"])
    def test_formats(self, xqlm, tmp_path: Path, suffix: str) -> None:
        source, target = tmp_path / "in.pgn", tmp_path / f"out{suffix}"
        source.write_text(f'[Red "A"]\n\n{OPENING.replace("i0h0", "i0h?")} *', encoding="utf-8")
        code, _, err = xqlm("repair", source, target)
        assert code == (2 if suffix == ".txt" else 0), err
        if code == 0:
            assert [moves(game) for game in load(target)] == [OPENING]

    def test_never_over_the_record(self, xqlm, tmp_path: Path) -> None:
        source, link = tmp_path / "in.pgn", tmp_path / "link.pgn"
        save(Game.from_pgn(f"{OPENING} *"), source)
        link.symlink_to(source)
        for target in (source, link):
            code, _, err = xqlm("repair", source, target)
            assert code == 2
            assert "the record itself" in err

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["nothing.pgn", "out.pgn"], "nothing.pgn: No such file"),
            (["in.pgn", "out.doc"], "cannot write files with suffix '.doc'"),
            (["in.pgn", "out.pgn", "--voice", "wild"], "--voice must be one of human, engine"),
            (["in.pgn", "out.pgn", "--model", "nowhere"], "no model in nowhere"),
            (["in.pgn", "out.pgn", "--encoding", "klingon"], "klingon"),
        ],
    )
    def test_mistakes(
        self, xqlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        save(Game.from_pgn(f"{OPENING} *"), "in.pgn")
        code, _, err = xqlm("repair", *words)
        assert code == 2
        assert message in err
        assert not Path("out.pgn").exists()
