import ast
import json
import re
import string
from pathlib import Path
from typing import get_args

import pytest
from fontTools.ttLib import TTFont

import xiangqi
from gui import fonts, strings
from gui.actions import Action
from gui.errors import describe
from gui.names import level_name
from gui.notation import Style
from gui.rulings import told
from lm.matches.table import Ending, playable
from lm.players.levels import LEVELS
from lm.players.player import Failure
from xiangqi import BLACK, RED, STARTING_FEN, Board, InvalidFenError, InvalidMoveError
from xiangqi.engine import EngineError
from xiangqi.formats import load
from xiangqi.rulings import Reason

BOOK = Path(__file__).parents[1] / "xiangqi" / "files" / "book-rulings.jsonl"
KEYS = sorted(strings.column("en"))
ENDINGS = [
    *(Ending(None, reason) for reason in get_args(Reason) if reason not in ("checkmate", "stalemate")),
    *(Ending(RED, reason) for reason in get_args(Reason)[:4]),
    *(Ending(BLACK, reason) for reason in (*get_args(Failure), "resignation", "time forfeit", "adjudication")),
    *(Ending(None, reason) for reason in ("draw agreed", "ply limit", "adjudication")),
]
ENDINGS = [ending for ending in ENDINGS if ending.winner is not None or not ending.reason.startswith("perpetual")]
# What stays as it is in every language: signs, formats and names of programs.
SAME = {
    "Ctrl",
    "Shift",
    "PGN",
    "WXF",
    "ICCS",
    "XQF",
    "DhtmlXQ",
    "UBB",
    "JSON",
    "FEN",
    "UCI",
    "UCCI",
    "Elo",
    "Hash",
    "Esc",
    "End",
    "kB",
}


# The functions of the library that report or return a fault, and names that hold one.
REPORTING = {
    *("FormatError", "UnknownFormatError", "InvalidFenError", "InvalidMoveError", "IllegalMoveError"),
    *("AmbiguousMoveError", "error", "fail", "report", "add"),
}
RETURNING = {"find_fault", "why_illegal", "_moves", "_annotate", "_unpack"}
HOLDING = {"reason", "fault"}
UNSEEN = re.compile(
    "UCI|its root is|an XQF file holds|two pieces, |ranks start at|from square|halfmove|no red red|^ on |^ {2,}|column"
)
"""What no file and no text can lead to, and parts of sentences; the next test has some of these whole."""
# What stands in braces, by its code; anything else is some text.
VALUES = {
    "COLOR_NAMES[board.turn]": "red",
    "COLOR_NAMES[piece.color]": "black",
    "PIECE_NAMES[piece.type]": "rook",
    "PIECE_NAMES[type]": "knight",
    "piece": "red bishop",
    "place": "",
    "error.colno": "7",
    "what": "a WXF move",
    "expected": "piece, file, direction and number, as C2=5",
    "'several' if found else 'none'": "several",
    "notation": "wxf",
    "key": "wdl",
    "_ROOT": "'ChineseChessRecord'",
    "reason": "it is red's turn",
    "why_illegal(board, move)": "it is red's turn",
    "notation.why_illegal(self, move)": "it is red's turn",
    "counted(size, 'byte')": "4 bytes",
    "counted(count, 'game')": "1,200 games",
    "counted(count, 'move')": "1 move",
    "error": "it is red's turn",
    "next(iter(options))": "'x'",
    "name": "move number",
    "square_name(move.to_square)": "e8",
    "suffix": "'.docx'",
    "square_name(move.from_square)": "e8",
}


def templates(node):
    """Yield the texts in an expression: their parts, and the code of what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else filled(part.value) for part in node.values)
    elif not isinstance(node, ast.Call):
        for child in ast.iter_child_nodes(node):
            yield from templates(child)


def filled(node):
    code = ast.unparse(node)
    number = re.search(r"\d|len|number|size|SIZE|MAX|version|count|ply|parent|self.at", code)
    return VALUES.get(code, "7" if number else "'x'")


def faults():
    """Return every sentence in which a reader or writer of games, a FEN or a move can be faulty."""
    root, found = Path(xiangqi.__file__).parent, set()
    for path in (*sorted(root.glob("formats/*.py")), root / "fen.py", root / "move.py", root / "notation.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in REPORTING:
                found.update(text for argument in node.args for text in templates(argument))
            elif isinstance(node, ast.Assign) and any(getattr(name, "id", "") in HOLDING for name in ast.walk(node)):
                found.update(templates(node.value))
            elif isinstance(node, ast.FunctionDef) and node.name in RETURNING:
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Return | ast.Yield) and inner.value is not None:
                        found.update(templates(inner.value))
    return sorted(text for text in found if " " in text.strip() and not UNSEEN.search(text))


def left_in_english(told):
    """Return the English words of a Chinese sentence: those that are neither quoted nor names."""
    names = "|".join(
        [*SAME, "CB[RLF]", "MXQ", "SG", "XML", "DOCTYPE", "START", "END", "MiB", "Che2", "zstd", "zstandard"]
    )
    return re.findall("[A-Za-z]{3,}", re.sub(rf"'[^']*'|pip install|{names}", "", told))


def placeholders(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


@pytest.fixture(params=strings.LANGUAGES)
def language(request):
    strings.set_language(request.param)
    yield request.param
    strings.set_language("en")


@pytest.fixture
def chinese():
    strings.set_language("zh-Hans")
    yield
    strings.set_language("en")


PAGE = (Path(__file__).parents[2] / "docs" / "board.md").read_text("utf-8")


def test_the_page_on_the_board_has_the_levels_in_order():
    table = PAGE.partition("## Levels")[2].partition("0 is Fairy")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ")]
    assert [int(elo) for row in rows[1:] for elo in row[2].split(",")] == [level.elo for level in LEVELS]
    names = [level.name for level in LEVELS]
    assert [word for word in re.findall("[A-Z][a-z]+", PAGE.partition("|---|---|---|")[2]) if word in names][
        :10
    ] == names


def test_the_page_on_the_board_has_every_key_as_the_menu_calls_it():
    page = PAGE.lower()
    for action in Action:
        title = " ".join(action.title.replace("...", "").split()).lower()
        assert f"`{action.shortcut.lower()}` {title}" in page, action


class TestTable:
    def test_every_language_has_every_text_and_no_other(self, language):
        assert sorted(strings.column(language)) == KEYS

    def test_every_language_fills_in_the_same_words(self, language):
        texts = strings.column(language)
        differing = [key for key in KEYS if placeholders(texts[key]) != placeholders(strings.column("en")[key])]
        assert differing == []

    def test_no_text_is_empty_or_has_a_stray_brace(self, language):
        for text in strings.column(language).values():
            assert text.strip()
            assert text.format(**dict.fromkeys(placeholders(text), "x"))

    def test_every_character_is_in_the_font(self, language):
        with (fonts.files(fonts) / fonts.UI).open("rb") as file:
            there = set(map(chr, TTFont(file).getBestCmap()))
        assert set("".join(strings.column(language).values())) - there == set()

    def test_chinese_texts_are_chinese(self):
        words = re.compile(r"[a-z]{3,}")
        for key, text in strings.column("zh-Hans").items():
            if key in ("engine.options.hint", "engine.command.hint", "notice.no_picture", "settings.pictures"):
                continue
            plain = re.sub(r"\{\w+\}|Fairy-Stockfish|'[^']*'|zstd|(pip install )?zstandard", "", text)
            assert not words.findall(re.sub("|".join(SAME), "", plain)), (key, text)

    def test_the_two_scripts_are_not_mixed(self):
        simplified, traditional = strings.column("zh-Hans"), strings.column("zh-Hant")
        everything = "".join(text for key, text in simplified.items() if not key.startswith("script."))
        assert set("黑紅馬車將認輸變顯") & set(everything) == {"黑"}
        assert set("红马车将认输变显") & set("".join(traditional.values())) == set()

    def test_traditional_texts_have_no_words_of_the_mainland(self):
        texts = strings.column("zh-Hant")
        words = re.compile(
            "棋鍾|程式碼|系統只讀|唯讀[著了]|字尾|擴充套件名|全屏|幫助|單擊|拖動|退格|撤銷|協議|列表|自定|字號|文本|註釋|檔案頭|查詢相似"
            "|後綴|字節|鼠標|視頻|默認|信息|軟件|硬件|文件|數據|菜單|剪貼板|打印|屏幕"
        )
        assert {key: text for key, text in texts.items() if words.search(text)} == {}
        rank = re.compile("[0-9}] ?行")  # a column in Taiwan; the line of a text is called so there, too
        assert [key for key, text in texts.items() if rank.search(text)] == ["place.line"]

    def test_traditional_texts_are_the_simplified_ones_converted(self):
        assert strings.column("zh-Hant")["resign"] == "認輸"
        assert strings.column("zh-Hant")["save"] == "儲存"  # what Taiwan and Hong Kong call it


class TestLive:
    def test_buttons_change_with_the_language(self, chinese):
        assert Action.UNDO.label == "悔棋"
        assert Action.FIRST.title == "回到开始局面"

    def test_an_unknown_language_changes_nothing(self, chinese):
        with pytest.raises(KeyError):
            strings.set_language("tlh")
        assert strings.language() == "zh-Hans"

    def test_every_level_has_a_name(self, language):
        names = [level_name(level) for level in LEVELS]
        assert len(set(names)) == len(names)
        assert (names == [level.name for level in LEVELS]) == (language == "en")


class TestSentencesOfThePackagesBelow:
    def test_english_stays_as_it_is(self):
        for ending in ENDINGS:
            assert strings.translated(ending.text) == ending.text

    @pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: f"{ending.winner}-{ending.reason}")
    def test_every_ending_is_told_in_chinese(self, chinese, ending):
        text = strings.translated(ending.text)
        assert not re.search("[A-Za-z]", text)
        assert ending.winner is None or "红黑"[ending.winner] in text

    @pytest.mark.parametrize("notation", ["chinese", "iccs"])
    @pytest.mark.parametrize(
        ("fen", "moves"),
        [
            (STARTING_FEN, "h2e2 h9g7 e2h2 g7h9 " * 2),
            ("3k5/9/9/9/9/9/9/9/4R4/5K3 w", "e1d1 d9e9 d1e1 e9d9 " * 2),
            ("5k3/9/4b4/9/9/9/9/4R4/9/3K5 b", "e7g5 e2g2 g5e7 g2e2 " * 2),
            ("3k5/9/9/9/4n4/9/9/4R4/9/5K3 b", "e5g4 e2g2 g4e5 g2e2 " * 2),
            ("R3k4/R8/9/9/9/9/9/9/9/3K5 b", ""),
            ("3k5/4P4/9/9/9/9/9/9/9/4K4 b", ""),
            ("3k5/9/9/9/9/9/9/9/9/4K4 w", ""),
            ("3k5/9/9/9/9/9/9/9/4R4/5K3 w - - 120 1", ""),
            *((case["fen"], case["moves"]) for case in map(json.loads, BOOK.open())),
        ],
    )
    def test_the_facts_behind_a_ruling_are_told_in_chinese(self, chinese, fen, moves, notation):
        board = Board.from_moves(moves, fen)
        texts = Style(notation, False).line(Board(fen), board.move_stack)
        found = [board.outcome(rules, insufficient_material=True) for rules in ("computer", "asian", "check_only")]
        endings = [told(Ending(each.winner, each.reason, each.evidence), texts) for each in found if each is not None]
        facts = [fact for ending in endings for fact in ending.evidence]
        assert facts
        for fact in facts:
            plain = re.sub("[a-i][0-9][a-i][0-9]", "", strings.translated(fact))
            assert not re.search("[A-Za-z]", plain), plain

    def test_the_board_has_one_name_for_each_piece(self):
        text = "ply 3: red h2e2 newly chases the knight with the rook, which has no legal recapture"
        assert strings.translated(text) == text.replace("knight", "horse").replace("rook", "chariot")
        text = "black newly chases the bishop and the rook with every move, which the checks excuse"
        assert strings.translated(text) == text.replace("bishop", "elephant").replace("rook", "chariot")
        library = re.compile(r"\b(rook|knight|bishop)s?\b", re.IGNORECASE)
        assert [key for key, text in strings.column("en").items() if library.search(text)] == []

    @pytest.mark.parametrize("line", ["", "readyok"])
    @pytest.mark.parametrize("error", ["", "no memory"])
    @pytest.mark.parametrize(
        "reason",
        [
            "the engine ended with exit code 3 during a search",
            "the engine was killed by signal 9",
            "cannot start the engine: the engine ended with exit code 1",
            "cannot start the engine: the engine did not answer 'uci' with 'uciok' within 10 s",
            "the engine does not play xiangqi: its variants are chess",
            "the engine played 'a0a9', which is not legal in 4k4 w",
        ],
    )
    def test_failures_of_engines_are_told_in_chinese(self, chinese, reason, line, error):
        told = strings.translated(str(EngineError(reason, "/bin/a b", line, error)))
        assert "engine" not in told and "command" not in told
        assert "/bin/a b" in told and line in told and error in told

    def test_a_move_that_cannot_be_read_is_told_in_chinese(self, chinese):
        for read, expected in ((Board().parse_wxf, "应为棋子"), (Board().parse_chinese, "应为四个字")):
            with pytest.raises(InvalidMoveError) as caught:
                read("H2")
            assert expected in strings.translated(str(caught.value))

    def test_what_the_table_does_not_have_stays_as_it_is(self, chinese):
        assert strings.translated("the dog ate the file") == "the dog ate the file"

    @pytest.mark.parametrize(
        ("sentence", "expected"),
        [
            ("No such file or directory: '/tmp/a.pgn'", "没有这个文件：'/tmp/a.pgn'"),
            ("a.pgn, line 12: there is no game in the text", "a.pgn，第 12 行：文字中没有棋局"),
            ("cannot play from this position: the kings face each other; the red king is missing",
             "这个局面不能下：将帅照面；红方没有帅"),
            ("illegal move 'e9e8': it is red's turn in 4k4 w", "不合法的着法 'e9e8'：轮到红方走，局面 4k4 w"),
            ("game 2, ply 7: illegal move 'e9e8': e8 holds a piece of the same side in 4k4 w",
             "第 2 局，第 7 步：不合法的着法 'e9e8'：e8 有自己的棋子，局面 4k4 w"),
        ],
    )  # fmt: skip
    def test_faults_are_told_in_chinese_with_their_places(self, chinese, sentence, expected):
        assert strings.translated(sentence) == expected
        assert strings.say("notice.not_saved", reason=sentence).endswith(expected)

    @pytest.mark.parametrize("sentence", faults())
    def test_every_fault_of_a_file_is_told_in_chinese(self, chinese, sentence):
        told = strings.translated(f"a.xqf, game 2, byte 773: {sentence} (and 5 more faults)")
        assert told.startswith("a.xqf，第 2 局，第 773 字节：") and told.endswith("（另有 5 处错误）")
        assert left_in_english(told.removeprefix("a.xqf")) == []

    @pytest.mark.parametrize(
        "sentence",
        [
            "not a CBF file: its root is 'x', not 'ChineseChessRecord'",
            "an XQF file holds one game, not several",
            "two pieces, R and r, on one square",
            "two pieces, R and r, on 77",
            "FEN's clock: halfmove clock of FEN is not a number: 'x'",
            "not JSON: 'x' (column 7)",
            "illegal move 'Rb10': no black rook can go there in '4k4 w'",
            "illegal move 'Rcb10': no black rook on file c can go there in '4k4 w'",
            "illegal move 'R3b10': no red rook on rank 3 can go there in '4k4 w'",
            "illegal move 'Rc3b10': no red rook on c3 can go there in '4k4 w'",
            "illegal move 'c3b10': no red piece on c3 can go there in '4k4 w'",
            "illegal move '1': there is no such tandem red pawn on file 3 in '4k4 w'",
            "ply 3: illegal move 'C2=5': no red knight goes that way from b2 or e2 in '4k4 w'",
            "broken compression: Compressed file ended before the end-of-stream marker was reached",
            "the library ends in the middle of the game: 1 byte expected here",
            "'sh -c ': No closing quotation",
            "the process of the puzzles was killed by 'SIGKILL'",
            "it is too large; 1,234 of its games are here",
            "there is no game in the file (and 1 more fault)",
        ],
    )
    def test_faults_put_together_are_told_in_chinese(self, chinese, sentence):
        told = strings.translated(sentence)
        assert left_in_english(re.sub("^FEN's clock|[a-i][0-9]", "", told)) == [], told

    @pytest.mark.parametrize(
        "fen",
        [
            "9/9", "x3k4/9/9/9/9/9/9/9/9/4K4 w", "4k5/9/9/9/9/9/9/9/9/4K4 w", "4k22/9/9/9/9/9/9/9/9/4K4 w",
            "4k4/9/9/9/9/9/9/9/9/4K4 z", "4k4/9/9/9/9/9/9/9/9/4K4 w", "1 2 3 4 5 6 7",
        ],
    )  # fmt: skip
    def test_what_is_wrong_with_a_position_is_told_in_chinese(self, chinese, fen):
        with pytest.raises(InvalidFenError) as caught:
            playable(fen)
        told = strings.translated(describe(caught.value))
        assert told != describe(caught.value)
        assert not re.search("[A-Za-z]{4,}", told)

    def test_what_is_wrong_with_a_file_is_told_in_chinese(self, chinese, tmp_path):
        empty, folder = tmp_path / "empty.pgn", tmp_path / "folder"
        empty.touch()
        folder.mkdir()
        for path in (empty, folder, tmp_path / "missing.pgn"):
            with pytest.raises((OSError, ValueError)) as caught:
                load(path)
            told = strings.translated(describe(caught.value)).replace(str(tmp_path), "")
            assert not re.search("[A-Za-z]{4,}", re.sub(r"\w+\.pgn|folder", "", told)), told
