"""Files at the board: opened, stepped through, searched, saved, copied; and nothing unsaved is lost."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pygame
import pytest

from frames import key
from gui import picture
from gui.actions import Action
from gui.actions.files import save_picture
from gui.files import KINDS, TEXTS
from gui.layout import MINIMUM_SIZE
from gui.new_game import Setup
from gui.pasting import read_pasted
from gui.processes.reader import Reader
from gui.processes.reading import Fetched, Finished, Mended
from gui.session import Session
from gui.settings import RECENT, Settings
from gui.sheets.file_dialog import FileDialog, SaveDialog
from gui.sheets.games import ChoiceSheet, GamesSheet
from gui.strings import say, set_language
from xiangqi import Move
from xiangqi.formats import load, save
from xiangqi.game import Game

MOVES = ["h2e2", "h9g7", "h0g2", "i9h9"]
CLUB = '[Event "R{n}"]\n[Red "红方{n}"]\n[Black "黑方{n}"]\n[Date "2019.03.0{n}"]\n[Result "1-0"]\n\n{moves} 1-0\n\n'


def moves(game):
    return [move.iccs for move in game.moves()]


def type(app, text):
    app.handle(pygame.Event(pygame.TEXTINPUT, text=text))


def press(app, position):
    app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=tuple(position), button=1))
    app.handle(pygame.Event(pygame.MOUSEBUTTONUP, pos=tuple(position), button=1))


class Board:
    """The window, and time that passes."""

    def __init__(self, app):
        self.app, self.now = app, 1.0
        self.files, self.session = app.controller.files, app.session
        app.controller.tick(1.0)

    def wait(self, condition):
        end = time.monotonic() + 90
        while not condition():
            assert time.monotonic() < end, f"waited in vain: {self.app.controller.status()}"
            self.now += 0.01
            self.app.controller.tick(self.now)
            time.sleep(0.002)

    def open(self, path):
        """Drop a file on the window, and wait until it is read."""
        number = self.session.number
        self.app.handle(pygame.Event(pygame.DROPFILE, file=str(path)))
        self.wait(lambda: not self.files.reading)
        return self.session.number > number

    @property
    def line(self):
        return self.app.controller.status()[0]


@pytest.fixture
def board(open_board):
    return Board(open_board(size=(1000, 760)))


@pytest.fixture
def club(tmp_path):
    path = tmp_path / "club.pgn"
    path.write_text("".join(CLUB.format(n=n, moves=" ".join(MOVES[: n + 1])) for n in (1, 2, 3)), "utf-8")
    return path


class TestOpening:
    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
    def test_what_is_saved_can_be_opened_from_its_beginning(self, board, tmp_path, kind):
        board.app.controller.session.explore([Move.from_iccs(iccs) for iccs in MOVES])
        path = tmp_path / f"game{kind.suffix}"
        board.files.save_as(path, kind)
        assert board.line == f"Saved as {path}"
        assert moves(next(load(path))) == MOVES
        assert board.open(path)
        assert moves(board.session.table.game) == MOVES
        assert board.session.viewed == 0
        assert board.files.kind == kind

    def test_the_dialog_lists_a_folder_and_opens_what_is_chosen(self, board, club):
        (club.parent / "deep").mkdir()
        board.app.controller.settings.used(club)
        key(board.app, "o", pygame.KMOD_LCTRL)
        dialog = board.app.overlay
        assert isinstance(dialog, FileDialog)
        assert ("deep", True) in dialog.shown and ("club.pgn", False) in dialog.shown
        type(board.app, "clu")
        assert dialog.shown == [("club.pgn", False)]
        key(board.app, "return")
        assert board.app.overlay is None
        board.wait(lambda: board.files.path == club)

    def test_the_games_in_play_are_not_listed(self, board):
        folder = board.app.controller.games.path
        board.session.explore([Move.from_iccs("h2e2")])
        board.app.controller.tick(2.0)
        board.app.do(Action.SAVE)
        assert (folder / "current.pgn").exists()
        for action in (Action.OPEN, Action.IMPORT, Action.SAVE_AS):
            board.app.do(action)
            board.app.overlay.enter(folder)
            names = [name for name, _ in board.app.overlay.shown]
            assert len(names) == 2 and names[0] == ".." and "current.pgn" not in names

    def test_folders_are_entered_and_left(self, board, club):
        (club.parent / "deep").mkdir()
        board.app.do(Action.OPEN)
        dialog = board.app.overlay
        type(board.app, str(club.parent))
        key(board.app, "return")
        assert dialog.folder == club.parent
        type(board.app, "deep")
        key(board.app, "return")
        assert dialog.folder == club.parent / "deep" and dialog.shown == [("..", True)]
        key(board.app, "down")
        key(board.app, "return")
        assert dialog.folder == club.parent
        type(board.app, "nothing.pgn")
        key(board.app, "return")
        assert dialog.note == "There is no file nothing.pgn." and board.app.overlay is dialog

    def test_a_click_chooses_and_another_opens(self, board, club):
        board.app.controller.settings.used(club)
        board.app.do(Action.OPEN)
        dialog, layout = board.app.overlay, board.app.layout
        board.app.frame(1.0)
        _, recents, rows = dialog.places(layout, dialog._body(layout, dialog.room(layout)))
        row = dialog.rows.row(layout)
        at = rows.x + 40, rows.y + row * dialog.shown.index(("club.pgn", False)) + row // 2
        press(board.app, at)
        assert board.app.overlay is dialog
        press(board.app, at)
        board.wait(lambda: board.files.path == club)
        board.app.do(Action.OPEN)
        press(board.app, (recents.x + 20, recents.y + row // 2))
        assert board.app.overlay is None and board.files.reading

    def test_a_file_without_games_says_so_and_changes_nothing(self, board, tmp_path):
        path = tmp_path / "cat.pgn"
        path.write_bytes(b"\0\1\2 miaow")
        assert not board.open(path)
        assert board.line.startswith("cat.pgn: ")
        assert not board.open(tmp_path / "gone.pgn")
        assert "No such file" in board.line

    def test_a_position_that_cannot_be_played_is_told_before_its_moves(self, board, tmp_path):
        path = tmp_path / "empty.pgn"
        path.write_text('[FEN "9/9/9/9/9/9/9/9/9/9 w"]\n\n1. h2e2 *\n')
        board.files.open(path)
        board.wait(lambda: not board.files.reading)
        said = "cannot play from this position: the red king is missing; the black king is missing"
        assert board.app.controller.status()[0] == said

    def test_a_record_is_greeted_as_one(self, board, club):
        board.open(club)
        board.wait(lambda: not board.app.controller.status()[0].startswith("club.pgn"))
        assert board.app.controller.status()[0].startswith("The start of the record. Right steps on")

    def test_a_game_that_is_over_has_nothing_to_resign_or_take_back(self, board, club):
        board.open(club)
        controller, session = board.app.controller, board.session
        ended = [Action.RESIGN, Action.DRAW, Action.UNDO]
        assert not any(map(controller.enabled, ended))
        session.view_last()
        board.app.controller.tick(board.now + 60)
        assert board.line == "Red won." and session.to_move is None
        session.explore([Move.from_iccs("h0g2")])
        assert all(map(controller.enabled, ended)) and board.line == "Black to move."
        controller.do(Action.UNDO)
        assert not any(map(controller.enabled, ended))

    def test_the_computer_goes_on_from_what_is_shown_of_it(self, board, club):
        board.open(club)
        board.session.view(1)
        board.app.controller.do(Action.BOTH)
        assert board.session.live and board.session.board.ply == 1
        assert board.session.humans == {0} and board.session.table.awaits_player
        assert moves(board.session.table.game) == MOVES[:2]

    def test_it_is_one_from_elsewhere_after_a_restart_too(self, board, club):
        board.open(club)
        board.app.controller.tick(board.now + 1)
        again = Session.going_on(board.app.controller.games.kept())
        assert again.recorded_result == "1-0" and not again.can_undo and not again.played_here

    def test_what_a_record_does_not_say_is_not_made_up(self, board, tmp_path):
        path = tmp_path / "bare.pgn"
        path.write_text("1. h2e2 h9g7 *\n")
        board.open(path)
        board.app.controller.tick(board.now + 1)
        for headers in (board.app.controller.record().headers, board.app.controller.games.kept().headers):
            assert [headers[name] for name in ("Event", "Red", "Black", "Date")] == ["?", "?", "?", "????.??.??"]
        assert not Session.going_on(board.app.controller.games.kept()).played_here

    def test_a_person_of_a_record_is_called_so_in_every_language(self, board, tmp_path):
        path = tmp_path / "own.pgn"
        path.write_text('[Red "Human"]\n[Black "Tan"]\n\n1. h2e2 h9g7 *\n')
        board.open(path)
        opponents = board.app.controller.opponents
        assert [opponents.side(color)[0] for color in (0, 1)] == ["Player", "Tan"]
        set_language("zh-Hans")
        assert opponents.side(0)[0] == say("player.person") != "Player"

    def test_a_record_that_ends_in_mate_is_not_taken_back(self, board, tmp_path):
        path = tmp_path / "mate.pgn"
        path.write_text('[FEN "3k5/1R7/9/9/9/9/9/9/R8/4K4 w"]\n[Result "1-0"]\n\n1. a1a9 1-0\n')
        board.open(path)
        board.session.view_last()
        board.app.frame(2.0)
        assert board.session.ending.reason == "checkmate" and not board.app.controller.enabled(Action.UNDO)

    def test_a_finished_game_that_is_pasted_is_laid_open(self, board):
        board.session.sit({0})
        board.app.controller.clipboard.put(CLUB.format(n=1, moves="h2e2"))
        board.app.do(Action.PASTE)
        board.wait(lambda: board.session.table.game.variations)
        assert board.session.viewed == 0 and not board.session.table.awaits_player

    def test_what_is_in_a_file_is_left_without_a_question(self, board, club):
        controller = board.app.controller
        board.session.explore([Move.from_iccs("h2e2")])
        controller.clipboard.put("h2e2 h9g7")
        controller.do(Action.PASTE)
        assert controller.armed(Action.PASTE)
        controller.do(Action.SAVE)
        controller.do(Action.PASTE)
        assert not controller.armed(Action.PASTE)
        board.wait(lambda: len(moves(board.session.table.game)) == 2)
        board.open(club)
        controller.do(Action.PASTE)
        assert not controller.armed(Action.PASTE)

    def test_files_used_last_come_first_and_are_remembered(self, tmp_path):
        settings = Settings(tmp_path / "settings" / "board.json")
        paths = [tmp_path / f"{n}.pgn" for n in range(RECENT + 3)]
        for path in paths:
            path.touch()
            settings.used(path)
        settings.used(paths[5])
        again = Settings(tmp_path / "settings" / "board.json").recent
        assert again[:2] == [paths[5], paths[-1]] and len(again) == RECENT
        paths[5].unlink()
        assert Settings(tmp_path / "settings" / "board.json").recent[0] == paths[-1]

    def test_damaged_settings_count_as_none(self, tmp_path):
        path = tmp_path / "board.json"
        path.write_text('{"recent": 7, "')
        assert Settings(path).recent == []


class TestSeveralGames:
    def test_keys_step_through_them(self, board, club):
        board.open(club)
        assert [entry.red for entry in board.files.entries] == ["红方1", "红方2", "红方3"]
        for name, index in [("page down", 1), ("page down", 2), ("page down", 2), ("page up", 1)]:
            key(board.app, name)
            board.wait(lambda index=index: board.files.index == index)
            assert moves(board.session.table.game) == MOVES[: index + 2]

    def test_the_list_is_searched(self, board, club):
        board.open(club)
        key(board.app, "g", pygame.KMOD_LCTRL)
        sheet = board.app.overlay
        assert isinstance(sheet, GamesSheet) and len(sheet.found) == 3
        type(board.app, "黑方3 2019")
        assert sheet.found == [2]
        board.app.frame(1.0)
        key(board.app, "return")
        board.wait(lambda: board.files.index == 2)

    @pytest.mark.parametrize("text", ["紅方2", "红方２", "红方2 r2", "R2"])
    def test_either_script_finds_the_other(self, board, club, text):
        board.open(club)
        key(board.app, "g", pygame.KMOD_LCTRL)
        type(board.app, text)
        assert board.app.overlay.found == [1]

    def test_what_is_found_while_the_file_is_read_can_be_opened_at_once(self, board, club):
        board.open(club)
        entries, board.files.entries = board.files.entries, board.files.entries[:1]
        board.files.entries.append(entries[0])
        key(board.app, "g", pygame.KMOD_LCTRL)
        type(board.app, "黑方3")
        board.app.frame(1.0)
        assert board.app.overlay.found == []
        board.files.entries = entries
        board.app.frame(1.0)
        key(board.app, "return")
        board.wait(lambda: board.files.index == 2)

    def test_a_game_that_was_changed_is_kept_when_another_is_opened(self, board, club):
        board.open(club)
        key(board.app, "page down")
        board.wait(lambda: board.files.index == 1)
        folder = board.app.controller.games.path
        assert not [path for path in folder.glob("*.pgn") if "current" not in path.name]
        board.session.set_comment(board.session.node, "looked at")
        key(board.app, "page down")
        board.wait(lambda: board.files.index == 2)
        (kept,) = [path for path in folder.glob("*.pgn") if "current" not in path.name]
        assert next(load(kept)).comment == "looked at"

    def test_one_game_is_never_written_over_a_file_of_several(self, board, club):
        board.open(club)
        before = club.read_bytes()
        board.app.do(Action.SAVE)
        assert club.read_bytes() == before
        assert board.files.path != club

    def test_the_cards_name_the_players(self, board, club):
        board.open(club)
        assert [board.app.controller.opponents.side(color)[0] for color in (0, 1)] == ["红方1", "黑方1"]


class TestSeveralPasted:
    @pytest.fixture
    def pasted(self, board, club):
        board.app.controller.clipboard.put(club.read_text("utf-8"))
        board.app.do(Action.PASTE)
        board.wait(lambda: board.session.table.game.variations and not board.files.reading)
        return board

    @staticmethod
    def saved(board):
        return [path for path in board.app.controller.games.path.glob("*.pgn") if "current" not in path.name]

    def test_they_are_stepped_through_as_those_of_a_file(self, pasted):
        assert pasted.line == "Pasted: 3 games. Ctrl+G lists them."
        key(pasted.app, "page down")
        pasted.wait(lambda: pasted.files.index == 1)
        assert pasted.line == "Clipboard, game 2."
        assert moves(pasted.session.table.game) == MOVES[:3]
        key(pasted.app, "g", pygame.KMOD_LCTRL)
        assert pasted.app.overlay.title == "Games in Clipboard: 3"

    def test_one_is_saved_when_another_comes_if_it_was_changed(self, pasted, club):
        key(pasted.app, "page down")
        pasted.wait(lambda: pasted.files.index == 1)
        assert self.saved(pasted) == []
        pasted.session.set_comment(pasted.session.node, "looked at")
        key(pasted.app, "page down")
        pasted.wait(lambda: pasted.files.index == 2)
        (kept,) = self.saved(pasted)
        assert next(load(kept)).comment == "looked at"
        pasted.open(club)
        assert len(self.saved(pasted)) == 2

    def test_one_of_them_that_is_faulty_is_told(self, board):
        board.app.controller.clipboard.put('[Red "A"]\n\n1. h2e2 *\n\n[Red "B"]\n\n1. h2e2 h9h8 *\n')
        board.app.do(Action.PASTE)
        board.wait(lambda: board.session.table.game.variations and not board.files.reading)
        assert board.line.startswith("Clipboard could be read only in part: ")


class TestSaving:
    def test_a_file_of_one_game_is_written_again(self, board, tmp_path):
        path = tmp_path / "one.pgn"
        save(Game.from_pgn("1. h2e2 *"), path, notation="wxf")
        board.open(path)
        board.session.view_last()
        board.session.explore([Move.from_iccs("h9g7")])
        assert board.files.unsaved
        board.app.do(Action.SAVE)
        assert not board.files.unsaved
        assert moves(next(load(path))) == MOVES[:2] and "C2=5" in path.read_text()

    def test_save_as_asks_before_it_replaces(self, board, club):
        board.session.explore([Move.from_iccs("h2e2")])
        board.app.controller.settings.used(club)
        key(board.app, "s", pygame.KMOD_LCTRL | pygame.KMOD_LSHIFT)
        dialog = board.app.overlay
        assert isinstance(dialog, SaveDialog) and dialog.field.value == "Human - Human.pgn"
        for _ in range(30):
            key(board.app, "backspace")
        type(board.app, "club")
        before = club.read_bytes()
        key(board.app, "return")
        assert dialog.note == "club.pgn exists. Confirm once more to replace it." and club.read_bytes() == before
        key(board.app, "return")
        assert moves(next(load(club))) == ["h2e2"]

    @pytest.mark.parametrize("action", [Action.OPEN, Action.SAVE_AS])
    def test_a_folder_that_is_typed_is_listed(self, board, tmp_path, action):
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / "game.pgn").touch()
        board.session.explore([Move.from_iccs("h2e2")])
        board.app.do(action)
        dialog = board.app.overlay
        dialog.enter(tmp_path)
        dialog.field.value, dialog.field.at = "", 0
        type(board.app, "old/")
        assert dialog.folder == tmp_path / "old" and dialog.field.value == ""
        assert [name for name, _ in dialog.shown] == ["..", "game.pgn"]

    def test_the_buttons_change_the_suffix(self, board, tmp_path):
        board.session.explore([Move.from_iccs("h2e2")])
        board.app.do(Action.SAVE_AS)
        dialog, layout = board.app.overlay, board.app.layout
        dialog.enter(tmp_path)
        places = dialog.kind_places(layout, dialog._body(layout, dialog.room(layout)))
        press(board.app, places[3].center)
        assert dialog.field.value == "Human - Human.xqf"
        key(board.app, "return")
        assert moves(next(load(tmp_path / "Human - Human.xqf"))) == ["h2e2"]

    def test_what_json_lines_leave_out_is_told_and_stays_unsaved(self, board, tmp_path):
        jsonl = next(kind for kind in KINDS if kind.name == "jsonl")
        board.session.explore([Move.from_iccs("h2e2")])
        board.files.save_as(tmp_path / "moves.jsonl", jsonl)
        assert board.line == f"Saved as {tmp_path}/moves.jsonl" and not board.files.unsaved
        board.session.set_comment(board.session.node, "my thought")
        board.session.toggle_mark(1)
        board.files.save_as(tmp_path / "more.jsonl", jsonl)
        assert board.line.startswith("Saved without comments, marks, which this format does not hold: ")
        assert board.files.unsaved
        board.files.save_as(tmp_path / "all.pgn", KINDS[0])
        board.files.save_as(tmp_path / "more.jsonl", jsonl)
        assert "comments" in board.line and not board.files.unsaved

    @pytest.mark.parametrize("name", ["xqf", "ubb"])
    def test_marks_that_become_text_are_told(self, board, tmp_path, name):
        kind = next(kind for kind in KINDS if kind.name == name)
        board.session.explore([Move.from_iccs("h2e2")])
        board.session.toggle_mark(1)
        path = tmp_path / f"game{kind.suffix}"
        board.files.save_as(path, kind)
        assert board.line == f"Saved with the marks as text in comments: {path}"
        assert not board.files.unsaved and next(load(path)).next().comment == "!"

    def test_what_a_format_cannot_hold_is_told(self, board, tmp_path):
        board.session.explore([Move.from_iccs("h2e2")])
        board.files.save_as(tmp_path / "no" / "game.xqf", KINDS[3])
        assert board.line.startswith("Not saved: ")


class TestTexts:
    @pytest.mark.parametrize("name", TEXTS)
    def test_what_is_copied_can_be_pasted(self, board, name):
        board.session.explore([Move.from_iccs(iccs) for iccs in MOVES])
        board.app.do(Action.COPY_AS)
        assert isinstance(board.app.overlay, ChoiceSheet)
        for _ in range(TEXTS.index(name)):
            key(board.app, "down")
        key(board.app, "return")
        text = board.app.controller.clipboard.text
        if name == "fen":
            assert text == board.session.shown.fen()
        else:
            assert moves(next(read_pasted(text))) == MOVES

    def test_a_right_click_on_the_panel_copies(self, board):
        board.session.explore([Move.from_iccs("h2e2")])
        position = board.app.layout.view.center
        board.app.handle(pygame.Event(pygame.MOUSEBUTTONDOWN, pos=position, button=3))
        board.app.handle(pygame.Event(pygame.MOUSEBUTTONUP, pos=position, button=3))
        assert isinstance(board.app.overlay, ChoiceSheet)
        key(board.app, "down")
        key(board.app, "return")
        assert moves(next(read_pasted(board.app.controller.clipboard.text))) == ["h2e2"]

    def test_pictures(self, board, tmp_path):
        board.session.explore([Move.from_iccs("h2e2")])
        save_picture(board.app.controller, tmp_path / "board.png")
        image = pygame.image.load(tmp_path / "board.png")
        assert image.get_height() > 1000 and 0.8 < image.get_width() / image.get_height() < 1
        save_picture(board.app.controller, tmp_path / "board.svg")
        assert (tmp_path / "board.svg").read_text().startswith("<svg ")

    def test_a_picture_goes_to_the_clipboard_by_a_program(self, board, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        board.app.do(Action.COPY_PICTURE)
        assert "xclip" in board.line
        program = tmp_path / "xclip"
        program.write_text(f"#!/bin/sh\n/bin/cat > {tmp_path}/copied.png\n")
        program.chmod(0o755)
        board.app.do(Action.COPY_PICTURE)
        assert board.line == "Picture copied."
        assert (tmp_path / "copied.png").read_bytes() == picture.as_png(board.session)


class TestDamage:
    def test_the_sound_part_is_kept_and_guesses_are_offered(self, board, tmp_path):
        path = tmp_path / "blot.pgn"
        path.write_text("1. C2=5 H8+7 2. H2+? R9=8 3. R1=2 *\n")
        board.open(path)
        assert moves(board.session.table.game) == MOVES[:2]
        assert board.line.startswith("Read up to a fault; Ctrl+R guesses the rest. line 1, ply 3: not a WXF move")
        assert board.app.controller.enabled(Action.MEND)
        key(board.app, "r", pygame.KMOD_LCTRL)
        board.wait(lambda: not board.files.mending)
        assert moves(board.session.table.game)[:4] == MOVES
        assert "[%guess" in str(board.session.table.game)
        assert (board.files.unsaved and board.files.own_file is None) or board.files.path == path

    @pytest.fixture
    def guessed(self, board, monkeypatch, tmp_path):
        """A damaged game, and guesses for it that have not come yet."""
        (tmp_path / "blot.pgn").write_text("1. C2=5 H8+7 2. H2+? R9=8 3. R1=2 *\n")
        board.open(tmp_path / "blot.pgn")
        monkeypatch.setattr(board.files.reader, "mend", lambda game: 77)
        key(board.app, "r", pygame.KMOD_LCTRL)
        return Mended(77, Game.from_pgn("1. C2=5 H8+7 2. H2+3 R9=8 *"), 1)

    def test_guesses_that_come_to_another_game_are_dropped(self, board, guessed):
        board.app.controller.start(Setup((None, None)))
        board.session.play(Move.from_iccs("c3c4"))
        board.files.take(guessed)
        assert moves(board.session.table.game) == ["c3c4"]
        assert not board.files.mending

    def test_what_was_added_while_guesses_were_made_is_kept(self, board, guessed):
        board.session.set_comment(board.session.table.game, "from grandfather")
        board.files.take(guessed)
        assert moves(board.session.table.game) == MOVES
        kept = [next(load(path)).comment for path in board.app.table.games_dir.glob("*.pgn")]
        assert "from grandfather" in kept
        assert board.line.startswith("Guesses: 1, each in a comment. The game as it was is kept as ")

    def test_a_game_that_comes_while_a_comment_is_written_waits(self, board, club):
        board.app.handle(pygame.Event(pygame.DROPFILE, file=str(club)))
        key(board.app, "c")
        game = board.session.table.game
        board.wait(lambda: not board.files.reader._reports.empty())
        board.app.controller.tick(2.0)
        type(board.app, "my thought")
        key(board.app, "return")
        assert (board.session.table.game, game.comment) == (game, "my thought")
        board.wait(lambda: board.files.path == club)
        kept = [next(load(path)).comment for path in board.app.table.games_dir.glob("*.pgn")]
        assert "my thought" in kept


class TestReader:
    """The process itself."""

    @pytest.fixture
    def reader(self):
        readers = []

        def start(**options):
            readers.append(Reader(**options))
            return readers[-1]

        yield start
        for reader in readers:
            reader.close()

    @staticmethod
    def until(reader, kind):
        end, found = time.monotonic() + 60, []
        while not (found and isinstance(found[-1], kind)):
            assert time.monotonic() < end
            if (report := reader.poll()) is not None:
                found.append(report)
            time.sleep(0.01)
        return found

    def test_it_reads_and_gives_out_games(self, reader, club):
        reader = reader()
        number = reader.read(club)
        first, *listed, _ = self.until(reader, Finished)
        assert isinstance(first, Fetched) and sum(len(part.games) for part in listed) == 3
        reader.fetch(2)
        (fetched,) = self.until(reader, Fetched)
        assert (fetched.number, fetched.index, moves(fetched.game)) == (number, 2, MOVES)

    def test_one_that_takes_too_long_is_ended_and_another_serves(self, reader, club, tmp_path):
        pipe = tmp_path / "pipe.pgn"
        os.mkfifo(pipe)  # whoever opens it waits for a writer
        reader = reader(patience=0.5)
        reader.read(pipe)
        (finished,) = self.until(reader, Finished)
        assert finished.fault == "it takes too long to read"
        reader._patience = 60
        reader.read(club)
        assert self.until(reader, Finished)[-1].fault == ""


PLAYS = """
import sys, time
from pathlib import Path
from gui.controller import Controller
from gui.games_folder import GamesFolder
from gui.processes.helpers import Helpers
from gui.session import Session
from gui.strings import say, set_language
class Nobody:
    def __getattr__(self, name):
        return lambda *options: None
session = Session(humans=(0, 1))
controller = Controller(session, Helpers(*[Nobody()] * 6), "lm", Nobody(), GamesFolder(Path(sys.argv[1])))
while session.ending is None:
    moves = session.board.legal_moves
    session.play(moves[session.board.ply * 7 % len(moves)])
    controller.tick(time.monotonic())
    print(session.board.ply, flush=True)
"""


MOMENTS = [(random.Random(seed).randrange(1, 60), random.Random(seed).random() / 100) for seed in range(20)]
"""A ply, and seconds after it."""


@pytest.mark.parametrize(
    ("after", "wait"), [*MOMENTS[:2], *(pytest.param(*moment, marks=pytest.mark.slow) for moment in MOMENTS[2:])]
)
def test_a_kill_loses_at_most_the_last_move(tmp_path, after, wait):
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", PLAYS, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    last = 0
    for line in process.stdout:
        last = int(line)
        if last >= after:
            time.sleep(wait)
            process.kill()
            break
    rest = process.stdout.read().split()
    process.wait()
    last = int(rest[-1]) if rest else last
    (path,) = tmp_path.glob("current*.pgn")
    (game,) = load(path)
    assert not game.errors
    assert last <= game.end().ply <= last + 1


def test_sheets_at_the_smallest_size(board, club):
    board.app.window.size = MINIMUM_SIZE
    board.open(club)
    for action in (Action.OPEN, Action.SAVE_AS, Action.GAMES, Action.COPY_AS, Action.PICTURE):
        board.app.do(action)
        board.app.frame(1.0)
        assert board.app.overlay.frame(board.app.layout).size <= MINIMUM_SIZE
        key(board.app, "escape")
