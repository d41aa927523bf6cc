import os

import pytest

from gui.games_folder import GamesFolder
from xiangqi.formats import FormatError, load
from xiangqi.game import Game


@pytest.fixture
def open_folder(tmp_path):
    folders = []

    def start():
        folders.append(GamesFolder(tmp_path / "games"))
        return folders[-1]

    yield start
    for folder in folders:
        folder.close()


def moves(game):
    return [move.iccs for move in game.moves()]


def names(folder):
    return sorted(path.name for path in folder.path.iterdir() if not path.name.startswith("."))


class TestKeeping:
    def test_a_look_makes_no_folder(self, open_folder):
        folder = open_folder()
        assert folder.kept() is None
        folder.drop()
        folder.set_aside()
        assert not folder.path.exists()

    def test_the_game_kept_last_is_there_at_the_next_start(self, open_folder):
        first = open_folder()
        for text in ("1. h2e2 *", "1. h2e2 h9g7 *"):
            first.keep(Game.from_pgn(text))
        first.close()
        second = open_folder()
        assert moves(second.kept()) == ["h2e2", "h9g7"]
        assert names(second) == ["current.pgn"]
        second.drop()
        assert second.kept() is None

    def test_two_boards_do_not_write_over_each_other(self, open_folder):
        first, second = open_folder(), open_folder()
        first.keep(Game.from_pgn("1. h2e2 *"))
        assert second.kept() is None
        second.keep(Game.from_pgn("1. c3c4 *"))
        assert moves(first.kept()) == ["h2e2"]
        first.close()
        third = open_folder()
        assert moves(third.kept()) == ["h2e2"]
        assert moves(second.kept()) == ["c3c4"]

    @staticmethod
    def left_behind(open_folder, texts):
        """Let boards keep games in ``current.pgn``, ``current-2.pgn`` and so on, a second apart."""
        boards = [open_folder() for _ in texts]
        for n, (board, text) in enumerate(zip(boards, texts, strict=True), 1):
            board.keep(Game.from_pgn(text))
            os.utime(board.path / ("current.pgn" if n == 1 else f"current-{n}.pgn"), (n, n))
        return boards

    def test_the_newest_game_left_is_found_whatever_its_file(self, open_folder):
        boards = self.left_behind(open_folder, ["1. h2e2 *", "1. c3c4 *", "1. g3g4 *"])
        boards[1].close()
        boards[2].close()
        again = open_folder()
        assert moves(again.kept()) == ["g3g4"]
        assert moves(boards[0].kept()) == ["h2e2"]
        saved, *current = names(again)
        assert current == ["current-2.pgn", "current.pgn"]
        assert moves(next(load(again.path / saved))) == ["c3c4"]

    def test_a_game_left_that_a_file_has_or_without_moves_goes(self, open_folder):
        for board in self.left_behind(open_folder, ['[Saved "yes"] 1. h2e2 *', "*", "1. g3g4 *"]):
            board.close()
        again = open_folder()
        assert moves(again.kept()) == ["g3g4"]
        assert names(again) == ["current.pgn"]
        again.set_aside()
        assert len(names(again)) == 1

    def test_a_game_set_aside_is_among_those_saved(self, open_folder):
        folder = open_folder()
        folder.keep(Game.from_pgn("1. h2e2 *"))
        folder.set_aside()
        assert folder.kept() is None
        saved = folder.save(Game())
        assert len(names(folder)) == 2
        assert "current.pgn" not in names(folder)
        assert saved.name in names(folder)

    def test_a_damaged_file_is_told_and_kept(self, open_folder):
        folder = open_folder()
        folder.keep(Game())
        (folder.path / "current.pgn").write_bytes(b"\0\1\2")
        with pytest.raises(FormatError):
            folder.kept()
        folder.set_aside()
        (name,) = names(folder)
        assert (folder.path / name).read_bytes() == b"\0\1\2"
