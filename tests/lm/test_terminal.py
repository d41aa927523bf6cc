from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from lm import UserError, terminal
from lm.players.player import Choice, Player, PlayerError
from lm.players.specs import Spec
from lm.terminal import CLEAR, Terminal, parse_move
from xiangqi import Board, InvalidFenError, InvalidMoveError, Move
from xiangqi.engine import Info, Wdl
from xiangqi.formats import load

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


OPPONENT = Spec.parse("py:tests:opponent,name=opponent")
NOBODY = Spec.parse("py:nobody:here")


@pytest.fixture
def opponent(monkeypatch: pytest.MonkeyPatch) -> Opponent:
    opponent = Opponent()
    monkeypatch.setitem(PLAYERS, OPPONENT, opponent)
    return opponent


PLAYERS: dict[Spec, Player] = {}


def converse(*lines: str, spec: Spec = OPPONENT, **options) -> tuple[Terminal, str]:
    """Type these lines and return what was said."""
    said = []
    waiting = list(lines)

    def ask(prompt: str) -> str:
        if not waiting:
            raise EOFError
        said.append(f"{prompt}{waiting[0]}")
        return waiting.pop(0)

    def open_player(spec: Spec) -> Player:
        return PLAYERS[spec] if spec in PLAYERS else spec.open()

    talk = Terminal(spec, ask=ask, say=said.append, open_player=open_player, **options)
    talk.run()
    return talk, "\n".join(said)


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
        assert "Black plays 卒9进1 (i6i5), expecting 25%" in said

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
        assert "Hint: a0a1 50%, a0a2 30%" in converse("hint", letters=True)[1]

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

    def test_a_screen_is_cleared_for_each_board_and_what_is_said_of_it_stands_below(self) -> None:
        said = converse("h2e2", letters=True, redraw=True)[1]
        screens = said.split(CLEAR)[1:]
        assert len(screens) == 3
        assert screens[-1].splitlines()[20] == "Black plays i6i5, expecting 25%"
        assert "\x1b" not in converse("h2e2", letters=True)[1]

    @pytest.mark.parametrize(("encoding", "chinese"), [("latin-1", False), ("ascii", False), ("utf-8", True)])
    def test_a_terminal_without_characters_gets_letters(
        self, monkeypatch: pytest.MonkeyPatch, encoding: str, chinese: bool
    ) -> None:
        output = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace", write_through=True)
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setattr(sys, "stdin", io.StringIO("help\nh2e2\nmoves\nhint\nquit\n"))
        terminal.main("greedy:seed=1", "red", None, False)
        said = output.buffer.getvalue().decode(encoding)
        assert ("帥" in said) == chinese
        assert "?" not in said.replace('"?"', "")  # which PGN writes for what is unknown
        assert "C2=5" in said

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

    def test_hint_names_the_likeliest(self, opponent: Opponent) -> None:
        assert "Hint: 车九进一 (a0a1) 50%, 车九进二 (a0a2) 30%" in converse("hint")[1]

    def test_help_moves_fen_flip_new(self, opponent: Opponent) -> None:
        talk, said = converse("help", "moves", "fen", "flip", "h2e2", "new")
        assert "炮二平五 (h2e2)" in said
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

    def test_save_that_fails_is_told(self, opponent: Opponent, tmp_path: Path) -> None:
        _, said = converse("save", "save game.doc", f"save {tmp_path}/no/where.pgn")
        assert "needs a file name" in said
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
        for lines in ([], ["h2e2"], ["hint"]):
            with pytest.raises(UserError, match="No module named 'nobody'"):
                converse(*lines, spec=NOBODY)

    def test_bad_beginnings(self) -> None:
        with pytest.raises(UserError, match="no side 'green'"):
            Terminal(OPPONENT, side="green")
        with pytest.raises(InvalidFenError):
            Terminal(OPPONENT, fen="nonsense")
        with pytest.raises(InvalidFenError, match="kings facing"):
            Terminal(OPPONENT, fen="4k4/9/9/9/9/9/9/9/9/4K4 w")

    def test_the_player_is_closed(self, opponent: Opponent) -> None:
        converse("quit")
        assert opponent.closed
