from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lm import UserError, data_path
from lm.dataset.export import export, row_of
from lm.dataset.records import Record, read_records
from lm.dataset.shards import Shard, build
from lm.model.token_games import TokenGame
from lm.model.tokenizer import move_tokenizer
from runs import GIDS
from small import random_game
from xiangqi import Board, Game, load, save
from xiangqi.formats import FormatError

parquet = pytest.importorskip("pyarrow.parquet")
TOKENIZER = move_tokenizer()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recorded games with opinions, engines' games, a copy, a game from a position, and a fault; and their table."""
    folder = tmp_path_factory.mktemp("games")
    human = islice(load(data_path("games") / "practical.pgn.zst"), 40)
    games = [*human, *islice(load(data_path("games") / "engine.pgn.zst"), 15)]
    for game, gid in zip(games, GIDS, strict=False):
        game.headers["Gid"] = str(gid)
    position = Game(fen="4k4/9/9/9/9/9/9/9/4A4/R3K4 w - - 0 1")
    position.add_main_line([position.board().parse_iccs("a0a9")])
    save([*games, games[0], position], folder / "games.pgn")
    with (folder / "games.pgn").open("a") as file:
        file.write('\n[Event "faulty"]\n\n1. h2e2 h2e2 *\n')
    export([folder / "games.pgn"], folder / "games.parquet")
    return folder


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return parquet.read_table(folder / "games.parquet").to_pylist()  # type: ignore[no-any-return]


class TestExport:
    def test_a_shard_of_the_table_is_that_of_the_games(self, folder: Path, tmp_path: Path) -> None:
        build([folder / "games.pgn"], tmp_path / "a")
        counts = build([folder / "games.parquet"], tmp_path / "b")
        a, b = Shard.open(tmp_path / "a"), Shard.open(tmp_path / "b")
        assert a.fingerprint() == b.fingerprint()
        assert (a.best >= 0).any()
        assert (a.expected < 255).any()
        assert a.meta["starts"] == b.meta["starts"] != {}
        assert (counts["rejected"], counts["duplicates"]) == (0, 0)

    def test_each_game_once_with_its_split(self, folder: Path, tmp_path: Path) -> None:
        shard = Shard.open(build([folder / "games.pgn"], tmp_path / "a") and tmp_path / "a")
        rows = rows_of(folder)
        assert len(rows) == len(shard.splits) == 56
        for split in ("train", "validation", "test"):
            found = {row["moves"] for row in rows if row["split"] == split}
            kept = {" ".join(m.iccs for m in moves_of(shard, game)) for game in shard.games(split).tolist()}
            assert found == kept != set()

    def test_the_text_is_a_game_to_the_model(self, folder: Path) -> None:
        endings = set()
        for row in rows_of(folder):
            if row["fen"]:
                assert row["text"] is None
                continue
            game = TokenGame.read(TOKENIZER(row["text"])["input_ids"])
            assert not game.illegal
            assert " ".join(move.iccs for move in game.board.move_stack) == row["moves"]
            assert (game.prompt.source.word == "engine") == (row["tier"] == "engine")
            assert {"1-0": "win", "0-1": "loss", "1/2-1/2": "draw", "*": "none"}[row["result"]] == game.prompt.aim.word
            ending = row["text"].rpartition("[")[2] if game.over else ""
            assert (ending == "mate]") == (not game.board.legal_moves)
            endings.add(ending)
        assert {"", "red resigns]", "black resigns]"} <= endings

    @pytest.mark.parametrize(
        ("result", "tier", "words"),
        [
            (2, "master", "[human] [master] [red wins] {} [black resigns]"),
            (0, "online-amateur", "[human] [amateur] [black wins] {} [red resigns]"),
            (1, "", "[human] [draw] {} [draw agreed]"),
            (-1, "club", "[human] [club] {}"),
            (2, "engine", "[engine] [red wins] {}"),
        ],
    )
    def test_words(self, result: int, tier: str, words: str) -> None:
        moves = random_game(1, 8).move_stack
        record = Record(np.array([move.index for move in moves], np.int16), result, tier=tier)
        assert row_of(record, "train")["text"] == words.format(" ".join(move.iccs for move in moves))

    def test_mate(self) -> None:
        mated = Board.from_moves("h2e2 i6i5 e2e6 i5i4 b2b4 i4i3 b4e4")
        for tier in ("master", "engine"):
            record = Record(np.array([move.index for move in mated.move_stack], np.int16), 2, tier=tier)
            assert row_of(record, "train")["text"].endswith("b4e4 [mate]")

    def test_datasets_reads_it(self, folder: Path) -> None:
        datasets = pytest.importorskip("datasets")
        table = datasets.Dataset.from_parquet(str(folder / "games.parquet"), cache_dir=str(folder / "cache"))
        assert table.column_names[:2] == ["text", "moves"]
        train = table.filter(lambda row: row["split"] == "train" and row["text"] is not None)
        assert 0 < len(train) < len(table)
        tokens = train.map(lambda row: TOKENIZER(row["text"]), remove_columns=train.column_names)
        assert tokens.column_names == ["input_ids", "attention_mask"]


def moves_of(shard: Shard, game: int) -> list[Any]:
    from xiangqi import MOVES

    return [MOVES[i] for i in shard.moves_of(game).tolist()]


class TestReading:
    def test_a_table_of_somebody_else(self, tmp_path: Path) -> None:
        """Columns have the names of the keys of JSON lines; others are headers, if they are text or numbers."""
        import pyarrow

        table = pyarrow.table(
            {
                "moves": ["H2-E2 H9-G7", "h2e2 h2e2", None],
                "result": ["1-0", None, None],
                "red_elo": [2500, None, None],
                "black_elo": [2450, None, None],
                "tags": [["a"], [], []],
                "text": ["nonsense", "", ""],
            }
        )
        parquet.write_table(table, tmp_path / "games.parquet")
        faults: list[FormatError] = []
        (record,) = read_records(tmp_path / "games.parquet", faults.append)
        assert (record.moves.tolist(), record.result, record.tier) == ([576, 2054], 2, "master")
        assert [(fault.line, fault.path) for fault in faults] == [(n, str(tmp_path / "games.parquet")) for n in (2, 3)]

    @pytest.mark.parametrize("size", [4, 100, -8])
    def test_a_damaged_file_is_named(self, folder: Path, tmp_path: Path, size: int) -> None:
        (tmp_path / "bad.parquet").write_bytes((folder / "games.parquet").read_bytes()[:size])
        with pytest.raises(FormatError, match=r"bad\.parquet: broken Parquet") as error:
            list(read_records(tmp_path / "bad.parquet", print))
        assert "\n" not in str(error.value)

    def test_a_table_without_moves_is_named(self, tmp_path: Path) -> None:
        import pyarrow

        parquet.write_table(pyarrow.table({"label": [1], "image": ["x"]}), tmp_path / "other.parquet")
        with pytest.raises(FormatError, match=r"other\.parquet: .* without the column moves, but with label, image"):
            list(read_records(tmp_path / "other.parquet", print))

    def test_without_the_package_it_says_how_to_get_it(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lm.find_spec", lambda package: None)
        with pytest.raises(UserError, match=r"^this needs pyarrow: .*pip install .*\[parquet\]"):
            list(read_records(folder / "games.parquet", print))


class TestCommands:
    def test_out_and_back(self, xqlm: Callable[..., tuple[int | str, str, str]], folder: Path, tmp_path: Path) -> None:
        code, out, _ = xqlm("data", folder / "games.pgn", "--out", tmp_path / "games.parquet")
        assert code == 0
        assert "56 games" in out
        assert "games to test" in out
        assert (tmp_path / "games.parquet").read_bytes()[:4] == b"PAR1"
        first = next(iter(load(folder / "games.pgn")))
        (tmp_path / "one.pgn").write_text(str(first))
        code, out, _ = xqlm("data", tmp_path / "one.pgn", "--out", tmp_path / "one.parquet")
        assert (code, out.count("1 game,"), out.count("1 game to ")) == (0, 1, 1)
        code, out, _ = xqlm("convert", tmp_path / "games.parquet", tmp_path / "back.pgn")
        assert code == 0
        assert "56 games written" in out
        before = {str(game.moves()): game for game in load(folder / "games.pgn") if not game.errors}
        for game in load(tmp_path / "back.pgn"):
            same = before.pop(str(game.moves()))
            assert (game.fen, game.result, game.headers.get("Gid")) == (same.fen, same.result, same.headers.get("Gid"))
            nodes = list(zip(game.main_line(), same.main_line(), strict=True))
            assert all(a.best == b.best for a, b in nodes)
            assert all(a.eval == pytest.approx(b.eval, abs=0.006) for a, b in nodes[:-1] if b.eval is not None)
        assert before == {}
