from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lm import UserError, cli
from lm.dataset.records import SPLITS, UNKNOWN, opening, record_of, split_of
from lm.dataset.seen import SeenGames
from lm.dataset.shards import Shard, build
from lm.measure.evaluate import FIGURES, Measured, batches, evaluate, game_moves
from lm.measure.held_out import records_of
from lm.model import char
from lm.model.encoding import GameMoves
from lm.model.loading import network_of
from lm.model.model import XiangqiLM
from lm.model.prompts import Voice
from lm.model.sampling import softmax
from lm.players.policy import Evaluator
from small import random_game, small_model
from xiangqi import MOVES, Board, Game, Move
from xiangqi.formats import save

RED_LOST, DRAW, RED_WON = 0, 1, 2


def mute(model: XiangqiLM) -> XiangqiLM:
    """Zero a model's heads: it finds all moves and all results equally likely."""
    for head in (model.move_head, model.context_head, model.value_head, model.value_table):
        for parameter in head.parameters():
            torch.nn.init.zeros_(parameter)
    return model


def biased(**liking: float) -> XiangqiLM:
    """Return a model that scores moves, as the mover sees them, by name alone."""
    model = mute(small_model())
    with torch.no_grad():
        for name, score in liking.items():
            model.move_head.bias[Move.from_iccs(name).index] = score
    return model


def of(moves: str) -> GameMoves:
    return GameMoves.of(Board.from_moves(moves))


def legal_counts(board: Board) -> list[int]:
    """Return how many moves there were at each ply of a game."""
    root = board.root()
    counts = []
    for move in board.move_stack:
        counts.append(len(root.legal_moves))
        root.push(move)
    return counts


def table(game: np.ndarray, **figures: np.ndarray) -> Measured:
    """Return an evaluation whose figures are given, or unknown."""
    n = len(game)
    return Measured(
        games=len(set(game.tolist())),
        game=game,
        ply=np.zeros(n, np.int64),
        phase=np.zeros(n, np.int8),
        figures={name: figures.get(name, np.full(n, np.nan)).astype(np.float32) for name in (*FIGURES, "value_brier")},
        forecast=np.zeros((n, 3), np.float32),
        outcome=np.full(n, UNKNOWN, np.int8),
    )


GAMES = [random_game(seed, plies) for seed, plies in ((1, 40), (2, 25), (3, 60), (4, 1), (5, 33))]
RESULTS = [RED_WON, DRAW, RED_LOST, UNKNOWN, DRAW]


class TestMoves:
    def test_without_an_opinion_nll_is_the_log_of_the_number_of_moves(self) -> None:
        found = evaluate(mute(small_model()), [GameMoves.of(board) for board in GAMES], [UNKNOWN] * len(GAMES))
        counts = [n for board in GAMES for n in legal_counts(board)]
        report = found.report(samples=10)
        assert report.plies == len(counts)
        assert report.nll == pytest.approx(np.mean(np.log(counts)), abs=1e-5)
        assert report.legal_mass == pytest.approx(np.mean(counts) / len(MOVES), rel=1e-4)

    def test_ties_count_by_chance(self) -> None:
        found = evaluate(mute(small_model()), [GameMoves.of(board) for board in GAMES], [UNKNOWN] * len(GAMES))
        counts = np.array([n for board in GAMES for n in legal_counts(board)])
        report = found.report(samples=10)
        assert report.top1 == pytest.approx(np.mean(1 / counts), rel=1e-5)
        assert report.top3 == pytest.approx(np.mean(np.minimum(3 / counts, 1)), rel=1e-5)
        assert report.legal_argmax == pytest.approx(np.mean(counts) / len(MOVES), rel=1e-4)

    def test_ranks_by_hand(self) -> None:
        model = biased(h2e2=4, h0g2=3, b0c2=2, a3a4=1)
        # Black's b7e7 is h2e2 as Black sees it. Red, whose cannon has gone, likes h0g2 best; Black plays h9g7, seen as
        # b0c2, and likes b9c7, seen as h0g2, better. Red's c3c4 is one of many not liked, behind b0c2 and a3a4.
        moves = "h2e2 b7e7 h0g2 h9g7 c3c4"
        found = evaluate(model, [of(moves)], [UNKNOWN])
        others = legal_counts(Board.from_moves(moves))[4] - 2
        assert found.figures["top1"].tolist()[:5] == [1, 1, 1, 0, 0]
        assert found.figures["top3"].tolist()[:4] == [1, 1, 1, 1]
        assert found.figures["top3"][4] == pytest.approx(1 / others)
        assert np.isnan(found.figures["top1"][5])  # after the last move there is none to foresee

    def test_legality_without_the_mask_by_hand(self) -> None:
        # The argmax is h2e2, legal until the cannon is gone from h2: then it is not.
        found = evaluate(biased(h2e2=50), [of("h2e2 h9g7 h0g2 b7e7")], [UNKNOWN])
        assert found.figures["legal_argmax"].tolist()[:4] == [1, 1, 0, 1]
        assert found.figures["legal_mass"][:4] == pytest.approx([1, 1, 0, 1], abs=1e-6)
        report = found.report(samples=10)
        assert report.legal_argmax == 0.75
        assert report.legal_games == 0
        assert report.legal_games_sampled == pytest.approx(0, abs=1e-6)

    def test_a_game_is_legal_if_every_move_is(self) -> None:
        found = evaluate(biased(h2e2=50), [of("h2e2 h9g7"), of("h2e2 h9g7 h0g2")], [UNKNOWN] * 2)
        report = found.report(samples=200)
        assert report.legal_games == 0.5
        assert report.legal_games_sampled == pytest.approx(0.5, abs=1e-6)
        assert report.interval["legal_games"] == [0, 1]

    def test_the_voice_matters_and_may_differ_by_game(self, model: XiangqiLM) -> None:
        lines, results = [GameMoves.of(board) for board in GAMES], [UNKNOWN] * len(GAMES)
        human, engine = (evaluate(model, lines, results, voice).figures["nll"] for voice in (Voice.HUMAN, Voice.ENGINE))
        mixed = evaluate(model, lines, results, [Voice(i) for i in (0, 1, 0, 0, 1)])
        assert not np.allclose(human, engine, equal_nan=True)
        theirs = np.isin(mixed.game, [1, 4])
        np.testing.assert_allclose(mixed.figures["nll"], np.where(theirs, engine, human), rtol=0.03)

    def test_games_are_read_as_far_as_the_model_reads(self, model: XiangqiLM) -> None:
        board = random_game(7, 200)
        assert board.ply > model.config.n_context
        assert evaluate(model, [GameMoves.of(board)], [DRAW]).report(samples=1).plies == model.config.n_context - 1

    def test_the_order_of_games_and_the_mode_of_the_model_are_kept(self, model: XiangqiLM) -> None:
        lines = [GameMoves.of(board) for board in GAMES]
        model.train()
        try:
            found = evaluate(model, lines, [UNKNOWN] * len(lines))
            assert model.training
        finally:
            model.eval()
        assert np.bincount(found.game).tolist() == [board.ply + 1 for board in GAMES]
        for game, line in enumerate(lines):
            alone = evaluate(model, [line], [UNKNOWN])
            together = found.figures["nll"][found.game == game]
            np.testing.assert_allclose(together, alone.figures["nll"], atol=0.05)  # bfloat16

    def test_two_symmetries_are_the_players(self, model: XiangqiLM) -> None:
        board = GAMES[1]
        found = evaluate(model, [GameMoves.of(board)], [DRAW], symmetries=2)
        once = evaluate(model, [GameMoves.of(board)], [DRAW])
        evaluator, shown = Evaluator(network_of(model), symmetries=2), Board()
        for ply, move in enumerate(board.move_stack):
            thought = evaluator([shown])[0]
            chances = dict(zip(thought.moves, softmax(thought.scores.astype(np.float64)), strict=True))
            assert found.figures["nll"][ply] == pytest.approx(-np.log(chances[move]), abs=0.05)  # bfloat16
            np.testing.assert_allclose(found.forecast[ply], thought.wdl[::-1], atol=0.02)
            shown.push(move)
        assert not np.allclose(found.figures["nll"], once.figures["nll"], atol=0.05, equal_nan=True)
        np.testing.assert_array_equal(found.figures["legal_mass"], once.figures["legal_mass"])

    def test_progress(self, model: XiangqiLM) -> None:
        done: list[int] = []
        evaluate(model, [GameMoves.of(board) for board in GAMES], [UNKNOWN] * len(GAMES), advance=done.append)
        assert done[-1] == len(GAMES)


class TestValues:
    def test_brier_of_a_uniform_forecast(self) -> None:
        found = evaluate(mute(small_model()), [GameMoves.of(board) for board in GAMES], RESULTS)
        report = found.report(samples=10)
        assert report.value_brier == pytest.approx(2 / 3, abs=1e-6)
        assert report.interval["value_brier"] == pytest.approx([2 / 3, 2 / 3], abs=1e-6)

    def test_results_are_the_movers(self) -> None:
        model = mute(small_model())
        with torch.no_grad():
            model.value_head.bias.copy_(torch.tensor([0.0, 0.0, 50.0]))  # always sure to win
        found = evaluate(model, [of("h2e2 h9g7 h0g2")], [RED_WON])
        assert found.figures["value_brier"] == pytest.approx([0, 2, 0, 2])  # Red, Black, Red, Black to move
        assert found.report(samples=1).value_ece == pytest.approx(0.5)

    def test_unknown_results_are_not_judged(self, model: XiangqiLM) -> None:
        report = evaluate(model, [of("h2e2 h9g7")], [UNKNOWN]).report(samples=1)
        assert report.value_brier is None
        assert report.value_ece is None
        assert "value_brier" not in report.interval

    def test_calibration_by_hand(self) -> None:
        # Forecasts of 0.25 and 0.75 that come true as often as they say, and one of 0.95 that never does.
        win = np.array([0.25] * 4 + [0.75] * 4 + [0.95] * 2, np.float32)
        outcome = np.array([2, 0, 0, 0, 2, 2, 2, 0, 0, 0], np.int8)
        found = table(np.arange(10))
        found.forecast, found.outcome = np.stack([1 - win, np.zeros(10, np.float32), win], 1), outcome
        bins = found.calibration(samples=50)
        assert [(b.forecast, b.result, b.positions) for b in bins] == [
            (pytest.approx(0.25), 0.25, 4),
            (pytest.approx(0.75), 0.75, 4),
            (pytest.approx(0.95), 0.0, 2),
        ]
        assert found.report(samples=10).value_ece == pytest.approx(0.95 * 0.2)

    def test_the_error_of_good_forecasts_lies_in_its_interval(self) -> None:
        """Resampled, no bin comes true as often as it says, so that each sample errs more than the whole."""
        win = np.repeat(np.linspace(0.05, 0.95, 10), 20).astype(np.float32)
        outcome = (2 * (np.tile(np.arange(20), 10) < 20 * win)).astype(np.int8)
        found = table(np.arange(200))
        found.forecast, found.outcome = np.stack([1 - win, np.zeros(200, np.float32), win], 1), outcome
        report = found.report()
        low, high = report.interval["value_ece"]
        assert 0 <= low <= report.value_ece < 1e-6 < high


class TestIntervals:
    def test_they_hold_the_mean_and_are_repeatable(self, model: XiangqiLM) -> None:
        found = evaluate(model, [GameMoves.of(board) for board in GAMES], RESULTS)
        report = found.report()
        for name in (*FIGURES, "value_brier"):
            low, high = report.interval[name]
            assert low <= getattr(report, name) <= high
            assert low < high
        assert found.report() == report

    def test_they_cover_what_they_say(self) -> None:
        # Games of 20 plies whose plies agree with each other: an interval by plies would be far too narrow.
        rng = np.random.default_rng(0)
        covered = 0
        for _ in range(100):
            hits = rng.random(100) < 0.4
            found = table(np.repeat(np.arange(100), 20), top1=np.repeat(hits, 20))
            low, high = found.report(samples=300).interval["top1"]
            covered += low <= 0.4 <= high
        assert 87 <= covered <= 100

    def test_what_no_game_shows_may_still_be_in_others(self) -> None:
        """Resampling games that all agree would make a certainty of them."""
        game = np.repeat(np.arange(7), 20)
        for share, bounds in ((0, (0, 0.354)), (1, (0.646, 1))):
            report = table(game, top1=np.full(140, share), legal_argmax=np.full(140, share)).report(samples=10)
            for name in ("top1", "legal_argmax", "legal_games"):
                assert (getattr(report, name), report.interval[name]) == (share, pytest.approx(bounds, abs=1e-3))
        found = table(game)
        found.forecast[:, 2], found.outcome = 1, np.full(140, 2, np.int8)
        (sure,) = found.calibration(samples=10)
        assert (sure.result, sure.interval) == (1, pytest.approx((0.646, 1), abs=1e-3))

    def test_no_games_no_figures(self) -> None:
        report = evaluate(small_model(), [of("h2e2")], [DRAW]).report(np.zeros(2, np.bool_), samples=5)
        assert (report.games, report.plies, report.top1, report.value_ece) == (0, 0, None, None)
        assert report.interval == {}


class TestGroups:
    def test_by_phase_source_and_ply(self, model: XiangqiLM) -> None:
        found = evaluate(model, [GameMoves.of(board) for board in GAMES], [UNKNOWN] * len(GAMES))
        groups = found.breakdown({"tier": ["a", "b", "a", "b", "b"]}, samples=20)
        assert set(groups) == {"tier", "phase", "ply"}
        for parts in groups.values():
            assert sum(part.plies for part in parts.values()) == sum(board.ply for board in GAMES)
        alone = evaluate(model, [GameMoves.of(GAMES[i]) for i in (0, 2)], [UNKNOWN] * 2).report(samples=1)
        assert groups["tier"]["a"].nll == pytest.approx(alone.nll, rel=0.01)
        assert list(groups["ply"]) == ["0-9", "10-19", "20-29", "30-39", "40-49", "50-59"]

    def test_phases(self) -> None:
        full = evaluate(small_model(), [of("h2e2 h9g7 h0g2 b9c7")], [UNKNOWN])
        assert full.phase.tolist() == [0] * 5
        bare = GameMoves.of(Board("3k5/9/9/9/9/9/9/9/4R4/3K5 w - - 0 1"))
        assert evaluate(small_model(), [bare], [UNKNOWN]).phase.tolist() == [2]
        # Eight of twelve heavy pieces are neither all nor few.
        some = GameMoves.of(Board("rnbakabnr/9/9/9/9/9/9/9/9/RNBAKABNR w - - 0 1"))
        assert evaluate(small_model(), [some], [UNKNOWN]).phase.tolist() == [1]

    def test_captures_change_the_phase(self) -> None:
        board = Board("3k1n3/9/9/9/9/9/9/9/9/RRNC1K3 w - - 0 1")
        for move in ("a0a1", "f9g7"):
            board.push_iccs(move)
        assert evaluate(small_model(), [GameMoves.of(board)], [UNKNOWN]).phase.tolist() == [2, 2, 2]
        board = Board("rr1k1n3/9/9/9/9/9/9/9/9/RRNC1K3 w - - 0 1")
        for move in ("a0a9", "d9d8"):
            board.push_iccs(move)
        assert evaluate(small_model(), [GameMoves.of(board)], [UNKNOWN]).phase.tolist() == [1, 1, 1]
        board.push_iccs("b0b9")
        assert evaluate(small_model(), [GameMoves.of(board)], [UNKNOWN]).phase.tolist() == [1, 1, 1, 2]


class TestBatches:
    def test_every_game_once(self) -> None:
        lines = [GameMoves.of(random_game(seed, seed * 3 + 1)) for seed in range(20)]
        found = list(batches(lines, 100))
        assert sorted(np.concatenate(found).tolist()) == list(range(20))
        assert len(found) > 5
        assert max(len(b) * (max(len(lines[i].moves) for i in b) + 1) for b in found) <= 200


def as_record(board: Board, result: str, gid: int | None = None, **more: str) -> Game:
    game = Game({"Result": result, "Tier": "master", "Source": "here:1"} | more)
    if gid is not None:
        game.headers["Gid"] = str(gid)
    game.add_main_line(board.move_stack)
    return game


@pytest.fixture(scope="module")
def records() -> list[Game]:
    results = ["1-0", "1/2-1/2", "0-1", "*", "1-0"]
    return [as_record(b, r, gid) for gid, (b, r) in enumerate(zip(GAMES, results, strict=True))]


class TestRecords:
    """Of a shard, which is how all that judges by games reads files."""

    def shard(self, games: list[Game], folder: Path) -> Shard:
        save(games, folder / "games.jsonl")
        build([folder / "games.jsonl"], folder / "shard")
        return Shard.open(folder / "shard")

    def test_a_split_is_its_games_and_the_splits_are_all_games(self, tmp_path: Path) -> None:
        games = [as_record(random_game(gid, 4), "1-0", gid) for gid in range(300)]
        shard = self.shard(games, tmp_path)
        found = {split: records_of(shard, split) for split in SPLITS}
        for split, chosen in found.items():
            expected = sorted(
                tuple(record.moves) for record in map(record_of, games) if split_of(record.key()) == split
            )
            assert sorted(tuple(record.moves) for record in chosen) == expected
        assert len(records_of(shard, None)) == 300
        assert len(records_of(shard, None, most=30)) == 30

    def test_a_copy_without_a_group_is_held_out_with_the_game(self, tmp_path: Path) -> None:
        """By its own opening alone it would be a game for training."""
        board = random_game(1, 20)
        assert split_of(opening(GameMoves.of(board).moves)) == "train"
        assert split_of("gid:67") == "test"
        longer = random_game(1, 60)
        copies = [as_record(Board.from_moves(longer.move_stack[:n]), "1-0", gid) for n, gid in ((55, 67), (60, 1))]
        shard = self.shard(copies, tmp_path)
        assert len(records_of(shard, "test")) == 2

    def test_a_file_without_games_of_the_split(self, tmp_path: Path) -> None:
        assert split_of("gid:1") == "train"
        shard = self.shard([as_record(GAMES[0], "1-0", 1)], tmp_path)
        with pytest.raises(UserError, match=r"no games of the test split in .*games\.jsonl"):
            records_of(shard, "test")

    def test_positions_are_read_from_where_they_start(self, model: XiangqiLM, tmp_path: Path) -> None:
        path = tmp_path / "game.jsonl"
        path.write_text('{"fen": "3k5/9/9/9/9/9/9/9/4R4/4K4 b - - 0 1", "moves": "d9d8 e1e2"}\n')
        build([path], tmp_path / "shard")
        (record,) = records_of(Shard.open(tmp_path / "shard"), None)
        report = evaluate(model, [game_moves(record)], [record.result]).report(samples=1)
        assert report.plies == 2


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, in which commands keep the games that they have read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
class TestCommand:
    def test_a_model_of_characters_reads_once(self, xqlm, records: list[Game], tmp_path: Path) -> None:
        path = tmp_path / "games.pgn"
        save(records[:1], path)
        char.new_model(n_layer=1, n_head=1, n_embd=16, plies=200).save_pretrained(tmp_path / "char")
        code, out, _ = xqlm("evaluate", path, "--model", tmp_path / "char", "--json")
        assert code == 0
        assert json.loads(out)["symmetries"] == 1

    def test_json(self, xqlm, model_folder: Path, records: list[Game], tmp_path: Path) -> None:
        path = tmp_path / "games.jsonl"
        save(records, path)
        path.write_text(path.read_text() + "rubbish\n")
        code, out, err = xqlm("evaluate", path, "--model", model_folder, "--json")
        report = json.loads(out)
        assert code == 0
        assert "games rejected: 1, see cache" in err
        assert report["rejected"] == 1
        assert report["plies"] == sum(board.ply for board in GAMES)
        for name in ("top1", "top3", "nll", "legal_argmax", "legal_mass", "value_brier", "value_ece", "legal_games"):
            assert math.isfinite(report[name])
            low, high = report["interval"][name]
            assert low <= high
        assert set(report["by"]) == {"source", "tier", "phase", "ply", "position"}
        assert set(report["by"]["tier"]) == {"master"}
        assert set(report["by"]["source"]) == {"here"}
        assert report["by"]["position"] == {}  # no split was asked for

    @pytest.mark.parametrize(("name", "known"), [("games.pgn.zst", True), ("games.jsonl.gz", True), ("x.jsonl", False)])
    def test_it_says_how_many_games_the_model_was_trained_on(
        self, xqlm, model_folder: Path, records: list[Game], name: str, known: bool, here: Path
    ) -> None:
        """Two of these: one of them mirrored, and under another number."""
        save(records, here / name)
        shutil.copytree(model_folder, here / "model")
        if known:
            mirrored = Board.from_moves([move.mirror() for move in GAMES[1].move_stack])
            SeenGames.of(opening(GameMoves.of(board).moves) for board in (GAMES[3], mirrored)).save(here / "model")
        code, out, _ = xqlm("evaluate", name, "--model", "model", "--json")
        assert (code, json.loads(out)["seen"]) == (0, 2 if known else None)
        code, out, _ = xqlm("evaluate", name, "--model", "model")
        said = f"games that the model has seen in training: {2 if known else 'not known'}"
        assert (code, out.splitlines()[1]) == (0, said)

    def test_without_a_terminal_it_soon_says_that_it_reads(self, xqlm, model_folder: Path, here: Path) -> None:
        save([as_record(random_game(gid, 3), "1-0", gid) for gid in range(120)], here / "games.jsonl")
        code, _, err = xqlm("evaluate", "games.jsonl", "--model", model_folder)
        assert code == 0
        assert err.startswith("reading games: 100\npredicting their moves: ")

    def test_for_people(self, xqlm, model_folder: Path, records: list[Game], tmp_path: Path) -> None:
        save(records, path := tmp_path / "games.pgn")
        code, out, _ = xqlm("evaluate", path, "--model", model_folder, "--voice", "engine")
        assert code == 0
        assert out.startswith(f"5 games, {sum(board.ply for board in GAMES)} plies\ngames that the model has seen")

    def test_several_files_however_they_are_given(
        self, xqlm, model_folder: Path, records: list[Game], tmp_path: Path
    ) -> None:
        save(records[:2], a := tmp_path / "a.pgn")
        save(records[2:], b := tmp_path / "b.jsonl")
        code, out, _ = xqlm("evaluate", a, b, "--model", model_folder)
        assert code == 0
        assert out.splitlines()[0] == f"5 games, {sum(board.ply for board in GAMES)} plies"

    def test_without_files_the_shipped_games_that_no_training_saw(
        self, xqlm, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of these, the ones of the voice that is asked for."""
        gids = [
            next(i for i in range(1000) if split_of(f"gid:{i}") == split) for split in ("train", "validation", "test")
        ]
        for tier, plies in (("master", 10), ("engine", 20)):
            games = [as_record(random_game(gid, plies), "1-0", gid, Tier=tier) for gid in gids]
            save(games, tmp_path / f"{tier}.pgn")
        monkeypatch.setattr(cli.measuring, "shipped_games", lambda: [tmp_path / "engine.pgn", tmp_path / "master.pgn"])
        for words, head in (
            ([], "1 game, 10 plies"),
            (["--voice", "engine"], "1 game, 20 plies"),
            (["--split", "train"], "1 game, 10 plies"),
        ):
            code, out, _ = xqlm("evaluate", *words, "--model", model_folder)
            assert (code, out.splitlines()[0]) == (0, head)

    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (["/no/such.pgn"], "/no/such.pgn: No such file"),
            ([__file__], "test_evaluate.py"),
            (["x", "--split", "all"], "--split must be one of train, validation, test: 'all'"),
            (["x", "--voice", "god"], "--voice must be one of human, engine: 'god'"),
            (["x", "--model", "/nowhere"], "no model in /nowhere"),
        ],
    )
    def test_mistakes(self, xqlm, model_folder: Path, words: list[str], reason: str) -> None:
        model = [] if "--model" in words else ["--model", model_folder]
        code, out, err = xqlm("evaluate", *words, *model)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert reason in err
