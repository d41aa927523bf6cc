from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from lm import data_path
from lm.library import library as library_module
from lm.library import schema
from lm.library.entries import EVERY_GAME, Filter
from lm.library.library import Library
from lm.library.schema import LibraryError
from xiangqi import Board, Game, Move, load, save

COUNT = 45


@pytest.fixture(scope="module")
def games() -> list[Game]:
    return list(islice(load(data_path("games") / "practical.pgn.zst"), COUNT))


@pytest.fixture(scope="module")
def file(games: list[Game], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of games that stands for the shipped one, too."""
    path = tmp_path_factory.mktemp("games") / "games" / "practical.pgn.zst"
    path.parent.mkdir()
    save(games, path)
    return path


@pytest.fixture
def library(tmp_path: Path, file: Path) -> Iterator[Library]:
    with Library(tmp_path / "library.sqlite") as opened:
        add(opened, file)
        yield opened


def add(library: Library, file: Path) -> None:
    for _ in library.add_file(file, pytest.fail):
        pass


def by_move(library: Library, board: Board, where: Filter = EVERY_GAME) -> dict[str, tuple[int, ...]]:
    return {
        played.move.iccs: (played.score.red, played.score.draws, played.score.black)
        for played in library.explore(board, where).moves
    }


class TestExplore:
    @pytest.mark.parametrize("moves", ["", "a3a4", "h2e2 h9g7", "a3a4 g6g5 g0e2"])
    def test_moves_are_counted_with_the_results_of_their_games(
        self, library: Library, games: list[Game], moves: str
    ) -> None:
        board = Board.from_moves(moves)
        own, image = {board.key}, {board.mirror().key}
        expected: Counter[tuple[str, str]] = Counter()
        for game in games:
            now = Board()
            for move in game.moves():
                if now.key in own | image:
                    names = [move.iccs, move.mirror().iccs]
                    if own == image:  # one of the two names stands for both
                        expected[max(names), game.result] += 1
                    else:
                        expected[names[now.key in image], game.result] += 1
                    break
                now.push(move)
        found = by_move(library, board)
        results = ("1-0", "1/2-1/2", "0-1")
        assert found == {name: tuple(expected[name, result] for result in results) for name, _ in expected}

    def test_the_mirror_image_has_mirrored_moves(self, library: Library) -> None:
        board = Board.from_moves("a3a4 g6g5")
        own, image = by_move(library, board), by_move(library, board.mirror())
        assert own
        assert {Move.from_iccs(name).mirror().iccs: counts for name, counts in own.items()} == image

    def test_the_most_played_move_comes_first(self, library: Library) -> None:
        counts = [played.score.games for played in library.explore(Board()).moves]
        assert counts == sorted(counts, reverse=True)
        assert library.explore(Board()).score.games == COUNT == sum(counts)

    def test_a_position_that_no_game_has(self, library: Library) -> None:
        found = library.explore(Board("4k4/9/9/9/9/9/9/9/9/3K5 w"))
        assert (found.score.games, found.moves) == (0, ())
        assert found.score.expected(0) is None

    def test_the_side_to_move_is_part_of_the_position(self, library: Library) -> None:
        assert not library.explore(Board("rnbakabnr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1C5C1/9/RNBAKABNR b")).moves

    def test_a_game_that_comes_back_counts_once(self, tmp_path: Path) -> None:
        with Library(tmp_path / "library.sqlite") as library:
            library.add(Game.from_pgn('[Result "1-0"] 1. h2e2 h9g7 2. e2h2 g7h9 3. c3c4 1-0'))
            assert by_move(library, Board()) == {"h2e2": (1, 0, 0)}

    def test_only_games_of_a_player(self, library: Library, games: list[Game]) -> None:
        name = games[1].headers["Red"]
        count = sum(name in (game.headers.get("Red"), game.headers.get("Black")) for game in games)
        assert library.explore(Board(), Filter(player=name)).score.games == count

    def test_filters_together(self, library: Library, games: list[Game]) -> None:
        name, event = games[1].headers["Red"], games[1].headers["Event"]
        for result in ("1-0", "0-1", "1/2-1/2", "*"):
            where = Filter(name, event, result)
            found = {entry.id for entry in library.search(where, COUNT)}
            assert {entry.id for entry in library.games_with(Board(), where)} == found
            assert library.explore(Board(), where).score.games == library.count(where) == len(found)

    @pytest.mark.parametrize("few", [0, 1000])
    def test_position_and_player_together_in_a_small_and_a_large_library(
        self, library: Library, games: list[Game], monkeypatch: pytest.MonkeyPatch, few: int
    ) -> None:
        monkeypatch.setattr(library_module, "FEW", few)
        board, name = Board.from_moves(games[1].moves()[:4]), games[1].headers["Red"]
        where = Filter(player=name)
        found, entries = library.explore_with_games(board, where, COUNT)
        expected = [entry for entry in library.games_with(board, limit=COUNT) if name in (entry.red, entry.black)]
        assert entries == expected != []
        assert found.score.games == len(expected)
        assert found == library.explore(board, where)

    def test_games_with_a_position_say_where(self, library: Library) -> None:
        board = Board.from_moves("a3a4 g6g5")
        entries = library.games_with(board)
        assert entries
        for entry in entries:
            now = Board.from_moves(library.game(entry.id).moves()[: entry.ply])
            assert board.key in (now.key, now.mirror().key)
        assert [entry.date for entry in entries] == sorted((entry.date for entry in entries), reverse=True)

    def test_games_that_went_on_with_a_move(self, library: Library) -> None:
        board = Board.from_moves("a3a4 g6g5")
        for played in library.explore(board).moves:
            assert len(library.games_with(board, move=played.move, limit=100)) == played.score.games

    @pytest.mark.parametrize("limit", [0, 1, 7, COUNT, 100])
    def test_the_latest_games_come_first(self, library: Library, limit: int) -> None:
        every = [library.entry(number, 0) for number in library.numbers()]
        every.sort(key=lambda entry: (entry.date, entry.id), reverse=True)
        assert library.games_with(Board(), limit=limit) == every[:limit]

    def test_dates_stay_with_their_games_when_others_are_removed(self, library: Library) -> None:
        for number in library.numbers()[::3]:
            library.remove(number)
        library.add(Game.from_pgn('[Date "1999"] 1. a0a1 *'))  # in the place of the last one
        before = library.games_with(Board(), limit=100), library.explore(Board())
        library._database.execute("DELETE FROM keys")
        with Library(library.path) as again:  # positions and dates are written anew
            assert (again.games_with(Board(), limit=100), again.explore(Board())) == before

    def test_the_year_in_which_a_move_was_last_played(self, library: Library) -> None:
        years: dict[str, set[int]] = {}
        for number in library.numbers():
            move, date = library.game(number).moves()[0], library.entry(number).date
            years.setdefault(max(move.iccs, move.mirror().iccs), set()).add(int(date[:4] or 0))
        found = {played.move.iccs: played.last for played in library.explore(Board()).moves}
        assert found == {name: max(known) or None for name, known in years.items()}
        new = Game({"Date": "2031.05.01"})
        new.add_main_line([Move.from_iccs("a0a1")])
        library.add(new)
        assert {p.last for p in library.explore(Board()).moves if p.move is new.moves()[0].mirror()} == {2031}

    def test_a_move_of_games_without_a_date(self, tmp_path: Path) -> None:
        with Library(tmp_path / "library.sqlite") as library:
            game = Game()
            game.add_main_line([Move.from_iccs("h2e2")])
            library.add(game)
            assert library.explore(Board()).moves[0].last is None


class TestSearch:
    def test_by_player_in_simplified_characters(self, library: Library) -> None:
        found = library.search(Filter(player="黄海林"))  # the file has 黃海林
        assert [entry.black for entry in found if "黃海林" in entry.black]
        assert all("黃海林" in entry.red + entry.black for entry in found)
        assert library.count(Filter(player="黄海林")) == len(found)

    def test_by_event_and_result(self, library: Library, games: list[Game]) -> None:
        wanted = [game for game in games if "五方杯" in game.headers["Event"] and game.result == "0-1"]
        found = library.search(Filter(event="五方杯", result="0-1"))
        assert len(found) == len(wanted) > 0
        assert {entry.result for entry in found} == {"0-1"}

    def test_pages(self, library: Library) -> None:
        pages = [library.search(limit=20, offset=offset) for offset in (0, 20, 40)]
        assert [entry for page in pages for entry in page] == library.search(limit=100)
        assert library.count() == COUNT

    def test_quotes_and_wildcards_are_letters(self, library: Library) -> None:
        assert library.search(Filter(player="%")) == library.search(Filter(event="' OR 1 --")) == []

    def test_an_unknown_result(self, library: Library) -> None:
        with pytest.raises(LibraryError, match=r"a result is one of 0-1, 1/2-1/2, 1-0, .*: 'won'"):
            library.search(Filter(result="won"))


class TestGames:
    def test_they_come_back_whole(self, library: Library, games: list[Game]) -> None:
        back = {str(library.game(entry.id)) for entry in library.search(limit=100)}
        assert back == {str(game) for game in games}

    def test_without_more_than_the_main_line(self, tmp_path: Path) -> None:
        game = Game.from_pgn('[Red "A"] [Result "0-1"] [Site "Here"] 1. h2e2 h9g7 0-1')
        fen = Game({"Black": "B", "Result": "*"}, "4k4/9/9/9/9/9/9/9/4R4/3K5 w - - 0 1")
        fen.add_main_line([Move.from_iccs("e1e2")])
        with Library(tmp_path / "library.sqlite") as library:
            for one in (game, fen):
                back = library.game(library.add(one))
                assert (back.moves(), back.headers, back.fen) == (one.moves(), one.headers, one.fen)

    def test_the_same_game_is_added_once(self, tmp_path: Path) -> None:
        with Library(tmp_path / "library.sqlite") as library:
            first = library.add(Game.from_pgn('[Date "2026.01.02"] 1. h2e2 *'))
            assert library.add(Game.from_pgn('[Date "2026.01.02"] 1. h2e2 *')) == first
            assert library.add(Game.from_pgn('[Date "2026.01.03"] 1. h2e2 *')) != first

    def test_a_game_that_is_removed_leaves_nothing_behind(self, library: Library, games: list[Game]) -> None:
        before = list(library._database.iterdump())
        again = Game({"Date": "2026.11.30"})
        again.add_main_line([*games[3].moves(), *games[3].end().board().legal_moves[:1]])
        number = library.add(again)
        assert library.count() == COUNT + 1
        library.remove(number)
        assert list(library._database.iterdump()) == before

    def test_one_of_many_games_is_removed(self, library: Library, games: list[Game]) -> None:
        number = library.numbers()[7]
        moves = library.game(number).moves()
        found = library.explore(Board()).score.games
        library.remove(number)
        assert library.explore(Board()).score.games == found - 1
        for ply in range(len(moves) + 1):
            board = Board.from_moves(moves[:ply])
            assert number not in [entry.id for entry in library.games_with(board, limit=COUNT)]
        with pytest.raises(LibraryError, match="no game"):
            library.remove(number)

    def test_an_unknown_number(self, library: Library) -> None:
        with pytest.raises(LibraryError, match="no game 4711"):
            library.game(4711)


class TestImport:
    def test_an_import_goes_on_where_it_stopped(
        self, tmp_path: Path, file: Path, games: list[Game], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(library_module, "BATCH", 10)
        with Library(tmp_path / "library.sqlite") as library:
            steps = library.add_file(file, pytest.fail)
            while next(steps).added < 20:
                pass
            steps.close()
            assert library.count() == 20
        with Library(tmp_path / "library.sqlite") as library:
            *_, last = library.add_file(file, pytest.fail)
            assert (last.read, last.added, last.known) == (COUNT, COUNT - 20, 0)
            assert library.count() == library.explore(Board()).score.games == COUNT

    def test_a_file_that_was_read_adds_nothing(self, library: Library, file: Path) -> None:
        *_, last = library.add_file(file, pytest.fail)
        assert (last.added, library.count()) == (0, COUNT)

    def test_copies_and_mirror_images_are_left_out(self, library: Library, games: list[Game], tmp_path: Path) -> None:
        image = Game(games[3].headers)
        image.add_main_line(move.mirror() for move in games[3].moves())
        save([games[5], image, Game.from_pgn("1. a0a1 a9a8 *")], tmp_path / "more.pgn")
        *_, last = library.add_file(tmp_path / "more.pgn", pytest.fail)
        assert (last.read, last.added, last.known) == (3, 1, 2)

    def test_the_sound_part_of_a_faulty_game_is_added(self, tmp_path: Path) -> None:
        (tmp_path / "bad.pgn").write_text('[Red "A"]\n\n1. h2e2 h9g7 2. a0a9 *\n')
        faults: list[Exception] = []
        with Library(tmp_path / "library.sqlite") as library:
            *_, last = library.add_file(tmp_path / "bad.pgn", faults.append)
            assert (last.added, len(faults)) == (1, 1)
            assert library.explore(Board.from_moves("h2e2")).score.games == 1


class TestFile:
    def test_a_new_version_keeps_what_there_is(
        self, library: Library, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        library.close()
        added = "ALTER TABLE games ADD COLUMN stars INTEGER"
        monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, added])
        with Library(library.path) as newer:
            assert schema.version_of(newer._database) == len(schema.MIGRATIONS)
            assert newer.count() == newer.explore(Board()).score.games == COUNT
            assert newer._database.execute("SELECT max(stars) FROM games").fetchone() == (None,)

    def test_a_migration_that_fails_changes_nothing(self, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
        library.close()
        with monkeypatch.context() as patch:
            patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, "DROP TABLE positions;\nDROP TABLE missing"])
            with pytest.raises(LibraryError, match=r"library\.sqlite: no such table: missing"):
                Library(library.path)
        with Library(library.path) as old:
            assert old.explore(Board()).score.games == COUNT

    def test_a_library_of_a_newer_program(self, library: Library) -> None:
        library._database.execute("PRAGMA user_version = 99")
        library.close()
        with pytest.raises(LibraryError, match=r"library\.sqlite: made by a newer xqlm \(version 99"):
            Library(library.path)

    def test_a_file_that_is_no_library(self, tmp_path: Path) -> None:
        (tmp_path / "library.sqlite").write_text("1. h2e2 *" * 1000)
        with pytest.raises(LibraryError, match=r"library\.sqlite: file is not a database"):
            Library(tmp_path / "library.sqlite")

    def test_a_library_of_version_1_is_searched_like_a_new_one(self, library: Library, tmp_path: Path) -> None:
        old = sqlite3.connect(tmp_path / "old.sqlite")
        old.executescript(schema.MIGRATIONS[0] + "PRAGMA user_version = 1")
        old.execute("ATTACH ? AS new", [str(library.path)])
        for table in ("games", "imports", "keys"):
            old.execute(f"INSERT INTO {table} SELECT * FROM new.{table}")
        old.commit()
        old.close()
        with Library(tmp_path / "old.sqlite") as migrated:
            assert migrated.explore(Board()) == library.explore(Board())
            assert migrated.games_with(Board()) == library.games_with(Board())

    def test_positions_are_written_anew_if_keys_change(self, library: Library) -> None:
        before = by_move(library, Board())
        library._database.execute("UPDATE keys SET of_start = 1")
        library._database.execute("UPDATE positions SET key = key + 1")
        assert by_move(library, Board()) == {}
        library.close()
        with Library(library.path) as opened:
            assert by_move(opened, Board()) == before

    def test_a_search_does_not_wait_for_an_import(self, library: Library) -> None:
        writer = sqlite3.connect(library.path, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        assert library.count() == COUNT
        writer.close()


class TestCommands:
    @pytest.fixture(autouse=True)
    def shipped(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(library_module, "data_path", lambda name: file.parent.parent / name)

    def test_explore(self, xqlm: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
        code, out, _ = xqlm("explore", "--moves", "a3a4", "--library", tmp_path / "library.sqlite", "-n", 3)
        assert code == 0
        lines = out.splitlines()
        assert lines[0].split() == ["move", "games", "score", "red", "draw", "black", "last"]
        assert lines[1].split() == ["P7+1", "卒7进1", "2", "0.750", "0%", "50%", "50%", "2009"]
        assert "2009-11-07" in out
        assert len(out.split("\n\n")[1].splitlines()) == 2

    @pytest.mark.parametrize(
        ("words", "answer"),
        [
            (["--player", "nobody"], "no game with this position fits the filter; without it, 45 games would be found"),
            (["4k4/9/9/9/9/9/9/9/9/3K5 w", "--player", "nobody"], "no games with this position"),
            (["4k4/9/9/9/9/9/9/9/9/3K5 w"], "no games with this position"),
        ],
    )
    def test_explore_finds_nothing(
        self, xqlm: Callable[..., tuple[int, str, str]], tmp_path: Path, words: list[str], answer: str
    ) -> None:
        assert xqlm("explore", *words, "--library", tmp_path / "library.sqlite")[:2] == (0, f"{answer}\n")

    def test_json(self, xqlm: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
        code, out, _ = xqlm("explore", "--library", tmp_path / "library.sqlite", "--json", "--player", "黄海林")
        told = json.loads(out)
        assert code == 0
        assert sum(move["red"] + move["draws"] + move["black"] for move in told["moves"]) == len(told["games"])
        number = told["games"][0]["id"]
        code, out, _ = xqlm("explore", "--library", tmp_path / "library.sqlite", "--show", number)
        assert "黃海林" in out
        assert out.startswith("[Game")

    def test_import(self, xqlm: Callable[..., tuple[int, str, str]], tmp_path: Path, file: Path) -> None:
        code, out, _ = xqlm("import", file, "--library", tmp_path / "library.sqlite")
        assert (code, out) == (0, f"{file}: {COUNT} games read, {COUNT} added, 0 there before\n")

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["explore", "rubbish"], "xqlm: "),
            (["explore", "--moves", "h2h9 a0a9"], "xqlm: ply 2: illegal move 'a0a9'"),
            (["explore", "--result", "won"], "xqlm: a result is one of"),
            (["import", "nothing.pgn"], "xqlm: nothing.pgn: No such file or directory"),
        ],
    )
    def test_mistakes(
        self, xqlm: Callable[..., tuple[int, str, str]], tmp_path: Path, words: list[str], message: str
    ) -> None:
        code, out, err = xqlm(*words, "--library", tmp_path / "library.sqlite")
        assert (code, out) == (2, "")
        assert message in err

    def test_it_needs_neither_torch_nor_a_window(self, library: Library) -> None:
        script = (
            "import sys; from lm.cli.library import explore; from pathlib import Path\n"
            "from lm.library import library; library.Library.has_shipped = lambda self: True\n"
            f"explore('', '', '', '', '', 3, None, False, Path({str(library.path)!r}))\n"
            "print([name for name in ('torch', 'transformers', 'pygame') if name in sys.modules])"
        ).replace("explore('',", "explore(None,")
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"
