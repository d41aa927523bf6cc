"""Every text that the window shows, in one table: a column a language, English first.

Whoever writes a text in the window adds it here, and in Chinese in `gui.chinese`; a test compares. Words in braces are
filled in by `say`.

>>> say("status.looking_back", shown=3, last=7)
'Looking back at move 3 of 7. End returns, a move tries a variation.'
>>> set_language("zh-Hant")
>>> say("status.your_move"), translated("Red wins: Black resigned")
('輪到您走。', '紅勝：黑方認輸')
>>> set_language("en")
"""

from __future__ import annotations

import functools
import re
from typing import Final

from gui.chinese import CHINESE

LANGUAGES: Final = {"en": "English", "zh-Hans": "简体中文", "zh-Hant": "繁體中文"}
"""The languages of the table by their codes, with their own names."""

_ENGLISH: Final[dict[str, str]] = {
    # --- Actions: the text on their buttons and in the menu --------------------------------------------------------
    "new": "New game",
    "hint": "Hint",
    "add_engine": "Add an engine...",
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
    "mind": "The model's mind",
    "next_move": "Next of its moves",
    "glow": "Pieces glow",
    "review": "Review game",
    "review.stop": "Stop review",
    "next_mistake": "Next mistake",
    "previous_mistake": "Last mistake before",
    "retry": "Try another move",
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
    "open": "Open...",
    "save": "Save",
    "save_as": "Save as...",
    "games": "Games of the file...",
    "previous_game": "Previous game",
    "next_game": "Next game",
    "copy": "Copy FEN",
    "copy_as": "Copy as...",
    "picture": "Save picture...",
    "copy_picture": "Copy picture",
    "mend": "Guess what is unread",
    "paste": "Paste",
    "library": "Explore position",
    "search_library": "Search...",
    "search_library.long": "Search library...",
    "import": "Import...",
    "import.long": "Import games...",
    "flip": "Flip board",
    "script": "Script",
    "script.traditional": "Script: 繁體",
    "script.simplified": "Script: 简体",
    "notation": "Notation",
    "notation.chinese": "Notation: Chinese",
    "notation.wxf": "Notation: WXF",
    "notation.iccs": "Notation: ICCS",
    "letters": "帥/K",
    "letters.long": "Letters on pieces",
    "settings": "⚙",
    "settings.long": "Settings",
    "full_screen": "Full screen",
    "edit": "Set up position",
    "next_view": "Next panel view",
    "menu": "Menu",
    "help": "Help",
    "confirm": "Sure?",
    # --- Groups of actions ------------------------------------------------------------------------------------------
    "group.game": "Game",
    "group.analysis": "Analysis",
    "group.study": "Study",
    "group.library": "Library",
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
    "help.line": "In the analysis, point at a move to see it played, turn the wheel to step on, click to add the line.",
    "help.list": "In the list of moves, click a move to see its position.",
    "help.library": "In the library, click a move to play it, or a game to open it.",
    "help.letters": "Letters: K king, A advisor, E elephant, H horse, R chariot, C cannon, P pawn.",
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
    "view.mind": "Mind",
    "mind.off": "What people would play here and answer, and which pieces speak for a move.",
    "mind.failed": "The model cannot be asked: {reason}",
    "mind.expected": "{move} was expected.",
    "mind.usual": "{move} is a usual move.",
    "mind.rare": "{move} is rare here.",
    "mind.surprising": "{move} is a surprise.",
    "mind.rank": "Choice {rank} of {count}, played by {share}",
    "mind.search": "Search",
    "mind.no_search": "{key} adds the search's scores.",
    "mind.reply": "After {move} people answer {reply} ({share}).",
    "mind.pieces": "Pieces for {move} (blue), and against it",
    "view.review": "Review",
    "review.off": "The score over the game, and the worst moves of each side.",
    "review.failed": "The review failed: {reason}",
    "review.reading": "Reading position {done} of {all}...",
    "review.go_on": "{key} reviews the rest.",
    "review.pick": "Click the curve or a move. J goes to the next mistake.",
    "review.try": "{move} lost {lost} here. Find a better move.",
    "review.trying": "Looking at your move...",
    "review.move": "{move}  {verdict}",
    "review.chances": "Expected score {before} → {after}",
    "review.better": "Better: {moves}",
    "review.people": "People: {moves}",
    "review.own": "(this move {share})",
    "verdict.best": "the best move",
    "verdict.good": "good",
    "verdict.inaccuracy": "inaccuracy",
    "verdict.mistake": "mistake",
    "verdict.blunder": "blunder",
    "view.library": "Library",
    "library.opening": "Opening the library...",
    "library.failed": "The library: {reason}",
    "library.games": "games",
    "library.last": "last",
    "library.all": "all",
    "library.none": "No game has this position.",
    "library.soon": "No game yet. The shipped games are being taken in, once.",
    "library.looking": "Looking for similar positions...",
    "library.similar": "In similar positions:",
    "library.red": "Red scored {score}% there.",
    "library.no_index": "Click to look for similar positions: the model reads 3,000 games, once, for about a minute.",
    "library.shipped": "Shipped games: {read}",
    "library.reading": "{name}: {read} games",
    "library.indexing": "Similar positions: {read}",
    "library.stop": "Stop",
    "library.imported": "{name}: {added} games added, {known} were there.",
    "library.stopped": "{name}: stopped, {added} games added. The next import goes on from there.",
    "library.faults": "Faults: {count}, first {fault}",
    "search.title": "Search the library",
    "search.player": "Player",
    "search.event": "Event",
    "search.any": "All",
    "search.red": "Red won",
    "search.draw": "Drawn",
    "search.black": "Black won",
    "search.here": "With this position",
    "search.count": "{count} games",
    "search.latest": "{count} games; the latest {shown}:",
    # --- Dialogs ------------------------------------------------------------------------------------------------------
    "ok": "OK",
    "cancel": "Cancel",
    "comment.title": "Comment on {move}",
    "comment.start": "the start",
    # --- Settings -----------------------------------------------------------------------------------------------------
    "settings.title": "Settings",
    "settings.help": "The arrow keys choose. Changes are seen at once, and kept.",
    "settings.silent": "No sound device was found.",
    "preference.language": "Language",
    "preference.pieces": "Pieces",
    "preference.pieces.characters": "Characters",
    "preference.pieces.letters": "Letters",
    "preference.pieces.both": "Both",
    "preference.script": "Characters",
    "preference.script.traditional": "繁體",
    "preference.script.simplified": "简体",
    "preference.notation": "Notation",
    "preference.notation.chinese": "炮二平五",
    "preference.notation.wxf": "WXF: C2=5",
    "preference.notation.iccs": "ICCS: h2e2",
    "preference.theme": "Colours",
    "preference.theme.rosewood": "Rosewood",
    "preference.theme.paper": "Paper",
    "preference.theme.jade": "Jade",
    "preference.coordinates": "File numbers",
    "preference.coordinates.on": "On",
    "preference.coordinates.off": "Off",
    "preference.animation": "Pieces glide",
    "preference.animation.none": "Not at all",
    "preference.animation.fast": "Fast",
    "preference.animation.normal": "Normal",
    "preference.animation.slow": "Slowly",
    "preference.sounds": "Sounds",
    "preference.sounds.on": "On",
    "preference.sounds.off": "Mute",
    "preference.volume": "Volume",
    "preference.scale": "Text size",
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
    # --- New games ----------------------------------------------------------------------------------------------------
    "new.title": "New game",
    "new.person": "You",
    "new.engine": "engine",
    "new.add_engine": "Add an engine...",
    "new.start": "Start",
    "new.elo": "Elo, estimated",
    "new.full": "Full board",
    "new.shown": "Position shown",
    "new.clock": "Clock",
    "new.untimed": "none",
    "new.clock_hint": "10+5",
    "new.clock_help": "10+5: 10 min and 5 s a move. 10b30: then 30 s a move. Elo: 0 is Fairy-Stockfish at depth 1.",
    "new.no_clock": "No clock: {text}. Write 10+5 or 10b30.",
    "new.unsaved": "The game in play will be kept in a file.",
    "engine.title": "Add an engine",
    "engine.command": "Command",
    "engine.name": "Name",
    "engine.options": "Options",
    "engine.command.hint": "fairy-stockfish",
    "engine.name.hint": "as you like",
    "engine.options.hint": "Hash=64 movetime=1000 protocol=uci",
    "engine.help": "A program that speaks UCI or UCCI. It runs with your rights.",
    "engine.no_command": "Which program?",
    "engine.no_program": "There is no program {name}.",
    "engine.no_value": "{name} has no value; options are written Name=value.",
    "engine.confirm": "This program will run whenever it plays: {command} - once more adds it.",
    # --- Files --------------------------------------------------------------------------------------------------------
    "file.open": "Open",
    "file.import": "Import into the library",
    "file.save_as": "Save as",
    "file.picture": "Save a picture",
    "file.hint": "Type a name or a path",
    "file.recent": "Used last",
    "file.nothing": "Nothing here is called that.",
    "file.missing": "There is no file {name}.",
    "file.exists": "{name} exists. Once more replaces it.",
    "file.no_folder": "There is no folder {name}.",
    "kind.pgn.iccs": "PGN, ICCS",
    "kind.pgn.wxf": "PGN, WXF",
    "kind.pgn.chinese": "PGN, 中文",
    "kind.xqf": "XQF",
    "kind.ubb": "DhtmlXQ",
    "kind.jsonl": "JSON lines",
    "games.title": "{name}: {count} games",
    "games.filter": "Type to search players, event, date, result",
    "games.nothing": "No game has these words.",
    "games.fault": "fault",
    "copy_as.title": "Copy as text",
    "text.fen": "Position: FEN",
    "text.pgn.chinese": "Game: PGN, Chinese notation",
    "text.pgn.wxf": "Game: PGN, WXF notation",
    "text.pgn.iccs": "Game: PGN, ICCS notation",
    "text.moves.chinese": "Moves alone: Chinese notation",
    "text.moves.wxf": "Moves alone: WXF notation",
    "text.uci": "Moves alone: UCI",
    "text.ubb": "Game: DhtmlXQ (UBB)",
    "text.jsonl": "Game: JSON",
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
    "notice.level": "{level}, about {elo} Elo, from its next move on.",
    "notice.fen_copied": "FEN copied.",
    "notice.no_text": "No text in the clipboard, or more than 250 kB, which is too much.",
    "notice.pasted": "Pasted.",
    "notice.copied": "Copied: {what}.",
    "notice.picture_copied": "Picture copied.",
    "notice.no_picture": "This needs the program wl-copy or xclip. Ctrl+P writes a file instead.",
    "notice.opened": "{name}, game {number}.",
    "notice.brought": "{game}. The library's copy stays as it is.",
    "notice.kept": "{name}, game {number}. The game before is kept as {kept}.",
    "notice.read_part": "{name} is read in part: {reason}",
    "notice.unread": "{name}: {reason}",
    "notice.unread_text": "{reason}",
    "notice.fault": "Read up to a fault: {reason}",
    "notice.fault_mend": "Read up to a fault; Ctrl+R guesses the rest. {reason}",
    "notice.mending": "Guessing what the record says...",
    "notice.mended": "Guesses: {count}, each in a comment with its probability.",
    "notice.not_mended": "No guess: {reason}",
    "notice.no_guess": "no legal moves fit what is written.",
    "notice.engine_added": "The engine is in the list of a new game (N).",
    "notice.bad_setting": "Settings: {name} cannot be {value}; allowed are {allowed}.",
    "notice.bad_settings": "The settings are damaged and put aside as {name}: {reason}",
    "notice.letters": "Letters on the pieces, moves in WXF notation.",
    "notice.characters": "Characters on the pieces, moves in Chinese notation.",
    "notice.hint": "Hint: {move}",
    "status.hint": "Looking for a hint...",
    "notice.saved": "Saved as {path}",
    "notice.not_saved": "Not saved: {reason}",
    "notice.failed": "{player} failed: {reason}",
    "notice.not_yours": "It is {side}'s move: {player} is thinking.",
    "notice.other_side": "{side} is to move.",
    "notice.illegal": "That piece cannot go there.",
    "notice.line_added": "Added as a variation.",
    "notice.both": "You play both sides.",
    "notice.against": "You play {side} against {player}.",
    # --- Levels -------------------------------------------------------------------------------------------------------
    "level.child": "Child",
    "level.beginner": "Beginner",
    "level.learner": "Learner",
    "level.casual": "Casual",
    "level.steady": "Steady",
    "level.watchful": "Watchful",
    "level.sharp": "Sharp",
    "level.strong": "Strong",
    "level.deep": "Deep",
    "level.best": "Best",
    # --- Sentences of the packages below, as these write them; `translated` finds them by their English --------------
    "said.checkmate": "{winner} wins by checkmate",
    "said.stalemate": "{winner} wins: {loser} has no legal move",
    "said.perpetual_check": "{winner} wins: {loser} checked perpetually",
    "said.perpetual_chase": "{winner} wins: {loser} chased perpetually",
    "said.resignation": "{winner} wins: {loser} resigned",
    "said.time_forfeit": "{winner} wins: {loser} ran out of time",
    "said.crash": "{winner} wins: {loser}'s player failed",
    "said.stall": "{winner} wins: {loser}'s player did not answer",
    "said.illegal_move": "{winner} wins: {loser}'s player named an illegal move",
    "said.no_move": "{winner} wins: {loser}'s player named no move",
    "said.adjudication": "{winner} wins by adjudication",
    "said.draw_agreed": "Draw agreed",
    "said.repetition": "Draw: repetition",
    "said.mutual_check": "Draw: mutual perpetual check",
    "said.mutual_chase": "Draw: mutual perpetual chase",
    "said.quiet": "Draw: no capture in {plies} plies",
    "said.material": "Draw: insufficient material",
    "said.ply_limit": "Draw: ply limit",
    "said.adjudicated_draw": "Draw: adjudication",
    "said.span": "the position after ply {end} is the one after ply {start}, with no capture in between",
    "said.no_perpetual_check": "no side checks with every move",
    "said.some_checks": "plies {plies} and {last} give check, but no side checks with every move",
    "said.one_check": "ply {ply} gives check, but no side checks with every move",
    "said.checks": "ply {ply}: {color} {move} checks from {squares}",
    "said.chases": "ply {ply}: {color} {move} newly chases the {piece} on {square} with the {hunter} on {from_}, {why}",
    "said.no_chase": "no side newly chases the same piece with every move",
    "said.excused": "{color} newly chases {pieces} with every move, which the checks excuse",
    "said.lawful": "{color} newly attacks the {piece} from {square} with every move, which is lawful: {why}",
    "said.no_file": "No such file or directory: {name}",
    "said.no_permission": "Permission denied: {name}",
    "said.is_folder": "Is a directory: {name}",
    "said.not_folder": "Not a directory: {name}",
    "said.read_only": "Read-only file system: {name}",
    "said.disk_full": "No space left on device: {name}",
    "said.disk_full.short": "No space left on device",
    "said.fen_fields": "expected 1 to 6 fields in FEN, found {count}: {fen}",
    "said.fen_side": "side to move of FEN must be w, r or b: {side}",
    "said.fen_dashes": "third and fourth field of a xiangqi FEN are '-': {fen}",
    "said.fen_ranks": "expected 10 ranks in FEN placement, found {count}: {text}",
    "said.fen_piece": "unknown piece {piece} on rank {rank} of FEN: {text}",
    "said.fen_files": "rank {rank} of FEN has {files} files, expected 9: {row}",
    "said.fen_numbers": "two numbers in a row in FEN placement: {text}",
    "said.fen_faults": "cannot play from this position: {faults}",
    "said.neither": "neither a game nor a position: {text}",
    "said.no_game_text": "there is no game in the text",
    "said.no_ubb_file": "there is no DhtmlXQ game in the file",
    "said.no_ubb_text": "there is no DhtmlXQ game in the text",
    "said.empty_file": "the file is empty",
    "said.unknown_format": "not in a known format ({known})",
    "said.suffix": "cannot write files with suffix {suffix} (known: {known})",
    "said.too_large": "the file is larger than {size} MiB",
    "said.too_long": "it takes too long to read",
    "said.broken_compression": "broken compression: {reason}",
    "said.null_move": "the game has a null move, which XQF and DhtmlXQ cannot hold",
    "said.illegal": "illegal move {move}: {why} in {fen}",
    "said.no_passing": "passing is not allowed",
    "said.no_piece": "there is no piece on {square}",
    "said.turn": "it is {color}'s turn",
    "said.own_piece": "{square} holds a piece of the same side",
    "said.leaves_check": "it leaves the king in check",
    "said.cannot_move": "the piece cannot move like that",
    "said.not_iccs": "not an ICCS move: {text} (expected two squares, as h2e2)",
    "said.unread_move": "cannot read {word}",
    "said.player_ended": "the player's process ended with exit code {code}",
    "said.player_killed": "the player's process was killed by {signal}",
    "said.reader_ended": "the reader's process ended with exit code {code}",
    "said.reader_killed": "the reader's process was killed by {signal}",
    "said.cannot_analyse": "{player} cannot analyse",
    "said.cannot_review": "{player} cannot review",
    "said.no_choice": "{player} neither gave a move nor resigned in {fen}",
    "place.game": "game {number}",
    "place.line": "line {number}",
    "place.byte": "byte {number}",
    "place.ply": "ply {number}",
    # --- Words in these sentences ------------------------------------------------------------------------------------
    "word.Red": "Red",
    "word.Black": "Black",
    "word.red": "red",
    "word.black": "black",
    "word.king": "king",
    "word.advisor": "advisor",
    "word.bishop": "bishop",
    "word.knight": "knight",
    "word.rook": "rook",
    "word.cannon": "cannon",
    "word.pawn": "pawn",
    "word.it has not crossed the river": "it has not crossed the river",
    "word.kings and pawns may": "kings and pawns may",
    "word.which is worth more than its hunter": "which is worth more than its hunter",
    "word.which has no legal recapture": "which has no legal recapture",
}

_language = "en"


def say(key: str, /, **values: object) -> str:
    """Return the text of a key in the current language. Raises ``KeyError``."""
    text = column(_language).get(key) or _ENGLISH[key]
    if "reason" in values:
        values["reason"] = translated(str(values["reason"]))
    return text.format(**values) if values else text


def translated(sentence: str) -> str:
    """Return a sentence of the packages below in the current language; as it is if the table does not have it.

    The place of a fault may stand before it, as ``a.pgn, line 12: ``.
    """
    if _language == "en":
        return sentence
    for key, pattern in _sentences():
        if (found := pattern.fullmatch(sentence)) is not None:
            return say(key, **{name: _word(text) for name, text in found.groupdict().items()})
    place, _, fault = sentence.partition(": ")
    if fault and (told := translated(fault)) != fault:
        return f"{', '.join(map(_place, place.split(', ')))}：{told}"
    return sentence


def _word(text: str) -> str:
    """Return words within a sentence in the current language."""
    faults = [f"fault.{word.replace(' ', '_')}" for word in text.split(", ")]
    if all(map(has, faults)):
        return "；".join(say(key).rstrip("。") for key in faults)
    return say(key) if has(key := f"word.{text}") else translated(text)


def _place(text: str) -> str:
    name, _, number = text.rpartition(" ")
    return say(key, number=number) if number.isdigit() and has(key := f"place.{name}") else text


def has(key: str) -> bool:
    """Whether the table has a text for a key."""
    return key in _ENGLISH


def column(language: str) -> dict[str, str]:
    """Return the texts of a language by their keys. Raises ``KeyError``."""
    return {"en": _ENGLISH, "zh-Hans": CHINESE}.get(language) or {"zh-Hant": _traditional}[language]()


@functools.cache
def _traditional() -> dict[str, str]:
    from opencc import OpenCC

    convert = OpenCC("s2twp").convert
    return {key: convert(text) for key, text in CHINESE.items()}


@functools.cache
def _sentences() -> list[tuple[str, re.Pattern[str]]]:
    """Return the keys of the sentences of the packages below, and what these look like."""
    found = []
    for key, text in _ENGLISH.items():
        if key.startswith("said."):
            parts = re.split(r"\{(\w+)\}", text)
            pattern = "".join(f"(?P<{part}>.+?)" if n % 2 else re.escape(part) for n, part in enumerate(parts))
            found.append((key, re.compile(pattern)))
    return found


def language() -> str:
    """Return the code of the current language."""
    return _language


def set_language(code: str) -> None:
    """Change the language of all texts. Raises ``KeyError``."""
    global _language
    column(code)
    _language = code
