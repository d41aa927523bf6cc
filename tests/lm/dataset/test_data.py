from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lm import UserError, data_path
from lm.cli import measuring
from lm.dataset import shards as data
from lm.dataset.records import BANDS, SPLITS, UNKNOWN, Record, read_records, split_of
from lm.dataset.shards import Shard, build, cached, fit_scale
from lm.training.batches import STRENGTHS
from small import random_game
from xiangqi import Board, Game, Move, save
from xiangqi.formats import FormatError

TEST_GIDS = [67, 90, 97, 160, 239]
VALIDATION_GIDS = [39]


def line(board: Board, **more: object) -> str:
    return json.dumps({"moves": " ".join(move.iccs for move in board.move_stack), "result": "1-0"} | more)


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(text + "\n" for text in lines), encoding="utf-8")
    return path


def indices(board: Board) -> np.ndarray:
    return np.array([move.index for move in board.move_stack], np.int16)


class TestSplit:
    def test_it_is_fixed_for_ever(self) -> None:
        """A change of these would put games that were held out among those trained on."""
        held = {key: split_of(f"gid:{key}") for key in range(300)}
        assert [key for key, split in held.items() if split == "test"] == TEST_GIDS
        assert [key for key, split in held.items() if split == "validation"] == VALIDATION_GIDS

    def test_shares(self) -> None:
        splits = [split_of(f"gid:{key}") for key in range(20000)]
        assert 0.016 < splits.count("test") / 20000 < 0.024
        assert 0.007 < splits.count("validation") / 20000 < 0.013

    def test_without_a_group_the_mirror_image_goes_along(self) -> None:
        board = random_game(1, 80)
        record = Record(indices(board))
        mirrored = Record(np.array([move.mirror().index for move in board.move_stack], np.int16))
        longer = Record(np.append(indices(board), np.int16(5)))
        assert record.key() == mirrored.key() == longer.key()
        text = " ".join(move.iccs for move in board.move_stack[:50])
        other = " ".join(move.mirror().iccs for move in board.move_stack[:50])
        assert record.key() == "moves:" + min(text, other)

    @pytest.mark.parametrize("forwards", [True, False])
    def test_a_copy_without_a_group_holds_out_all_that_has_to_do_with_it(self, tmp_path: Path, forwards: bool) -> None:
        """And the other way round, whether it is kept or dropped."""
        held = next(b for b in map(random_game, range(999), [60] * 999) if split_of(Record(indices(b)).key()) == "test")
        near, late = Board.from_moves(held.move_stack[:55]), random_game(5, 60)
        mirrored = Board.from_moves([move.mirror() for move in late.move_stack])
        others = random_game(6, 60), random_game(7, 60)
        lines = [
            line(held, gid=3, best=" ".join(move.iccs for move in held.move_stack)),  # of a training group
            line(held),
            line(near, gid=4),
            line(others[0], gid=4),
            line(late),
            line(mirrored, gid=TEST_GIDS[0]),
            line(others[1], gid=5),
        ]
        build([write(tmp_path / "g.jsonl", *(lines if forwards else lines[::-1]))], tmp_path / "shard")
        shard = Shard.open(tmp_path / "shard")
        splits = {Record(shard.game_moves(game).moves).identity(): SPLITS[shard.splits[game]] for game in range(5)}
        assert len(shard.splits) == 5
        for board, split in zip((held, near, late, *others), ("test", "test", "test", "test", "train"), strict=True):
            assert splits[Record(indices(board)).identity()] == split

    def test_a_group_decides_whatever_the_moves(self) -> None:
        assert Record(indices(random_game(1, 9)), gid="7").key() == Record(indices(random_game(2, 9)), gid="7").key()


class TestBuild:
    def test_what_a_shard_holds(self, tmp_path: Path) -> None:
        first, second = random_game(1, 30), random_game(2, 21)
        best = " ".join(["-", *(move.iccs for move in first.move_stack[1:])])
        source = write(
            tmp_path / "games.jsonl",
            line(first, gid=4, tier="master", best=best, score=[10] * 30),
            line(second, gid=5, result="1/2-1/2", source="elsewhere:1"),
        )
        counts = build([source], tmp_path / "shard")
        shard = Shard.open(tmp_path / "shard")
        assert (counts["games"], counts["plies"], counts["rejected"]) == (2, 51, 0)
        assert shard.moves.tolist() == [*indices(first), *indices(second)]
        assert shard.best[:30].tolist() == [-1, *indices(first)[1:]]
        assert (shard.best[30:] == -1).all()
        assert (shard.expected[:30] < 255).all() and (shard.expected[30:] == 255).all()
        assert shard.results.tolist() == [2, 1]
        assert [SPLITS[s] for s in shard.splits] == [split_of("gid:4"), split_of("gid:5")]
        assert shard.meta["tiers"] == ["master", ""]
        assert isinstance(shard.moves.base, np.memmap)

    def test_formats_agree(self, tmp_path: Path) -> None:
        games = []
        for seed in range(4):
            game = Game({"Red": "a", "Result": "0-1", "Gid": str(seed)})
            game.add_main_line(random_game(seed, 24).move_stack)
            for node in game.main_line():
                node.eval = 0.1 * node.ply
            next(game.main_line()).best = Move.from_iccs("b0c2")
            games.append(game)
        shards = []
        for name in ("games.pgn", "games.pgn.zst", "games.jsonl"):
            save(games, tmp_path / name)
            build([tmp_path / name], tmp_path / f"shard-{name}")
            shards.append(Shard.open(tmp_path / f"shard-{name}"))
        for shard in shards[1:]:
            for name in ("moves", "best", "offsets", "results", "splits"):
                assert (getattr(shard, name) == getattr(shards[0], name)).all(), name
            assert np.abs(shard.expected.astype(int) - shards[0].expected).max() <= 1

    @pytest.mark.parametrize("annotated_first", [True, False])
    def test_the_copy_with_opinions_gets_the_source_that_the_other_names(
        self, annotated_first: bool, tmp_path: Path
    ) -> None:
        board = random_game(1, 20)
        best = " ".join(move.iccs for move in board.move_stack)
        annotated = write(tmp_path / "annotated.jsonl", line(board, best=best))
        plain = write(tmp_path / "plain.jsonl", line(board, source="club/records:1.pgn"))
        build([annotated, plain] if annotated_first else [plain, annotated], tmp_path / "shard")
        shard = Shard.open(tmp_path / "shard")
        assert shard.meta["sources"] == ["club/records"]
        assert (shard.best >= 0).all()

    def test_copies_and_mirror_images_count_once_and_opinions_win(self, tmp_path: Path) -> None:
        board = random_game(3, 20)
        mirrored = Board.from_moves([move.mirror() for move in board.move_stack])
        best = " ".join(move.iccs for move in board.move_stack)
        source = write(tmp_path / "g.jsonl", line(board), line(mirrored), line(board, best=best), line(board))
        counts = build([source], tmp_path / "shard")
        assert (counts["games"], counts["duplicates"]) == (1, 3)
        assert (Shard.open(tmp_path / "shard").best >= 0).all()

    def test_what_is_wrong_is_counted_and_listed(self, tmp_path: Path) -> None:
        source = write(
            tmp_path / "g.jsonl",
            line(random_game(1, 10)),
            "{broken",
            '{"moves": "h2e2 h2e2", "result": "*"}',
            '{"moves": "z9z9", "result": "*"}',
            '{"moves": "", "result": "*"}',
            '{"fen": "nonsense", "moves": "h2e2"}',
            line(random_game(2, 10)),
        )
        counts = build([source], tmp_path / "shard")
        assert (counts["games"], counts["rejected"]) == (2, 5)
        rejects = [json.loads(text) for text in (tmp_path / "shard" / "rejects.jsonl").read_text().splitlines()]
        assert [reject["line"] for reject in rejects if reject["line"]] == [2, 3, 4, 6]
        assert all(reject["reason"] and reject["file"] == str(source) for reject in rejects)

    def test_nothing_valid_is_an_error_that_says_why(self, tmp_path: Path) -> None:
        source, out = (
            write(tmp_path / "g.jsonl", "{broken", '{"moves": "h2e2 h2e2", "result": "*"}'),
            tmp_path / "shard",
        )
        listed = tmp_path / "shard.rejects.jsonl"
        with pytest.raises(UserError) as error:
            build([source], out)
        assert str(error.value).startswith(f"no valid game in {source}: {source}, line 1: ")
        assert str(error.value).endswith(f"; games rejected: 2, see {listed}")
        assert [json.loads(text)["line"] for text in listed.read_text().splitlines()] == [1, 2]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["g.jsonl", listed.name]

    def test_nothing_valid_leaves_the_shard_that_is_there(self, tmp_path: Path) -> None:
        build([write(tmp_path / "g.jsonl", line(random_game(1, 10)))], tmp_path / "shard")
        with pytest.raises(UserError, match="no valid game"):
            build([write(tmp_path / "g.jsonl", '{"moves": ""}')], tmp_path / "shard")
        assert Shard.open(tmp_path / "shard").meta["games"] == 1
        assert (tmp_path / "shard" / "rejects.jsonl").read_text() == ""

    def test_only_a_shard_or_an_empty_folder_makes_way(self, tmp_path: Path) -> None:
        source, out, link = tmp_path / "g.jsonl", tmp_path / "out", tmp_path / "link"
        out.mkdir()
        link.symlink_to(out)
        for games, place in enumerate((out, out, link), 1):
            build([write(source, *(line(random_game(seed, 10)) for seed in range(games)))], place)
            assert Shard.open(out).meta["games"] == games
        thesis = write(out / "thesis.txt", "mine")
        for place in (out, link):
            with pytest.raises(UserError, match=f"^{place} exists and holds something other than a shard"):
                build([tmp_path / "not read"], place)
        (out / "meta.json").unlink()
        (tmp_path / "pgn").mkdir()
        games = write(tmp_path / "pgn" / "games.pgn", "mine")
        for place, file in ((out, thesis), (tmp_path / "pgn", games)):
            with pytest.raises(UserError, match=f"^{place} exists and holds something other than a shard"):
                build([source], place)
            assert file.read_text() == "mine\n"

    def test_a_game_from_a_position(self, tmp_path: Path) -> None:
        fen = "4k4/9/9/9/9/9/9/9/9/R3K4 b - - 7 3"
        source = write(tmp_path / "g.jsonl", json.dumps({"fen": fen, "moves": "e9d9 a0a9"}))
        build([source], tmp_path / "shard")
        read = Shard.open(tmp_path / "shard").game_moves(0)
        assert (read.turn, read.clock) == (1, 7)
        assert (read.cells == Board(fen).cells).all()

    def test_a_game_from_a_position_and_its_mirror_image_count_once(self, tmp_path: Path) -> None:
        fens = "4k4/9/9/9/9/9/9/9/9/R3K4 b - - 7 3", "4k4/9/9/9/9/9/9/9/9/4K3R b - - 7 3"
        assert Board(fens[0]).mirror().placement() == Board(fens[1]).placement()
        games = zip((*fens, fens[1]), ("e9d9 a0a9", "e9f9 i0i9", "e9d9 i0i9"), strict=True)
        source = write(tmp_path / "g.jsonl", *(json.dumps({"fen": fen, "moves": moves}) for fen, moves in games))
        counts = build([source], tmp_path / "shard")
        assert (counts["games"], counts["duplicates"]) == (2, 1)

    def test_many_sources_and_tiers_are_told_apart(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        games = [line(random_game(seed, 9), source=f"s{seed}", tier=f"t{seed}") for seed in range(300)]
        source = write(tmp_path / "g.jsonl", *games)
        build([source], tmp_path / "shard")
        shard = Shard.open(tmp_path / "shard")
        assert [shard.meta["sources"][number] for number in shard.sources] == [f"s{seed}" for seed in range(300)]
        assert [shard.meta["tiers"][number] for number in shard.tiers] == [f"t{seed}" for seed in range(300)]
        assert shard.weigh({"s299": 3}).tolist() == [*[1] * 299, 3]
        monkeypatch.setattr(data, "KINDS", 299)
        with pytest.raises(UserError, match=r"the games have 300 sources.* at most 299"):
            build([source], tmp_path / "other")
        assert not (tmp_path / "other").exists()

    def test_conflicting_results_are_not_believed(self, tmp_path: Path) -> None:
        source = write(tmp_path / "g.jsonl", line(random_game(1, 10), result_conflict=True))
        assert [record.result for record in read_records(source, pytest.fail)] == [UNKNOWN]


class TestTier:
    @pytest.mark.parametrize(
        ("headers", "tier"),
        [
            ({}, ""),
            ({"red_elo": 2500, "black_elo": "2300"}, "master"),
            ({"red_elo": "2399", "black_elo": "2400 (12)"}, "club"),
            ({"red_elo": "1500?", "black_elo": "?"}, "club"),
            ({"red_elo": 0, "black_elo": 1499}, "amateur"),
            ({"red_elo": "-", "black_elo": "12345"}, ""),
            ({"red_elo": 2500, "tier": "forum-unknown"}, "forum-unknown"),
            ({"red_elo": 2500, "random_plies": 3}, "engine"),
        ],
    )
    def test_ratings_stand_in_for_a_tier(self, tmp_path: Path, headers: dict[str, object], tier: str) -> None:
        source = write(tmp_path / "g.jsonl", line(random_game(1, 10), **headers))
        assert [record.tier for record in read_records(source, pytest.fail)] == [tier]

    def test_each_band_has_a_prompt(self) -> None:
        assert {band for _, band in BANDS} <= STRENGTHS.keys()

    def test_a_pgn_of_white_and_black_is_rated_too(self, tmp_path: Path) -> None:
        text = '[White "a"]\n[Black "b"]\n[WhiteElo "2600"]\n[BlackElo "2500"]\n\n1. h2e2 h9g7 *\n'
        records = read_records(write(tmp_path / "g.pgn", text), pytest.fail)
        assert [record.tier for record in records] == ["master"]


class TestFingerprint:
    def test_it_tells_games_from_others(self, tmp_path: Path) -> None:
        known: dict[str, object] = {"gid": 3, "tier": "master", "source": "a"}
        known |= {"best": " ".join(["b0c2"] * 40), "score": [30, -30] * 20}

        def fingerprint(folder: str, **changes: object) -> str:
            """Return that of three games, of which the middle one is changed."""
            games = [line(random_game(seed, 40), **known | (changes if seed == 1 else {})) for seed in range(3)]
            (tmp_path / folder).mkdir(exist_ok=True)
            build([write(tmp_path / folder / "g.jsonl", *games)], tmp_path / folder / "shard")
            return Shard.open(tmp_path / folder / "shard").fingerprint()

        fingerprints = [
            fingerprint("here"),
            fingerprint("here", best=" ".join(["b0a2"] * 40)),
            fingerprint("here", score=[-30, 30] * 20),
            fingerprint("here", result="0-1"),
            fingerprint("here", gid=TEST_GIDS[0]),
            fingerprint("here", tier="club"),
            fingerprint("here", source="b"),
            fingerprint("here", moves=" ".join(move.iccs for move in random_game(9, 40).move_stack)),
        ]
        assert len({*fingerprints}) == len(fingerprints)
        assert fingerprint("elsewhere") == fingerprints[0]


class TestCache:
    def test_made_once_and_anew_when_a_file_changes(self, tmp_path: Path) -> None:
        source = write(tmp_path / "g.jsonl", line(random_game(1, 10)))
        first = cached([source], tmp_path / "cache")
        stamp = (first / "moves.npy").stat().st_mtime_ns
        assert cached([source], tmp_path / "cache") == first
        assert (first / "moves.npy").stat().st_mtime_ns == stamp
        write(source, line(random_game(1, 10)), line(random_game(2, 10)))
        second = cached([source], tmp_path / "cache")
        assert second != first
        assert Shard.open(second).meta["games"] == 2

    def test_the_command_line_says_what_is_left_out_each_time(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = write(tmp_path / "g.jsonl", line(random_game(1, 10)), "{broken", '{"moves": ""}')
        for _ in range(2):
            shard = measuring.open_shard([source], tmp_path / "cache")
            rejects = shard.path / "rejects.jsonl"
            assert capsys.readouterr().err == f"games rejected: 2, see {rejects}\n"
            assert len(rejects.read_text().splitlines()) == 2
        measuring.open_shard([write(tmp_path / "g.jsonl", line(random_game(1, 10)))], tmp_path / "cache")
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize("name", [f"{array}.npy" for array in Shard.ARRAYS] + ["meta.json"])
    @pytest.mark.parametrize("damage", ["cut", "gone", "noise"])
    def test_a_damaged_shard_is_named(self, tmp_path: Path, name: str, damage: str) -> None:
        build([write(tmp_path / "g.jsonl", *(line(random_game(s, 40)) for s in range(3)))], tmp_path / "shard")
        file = tmp_path / "shard" / name
        content = file.read_bytes()
        file.unlink()
        if damage == "cut":
            file.write_bytes(content[: len(content) // 2])
        elif damage == "noise":
            file.write_bytes(bytes(range(256)))
        with pytest.raises(UserError, match="holds no shard" if name + damage == "meta.jsongone" else "damaged shard"):
            Shard.open(tmp_path / "shard")

    @pytest.mark.parametrize(
        ("name", "values", "fault"),
        [
            ("moves", np.zeros(120), "its moves are float64, expected int16"),
            ("best", np.zeros(119, np.int16), "do not fit together"),
            ("tiers", np.zeros((3, 1), np.uint16), "do not fit together"),
            ("offsets", np.array([0, 80, 40, 120]), "do not follow one another"),
            ("offsets", np.array([0, 40, 40, 120]), "do not follow one another"),
            ("offsets", np.array([1, 40, 80, 120]), "do not follow one another"),
            ("offsets", np.array([0, 40, 80, 119]), "do not follow one another"),
            ("results", np.array([0, 99, 1], np.int8), "its results are not all from -1 to 2"),
            ("results", np.array([0, -2, 1], np.int8), "its results are not all from -1 to 2"),
            ("splits", np.array([0, 0, 99], np.uint8), "its splits are not all from 0 to 2"),
            ("sources", np.array([0, 0, 1], np.uint16), "its sources are not all from 0 to 0"),
            ("tiers", np.array([99, 0, 0], np.uint16), "its tiers are not all from 0 to 0"),
        ],
    )
    def test_what_no_shard_has_is_noticed(self, tmp_path: Path, name: str, values: np.ndarray, fault: str) -> None:
        build([write(tmp_path / "g.jsonl", *(line(random_game(s, 40)) for s in range(3)))], tmp_path / "shard")
        np.save(tmp_path / "shard" / f"{name}.npy", values)
        with pytest.raises(UserError, match=f"damaged shard {tmp_path / 'shard'}: .*{fault}"):
            Shard.open(tmp_path / "shard")

    @pytest.mark.parametrize("text", ["[]", "{}", '{"version": 2}', '{"version": 2, "plies": "many"}'])
    def test_so_is_what_tells_nothing_of_it(self, tmp_path: Path, text: str) -> None:
        build([write(tmp_path / "g.jsonl", line(random_game(1, 40)))], tmp_path / "shard")
        write(tmp_path / "shard" / "meta.json", text)
        with pytest.raises(UserError, match=f"damaged shard {tmp_path / 'shard'}"):
            Shard.open(tmp_path / "shard")

    def test_a_folder_of_games_is_not_a_damaged_shard(self, tmp_path: Path) -> None:
        save(Game(), tmp_path / "games.pgn")
        with pytest.raises(UserError, match=rf"^{tmp_path} holds no shard; .*{tmp_path}/\*\.pgn$"):
            Shard.open(tmp_path)


class TestScale:
    @pytest.mark.parametrize("true", [0.5, 20.0, 300.0])
    def test_it_is_found_again(self, true: float) -> None:
        chance = np.random.default_rng(1)
        scores = chance.normal(0, 2 * true, 20000).astype(np.float32)
        results = (chance.random(20000) < 1 / (1 + np.exp(-scores / true))).astype(np.float32)
        assert fit_scale(scores, results) == pytest.approx(true, rel=0.12)


class TestSample:
    def test_the_shipped_games_are_readable_and_held_out_as_ever(self) -> None:
        errors: list[FormatError] = []
        records = []
        for record in read_records(data_path("games") / "practical.pgn.zst", errors.append):
            records.append(record)
            if len(records) == 300:
                break
        assert not errors
        assert all(record.gid is not None and record.tier for record in records)
        assert sum(record.best is not None for record in records) > 50
