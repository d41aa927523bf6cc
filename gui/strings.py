"""Every text that the window shows, in one table: a column a language, English first.

Whoever writes a text in the window adds it here. Words in braces are filled in by `say`.

>>> say("status.looking_back", shown=3, last=7)
'Looking back at move 3 of 7. End returns, a move tries a variation.'
"""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = {"en": "English"}
"""The languages of the table by their codes, with their own names."""

_ENGLISH: Final[dict[str, str]] = {
    # --- Actions: the text on their buttons and in the menu --------------------------------------------------------
    "new": "New game",
    "undo": "Undo",
    "redo": "Redo",
    "draw": "Offer draw",
    "draw.offered": "Draw offered",
    "draw.accept": "Accept draw",
    "resign": "Resign",
    "level": "Level",
    "level.is": "Level: {level}",
    "level.own": "own",
    "swap": "Swap sides",
    "both": "Play both sides",
    "both.back": "Play against {player}",
    "move_now": "Move now",
    "analyse": "Analyse",
    "analyse.stop": "Stop analysis",
    "more_lines": "More lines",
    "fewer_lines": "Fewer lines",
    "threats": "Threats",
    "threats.off": "Threats: shown",
    "best_arrows": "Arrows: best moves",
    "people_arrows": "Arrows: people",
    "first": "|←",
    "back": "←",
    "forward": "→",
    "last": "→|",
    "first.long": "First position",
    "back.long": "One move back",
    "forward.long": "One move on",
    "last.long": "Last position",
    "upper_branch": "Branch above",
    "lower_branch": "Branch below",
    "to_game": "Back to the game",
    "play_from_here": "Play on from here",
    "promote": "Move branch up",
    "demote": "Move branch down",
    "promote_to_main": "Make main line",
    "delete": "Delete from here",
    "comment": "Comment...",
    "good": "Good move  !",
    "mistake": "Mistake  ?",
    "brilliant": "Brilliant move  !!",
    "blunder": "Blunder  ??",
    "interesting": "Interesting move  !?",
    "dubious": "Dubious move  ?!",
    "save": "Save PGN",
    "copy": "Copy FEN",
    "paste": "Paste",
    "flip": "Flip board",
    "script": "Script",
    "script.traditional": "Script: 繁體",
    "script.simplified": "Script: 简体",
    "notation": "Notation",
    "notation.chinese": "Notation: Chinese",
    "notation.wxf": "Notation: WXF",
    "notation.iccs": "Notation: ICCS",
    "edit": "Set up position",
    "next_view": "Next panel view",
    "menu": "Menu",
    "help": "Help",
    "confirm": "Sure?",
    # --- Groups of actions ------------------------------------------------------------------------------------------
    "group.game": "Game",
    "group.analysis": "Analysis",
    "group.steps": "Steps",
    "group.tree": "Variations",
    "group.board": "Board",
    "group.files": "Files",
    # --- The menu and the help sheet ----------------------------------------------------------------------------------
    "menu.title": "Menu",
    "menu.filter": "Type to search",
    "menu.nothing": "No action is called that.",
    "help.title": "Keys",
    "help.pointer": "Mouse",
    "help.click": "Click a piece, then a point, or drag the piece there.",
    "help.wheel": "The wheel over the board steps through the game.",
    "help.line": "In the analysis, point at a move to see it on the board; click to add the line to the game.",
    "help.list": "In the list of moves, click a move to see its position.",
    "help.scores": "Scores are Red's: + is good for Red, # is a mate in so many moves.",
    "help.close": "Esc closes",
    # --- Views of the panel -------------------------------------------------------------------------------------------
    "view.moves": "Moves",
    "view.analysis": "Analysis",
    "moves.empty": "Click a piece and then a dot, or drag the piece there.",
    "analysis.off": "The best moves, and what people would play here.",
    "analysis.start": "Start: {key}",
    "analysis.loading": "Loading the model...",
    "analysis.waiting": "Thinking...",
    "analysis.over": "The game is over here.",
    "analysis.no_threat": "In check there is no passing.",
    "analysis.failed": "The analysis failed: {reason}",
    "analysis.finished": "finished",
    "analysis.threat": "If {side} passed",
    "analysis.best": "Best moves",
    "analysis.people": "What people play",
    "analysis.depth": "depth {depth}",
    "analysis.nodes": "{nodes} nodes",
    "analysis.speed": "{speed}/s",
    "analysis.chances": "Red wins {red}%, draw {draw}%, Black wins {black}%",
    "analysis.chances_short": "{red}% · {draw}% · {black}%",
    # --- Dialogs ------------------------------------------------------------------------------------------------------
    "ok": "OK",
    "cancel": "Cancel",
    "comment.title": "Comment on {move}",
    "comment.start": "the start",
    # --- The position editor ------------------------------------------------------------------------------------------
    "editor.title": "Set up a position",
    "editor.red_moves": "Red to move",
    "editor.black_moves": "Black to move",
    "editor.start": "Full board",
    "editor.clear": "Kings only",
    "editor.mirror": "Mirror",
    "editor.swap_colors": "Swap colours",
    "editor.undo": "Undo",
    "editor.paste": "Paste FEN",
    "editor.handicap": "Handicaps...",
    "editor.play": "Play",
    "editor.valid": "This position can be played.",
    "editor.hint": "Click a piece above, then points; or drag. The right button removes.",
    "editor.king_stays": "A king stays on the board: drag it elsewhere.",
    "editor.no_fen": "No position in the clipboard: {reason}",
    "editor.give_up": "Once more gives up the game in play.",
    "handicap.one_horse": "One horse",
    "handicap.two_horses": "Two horses",
    "handicap.one_cannon": "One cannon",
    "handicap.one_chariot": "One chariot",
    "handicap.two_chariots": "Two chariots",
    "handicap.nine_pieces": "Nine pieces",
    "handicap.back": "Back",
    "fault.no_red_king": "Red has no king.",
    "fault.no_black_king": "Black has no king.",
    "fault.too_many_kings": "A side has more than one king.",
    "fault.too_many_advisors": "A side has more than two advisors.",
    "fault.too_many_bishops": "A side has more than two elephants.",
    "fault.too_many_knights": "A side has more than two horses.",
    "fault.too_many_rooks": "A side has more than two chariots.",
    "fault.too_many_cannons": "A side has more than two cannons.",
    "fault.too_many_pawns": "A side has more than five pawns.",
    "fault.king_outside_palace": "A king stands outside its palace.",
    "fault.advisor_off_its_points": "An advisor stands where it cannot get.",
    "fault.bishop_off_its_points": "An elephant stands where it cannot get.",
    "fault.pawn_off_its_points": "A pawn stands where it cannot get.",
    "fault.pawns_doubled_at_home": "Two pawns on one file have not crossed the river.",
    "fault.kings_facing": "The kings face each other.",
    "fault.opposite_check": "The side that has just moved is in check.",
    # --- The banner ---------------------------------------------------------------------------------------------------
    "banner.hint": "N new game · U take back · click here to see the board",
    # --- Players ------------------------------------------------------------------------------------------------------
    "player.you": "You",
    "player.person": "Player",
    "side.red": "Red",
    "side.black": "Black",
    # --- The status line ----------------------------------------------------------------------------------------------
    "status.rules": "Preparing the rules...",
    "status.compiling": "Preparing the rules... (the first start compiles them)",
    "status.looking_back": "Looking back at move {shown} of {last}. End returns, a move tries a variation.",
    "status.variation": "A variation, move {shown}. G returns to the game, P plays on from here.",
    "status.ended": "{ending}.",
    "status.stuck": "The player cannot move. U takes your move back.",
    "status.not_ready": "The player is not ready.",
    "status.thinking": "Thinking...",
    "status.loading": "Loading model...",
    "status.your_move": "Your move.",
    "status.to_move": "{side} to move.",
    "status.check": "Check!",
    "status.draw_offered": "A draw is offered: D accepts, a move declines.",
    "status.reading": "Reading...",
    # --- Notices ------------------------------------------------------------------------------------------------------
    "notice.give_up": "Press {key} again to give up this game.",
    "notice.delete": "Press {key} again to delete {count} moves.",
    "notice.delete_one": "Press {key} again to delete {move}.",
    "notice.deleted": "Deleted.",
    "notice.in_game": "The game goes through this move. Undo takes it back.",
    "notice.goes_on": "Your last game goes on. N starts a new one.",
    "notice.unreadable": "Your last game cannot be read: {reason}",
    "notice.lost": "This game will be lost with the window: {reason}",
    "notice.declined": "Your offer of a draw is declined.",
    "notice.offer_now": "You offer a draw now.",
    "notice.offer_next": "You offer a draw with your next move.",
    "notice.level": "{level}: {settings}, from its next move on.",
    "notice.fen_copied": "FEN copied.",
    "notice.no_text": "No text in the clipboard, or more than 250 kB, which is too much.",
    "notice.pasted": "Pasted.",
    "notice.pasted_part": "Pasted up to a fault: {reason}",
    "notice.saved": "Saved as {path}",
    "notice.not_saved": "Not saved: {reason}",
    "notice.failed": "{player} failed: {reason}",
    "notice.not_yours": "It is {side}'s move: {player} is thinking.",
    "notice.other_side": "{side} is to move.",
    "notice.illegal": "That piece cannot go there.",
    "notice.line_added": "Added as a variation.",
    "notice.both": "You play both sides.",
    "notice.against": "You play {side} against {player}.",
}

_TABLE: Final = {"en": _ENGLISH}
_language = "en"


def say(key: str, /, **values: object) -> str:
    """Return the text of a key in the current language. Raises ``KeyError``."""
    text = _TABLE[_language].get(key) or _ENGLISH[key]
    return text.format(**values) if values else text


def has(key: str) -> bool:
    """Whether the table has a text for a key."""
    return key in _ENGLISH


def language() -> str:
    """Return the code of the current language."""
    return _language


def set_language(code: str) -> None:
    """Change the language of all texts. Raises ``KeyError``."""
    global _language
    _TABLE[code]
    _language = code
