"""Games from tokens: one game from a row of tokens, and a batch of them as inputs of the network, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lm import UserError
from lm.model.encoding import GameMoves
from lm.model.prompts import NO_PROMPT, PROMPT_ROWS, Aim, Prompt, Source, Strength
from lm.model.vocabulary import BOS, MATE, PAD, PROMPT_TOKENS, PROMPTS, SPECIAL, VOCABULARY, word
from xiangqi import MOVES, Board

_KINDS: Final = (Source, Strength, Aim)
_ROWS: Final = np.zeros((len(_KINDS), VOCABULARY), np.int64)
"""The row of the prompt table that each token asks for, by kind of prompt; 0 for none."""
for _token, _choice in enumerate(PROMPT_TOKENS.values(), PROMPTS):
    _ROWS[_KINDS.index(type(_choice)), _token] = _choice
_OPPONENTS: Final = np.arange(PROMPT_ROWS)
"""The row for the opponent of each row of the prompt table."""
for _aim in Aim:
    _OPPONENTS[_aim] = _aim.opponents


@dataclass
class TokenGame:
    """A game read from move tokens."""

    prompt: Prompt = NO_PROMPT
    """The prompt; the aim is Red's."""
    board: Board = field(default_factory=Board)
    """The position after all moves."""
    over: bool = False
    """Whether an ending, or padding, follows the moves."""
    illegal: str = ""
    """The first illegal move, where reading stops; empty if there is none."""

    @classmethod
    def read(cls, tokens: Sequence[int]) -> TokenGame:
        """Return the game of a row of tokens. It may be padded on either side, and ``[BOS]`` may be missing.

        Raises ``UserError`` that names a token which is misplaced or has no place in a game.

        >>> from lm.model.tokenizer import move_tokenizer
        >>> game = TokenGame.read(move_tokenizer()("[engine] [draw] h2e2 h9g7 [draw agreed]")["input_ids"])
        >>> [choice.word for choice in game.prompt], game.board.ply, game.over
        (['engine', 'none', 'draw'], 2, True)
        """
        game = cls()
        first = next((i for i, token in enumerate(tokens) if token != PAD), len(tokens))
        for place, token in enumerate(tokens[first:]):
            if token == BOS and place == 0:
                continue
            if game.illegal:
                break
            if token == PAD:
                game.over = True
            elif game.over:
                raise UserError(f"{word(token)} comes after the end of a game")
            elif 0 <= token < len(MOVES):
                move = MOVES[token]
                if game.board.is_legal(move):
                    game.board.push(move)
                else:
                    game.illegal = move.iccs
            elif MATE <= token < VOCABULARY:
                game.over = True
            else:
                game._ask(word(token))
        return game

    def prompts(self) -> NDArray[np.int64]:
        """Return the rows of the prompt table for the n + 1 plies of the game, ``(n + 1, 3)``."""
        return self.prompt.rows(np.arange(self.board.ply + 1) % 2 == 0)

    def _ask(self, token: str) -> None:
        """Add a prompt token. Raises `UserError` if it is not one, or follows a move or another prompt of its kind."""
        asked = PROMPT_TOKENS.get(token)
        if asked is None:
            raise UserError(f"{token} in a game is neither a move nor one of {' '.join(SPECIAL[3:])}")
        if self.board.ply:
            raise UserError(f"{token} comes after a move: prompts come first")
        kind = type(asked).__name__.lower()
        if before := getattr(self.prompt, kind):
            other = next(name for name, choice in PROMPT_TOKENS.items() if choice is before)
            raise UserError(f"{token} besides {other}: a game has at most one {kind}")
        self.prompt = self.prompt._replace(**{kind: asked})  # type: ignore[arg-type]


@dataclass
class TokenRows:
    """B rows of S tokens, each a game: what the network reads at each token, and which tokens it sees from there.

    ``[BOS]`` and each prompt stand for the position before the first move, with the prompts known so far, and a move
    for the position after it. At other tokens there is nothing to read: padding, endings, and all after an illegal
    move. A move sees the last token before the moves, and not those before it: to the network a game has one first ply.
    So what is said at a token does not depend on what follows it.
    """

    moves: list[NDArray[np.int16]]
    """Numbers of each game's legal moves."""
    illegal: list[str]
    """The first illegal move of each game; empty if there is none."""
    alive: NDArray[np.bool_]
    """``(B, S)`` whether there is a position to read at a token."""
    plies: NDArray[np.int64]
    """``(B, S)`` number of moves up to the token."""
    prompts: NDArray[np.int64]
    """``(B, S, 3)`` rows of the prompt table."""
    kept: NDArray[np.bool_]
    """``(B, S)`` whether later tokens see a token."""

    @classmethod
    def read(cls, tokens: NDArray[np.int64]) -> TokenRows:
        """Return what rows of tokens ``(B, S)`` say. They may be padded on either side, or be padding so far.

        Raises ``UserError`` that names the row and what is wrong, also where ``[BOS]`` is missing.
        """
        games = []
        for number, row in enumerate(tokens.tolist(), 1):
            try:
                games.append(TokenGame.read(row))
                if next((token for token in row if token != PAD), BOS) != BOS:
                    raise UserError("a game begins with [BOS], which the tokenizer puts there")
            except UserError as error:
                raise UserError(f"row {number} of the tokens: {error}") from None
        played = np.cumsum(tokens < len(MOVES), 1)
        legal = np.array([[game.board.ply] for game in games])
        head = (tokens == BOS) | ((tokens >= PROMPTS) & (tokens < MATE))
        plies = np.minimum(played, legal)
        prompts = np.maximum.accumulate(_ROWS[:, tokens], 2).transpose(1, 2, 0)
        alive = head | ((tokens < len(MOVES)) & (played <= legal))
        prompts = np.where((plies % 2 == 1)[..., None], _OPPONENTS[prompts], prompts)
        kept = alive.copy()
        kept[:, :-1] &= ~(head[:, :-1] & head[:, 1:])
        moves = [
            row[row < len(MOVES)][: game.board.ply].astype(np.int16) for row, game in zip(tokens, games, strict=True)
        ]
        return cls(moves, [game.illegal for game in games], alive, plies, prompts * alive[..., None], kept)

    def seen(self, first: int) -> NDArray[np.bool_]:
        """Return which of the S tokens each one from ``first`` on sees, ``(B, S - first, S)``: itself in any case."""
        S = self.alive.shape[1]
        earlier = np.tri(S, k=-1, dtype=np.bool_)[first:]
        return (self.kept[:, None] & earlier) | np.eye(S, dtype=np.bool_)[first:]

    def games(self, first: int) -> tuple[list[GameMoves], NDArray[np.int64]]:
        """Return games to encode, with the plies that are read at tokens from ``first`` on, and which of these plies
        each token reads, ``(B, S - first)``: -1 for none."""
        games, where, plies = [], np.full(self.alive[:, first:].shape, -1), 0
        for row, alive in enumerate(self.alive[:, first:]):
            if alive.any():
                read = self.plies[row, first:][alive]
                where[row, alive] = plies + read - read[0]
                game = GameMoves.from_start(self.moves[row])
                game.first = int(read[0])
                games.append(game)
                plies += len(game.moves) + 1 - game.first
        return games, where
