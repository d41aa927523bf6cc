from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lm import UserError
from lm.dataset.shards import Shard, build
from lm.matches.labels import Order, annotate, judge, survey
from lm.matches.workers import Processes
from lm.players.player import PlayerError
from lm.players.specs import Spec
from runs import GIDS
from small import random_game
from xiangqi import Board, Game, load, save

TACTICS = Order(Spec.parse("tactics:1"), most=3)
HELD_OUT = (39, 67)
"""Groups for validation and for test."""


def games_of(*boards: Board, gids: list[int] | None = None) -> list[Game]:
    games = []
    for number, board in enumerate(boards):
        game = Game.from_board(board, {"Red": "A", "Result": "1-0"})
        if gids is not None:
            game.headers["Gid"] = str(gids[number])
        games.append(game)
    return games


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "games.pgn"
    save(games_of(*(random_game(seed, 12) for seed in range(6)), gids=GIDS[3:9]), path)
    return path


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class TestAnnotate:
    def test_each_ply_has_the_best_moves_with_their_scores(self, source: Path, tmp_path: Path) -> None:
        assert annotate([source], tmp_path / "out.jsonl", TACTICS) == 6
        for game in load(tmp_path / "out.jsonl"):
            board, before = Board(), game
            for node in game.main_line():
                found = node.candidates
                assert 1 <= len(found) <= 3
                assert found[0].move is node.best
                assert {candidate.move for candidate in found} <= set(board.legal_moves)
                assert [c.expected for c in found] == sorted((c.expected for c in found), reverse=True)
                assert before.eval is not None and (before.eval > 0) == ((found[0].expected > 0.5) == (board.turn == 0))
                assert before.depth == 1
                board.push(node.move)
                before = node
            assert game.headers["Annotator"] == "tactics:1, 3 moves"

    def test_our_search_writes_visits_and_a_policy(self, source: Path, model_folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        annotate([source], out, Order(Spec.parse(f"search:20,model={model_folder}"), share=0.3, seed=2))
        labelled = [node for game in load(out) for node in game.main_line() if node.candidates]
        assert 10 < len(labelled) < 35
        for node in labelled:
            assert all(c.visits for c in node.candidates) or node.candidates[0].expected == 1
            assert 0.1 < sum(candidate.share or 0 for candidate in node.candidates) < 1.01
            assert node.parent.wdl is not None and sum(node.parent.wdl) == 1000

    @pytest.mark.parametrize("cut", [0, 5, 700, -1, -9])
    def test_one_that_was_interrupted_ends_like_one_that_was_not(self, source: Path, tmp_path: Path, cut: int) -> None:
        whole, other = tmp_path / "whole.jsonl", tmp_path / "other.jsonl"
        annotate([source], whole, TACTICS)
        other.write_bytes(whole.read_bytes()[:cut])
        done: list[int] = []
        annotate([source], other, TACTICS, advance=done.append)
        assert other.read_bytes() == whole.read_bytes()
        assert done[-1] == 72

    def test_what_was_written_when_it_was_stopped_is_sound(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.pgn"

        def stop(plies: int) -> None:
            if plies == 36:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            annotate([source], out, TACTICS, advance=stop)
        assert not out.exists()
        journal = tmp_path / "out.pgn.labels.jsonl"
        assert len(lines(journal)) == 3
        build([journal], tmp_path / "shard")
        assert (Shard.open(tmp_path / "shard").weighed_counts > 0).all()
        annotate([source], out, TACTICS)
        assert not journal.exists() and len(list(load(out))) == 6

    def test_with_two_processes_it_is_the_same(self, source: Path, tmp_path: Path) -> None:
        one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
        annotate([source], one, TACTICS)
        annotate([source], two, TACTICS, crew=Processes(2))
        assert one.read_bytes() == two.read_bytes()

    def test_held_out_games_and_near_duplicates_stay_as_they_are(self, tmp_path: Path) -> None:
        boards = [random_game(seed, 80) for seed in range(4)]
        longer = boards[3].copy()
        longer.push(longer.legal_moves[0])
        mirrored = Board.from_moves([move.mirror() for move in longer.move_stack])
        games = games_of(*boards, mirrored, random_game(9, 20), gids=[*HELD_OUT, GIDS[3], GIDS[4], 0, 0])
        games[4].headers["Gid"], games[5].headers["Gid"] = games[3].headers["Gid"], str(HELD_OUT[1])
        save(games, tmp_path / "games.pgn")
        found = survey([tmp_path / "games.pgn"], TACTICS)
        assert found.counts == {"held out": 3, "near-duplicates": 1}
        annotate([tmp_path / "games.pgn"], tmp_path / "out.jsonl", TACTICS)
        assert ["candidates" in line for line in lines(tmp_path / "out.jsonl")] == [
            False,
            False,
            True,
            True,
            False,
            False,
        ]
        every = Order(TACTICS.spec, 3, every_game=True)
        annotate([tmp_path / "games.pgn"], tmp_path / "every.jsonl", every)
        assert all("candidates" in line for line in lines(tmp_path / "every.jsonl"))

    def test_a_game_that_shares_its_opening_with_a_held_out_one_is_held_out(self, tmp_path: Path) -> None:
        first, second = (random_game(5, 60) for _ in range(2))
        second.push(second.legal_moves[0])
        save(games_of(first, second, gids=[GIDS[3], HELD_OUT[1]]), tmp_path / "games.pgn")
        assert survey([tmp_path / "games.pgn"], TACTICS).counts == {"held out": 2}

    def test_pgn_keeps_what_the_games_contained(self, tmp_path: Path) -> None:
        text = '[Red "A"]\n[Gid "303"]\n\n1. h2e2 {solid} (1. c3c4 {a pawn}) h9g7! 2. h0g2 *\n\n1. h2e2 h2h3 {lost} *\n'
        (tmp_path / "games.pgn").write_text(text)
        annotate([tmp_path / "games.pgn"], tmp_path / "out.pgn", TACTICS)
        game, unsound = load(tmp_path / "out.pgn")
        assert "solid" in game.next().comment and game.next().candidates
        assert game.variations[1].comment == "a pawn" and game.next().next().nags == {1}
        assert unsound.moves() == game.moves()[:1] and not unsound.next().candidates

    def test_another_player_or_other_games_are_refused(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        annotate([source], out, TACTICS)
        before = out.read_bytes()
        with pytest.raises(UserError, match=r"out\.jsonl: line 1 is not of these games and tactics:2, 3 moves"):
            annotate([source], out, Order(Spec.parse("tactics:2"), most=3))
        save(games_of(random_game(8, 12), gids=[GIDS[3]]), tmp_path / "other.pgn")
        with pytest.raises(UserError, match="line 1 is not of these games"):
            annotate([tmp_path / "other.pgn"], out, TACTICS)
        assert out.read_bytes() == before
        with pytest.raises(UserError, match="the games themselves"):
            annotate([source], source, TACTICS)
        (tmp_path / "there.pgn").write_text("mine")
        with pytest.raises(UserError, match="exists"):
            annotate([source], tmp_path / "there.pgn", TACTICS)

    def test_an_engine(self, source: Path, tmp_path: Path, fairy_stockfish: str) -> None:
        order = Order(Spec.parse(f"uci:cmd={fairy_stockfish},UCI_Variant=xiangqi,depth=2"), most=4)
        annotate([source], tmp_path / "out.jsonl", order)
        game = next(iter(load(tmp_path / "out.jsonl")))
        assert [len(node.candidates) for node in game.main_line()] == [4] * 12
        assert game.depth == 2 and game.nodes

    def test_who_does_not_judge_is_refused(self) -> None:
        with pytest.raises(UserError, match="random chooses moves but does not judge them"):
            judge(Spec.parse("random").open(), Board(), 3)

    def test_an_engine_that_cannot_be_started_in_a_process(self, source: Path, tmp_path: Path) -> None:
        with pytest.raises(PlayerError):
            annotate([source], tmp_path / "out.jsonl", Order(Spec.parse("uci:cmd=/nowhere,depth=1")), crew=Processes(2))

    @pytest.mark.parametrize(
        ("name", "player", "reason"),
        [
            ("out", "tactics:1", "cannot write files with suffix ''"),
            ("out.docx", "tactics:1", "cannot write files with suffix '.docx'"),
            ("out.xqf", "tactics:1", "an XQF file holds one game, not several"),
            ("out.jsonl", "random", "random chooses moves but does not judge them"),
            ("out.pgn", "uci:/nowhere", "cannot start the engine"),
        ],
    )
    def test_what_cannot_end_well_is_not_begun(
        self, xqlm, source: Path, tmp_path: Path, name: str, player: str, reason: str
    ) -> None:
        code, _, err = xqlm("annotate", source, "--player", player, "--cores", 1, "--out", tmp_path / "new" / name)
        assert (code, reason in err) == (2, True)
        assert player != "tactics:1" or f"{tmp_path / 'new' / name}: " in err
        assert "reading games" not in err
        assert not (tmp_path / "new").exists()

    def test_a_player_that_fails_at_its_first_ply_leaves_nothing(self, source: Path, tmp_path: Path) -> None:
        script = "import sys\nfor line in sys.stdin:\n  w = line.strip()\n  if w.startswith('go'): sys.exit(1)\n"
        (tmp_path / "dies.py").write_text(
            script + "  if w in ('uci', 'isready'): print({'uci': 'uciok'}.get(w, 'readyok'), flush=True)\n"
        )
        with pytest.raises(PlayerError):
            annotate(
                [source], tmp_path / "out.jsonl", Order(Spec.parse(f"uci:cmd={sys.executable} -S {tmp_path}/dies.py"))
            )
        assert not (tmp_path / "out.jsonl").exists()

    def test_one_game_in_a_format_for_one(self, tmp_path: Path) -> None:
        save(games_of(random_game(1, 12), gids=[GIDS[3]]), tmp_path / "one.pgn")
        annotate([tmp_path / "one.pgn"], tmp_path / "out.xqf", TACTICS)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["one.pgn", "out.xqf"]

    def test_the_command(self, xqlm, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jsonl"
        code, _, err = xqlm("annotate", source, "--player", "tactics:1", "--cores", 1, "--out", out)
        assert (code, len(lines(out))) == (0, 6)
        assert err.endswith(f"6 games labelled in {out}\n")
        assert xqlm("annotate", tmp_path / "none.pgn", "--out", out)[0] == 2
