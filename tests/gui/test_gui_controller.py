import threading

import pytest

from gui.actions import Action, availability
from gui.games_folder import GamesFolder
from gui.processes.player import Failed
from gui.session import Session
from lm.matches.table import HUMANS
from lm.players.levels import find_level
from lm.players.player import Choice
from lm.players.specs import Spec
from xiangqi import BLACK, RED, STARTING_FEN, Move, parse_square
from xiangqi.formats import load


class Scripted:
    """Plays the given moves, offering a draw with those that end in ``=``, and then resigns.

    With a gate, each answer waits until the gate is opened.
    """

    name = "scripted"

    def __init__(self, moves="", gate=None):
        self.choices = [Choice(Move.from_iccs(iccs.strip("=")), draw=iccs.endswith("=")) for iccs in moves.split()]
        self.gate = gate
        self.asked = []

    def choose(self, boards):
        self.asked += [board.fen() for board in boards]
        if self.gate is not None:
            assert self.gate.wait(10)
        return [self.choices.pop(0) if self.choices else Choice(None) for _ in boards]

    def close(self):
        pass


def do_twice(table, action):
    table.controller.do(action)
    table.controller.do(action)


class TestPlaying:
    def test_the_player_answers_a_move(self, seat):
        table = seat(Scripted("h9g7"))
        table.controller.press(parse_square("h2"))
        table.controller.press(parse_square("e2"))
        table.wait(lambda: len(table.moves) == 2)
        assert table.moves == ["h2e2", "h9g7"]
        assert table.player.asked == [Session().board.from_moves("h2e2").fen()]

    def test_the_player_opens_if_we_play_black(self, seat):
        table = seat(Scripted("h2e2"), session=Session(humans=HUMANS["black"]))
        table.wait(lambda: table.moves == ["h2e2"])

    def test_it_plays_itself_if_nobody_sits_there(self, seat):
        table = seat(Scripted("h2e2 h9g7 b0c2"), session=Session(humans=HUMANS["none"]))
        table.wait(lambda: table.session.ending is not None)
        assert table.moves == ["h2e2", "h9g7", "b0c2"]
        assert table.session.ending.text == "Red wins: Black resigned"

    def test_an_answer_is_held_back_for_the_eye(self, seat):
        table = seat(Scripted("h9g7"))
        table.play("h2e2")
        table.tick()
        for _ in ("loaded", "chosen"):
            assert table.reported.acquire(timeout=10)
        table.tick(0.1)
        assert table.moves == ["h2e2"]
        table.tick(0.5)
        assert table.moves == ["h2e2", "h9g7"]

    def test_an_illegal_answer_is_told_and_not_played(self, seat):
        table = seat(Scripted("a0a9"))
        table.play("h2e2")
        table.wait(lambda: table.controller.opponents.error is not None)
        assert "illegal move 'a0a9'" in table.controller.opponents.error
        assert table.moves == ["h2e2"]

    def test_a_load_error_is_one_line(self, seat):
        table = seat(OSError(2, "No such file or directory", "no/model"))
        table.wait(lambda: table.controller.opponents.error is not None)
        assert table.controller.opponents.error == "No such file or directory: 'no/model'"
        assert not table.controller.opponents.thinking

    def test_a_player_that_failed_is_tried_again_at_the_next_move(self, seat):
        table = seat(ValueError("not\nyet"))
        table.wait(lambda: table.controller.opponents.error == "not yet")
        table.player = Scripted("h9g7")
        table.play("h2e2")
        table.wait(lambda: table.moves == ["h2e2", "h9g7"])
        assert table.controller.opponents.error is None


class TestStaleAnswers:
    """Whatever the player finds out about a position that is gone must not be played."""

    @pytest.mark.parametrize("change", [Action.UNDO, Action.NEW, Action.RESIGN, Action.SWAP])
    def test_a_player_that_thinks_is_told_when_its_move_is_no_longer_wanted(self, seat, change):
        table = seat(Scripted("h9g7", threading.Event()))
        table.play("h2e2")
        table.wait(lambda: table.player.asked)
        assert table.requests[-1].board is not None
        do_twice(table, change) if change in (Action.NEW, Action.RESIGN) else table.controller.do(change)
        table.tick()
        assert table.requests[-1].board is None
        count = len(table.requests)
        table.tick()
        assert len(table.requests) == count

    def test_a_player_that_has_answered_is_not_disturbed(self, seat):
        table = seat(Scripted("h9g7"))
        table.play("h2e2")
        table.wait(lambda: len(table.moves) == 2)
        table.tick()
        assert [request.board is not None for request in table.requests] == [False, True]

    def test_a_failure_over_a_position_that_is_gone_is_not_told(self, seat):
        table = seat(Scripted())
        table.wait(lambda: table.controller.opponents.loaded)
        table.worker.report(Failed(table.session.generation - 1, "the engine was stopped"))
        table.tick()
        assert table.controller.opponents.error is None

    @pytest.mark.parametrize("change", [Action.UNDO, Action.NEW])
    def test_undo_and_new_game_while_it_thinks(self, seat, change):
        gate = threading.Event()
        table = seat(Scripted("h9g7 b9c7", gate))
        table.play("h2e2")
        table.wait(lambda: table.player.asked)
        assert table.controller.opponents.thinking
        do_twice(table, change)
        assert table.session.board.fen() == STARTING_FEN
        gate.set()
        for _ in range(20):
            table.tick()
        table.play("b2e2")
        table.wait(lambda: len(table.moves) == 2)
        assert table.moves == ["b2e2", "b9c7"]  # its first answer, h9g7, was to the move taken back

    def test_swapping_sides_while_it_thinks(self, seat):
        gate = threading.Event()
        table = seat(Scripted("h9g7", gate))
        table.play("h2e2")
        table.wait(lambda: table.player.asked)
        table.controller.do(Action.SWAP)
        gate.set()
        for _ in range(20):
            table.tick()
        assert table.moves == ["h2e2"]
        assert table.session.awaits_human

    def test_turning_the_board_while_it_thinks_keeps_the_answer(self, seat):
        gate = threading.Event()
        table = seat(Scripted("h9g7", gate))
        table.play("h2e2")
        table.wait(lambda: table.player.asked)
        table.controller.do(Action.FLIP)
        gate.set()
        table.wait(lambda: table.moves == ["h2e2", "h9g7"])
        assert len(table.player.asked) == 1


class TestDraws:
    def test_the_players_offer_is_told_and_can_be_accepted(self, seat):
        table = seat(Scripted("h9g7="))
        table.play("h2e2")
        table.wait(lambda: len(table.moves) == 2)
        assert table.controller.status()[0] == "Your move. A draw is offered: D accepts, a move declines."
        assert table.controller.label(Action.DRAW) == "Accept draw"
        table.controller.do(Action.DRAW)
        assert table.session.ending.text == "Draw agreed"
        assert table.session.game("lm", "lm").headers["Result"] == "1/2-1/2"

    def test_a_move_declines_the_players_offer(self, seat):
        table = seat(Scripted("h9g7= b9c7"))
        table.play("h2e2")
        table.wait(lambda: len(table.moves) == 2)
        table.play("b0c2")
        table.wait(lambda: len(table.moves) == 4)
        assert table.controller.label(Action.DRAW) == "Offer draw"
        assert "draw" not in table.controller.status()[0]

    def test_the_player_accepts_by_offering_as_well(self, seat):
        table = seat(Scripted("h9g7="))
        table.controller.do(Action.DRAW)
        assert table.controller.label(Action.DRAW) == "Draw offered"
        assert not table.controller.enabled(Action.DRAW)
        table.play("h2e2")
        table.wait(lambda: table.session.ending is not None)
        assert table.session.ending.text == "Draw agreed"

    def test_the_player_declines_by_moving_and_that_is_told(self, seat):
        table = seat(Scripted("h9g7"))
        table.play("h2e2")
        table.tick()
        table.controller.do(Action.DRAW)
        table.wait(lambda: len(table.moves) == 2)
        assert table.controller.status()[0] == "Your offer of a draw is declined."
        assert table.controller.enabled(Action.DRAW)

    def test_two_persons_agree(self, seat):
        table = seat(Scripted(), session=Session(humans=HUMANS["both"]))
        table.controller.do(Action.DRAW)
        table.controller.do(Action.DRAW)  # Red cannot accept its own offer
        table.play("h2e2")
        assert table.controller.label(Action.DRAW) == "Accept draw"
        table.controller.do(Action.DRAW)
        assert table.session.ending.text == "Draw agreed"
        table.controller.do(Action.UNDO)
        assert table.session.ending is None
        assert table.moves == ["h2e2"]

    def test_a_player_agrees_with_itself(self, seat):
        table = seat(Scripted("h2e2= h9g7="), session=Session(humans=HUMANS["none"]))
        table.wait(lambda: table.session.ending is not None)
        assert table.session.ending.text == "Draw agreed"

    @pytest.mark.parametrize("change", [Action.UNDO, Action.NEW])
    def test_an_offer_goes_with_its_game(self, seat, change):
        table = seat(Scripted("h9g7="))
        table.play("h2e2")
        table.wait(lambda: len(table.moves) == 2)
        do_twice(table, change) if change is Action.NEW else table.controller.do(change)
        assert table.session.offer is None


class TestKeepingTheGame:
    """However the window is closed, the game is there at the next start: it is on disk after every move."""

    def kept(self, table):
        table.games.close()
        games = GamesFolder(table.games_dir)
        game = games.kept()
        games.close()
        return game

    def test_every_change_of_the_game_is_kept(self, seat):
        table = seat(Scripted("h9g7"))
        table.play("h2e2")
        table.tick()
        assert [move.iccs for move in self.kept(table).moves()] == ["h2e2"]
        table.wait(lambda: len(table.moves) == 2)
        assert [move.iccs for move in self.kept(table).moves()] == ["h2e2", "h9g7"]
        table.controller.do(Action.SWAP)
        table.tick()
        session = Session.going_on(self.kept(table))
        assert session.humans == {BLACK}
        assert [move.iccs for move in session.board.move_stack][:2] == ["h2e2", "h9g7"]

    def test_a_game_that_was_given_up_is_not(self, seat):
        table = seat(Scripted())
        table.play("h2e2")
        table.tick()
        do_twice(table, Action.NEW)
        table.tick()
        assert self.kept(table) is None

    def test_a_position_set_up_leaves_the_game_in_a_file(self, seat):
        table = seat(Scripted())
        table.play("h2e2")
        table.controller.set_up("3k5/9/9/9/9/9/9/9/9/4K4 w", analyse=False)
        (saved,) = table.games_dir.glob("2*.pgn")
        assert [move.iccs for move in next(load(saved)).moves()] == ["h2e2"]

    def test_a_game_that_is_over_does_not_go_on(self, seat):
        table = seat(Scripted())
        table.play("h2e2")
        do_twice(table, Action.RESIGN)
        table.tick()
        assert Session.going_on(self.kept(table)) is None

    def test_a_folder_that_cannot_be_written_is_told_once(self, seat):
        table = seat(Scripted("h9g7"))
        table.games_dir.write_text("in the way")
        table.play("h2e2")
        table.tick()
        line, tone = table.controller.status()
        assert line.startswith("This game will be lost when the window closes: ")
        assert tone == "alert"
        table.tick(60)
        table.wait(lambda: len(table.moves) == 2)
        assert table.controller.status()[0] == "Your move."


class TestActions:
    def test_giving_a_game_up_asks_twice(self, seat):
        table = seat(Scripted())
        table.play("h2e2", "h9g7")
        for action in (Action.NEW, Action.RESIGN):
            table.controller.do(action)
            assert table.controller.label(action) == "Sure?"
            assert table.moves == ["h2e2", "h9g7"]
            assert table.session.ending is None
        table.controller.do(Action.RESIGN)
        assert table.session.ending.winner == BLACK
        table.controller.do(Action.NEW)  # that game is over, so nothing is given up
        assert table.moves == []

    def test_the_question_lapses(self, seat):
        table = seat(Scripted())
        table.controller.do(Action.RESIGN)
        table.tick(60)
        table.controller.do(Action.RESIGN)
        assert table.session.ending is None

    def test_what_cannot_be_done_does_nothing(self, seat):
        table = seat(Scripted())
        assert not table.controller.enabled(Action.UNDO)
        table.controller.do(Action.UNDO)
        assert table.session.board.fen() == STARTING_FEN

    def test_looking_back_and_forth(self, seat):
        table = seat(Scripted())
        table.play("h2e2", "h9g7", "b0c2")
        for action, viewed in (
            (Action.BACK, 2),
            (Action.FIRST, 0),
            (Action.FORWARD, 1),
            (Action.LAST, 3),
        ):
            table.controller.do(action)
            assert table.session.viewed == viewed

    def test_keys_are_unique_and_every_action_has_one(self):
        keys = [action.shortcut for action in Action]
        assert all(keys)
        assert len(set(keys)) == len(keys)

    def test_the_status_line_says_whose_move_it_is(self, seat):
        table = seat(Scripted(gate=threading.Event()))
        table.wait(lambda: table.controller.opponents.loaded is not None)
        assert table.controller.status() == ("Your move.", "quiet")
        table.play("h2e2")
        table.tick()
        assert table.controller.status() == ("Thinking...", "busy")
        table.controller.do(Action.BACK)
        assert table.controller.status()[0].startswith("Looking back")

    def test_the_status_line_says_check(self, seat):
        session = Session("4k4/9/9/9/9/9/9/9/4r4/4K4 w")
        table = seat(Scripted(), session=session)
        table.wait(lambda: table.controller.opponents.loaded is not None)
        assert table.controller.status() == ("Check! Your move.", "alert")


class TestLevels:
    @pytest.mark.parametrize(
        ("spec", "level", "expected"),
        [
            ("lm", "Steady", "lm:temperature=0.35"),
            ("lm:model=runs/a", "Steady", "lm:temperature=0.35,model=runs/a"),
            ("level:deep", "Deep", "search:nodes=55"),
        ],
    )
    def test_the_level_is_put_into_the_spec(self, seat, spec, level, expected):
        table = seat(Scripted(), spec=spec)
        assert table.controller.opponents.level.name == level
        assert table.controller.opponents.spec == expected

    def test_a_spec_that_makes_no_sense_is_a_value_error(self, seat):
        with pytest.raises(ValueError, match="no player 'randy'"):
            seat(Scripted(), spec="randy")

    def test_the_next_move_is_of_the_new_level(self, seat):
        table = seat(Scripted("h9g7"))
        table.wait(lambda: table.controller.opponents.loaded is not None)
        level = find_level("Sharp")
        table.controller.opponents.choose(Spec.parse("level:Sharp"))
        assert table.controller.opponents.level is level
        table.wait(lambda: table.controller.opponents.loaded == table.controller.opponents.spec)
        assert table.specs[-1] == level.spec

    def test_a_temperature_given_by_hand_is_kept(self, seat):
        table = seat(Scripted(), spec="lm:temperature=0.85")
        assert table.controller.opponents.level is None
        assert table.controller.opponents.spec == "lm:temperature=0.85"

    def test_other_players_have_no_level_and_can_be_exchanged_too(self, seat):
        table = seat(Scripted("h9g7"), spec="random")
        assert table.controller.opponents.level is None
        assert table.controller.label(Action.LEVEL) == "Opponent: random"
        table.controller.opponents.choose(Spec.parse("level:Sharp"))
        assert table.controller.label(Action.LEVEL) == "Level: Sharp"
        table.play("h2e2")
        table.wait(lambda: table.moves == ["h2e2", "h9g7"])
        assert table.specs[-1] == find_level("Sharp").spec


class TestWhyNot:
    """A key that can do nothing says why."""

    @pytest.mark.parametrize("played", [(), ("h2e2",), ("h2e2", "h9g7")])
    @pytest.mark.parametrize("side", HUMANS)
    def test_there_is_a_reason_for_every_action(self, seat, side, played):
        table = seat(Scripted(), session=Session(humans=HUMANS[side]))
        table.play(*played)
        for _ in range(2):
            for action in Action:
                assert table.controller.enabled(action) or availability.why_not(table.controller, action)
            table.session.resign()

    @pytest.mark.parametrize(
        ("action", "reason"),
        [
            (Action.UNDO, "No move has been played yet."),
            (Action.REDO, "No move was taken back."),
            (Action.MOVE_NOW, "Nobody is thinking."),
            (Action.MORE_LINES, "Space starts the analysis first."),
            (Action.NEXT_GAME, "No list of several games is open."),
            (Action.MEND, "All of this game could be read."),
            (Action.ERASE, "Nothing is drawn here."),
            (Action.TO_GAME, "The game stands here."),
            (Action.BACK, "This is the first position."),
            (Action.DELETE, "No move leads to this position."),
        ],
    )
    def test_at_the_start(self, seat, action, reason):
        table = seat(Scripted())
        table.controller.do(action)
        assert table.controller.status()[0] == reason

    @pytest.mark.parametrize(
        ("action", "reason"),
        [
            (Action.DELETE, "This move is in the game. Press P at an earlier one, then delete."),
            (Action.PROMOTE, "No branch is above this one."),
            (Action.PROMOTE_TO_MAIN, "This is the main line."),
            (Action.FORWARD, "This is the last position."),
        ],
    )
    def test_in_the_tree(self, seat, action, reason):
        table = seat(Scripted(), session=Session(humans=HUMANS["both"]))
        table.play("h2e2")
        table.session.undo()
        table.play("c3c4")
        table.controller.do(action)
        assert table.controller.status()[0] == reason

    def test_when_the_game_is_over(self, seat):
        table = seat(Scripted())
        table.session.resign()
        for action in (Action.HINT, Action.RESIGN, Action.DRAW):
            table.controller.do(action)
            assert table.controller.status()[0] == "The game is over."


class TestClipboardAndFiles:
    def test_a_position_goes_out_and_in(self, seat):
        table = seat(Scripted())
        table.play("h2e2", "h9g7")
        fen = table.session.board.fen()
        table.controller.do(Action.COPY)
        assert table.clipboard.text == fen
        do_twice(table, Action.NEW)
        table.paste()
        assert table.session.board.fen() == fen

    @pytest.mark.parametrize("text", ["", "hello", "4k4/9/9/9/9/9/9/9/9/4K4 w", "[Red", "1. a0a9 *"])
    def test_what_is_no_position_leaves_the_game_alone(self, seat, text):
        table = seat(Scripted())
        table.play("h2e2", "h9g7")
        table.clipboard.text = text
        table.paste()
        assert table.moves == ["h2e2", "h9g7"]
        line, tone = table.controller.status()
        assert tone == "alert"
        assert "\n" not in line

    def test_what_a_pasted_game_names_is_never_opened(self, seat, tmp_path):
        """A record from elsewhere must not run a program or import a module."""
        table = seat(Scripted("b9c7"))
        left = tmp_path / "left"
        table.clipboard.text = f'[Red "Human"]\n[Black "uci:cmd=touch {left},depth=1"]\n\n1. h2e2 h9g7 *\n'
        table.paste()
        table.controller.do(Action.BOTH)
        table.play("b0c2")
        table.wait(lambda: len(table.moves) == 4)
        assert [spec.partition(":")[0] for spec in table.specs] == ["lm"]
        assert not left.exists()

    @pytest.mark.parametrize(
        "text",
        [
            '[Red "A"]\n\n1. h2e2 h9g7 2. b0c2 1-0\n',
            "\ufeff  1. 炮二平五  馬８進７\n  2. 馬八進七\n",
            "赛事: 甲乙对局\n结果: 红胜\n\n  1. 炮二平五  马８进７\n  2. 马八进七\n",
            "h2e2 h9g7 b0c2",
            "H2-E2 H9-G7\nB0-C2",
            "炮二平五 马8进7 马八进七",
            "C2=5 H8+7 H8+7",
            "position startpos moves h2e2 h9g7 b0c2",
            f"position fen {STARTING_FEN} moves h2e2 h9g7 b0c2",
            "[DhtmlXQ][DhtmlXQ_movelist]774770621927[/DhtmlXQ_movelist][/DhtmlXQ]",
            '{"moves": "h2e2 h9g7 b0c2"}',
            "```pgn\n1. h2e2 h9g7 2. b0c2 *\n```",
            "「炮二平五 马8进7 马八进七」",
        ],
    )
    def test_a_game_can_be_pasted(self, seat, text):
        table = seat(Scripted())
        table.clipboard.text = text
        table.paste()
        assert table.moves == ["h2e2", "h9g7", "b0c2"]
        assert table.session.texts[0] == "炮二平五"
        assert table.controller.status()[0] == "Pasted. You play both sides; B lets the opponent play."

    @pytest.mark.parametrize("text", ['"{}"', "'{}'", "“{}”", "`{}`", "```\n{}\n```", 'FEN: "{}"', '[FEN "{}"]'])
    def test_a_position_in_quotes_can_be_pasted(self, seat, text):
        table = seat(Scripted())
        table.clipboard.text = text.format("3k5/9/9/9/9/9/9/9/9/4K4 b - - 0 1")
        table.paste()
        assert table.session.board.fen() == "3k5/9/9/9/9/9/9/9/9/4K4 b - - 0 1"

    @pytest.mark.parametrize("text", ["h2e2 h9g7 b0c2", "3k5/9/9/9/9/9/9/9/9/4K4 b", "3k5/9/9/9/9/9/9/9/9/4K4 w"])
    def test_nobody_moves_into_what_was_pasted(self, seat, text):
        table = seat(Scripted("h9g7"))
        table.clipboard.text = text
        table.paste()
        assert table.session.humans == HUMANS["both"] and table.session.viewed == 0
        table.controller.do(Action.BOTH)
        assert table.session.humans == {RED}

    @pytest.mark.parametrize("rest", ["", " b", " b - -", " b - - - -", " b - - 0 1"])
    def test_a_position_can_be_pasted_with_what_its_writer_left_out(self, seat, rest):
        table = seat(Scripted())
        table.clipboard.text = f"3k5/9/9/9/9/9/9/9/9/4K4{rest}"
        table.paste()
        assert table.session.board.fen() == f"3k5/9/9/9/9/9/9/9/9/4K4 {'b' if rest else 'w'} - - 0 1"

    def test_what_is_sound_of_a_game_is_pasted_and_the_fault_told(self, seat):
        table = seat(Scripted())
        table.clipboard.text = "1. h2e2 h9g7 2. a0a9 b9c7 *"
        table.paste()
        assert table.moves == ["h2e2", "h9g7"]
        line, tone = table.controller.status()
        assert "a0a9" in line
        assert tone == "alert"

    def test_nothing_waits_while_a_paste_is_read(self, seat):
        table = seat(Scripted())
        table.reader.gate.clear()
        table.clipboard.text = "h2e2 h9g7"
        table.controller.do(Action.PASTE)
        table.tick(60)
        assert table.controller.status() == ("Reading...", "busy")
        assert table.moves == []
        table.reader.gate.set()
        table.wait(lambda: table.moves == ["h2e2", "h9g7"])

    def test_the_game_is_saved_and_reads_back(self, seat):
        table = seat(Scripted())
        table.play("h2e2", "h9g7")
        table.controller.do(Action.SAVE)
        table.controller.do(Action.SAVE)
        (path,) = table.games_dir.iterdir()  # the second time it is written to the same file
        (game,) = load(path)
        assert [move.iccs for move in game.moves()] == ["h2e2", "h9g7"]
        assert game.headers["Red"] == "Human"

    def test_a_directory_that_cannot_be_made_is_told(self, seat):
        table = seat(Scripted())
        table.games_dir.write_text("in the way")
        table.controller.do(Action.SAVE)
        line, tone = table.controller.status()
        assert line.startswith("Not saved: ")
        assert tone == "alert"
        assert table.games_dir.read_text() == "in the way"

    def test_who_sits_where(self, seat):
        table = seat(Scripted())
        assert table.controller.opponents.side(RED) == ("You", "Red")
        assert table.controller.opponents.side(BLACK)[0] == "Steady"
