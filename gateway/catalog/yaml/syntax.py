"""What is wrong with a text that is no YAML: the line of the slip, and what to write instead.

    line, message = syntax.explain(error, text)

The parser says where it could not go on, in words about itself. A quote or a bracket without an end
is noticed lines after the one to mend, a key without a colon on the next one.
"""

from __future__ import annotations

import re

import yaml

_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what YAML counts as one
_NO_SPACE = re.compile(r"\s*(?:- )?[\w.-]+[:\uff1a](?! |$)")
_COLUMN = "begin the keys of one mapping in the same column"
_QUOTE = "put the whole text in quotes"
_NOT_CLOSED = "what begins here has no end; close it"
_WHERE_IT_BEGINS = {
    "could not find expected ':'": "write a colon and a space after the key",
    "found unexpected end of stream": _NOT_CLOSED,
}
_WHERE_IT_STOPS = {
    "found unknown escape character": "write the backslash twice, or the text in single quotes",
    "did not find expected alphabetic or numeric character": _QUOTE,
}


def explain(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Return the number of the line to mend, from 0, and what is wrong with it."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.encode()[: error.position].count(b"\n")
        return line, f"not YAML: the character U+{error.character:04X}, which is none of a text's"
    if not isinstance(error, yaml.MarkedYAMLError):
        return 0, f"not YAML: {type(error).__name__}"
    line, advice = _advise(error, _LINE_BREAK.split(text))
    message = f"not YAML: {error.problem or error.context}"
    return line, f"{message}; {advice}" if advice else message


def _advise(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[int, str]:
    problem = error.problem or ""
    begin = error.context_mark.line if error.context_mark else 0
    if error.problem_mark is None:
        return begin, ""
    if problem in _WHERE_IT_BEGINS:
        return begin, _WHERE_IT_BEGINS[problem]
    line = error.problem_mark.line
    column = error.problem_mark.column
    text = lines[line] if line < len(lines) else ""
    if problem == "mapping values are not allowed in this context":
        return _misplaced_colon(text[:column], lines[:line])
    if problem.startswith("did not find expected ',' or"):
        return _broken_brackets(text, line, column, begin)
    if problem == "did not find expected key":
        return line, _QUOTE if text[:column].strip() else _COLUMN
    if problem == "found character that cannot start any token":
        return line, _odd_beginning(text, column)
    return line, _WHERE_IT_STOPS.get(problem, "")


def _misplaced_colon(text: str, lines_before: list[str]) -> tuple[int, str]:
    """Tell a colon inside a text from a key that is indented too deep, or follows ``key:value``."""
    line = len(lines_before)
    if re.search(r":\s", text):
        return line, f"a colon and a space make a key; {_QUOTE}"
    filled = [number for number, before in enumerate(lines_before) if before.strip()]
    if filled and _NO_SPACE.match(lines_before[filled[-1]]):
        return filled[-1], "write a space after the colon"
    return line, _COLUMN


def _broken_brackets(text: str, line: int, column: int, begin: int) -> tuple[int, str]:
    if text[:column].endswith("$"):
        return line, 'write "${NAME}" with its quotes'
    if begin < line:
        return begin, _NOT_CLOSED
    return line, "put a comma between two entries, and a text with brackets, commas or : in quotes"


def _odd_beginning(text: str, column: int) -> str:
    if "\t" in text:
        return "indent with spaces, and not with a tab"
    if text[column : column + 1] in ("%", "@", "`"):
        return _QUOTE
    return ""
