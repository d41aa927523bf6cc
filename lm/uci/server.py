"""The engine's conversation with a board in UCI or UCCI.

It takes one line after another and writes the answers. Only `isready` and `go` wait for a player to be loaded, in
threads of their own, so that the board is heard meanwhile; so does a search run (`lm.uci.search`).
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, cast

from lm import freeze_loaded, install_command
from lm.matches.table import playable
from lm.players.player import Choice, Player, PlayerError, Thinker, choices
from lm.players.specs import Spec
from lm.uci.options import Settings
from lm.uci.search import REPEAT, Search, best_of, completed
from xiangqi import Board, Move
from xiangqi.engine import Info, Limit, Score
from xiangqi.engine.serving import (
    Go,
    read_go,
    read_moves,
    read_position,
    read_setting,
    with_past,
    write_best_move,
    write_info,
    write_text,
)
from xiangqi.engine.wire import UCCI, UCI
from xiangqi.notation import uci
from xiangqi.rulings import Rules

LIMITS: Final = ("nodes", "movetime")
"""Options of a spec that end a search. A search whose spec has none thinks for as long as the board allows."""


LATE: Final = 2.0
"""Seconds that a search which is stopped waits for its player to be loaded."""


class Server:
    """The engine as a board sees it. ``write`` sends a line; ``player`` is a spec that plays instead of the level."""

    def __init__(
        self,
        protocol: str,
        write: Callable[[str], None],
        player: str | None = None,
        open_player: Callable[[Spec], Player] = Spec.open,
    ) -> None:
        self._dialect = UCCI if protocol == "ucci" else UCI
        self._write, self._open = write, open_player
        self._settings = Settings(protocol, player)
        self._first_rank = 0
        self._board: Board | None = Board()
        self._game = Board()
        """The game of the last search, with its answer."""
        self._banned: list[Move] = []
        self._search: Search | None = None
        self._loading = threading.Lock()
        self._player: Player | None = None
        self._opened: Spec | None = None
        """The spec of the player."""
        self._loaded: Spec | None = None
        """What was asked for last; the player is another one where that could not be had."""
        self._ready: threading.Thread | None = None
        """Answers ``isready`` when the player is loaded."""

    def handle(self, line: str) -> bool:
        """Carry out a line of the board; returns whether the conversation goes on. Never raises."""
        words = line.split()
        command = words[0].lower() if words else ""
        try:
            match command:
                case "isready":
                    self._is_ready()
                case "setoption":
                    self._set_option(line.strip()[len("setoption") :])
                case "ucinewgame":
                    self._new_game()
                case "position":
                    self._set_position(words[1:])
                case "fen" | "startpos":  # UCI-Cyclone leaves out the first word
                    self._first_rank = 0  # it counts ranks from 0 even if it sets UCI_Variant
                    self._set_position(words)
                case "banmoves" if self._board is not None:
                    self._banned = read_moves(words[1:], self._board)
                case "go":
                    self._go(words)
                case "ponderhit" if self._search is not None:
                    self._search.ponderhit()
                case "stop":
                    self._stop()
                case "quit":
                    return False
                case "" | "banmoves" | "ponderhit" | "debug" | "register" | "probe":
                    pass
                case _:
                    self._complain(f"unknown command: {command[:40]}")
        except Exception as error:  # a line that nobody foresaw must not end the engine
            traceback.print_exc()
            self._say(f"{type(error).__name__}: {error}")
        return True

    def settle(self) -> None:
        """Wait until what needs a player can be answered."""
        if self._search is not None:
            self.load()
        if self._ready is not None:
            self._ready.join()

    def close(self) -> None:
        """End the search and the player."""
        self._finish()
        if self._player is not None:
            self._player.close()

    # --- Talking ------------------------------------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        self._write(write_text(text, self._dialect))

    def _complain(self, text: str) -> None:
        """Tell of something that was ignored. In UCCI boards send what they like, and nothing is said."""
        if self._dialect is not UCCI:
            self._say(text)

    # --- Loading ------------------------------------------------------------------------------------------------------

    def load(self, spec: Spec | None = None) -> None:
        """Open a player, by default the one that the options ask for, unless it is open. If that fails, say why and
        keep the old one."""
        with self._loading:
            spec = spec or self._settings.spec()
            if spec == self._loaded:
                return
            self._loaded = spec
            if isinstance(self._player, Thinker) and (nodes := _other_nodes(self._opened, spec)) is not None:
                self._player.limit, self._opened = Limit(nodes=nodes), spec
                return
            try:
                player = self._open(spec)
            except ModuleNotFoundError as error:
                self._say(f"this needs {error.name}: {install_command('play')}")
            except Exception as error:
                if not isinstance(error, ValueError | RuntimeError | OSError):
                    traceback.print_exc()
                self._say(f"cannot load {spec}: {error}")
            else:
                if self._player is not None:
                    self._player.close()
                self._player, self._opened = player, spec
                freeze_loaded()

    def _player_for(self, spec: Spec, stopped: threading.Event) -> Player | None:
        """Return the player for a search once it is loaded; ``None`` if that takes `LATE` seconds after its end."""
        loading = threading.Thread(target=self.load, args=(spec,), name="loading", daemon=True)
        loading.start()
        while loading.is_alive() and not stopped.is_set():
            loading.join(REPEAT)
        loading.join(LATE)
        if loading.is_alive():
            self._say("stopped before the player was loaded")
            return None
        if self._player is None:
            self._say(f"no player is loaded: {self._loaded} failed")
        return self._player

    def _is_ready(self) -> None:
        searching = self._search is not None and not self._search.done
        spec = self._settings.spec()
        if searching or (spec == self._loaded and not self._loading.locked()):
            self._write("readyok")
        else:
            self._ready = threading.Thread(target=self._get_ready, args=(spec, self._ready), name="ready", daemon=True)
            self._ready.start()

    def _get_ready(self, spec: Spec, before: threading.Thread | None) -> None:
        """Load a player and say so, after what was asked before."""
        if before is not None:
            before.join()
        self.load(spec)
        self._write("readyok")

    def _new_game(self) -> None:
        self._finish()
        self._game = Board()
        if self._player is not None:
            try:
                self._player.new_game()
            except PlayerError as error:
                self._say(str(error))

    # --- Options ------------------------------------------------------------------------------------------------------

    def _set_option(self, text: str) -> None:
        given, value = read_setting(text)
        name = self._settings.find(given)
        if name is None:
            self._complain(f"no option {given[:40]!r}")
        elif name == "newgame":
            self._new_game()
        else:
            try:
                self._settings.set(name, value)
            except ValueError as error:
                self._complain(str(error))
                return
            if name == "UCI_Variant":  # boards that set it count ranks from 1, as Fairy-Stockfish does
                self._first_rank = 1

    # --- Positions ----------------------------------------------------------------------------------------------------

    def _set_position(self, words: Sequence[str]) -> None:
        self._board, self._banned = None, []
        first_ranks = (0,) if self._dialect is UCCI else (self._first_rank, 1 - self._first_rank)
        try:
            board, self._first_rank = read_position(words, first_ranks)
            playable(board.root().fen())
        except ValueError as error:
            self._say(str(error))
            return
        self._board = with_past(board, self._game)

    # --- Searching ----------------------------------------------------------------------------------------------------

    def _go(self, words: Sequence[str]) -> None:
        self._finish()
        board = self._board
        if board is None:
            self._say("there is no position to search")
        elif not board.has_legal_moves():
            lost = Info(depth=0, score=Score(board.turn, mate=0))
            if self._dialect is UCI:
                self._write_info(lost, self._first_rank)
        else:
            go = read_go(words, board, self._dialect, self._first_rank, self._unit())
            allowed = [move for move in go.limit.root_moves or board.legal_moves if move not in self._banned]
            if allowed:
                self._start(board.copy(), go, allowed)
                return
        self._write(write_best_move(self._dialect, None))

    def _unit(self) -> float:
        return 0.001 if self._settings.flag("usemillisec") else 1.0

    def _start(self, board: Board, go: Go, allowed: Sequence[Move]) -> None:
        if go.limit.depth == 0 and self._dialect is UCCI:
            self._judge(board)
            return
        if go.limit.depth == 0:
            go = replace(go, limit=replace(go.limit, depth=1))
        if (outcome := board.outcome(self._rules())) is not None:
            self._say(f"the game is over by the rules: {outcome}")
        spec = self._settings.spec()
        self._search = Search(
            partial(self._player_for, spec),
            board,
            go,
            allowed,
            self._settings.number("MultiPV"),
            holds(spec),
            partial(self._write_info, first_rank=self._first_rank),
            self._say,
            partial(self._answer, board, allowed, self._first_rank),
        )
        self._search.start()
        if self._settings.flag("batch") and not (go.infinite or go.ponder):
            self._search.join()

    def _judge(self, board: Board) -> None:
        """Answer ``go depth 0`` of UCCI, which asks for a score and no move."""
        self.load()
        try:
            if self._player is None:
                raise PlayerError(f"no player is loaded: {self._loaded} failed")
            (choice,) = choices(self._player, [board])
            self._write_info(replace(completed(choice.info, board, 0.0), depth=0, pv=()), 0)
        except PlayerError as error:
            self._say(str(error))
        self._write(write_best_move(self._dialect, None))

    def _rules(self) -> Rules:
        return cast(Rules, self._settings.text("RuleSet"))

    def _write_info(self, info: Info, first_rank: int) -> None:
        if not self._settings.flag("UCI_ShowWDL"):
            info = replace(info, wdl=None)
        for line in write_info(info, self._dialect, first_rank):
            self._write(line)

    def _answer(self, board: Board, allowed: Sequence[Move], first_rank: int, choice: Choice | None) -> None:
        """Write the answer of a search."""
        if choice is None:
            self._write(write_best_move(self._dialect, None))
            return
        move = best_of(choice, allowed) if choice.move is None else choice.move
        board.push(move)
        self._game = board
        if (outcome := board.outcome(self._rules())) is not None and outcome.span is not None:
            # Its score says so too, but the board shows no mate.
            self._say(f"after {uci(move, first_rank)} the game is over by the rules: {outcome}")
        pv = choice.info.pv
        ponder = pv[1] if len(pv) > 1 and pv[0] == move else None
        self._write(
            write_best_move(
                self._dialect, move, ponder, first_rank=first_rank, draw=choice.draw, resign=choice.move is None
            )
        )

    def _stop(self) -> None:
        if self._search is not None and not self._search.done:
            self._search.stop()
        elif self._dialect is UCCI:
            self._write(write_best_move(UCCI, None))

    def _finish(self) -> None:
        """End a running search, and wait for its answer."""
        if self._search is not None:
            self._search.stop()
            self._search.join()
            self._search = None


def _other_nodes(before: Spec | None, spec: Spec) -> int | None:
    """Return the nodes of a search, if they are all in which its spec differs from the one before.

    >>> _other_nodes(Spec.parse("search:nodes=5"), Spec.parse("search:nodes=400"))
    400
    """
    if before is None or not before.kind == spec.kind == "search" or before.value != spec.value:
        return None
    old, new = dict(before.options), dict(spec.options)
    nodes = old.pop("nodes", None) and new.pop("nodes", None)
    return int(nodes) if nodes is not None and old == new else None


def holds(spec: Spec) -> bool:
    """Return whether a player keeps its own strength, whatever limits a board gives.

    >>> holds(Spec.parse("search:nodes=100")), holds(Spec.parse("search"))
    (True, False)
    """
    return spec.kind != "search" or spec.value is not None or any(name in LIMITS for name, _ in spec.options)
