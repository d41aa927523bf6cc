from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from rich.cells import cell_len

from lm import UserError
from lm.players.levels import LEVELS, find_level
from lm.players.player import Choice, GeneratedAnalysis, Line, Player, PlayerError, Thinker
from lm.players.specs import Spec
from lm.terminal import program
from lm.terminal.commands import HELP, Terminal, parse_move
from lm.terminal.screen import CLEAR, Output, Screen, View
from xiangqi import BLACK, Board, InvalidFenError, InvalidMoveError, Move
from xiangqi.engine import Info, Limit, Score, Wdl
from xiangqi.formats import load

BEGINNER = find_level("Beginner")
MATED_IN_THREE = ["h2e2", "e2e6", "b2b4", "b4e4"]


class Opponent(Player):
    """Pushes the pawn on file i, or else plays its first legal move."""

    name = "opponent"

    def __init__(self) -> None:
        self.closed = False
        self.games = 1
        self.offers_draws = self.resigns = False
        self.failures = 0

    def choose(self, boards, limits=None):
        if self.failures:
            self.failures -= 1
            raise PlayerError("fell over")
        return [self._choose(board) for board in boards]

    def _choose(self, board):
        if self.resigns:
            return Choice(None)
        moves = board.legal_moves
        push = [move for move in moves if move.iccs in ("i6i5", "i5i4", "i4i3")]
        return Choice(
            (push or moves)[0], Info(wdl=Wdl(0, 500, 500)), ((moves[0], 0.5), (moves[1], 0.3)), self.offers_draws
        )

    def new_game(self):
        self.games += 1

    def close(self):
        self.closed = True


class Adviser(Thinker):
    """Analyses: its first line is the last legal move. It knows what people play, too."""

    name = "adviser"

    def __init__(self) -> None:
        self.boards: list[Board] = []
        self.limits: list[Limit | None] = []

    def choose(self, boards, limits=None):
        moves = boards[0].legal_moves
        return [Choice(moves[0], Info(), ((moves[0], 0.5), (moves[1], 0.3), (moves[2], 0.01)))]

    def analyse(self, board, limit=None, multipv=1):
        self.boards.append(board.copy())
        self.limits.append(limit)
        return Lines(board, limit or Limit(), multipv)


class Lines(GeneratedAnalysis):
    def _generate(self):
        moves = self.board.legal_moves[::-1][: self._count]
        score = Score(self.board.turn, cp=35)
        self._lines = [
            Line(Info(score=score, pv=(move,), depth=7, nodes=1234, multipv=n)) for n, move in enumerate(moves, 1)
        ]
        yield from self._lines
        if self._limit.nodes is None:
            self._stopped.wait(30)


OPPONENT = Spec.parse("py:tests:opponent,name=opponent")
NOBODY = Spec.parse("py:nobody:here")


PLAYERS: dict[Spec, Player] = {}
ADVISERS: list[Adviser] = []


@pytest.fixture
def opponent(monkeypatch: pytest.MonkeyPatch) -> Opponent:
    opponent = Opponent()
    monkeypatch.setitem(PLAYERS, OPPONENT, opponent)
    return opponent


@pytest.fixture
def adviser() -> Iterator[Adviser]:
    ADVISERS.append(Adviser())
    yield ADVISERS[-1]
    ADVISERS.clear()


class Typist:
    """Types lines, each when it is asked for one, and keeps what was written. A line may be something to do first."""

    def __init__(self, *lines: str | Callable[[], str]) -> None:
        self.waiting = list(lines)
        self.said = ""

    def ask(self, prompt: str) -> str:
        self.said += prompt
        if not self.waiting:
            raise EOFError
        line = self.waiting.pop(0)
        text = line if isinstance(line, str) else line()
        self.said += f"{text}\n"
        return text

    def write(self, text: str) -> None:
        self.said += text


def open_player(spec: Spec) -> Player:
    if spec.kind in ("search", "lm") and ADVISERS:
        return ADVISERS[-1]
    return PLAYERS[spec] if spec in PLAYERS else spec.open()


def converse(
    *lines: str | Callable[[], str],
    spec: Spec = OPPONENT,
    size: tuple[int, int] | None = None,
    file: Path | None = None,
    **options,
) -> tuple[Terminal, str]:
    """Type these lines and return what was said; with a size, on a screen."""
    typist = Typist(*lines)
    output = Output(typist.ask, typist.write)
    if size is not None:
        output = Screen(typist.ask, typist.write, lambda: size)
    talk = Terminal(spec, output=output, open_player=open_player, **options)
    talk.run(file)
    return talk, typist.said


def screens(said: str) -> list[list[str]]:
    """Return what stood on the screen each time that it was drawn anew."""
    return [screen.splitlines() for screen in said.split(CLEAR)[1:]]


def boards(said: str) -> list[list[str]]:
    """Return the boards shown, each the 20 lines from its topmost rank to the names of the files."""
    lines = said.splitlines()
    ends = [number for number, line in enumerate(lines) if sorted(line.split()) == list("abcdefghi")]
    return [lines[end - 19 : end + 1] for end in ends]


def moves_of(talk: Terminal) -> list[str]:
    return [move.iccs for move in talk.table.board.move_stack]


@pytest.mark.usefixtures("opponent")
class TestMoves:
    def test_person_and_player_take_turns(self) -> None:
        talk, said = converse("h2e2", "炮八进二")
        assert moves_of(talk) == ["h2e2", "i6i5", "b2b4", "i5i4"]
        assert "Black plays 卒９進１ (i6i5), expecting 25%" in said

    def test_black_waits_for_red(self) -> None:
        talk, _ = converse("h9g7", side="black")
        assert moves_of(talk)[1] == "h9g7"

    def test_both_sides_can_be_peoples(self) -> None:
        talk, _ = converse("h2e2", "h9g7", side="both", spec=NOBODY)
        assert moves_of(talk) == ["h2e2", "h9g7"]

    def test_none_watches_a_whole_game(self) -> None:
        talk, said = converse(side="none")
        assert talk.table.board.outcome() is not None
        assert talk.table.board.outcome().reason in said

    @pytest.mark.parametrize("text", ["h2h8", "z9z8", "前马进五", "C5=5", "how?", "i6i5"])
    def test_a_bad_move_costs_a_line_and_nothing_else(self, text: str) -> None:
        talk, said = converse(text, "h2e2")
        assert moves_of(talk) == ["h2e2", "i6i5"]
        (complaint,) = [line for line in said.splitlines() if "(help lists" in line]
        assert text in complaint

    @pytest.mark.parametrize("text", ["h2e2", "H2-E2", "炮二平五", "砲２平５", "C2=5", "c2.5", " h2e2 "])
    def test_every_way_of_writing(self, text: str) -> None:
        assert parse_move(Board(), text) is Move.from_iccs("h2e2")

    def test_nonsense(self) -> None:
        with pytest.raises(InvalidMoveError, match="rook"):
            parse_move(Board(), "rook takes king")


class TestEndings:
    def test_mate_is_announced_and_then_there_is_nothing_to_play(self, opponent: Opponent) -> None:
        talk, said = converse(*MATED_IN_THREE, "a0a1", "resign", "hint")
        assert "Red wins by checkmate (1-0). " in said
        assert "check from e4 and has no legal move" in said
        assert "The game is over" in said
        assert talk.table.board.ply == 7

    def test_undo_after_the_end_goes_on(self, opponent: Opponent) -> None:
        talk, _ = converse(*MATED_IN_THREE, "undo", "a0a1")
        assert moves_of(talk)[-2] == "a0a1"

    def test_resigning(self, opponent: Opponent) -> None:
        assert "Black wins: Red resigned (0-1)" in converse("resign")[1]
        opponent.resigns = True
        assert "Red wins: Black resigned (1-0)" in converse("h2e2")[1]

    def test_resigning_by_the_other_colours(self, opponent: Opponent) -> None:
        assert "Black wins: Red resigned (0-1)" not in converse("resign", side="black")[1]
        assert "Red wins: Black resigned (1-0)" in converse("resign", side="black")[1]
        assert "Red wins: Black resigned (1-0)" in converse("h2e2", "resign", side="both")[1]
        opponent.resigns = True
        assert "Black wins: Red resigned (0-1)" in converse(side="black")[1]

    def test_mate_by_black_is_blacks_win(self, opponent: Opponent) -> None:
        said = converse("b2b0", side="black", fen="3k5/9/9/9/9/9/9/1r7/r8/4K4 b")[1]
        assert "Black wins by checkmate (0-1)" in said
        assert '[Result "0-1"]' in said

    def test_the_saved_game_names_its_winner(self, opponent: Opponent) -> None:
        assert '[Result "1-0"]' in converse(*MATED_IN_THREE, "a0a1")[1]
        assert '[Result "1-0"]' in converse("h9g7", "resign", side="black")[1]
        assert '[Termination "resignation"]' in converse("h9g7", "resign", side="black")[1]

    def test_draw_is_agreed_only_by_both(self, opponent: Opponent) -> None:
        talk, said = converse("draw", "h2e2", "b2b4")
        assert "agreed" not in said
        assert talk.table.board.ply == 4
        opponent.offers_draws = True
        assert "(i6i5), expecting 25% and offers a draw" in converse("h2e2")[1]
        assert "Draw agreed (1/2-1/2)" in converse("draw", "h2e2")[1]
        assert "Draw agreed (1/2-1/2)" in converse("h2e2", "draw")[1]
        assert "agreed" not in converse("h2e2", "b2b4")[1]


@pytest.mark.usefixtures("opponent")
class TestWhatIsSeen:
    @pytest.mark.parametrize(
        ("side", "below", "files"),
        [
            ("red", "0", "abcdefghi"),
            ("black", "9", "ihgfedcba"),
            ("both", "0", "abcdefghi"),
            ("none", "0", "abcdefghi"),
        ],
    )
    def test_the_persons_own_side_is_below(self, side: str, below: str, files: str) -> None:
        lines = boards(converse("quit", side=side, letters=True)[1])[0]
        assert lines[-1].split() == list(files)
        assert lines[-2][0] == below
        assert ("k" if side == "black" else "K") in lines[-2]

    def test_flip_turns_the_board_and_back(self) -> None:
        shown = boards(converse("flip", "flip", letters=True)[1])
        assert [lines[-2][0] for lines in shown] == ["0", "9", "0"]
        assert [lines[-2][0] for lines in boards(converse("flip", side="black", letters=True)[1])[-2:]] == ["9", "0"]

    def test_every_move_is_shown_on_the_board_before_the_next_is_asked_for(self) -> None:
        said = converse("h2e2", letters=True)[1]
        shown = boards(said)
        assert len(shown) == 3
        assert "[C]" in shown[1][-6] and "[+]" in shown[1][-6]  # the cannon on rank 2
        assert "[p]" in shown[2][8]  # the answer i6i5, on rank 5

    @pytest.mark.parametrize("command", ["undo", "new"])
    def test_a_position_brought_back_is_shown(self, command: str) -> None:
        shown = boards(converse("h2e2", command, letters=True)[1])
        assert len(shown) == 4
        assert shown[-1] == shown[0]

    def test_characters_or_letters_in_colour_or_not(self) -> None:
        assert "帥" in converse("quit")[1]
        assert "帥" not in converse("quit", letters=True)[1]
        assert "\x1b[" not in converse("quit")[1]
        assert "\x1b[" in converse("quit", color=True)[1]

    def test_moves_are_named_in_letters_where_there_are_no_characters(self) -> None:
        assert "Black plays i6i5, expecting 25%" in converse("h2e2", letters=True)[1]

    def test_the_prompt_names_the_side_to_move(self) -> None:
        said = converse("h2e2", "h9g7", "resign", "quit", side="both")[1].splitlines()
        assert [line for line in said if "> " in line] == ["red> h2e2", "black> h9g7", "red> resign", "over> quit"]
        assert "black> h9g7" in converse("h9g7", side="black")[1]

    def test_check_is_told_below_the_board_of_the_side_in_check_alone(self) -> None:
        fen = "3k5/9/9/9/9/9/9/9/r3R4/4K4 w"
        said = converse("e1d1", "d9e9", "quit", side="both", letters=True, fen=fen)[1].splitlines()
        at = [number for number, line in enumerate(said) if line == "Check!"]
        assert len(at) == 1
        assert said[at[0] - 1].split() == list("abcdefghi")
        assert said[at[0] + 1] == "black> d9e9"

    def test_a_game_that_begins_with_check_says_so(self) -> None:
        assert "Check!" in converse("quit", fen="3k5/9/9/9/9/9/9/9/4r4/4K4 w")[1]
        assert "Check!" not in converse("quit")[1]

    @pytest.mark.parametrize(("encoding", "chinese"), [("latin-1", False), ("ascii", False), ("utf-8", True)])
    def test_a_terminal_without_characters_gets_letters(
        self, monkeypatch: pytest.MonkeyPatch, encoding: str, chinese: bool
    ) -> None:
        output = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace", write_through=True)
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setattr(sys, "stdin", io.StringIO("help\nh2e2\nmoves\nquit\n"))
        monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
        program.main("greedy:seed=1", "red", None, None)
        said = output.buffer.getvalue().decode(encoding)
        assert ("帥" in said) == chinese
        assert "?" not in said.replace('"?"', "")  # which PGN writes for what is unknown
        assert "h2e2" in said

    @pytest.mark.parametrize(
        ("environment", "chinese"),
        [
            ({"LANG": "C"}, False),
            ({}, False),
            ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, False),  # as Python sets it for LANG=C
            ({"LC_ALL": "POSIX", "LANG": "zh_CN.UTF-8"}, False),
            ({"LANG": "zh_CN.UTF-8", "TERM": "linux"}, False),
            ({"LANG": "C.UTF-8"}, True),
            ({"LANG": "zh_CN.UTF-8"}, True),
            ({"LC_ALL": "de_DE.UTF-8", "LANG": "C"}, True),
        ],
    )
    @pytest.mark.skipif(sys.platform == "win32", reason="the locale says nothing of its consoles")
    def test_letters_where_the_locale_has_no_chinese(self, environment: dict[str, str], chinese: bool) -> None:
        assert program.shows_chinese("utf-8", environment) == chinese

    def test_mate_is_not_called_check(self) -> None:
        said = converse(*MATED_IN_THREE)[1]
        assert said.index("Red wins by checkmate (1-0)") > 0
        assert "Check!" not in said

    def test_an_offer_that_is_not_taken_up_is_declined_and_lapses(self, opponent: Opponent) -> None:
        said = converse("draw", "h2e2", "b2b4")[1]
        assert "expecting 25%, and declines the draw" in said
        assert said.count("declines") == 1

    def test_undo_takes_back_an_agreed_draw(self, opponent: Opponent) -> None:
        opponent.offers_draws = True
        talk, _ = converse("h2e2", "draw", "undo")
        assert (talk.table.ending, talk.table.board.ply) == (None, 2)


@pytest.mark.usefixtures("opponent")
class TestCommands:
    def test_redo_plays_again_what_was_taken_back(self) -> None:
        talk, said = converse("h2e2", "undo", "redo", "redo")
        assert moves_of(talk) == ["h2e2", "i6i5"]
        assert "no move to play again" in said

    def test_the_player_is_told_of_a_new_game(self, opponent: Opponent) -> None:
        converse("h2e2", "new", "new")
        assert opponent.games == 3

    def test_undo_takes_back_to_the_persons_own_move(self, opponent: Opponent) -> None:
        talk, said = converse("h2e2", "b2b4", "undo", "undo", "undo")
        assert moves_of(talk) == []
        assert "no move of yours" in said

    def test_undo_as_black_keeps_reds_first_move(self, opponent: Opponent) -> None:
        talk, said = converse("h9g7", "undo", "undo", side="black")
        assert talk.table.board.ply == 1
        assert "no move of yours" in said

    def test_help_moves_fen_flip_new(self, opponent: Opponent) -> None:
        talk, said = converse("help", "moves", "fen", "flip", "h2e2", "new")
        assert "炮二平五" in said
        assert Board().fen() in said
        assert talk.table.board == Board()
        assert talk.table.board.ply == 0

    def test_save(self, opponent: Opponent, tmp_path: Path) -> None:
        path = tmp_path / "game.pgn"
        _, said = converse("h2e2", f"save {path}")
        (game,) = load(path)
        assert [move.iccs for move in game.moves()] == ["h2e2", "i6i5"]
        assert (game.headers["Red"], game.headers["Black"]) == ("Human", "opponent")
        assert "not saved" not in said

    def test_what_json_lines_leave_out_is_told_and_not_lost(self, opponent: Opponent, tmp_path: Path) -> None:
        record = tmp_path / "record.pgn"
        record.write_text("{An old game.} 1. h2e2 (1. c3c4) *")
        _, said = converse(f"open {record}", "next", f"save {tmp_path}/out.jsonl")
        assert "without its variations and comments" in said
        assert "An old game." in said.partition("was not saved")[2]
        assert "was not saved" not in converse("h2e2", f"save {tmp_path}/game.jsonl")[1]

    def test_save_that_fails_is_told(self, opponent: Opponent, tmp_path: Path) -> None:
        _, said = converse("save", "save game.doc", f"save {tmp_path}/no/where.pgn")
        assert "save needs a file name" in said
        assert "game.doc" in said
        assert "cannot write" in said

    def test_an_unsaved_game_is_printed_at_the_end(self, opponent: Opponent) -> None:
        _, said = converse("h2e2", "quit", "b2b4")
        assert "1. H2-E2 I6-I5 *" in said
        assert "not saved" not in converse("quit")[1]


class TestFailures:
    def test_a_player_that_fails_can_be_asked_again(self, opponent: Opponent) -> None:
        opponent.failures = 1
        talk, said = converse("h2e2", "")
        assert "The player failed: fell over" in said
        assert moves_of(talk) == ["h2e2", "i6i5"]

    def test_a_spec_that_names_no_player_ends_the_session(self, opponent: Opponent) -> None:
        for lines in (["h2e2"], ["new"]):
            with pytest.raises(UserError, match="No module named 'nobody'"):
                converse(*lines, spec=NOBODY)

    def test_bad_beginnings(self) -> None:
        with pytest.raises(UserError, match="no side 'green'"):
            converse(side="green")
        with pytest.raises(InvalidFenError):
            converse(fen="nonsense")
        with pytest.raises(InvalidFenError, match="the kings face each other"):
            converse(fen="4k4/9/9/9/9/9/9/9/9/4K4 w")

    def test_the_player_is_closed(self, opponent: Opponent) -> None:
        converse("quit")
        assert opponent.closed

    def test_a_level_can_be_chosen_where_the_player_does_not_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        level = Spec.parse(BEGINNER.spec).with_options({"name": "Beginner"})
        monkeypatch.setitem(PLAYERS, level, Opponent())
        talk, said = converse("h2e2", "level beginner", spec=Spec.parse("uci:cmd=/no/such/engine"))
        assert "The player failed" in said
        assert moves_of(talk) == ["h2e2", "i6i5"]


@pytest.mark.usefixtures("opponent")
class TestWords:
    """Commands and their arguments."""

    def test_the_beginning_of_a_command_is_enough(self) -> None:
        talk, _ = converse("h2e2", "und", "FLIP", "q", "h2e2")
        assert moves_of(talk) == []

    @pytest.mark.parametrize(
        ("typed", "answer"),
        [
            ("re", "'re' may be redo or resign"),
            ("hnt", "no command 'hnt'; hint?"),
            ("xyzzy", "not a move: 'xyzzy'"),
            ("lines", "lines takes a number from 1 to 6, not ''"),
            ("lines 9", "lines takes a number from 1 to 6, not '9'"),
            ("level weak", "no level 'weak' (levels: Child, Beginner"),
            ("play green", "play must be one of red, black, both, none: 'green'"),
            ("notation runes", "notation must be one of chinese, wxf, iccs: 'runes'"),
            ("back two", "not a number of plies: 'two'"),
            ("analyse soon", "analyse takes a number of seconds, not 'soon'"),
            ("analyse -1", "analyse takes a number of seconds, not '-1'"),
            ("analyse nan", "analyse takes a number of seconds, not 'nan'"),
            ("fen 4k4/9/9/9/9/9/9/9/9/4K4 w", "cannot play from this position: the kings face each other"),
            ("open", "open needs a file name"),
            ("open /no/such/file.pgn", "/no/such/file.pgn: No such file or directory"),
        ],
    )
    def test_a_bad_one_costs_one_line_that_names_it(self, typed: str, answer: str) -> None:
        talk, said = converse(typed, "h2e2")
        assert sum(answer in line for line in said.splitlines()) == 1
        assert moves_of(talk) == ["h2e2", "i6i5"]

    def test_help_names_every_command_and_fits_beside_the_board(self) -> None:
        talk, said = converse("help", size=(80, 24))
        assert all(re.search(rf"\b{command}\b", HELP) for command in talk._commands if command != "help")
        screen = screens(said)[1]
        assert screen[0].startswith("9 ")
        assert "new, quit     start again; leave" in screen[19]

    def test_a_position_can_be_set_up_and_begun_again(self) -> None:
        fen = "4k4/4a4/9/9/9/9/9/9/R8/3K5 w - - 0 1"
        talk, _ = converse(f"fen {fen}", "a1a2", "new")
        assert talk.table.board.fen() == fen

    def test_letters_and_notations(self) -> None:
        said = converse("letters", "h2e2", "notation wxf", "b0c2", "letters", "a0a1")[1]
        assert "Black plays i6i5," in said
        assert "Black plays P9+1 (i5i4)," in said
        assert "Black plays 卒９進１ (i4i3)," in said


@pytest.mark.usefixtures("opponent")
class TestOpponents:
    def test_the_levels_are_listed_with_their_strength(self) -> None:
        said = converse("level")[1]
        assert f" 1 Child    {LEVELS[0].elo:>+6}" in said and f"10 Best     {LEVELS[-1].elo:>+6}" in said

    def test_another_level_answers_and_is_named_in_the_record(
        self, opponent: Opponent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        level = Spec.parse(BEGINNER.spec).with_options({"name": "Beginner"})
        beginner = Opponent()
        monkeypatch.setitem(PLAYERS, level, beginner)
        talk, said = converse("h2e2", "level 2", "b2b4")
        assert opponent.closed and beginner.closed
        assert f"The opponent is Beginner now, of about {BEGINNER.elo:+} Elo." in said
        assert '[Black "Beginner"]' in said
        assert moves_of(talk) == ["h2e2", "i6i5", "b2b4", "i5i4"]

    def test_a_level_on_the_command_line_is_called_by_its_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        level = Spec.parse(BEGINNER.spec).with_options({"name": "Beginner"})
        monkeypatch.setitem(PLAYERS, level, Opponent())
        talk, said = converse("h2e2", spec=Spec.parse("level:2"), size=(80, 24))
        assert screens(said)[-1][1].endswith("Black: Beginner")
        assert moves_of(talk) == ["h2e2", "i6i5"]

    def test_the_opponent_is_there_again_after_a_record(self, tmp_path: Path) -> None:
        record = tmp_path / "record.pgn"
        record.write_text("1. h2e2 *")
        for command in ("new", f"fen {Board().fen()}"):
            talk, _ = converse(f"open {record}", command, "b2b4")
            assert moves_of(talk) == ["b2b4", "i6i5"]
        assert converse("play black", "new")[0].table.persons == {BLACK}

    def test_sides_can_be_changed_in_a_game(self) -> None:
        talk, said = converse("h2e2", "h9g7", "play black", "g7e6", side="both")
        assert moves_of(talk)[2] != "g7e6"
        assert talk.table.persons == {1}
        assert "Red plays" in said
        assert boards(converse("play black", letters=True)[1])[-1][-2][0] == "9"

    def test_ctrl_c_makes_a_player_move_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Ponderer(Opponent):
            def choose(self, boards, limits=None):
                self.told = threading.Event()
                time.sleep(0.2)  # until it is waited for
                signal.raise_signal(signal.SIGINT)
                assert self.told.wait(30)
                return super().choose(boards)

            def stop(self) -> None:
                self.told.set()

        monkeypatch.setitem(PLAYERS, OPPONENT, Ponderer())
        talk, said = converse("h2e2", "fen")
        assert moves_of(talk) == ["h2e2", "i6i5"]
        assert "red> fen" in said

    def test_ctrl_c_stops_a_player_that_plays_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Third(Opponent):
            def _choose(self, board):
                if board.ply == 2:
                    time.sleep(0.2)
                    signal.raise_signal(signal.SIGINT)
                    time.sleep(0.2)
                return super()._choose(board)

        monkeypatch.setitem(PLAYERS, OPPONENT, Third())
        talk, said = converse("h2e2", side="none")
        assert "you play both sides now" in said
        assert talk.table.board.ply == 3


@pytest.mark.usefixtures("opponent")
class TestAdvice:
    def test_a_hint_is_the_move_of_a_search_with_what_people_play(self, adviser: Adviser) -> None:
        talk, said = converse("h2e2", "hint")
        last = talk.table.board.legal_moves[-1]
        assert f"({last.iccs}) +0.35" in said
        assert re.search("People play [^ ]+ 50%, [^ ]+ 30%$", said, re.MULTILINE)
        assert adviser.boards[-1] == talk.table.board
        assert moves_of(talk) == ["h2e2", "i6i5"]

    def test_a_hint_for_black_has_reds_score(self, adviser: Adviser) -> None:
        assert "-0.35" in converse("hint", side="both", fen=Board.from_moves("h2e2").fen())[1]

    def test_through_a_pipe_an_analysis_takes_its_time_and_tells_its_lines(self, adviser: Adviser) -> None:
        said = converse("lines 2", "analyse 0.2", letters=True)[1]
        assert "Analysis: depth 7, 1,234 positions" in said
        found = [line for line in said.splitlines() if line.startswith(" +0.35  1. ")]
        assert [line.split()[-1] for line in found] == [move.iccs for move in Board().legal_moves[::-1][:2]]

    def test_on_a_screen_it_goes_on_while_a_line_is_awaited(self, adviser: Adviser) -> None:
        def when_told() -> str:
            while not adviser.limits or adviser.limits[-1].nodes is not None:
                time.sleep(0.01)
            return "h2e2"

        def again() -> str:
            while adviser.boards[-1].ply != 2:
                time.sleep(0.01)
            return ""

        talk, said = converse("analyse", when_told, again, "fen", letters=True, size=(80, 24))
        assert [board.ply for board in adviser.boards] == [0, 0, 2, 2]  # a short search, and one that goes on
        assert "Analysis: depth 7" in said
        assert moves_of(talk) == ["h2e2", "i6i5"]

    def test_an_analysis_that_fails_says_so(self, adviser: Adviser, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise PlayerError("no such weights")

        monkeypatch.setattr(adviser, "analyse", fail)
        assert "The analysis failed: no such weights" in converse("analyse 0.1")[1]
        assert "no such weights" in converse("hint")[1]

    def test_ctrl_c_ends_an_analysis_and_not_the_game(self, adviser: Adviser) -> None:
        def interrupt() -> str:
            raise KeyboardInterrupt

        talk, _ = converse("analyse", interrupt, "h2e2", size=(80, 24))
        assert moves_of(talk) == ["h2e2", "i6i5"]
        talk, _ = converse("h2e2", interrupt, "b2b4")
        assert moves_of(talk) == ["h2e2", "i6i5"]

    def test_a_game_that_is_over_has_no_hint(self, adviser: Adviser) -> None:
        assert converse(*MATED_IN_THREE, "hint", "analyse")[1].count("the game is over") == 2


@pytest.mark.usefixtures("opponent")
class TestRecords:
    RECORD = """[Red "Hu"]
[Black "Yang"]
[Result "1-0"]

{An old game.} 1. h2e2 h9g7 (1... b9c7 2. h0g2) 2. h0g2 $6 {[%eval 0.35] Quiet.} i9h9 {[%clk 0:01:00]} 1-0

[Red "A"]
[Black "B"]

1. c3c4 *
"""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "two games.pgn"
        path.write_text(self.RECORD, "utf-8")
        return path

    def test_open_and_step_through(self, path: Path) -> None:
        talk, said = converse(f"open {path}", "next 3", "back", "last", "first")
        for line in ("An old game.", "2. 傌二進三?!", "Quiet.", "1... 馬８進７ (also 馬２進３)", "2... 車９平８"):
            assert line in said.splitlines()
        assert f"The next game: open {path} 2" in said
        assert "[%" not in said
        assert talk.table.persons == {0, 1}
        assert "not saved" not in said

    @pytest.mark.parametrize(
        ("traditional", "pieces", "move"), [(True, "俥－傌－相", "1... 馬８進７"), (False, "车－马－相", "1... 马8进7")]
    )
    def test_moves_have_the_characters_of_the_pieces(
        self, path: Path, traditional: bool, pieces: str, move: str
    ) -> None:
        _, said = converse(f"open {path}", "next 2", "letters", "letters", traditional=traditional)
        assert pieces in said
        assert any(line.startswith(move) for line in said.splitlines())

    def test_where_black_begins_the_first_move_is_its_own(self, tmp_path: Path) -> None:
        path = tmp_path / "black.pgn"
        path.write_text('[FEN "r2k5/9/9/9/9/9/9/9/9/R3K4 b - - 0 1"]\n\n1... a9b9 2. a0a1 b9c9 *')
        _, said = converse(f"open {path}", "notation iccs", "next", "next", "next")
        assert [line for line in said.splitlines() if line[:1] in ("1", "2") and "." in line[:3]] == [
            "1... a9b9",
            "2. a0a1",
            "2... b9c9",
        ]

    def test_another_game_of_the_file(self, path: Path) -> None:
        talk, said = converse(f"open {path} 2")
        assert moves_of(talk) == ["c3c4"]
        assert "The next game" not in said
        assert "no game 3" in converse(f"open {path} 3")[1]

    def test_a_move_in_an_earlier_position_is_a_variation_and_all_is_saved(self, path: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.pgn"
        converse(f"open {path}", "next 2", "b2b4", f"save {out}")
        (game,) = load(out)
        assert [move.iccs for move in game.moves()] == ["h2e2", "h9g7", "h0g2", "i9h9"]
        assert [node.move.iccs for node in game.variations[0].variations[0].variations] == ["h0g2", "b2b4"]
        assert (game.headers["Red"], game.headers["Result"], game.headers["PlyCount"]) == ("Hu", "1-0", "4")
        assert game.comment == "An old game."

    def test_a_record_is_played_on_from_the_position_shown(self, path: Path, opponent: Opponent) -> None:
        talk, said = converse(f"open {path}", "next", "play red", "b2b4", size=(80, 24))
        assert moves_of(talk) == ["h2e2", "i6i5", "b2b4", "i5i4"]
        assert "Black plays" in said
        first, last = screens(said)[0], screens(said)[-1]
        assert first[0].endswith("Red:   you") and "Red:   Hu" in said
        assert last[0].endswith("Red:   you") and last[1].endswith("Black: opponent")

    def test_looking_back_changes_nothing_in_a_game(self, opponent: Opponent) -> None:
        talk, said = converse("h2e2", "first", "fen", "next", "moves", "last", "b2b4")
        assert moves_of(talk) == ["h2e2", "i6i5", "b2b4", "i5i4"]
        assert Board().fen() in said

    def test_a_file_to_begin_with(self, path: Path) -> None:
        talk, said = converse("next", file=path, spec=NOBODY)
        assert moves_of(talk)[0] == "h2e2"
        assert "1. 炮二平五" in said
        with pytest.raises(UserError, match=r"none\.pgn"):
            converse(file=path.with_name("none.pgn"))

    def test_what_cannot_be_read_is_told_in_one_line(self, tmp_path: Path, opponent: Opponent) -> None:
        words, broken = tmp_path / "words.txt", tmp_path / "broken.pgn"
        words.write_text("nothing here")
        broken.write_text('[Red "A"]\n\n1. h2e2 h9h8 *\n')
        talk, said = converse(f"open {words}", f"open {broken}")
        assert "not in a known format" in said
        assert "Read as far as it is sound: " in said
        assert moves_of(talk) == ["h2e2"]

    def test_a_file_is_not_written_over_unasked(self, path: Path, opponent: Opponent) -> None:
        said = converse("h2e2", f"save {path}", "n")[1]
        assert path.read_text("utf-8") == self.RECORD
        assert "Not saved." in said and "here it is" in said
        converse("h2e2", f"save {path}", "y", "b2b4", f"save {path}")  # its own file the second time
        (game,) = load(path)
        assert len(game.moves()) == 4

    def test_no_game_is_lost_by_a_new_one(self, path: Path, opponent: Opponent) -> None:
        said = converse("h2e2", "new", "b2b4", f"open {path}")[1]
        assert "These games were not saved" in said
        assert "1. H2-E2 I6-I5 *" in said and "1. B2-B4 I6-I5 *" in said


@pytest.mark.usefixtures("opponent")
class TestScreen:
    def test_no_move_has_no_number(self) -> None:
        said = converse("quit", side="both", fen=Board().fen().replace(" w ", " b "), size=(80, 24))[1]
        assert "1." not in said

    def test_all_fits_into_80_columns_and_24_rows(self) -> None:
        shuffle = ["a0a1", "b2b4", "a1a0", "b4b2"] * 3
        for letters in (True, False):
            said = converse(*shuffle, "moves", "level", "foo", letters=letters, size=(80, 24))[1]
            assert len(screens(said)) > 15
            for screen in screens(said)[:-1]:  # after the last one, the game is printed
                assert len(screen) <= 23
                assert max(map(cell_len, screen)) < 80

    def test_players_moves_and_messages_stand_beside_the_board(self) -> None:
        screen = screens(converse("h2e2", letters=True, size=(80, 24))[1])[-1]
        assert screen[0].endswith("Red:   you") and screen[1].endswith("Black: opponent")
        assert re.search(r"1\. h2e2 +\[i6i5\]", screen[3])
        assert screen[19].endswith("Black plays i6i5, expecting 25%")
        assert screen[21] == "red> "

    def test_the_move_shown_stays_in_sight(self, tmp_path: Path) -> None:
        path = tmp_path / "long.pgn"
        path.write_text('[Red "A"]\n\n' + "h2e2 h9g7 e2h2 g7h9 " * 20 + "*\n")
        for steps in (1, 40, 79):
            screen = screens(converse(f"open {path}", f"next {steps}", letters=True, size=(80, 24))[1])[-1]
            assert sum("[" in line[38:] for line in screen) == 1

    def test_in_a_small_window_the_board_stands_above_what_is_said(self) -> None:
        screen = screens(converse("h2e2", letters=True, size=(60, 24))[1])[-1]
        assert screen[20] == "Black plays i6i5, expecting 25%"

    def test_an_update_changes_the_rows_that_differ_and_leaves_the_cursor_where_it_was(self) -> None:
        def update() -> str:
            typist.said = ""
            screen.update("depth 3\nfour lines")
            return ""

        typist = Typist(update)
        screen = Screen(typist.ask, typist.write, lambda: (80, 24))
        screen.show(View("\n".join(["board"] * 20), ("Red: you",)))
        screen.ask("> ")
        assert typist.said == "\x1b7\x1b[19;8Hdepth 3\x1b[K\x1b[20;8Hfour lines\x1b[K\x1b8\n"

    def test_a_text_longer_than_the_board_gets_the_whole_screen(self) -> None:
        typist = Typist("")
        screen = Screen(typist.ask, typist.write, lambda: (80, 24))
        screen.show(View("\n".join(["board"] * 20)))
        screen.tell("\n".join(f"row {n}" for n in range(30)))
        screen.ask("> ")
        assert "board" not in typist.said and "row 29" in typist.said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
class TestPseudoTerminal:
    """The program as in a window of 80 columns and 24 rows."""

    @pytest.fixture
    def start(self) -> Iterator[Callable[..., Any]]:
        children = []

        def spawn(*words: str, **variables: str) -> Any:
            environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
            environment |= {"TERM": "xterm", "LANG": "en_GB.UTF-8", **variables}
            children.append(
                pexpect.spawn(
                    sys.executable,
                    ["-m", "lm.cli", "terminal", "--player", "random:seed=1", *words],
                    dimensions=(24, 80),
                    env=environment,
                    encoding="utf-8",
                    codec_errors="replace",  # what is typed may be echoed in the midst of a character
                    timeout=60,
                )
            )
            return children[-1]

        yield spawn
        for child in children:
            child.close(force=True)

    def test_a_game_on_the_screen(self, start: Callable[..., Any]) -> None:
        child = start()
        child.expect("red> ")
        assert "帥" in child.before and CLEAR in child.before
        child.send("h2e\t")  # a tab completes it
        child.expect("h2e2")
        child.sendline("")
        child.expect("Black plays .*red> ")
        child.sendcontrol("d")
        child.expect("The game was not saved.*1. H2-E2")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0

    def test_the_plainest_terminal_gets_letters_and_no_codes(self, start: Callable[..., Any]) -> None:
        child = start(TERM="dumb", LANG="C")
        child.expect("red> ")
        assert "R---N" in child.before and "\x1b" not in child.before
        for _ in range(10):  # readline does not hear a signal in the instant before it waits
            child.sendcontrol("c")
            if child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=6) == 0:
                break
        child.wait()
        assert child.exitstatus == 0
        assert "Traceback" not in child.before

    def test_an_analysis_is_renewed_while_a_line_is_typed(self, start: Callable[..., Any]) -> None:
        child = start()
        child.expect("red> ")
        child.sendline("analyse")
        child.expect("Analysis: depth.*Analysis: depth")
        child.sendline("h2e2")
        child.expect("Black plays")
        child.expect("Analysis: depth")
        child.sendcontrol("c")  # ends the analysis alone
        child.sendline("quit")
        child.expect("The game was not saved")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
