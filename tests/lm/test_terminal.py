from __future__ import annotations

from pathlib import Path

import pytest

from lm import UserError, terminal
from lm.players.player import Choice, PlayerError
from lm.terminal import Terminal, parse_move
from xiangqi import Board, InvalidFenError, InvalidMoveError, Move
from xiangqi.formats import load

MATED_IN_THREE = ["h2e2", "e2e6", "b2b4", "b4e4"]


class Opponent:
    """Pushes the pawn on file i, or else plays its first legal move."""

    name = "opponent"

    def __init__(self) -> None:
        self.closed = False
        self.offers_draws = self.resigns = False
        self.failures = 0

    def choose(self, boards):
        if self.failures:
            self.failures -= 1
            raise PlayerError("fell over")
        return [self._choose(board) for board in boards]

    def _choose(self, board):
        if self.resigns:
            return Choice(None)
        moves = board.legal_moves
        push = [move for move in moves if move.iccs in ("i6i5", "i5i4", "i4i3")]
        return Choice((push or moves)[0], 0.25, ((moves[0], 0.5), (moves[1], 0.3)), self.offers_draws)

    def close(self):
        self.closed = True


@pytest.fixture
def opponent(monkeypatch: pytest.MonkeyPatch) -> Opponent:
    opponent = Opponent()

    def load_player(spec: str) -> Opponent:
        if spec != "opponent":
            raise UserError(f"no player {spec!r}")
        return opponent

    monkeypatch.setattr(terminal, "load_player", load_player)
    return opponent


def converse(*lines: str, spec: str = "opponent", **options) -> tuple[Terminal, str]:
    """Type these lines and return what was said."""
    said = []
    waiting = list(lines)

    def ask(prompt: str) -> str:
        if not waiting:
            raise EOFError
        said.append(f"{prompt}{waiting[0]}")
        return waiting.pop(0)

    talk = Terminal(spec, ask=ask, say=said.append, **options)
    talk.run()
    return talk, "\n".join(said)


def moves_of(talk: Terminal) -> list[str]:
    return [move.iccs for move in talk.board.move_stack]


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
        talk, _ = converse("h2e2", "h9g7", side="both", spec="nobody")
        assert moves_of(talk) == ["h2e2", "h9g7"]

    def test_none_watches_a_whole_game(self) -> None:
        talk, said = converse(side="none")
        assert talk.board.outcome() is not None
        assert talk.board.outcome().reason in said

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
        assert "1-0: checkmate" in said
        assert "The game is over" in said
        assert talk.board.ply == 7

    def test_undo_after_the_end_goes_on(self, opponent: Opponent) -> None:
        talk, _ = converse(*MATED_IN_THREE, "undo", "a0a1")
        assert moves_of(talk)[-2] == "a0a1"

    def test_resigning(self, opponent: Opponent) -> None:
        assert "0-1: Red resigns" in converse("resign")[1]
        opponent.resigns = True
        assert "1-0: Black resigns" in converse("h2e2")[1]

    def test_draw_is_agreed_only_by_both(self, opponent: Opponent) -> None:
        talk, said = converse("draw", "h2e2", "b2b4")
        assert "agreed" not in said
        assert talk.board.ply == 4
        opponent.offers_draws = True
        assert "1/2-1/2: draw agreed" in converse("draw", "h2e2")[1]
        assert "1/2-1/2: draw agreed" in converse("h2e2", "draw")[1]
        assert "agreed" not in converse("h2e2", "b2b4")[1]


class TestCommands:
    def test_undo_takes_back_to_the_persons_own_move(self, opponent: Opponent) -> None:
        talk, said = converse("h2e2", "b2b4", "undo", "undo", "undo")
        assert moves_of(talk) == []
        assert "no move of yours" in said

    def test_undo_as_black_keeps_reds_first_move(self, opponent: Opponent) -> None:
        talk, said = converse("h9g7", "undo", "undo", side="black")
        assert talk.board.ply == 1
        assert "no move of yours" in said

    def test_hint_names_the_likeliest(self, opponent: Opponent) -> None:
        assert "Hint: 车九进一 (a0a1) 50%, 车九进二 (a0a2) 30%" in converse("hint")[1]

    def test_help_moves_fen_flip_new(self, opponent: Opponent) -> None:
        talk, said = converse("help", "moves", "fen", "flip", "h2e2", "new")
        assert "炮二平五 (h2e2)" in said
        assert Board().fen() in said
        assert talk.board == Board()
        assert talk.board.ply == 0

    def test_save(self, opponent: Opponent, tmp_path: Path) -> None:
        path = tmp_path / "game.pgn"
        _, said = converse("h2e2", f"save {path}")
        (game,) = load(path)
        assert [move.iccs for move in game.moves()] == ["h2e2", "i6i5"]
        assert (game.headers["Red"], game.headers["Black"]) == ("Person", "opponent")
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
            with pytest.raises(UserError, match="no player 'nobody'"):
                converse(*lines, spec="nobody")

    def test_bad_beginnings(self) -> None:
        with pytest.raises(UserError, match="no side 'green'"):
            Terminal(side="green")
        with pytest.raises(InvalidFenError):
            Terminal(fen="nonsense")
        with pytest.raises(UserError, match="KINGS_FACING"):
            Terminal(fen="4k4/9/9/9/9/9/9/9/9/4K4 w")

    def test_the_player_is_closed(self, opponent: Opponent) -> None:
        converse("quit")
        assert opponent.closed
