"""A catalog that is no YAML: the line of the slip itself, and what to write instead."""

from __future__ import annotations

import pytest

from gateway.catalog.loader import load_catalog
from gateway.catalog.yaml.document import DocumentError

CATALOG = """\
version: 1
services:
  s:
    base_url: https://a.example
    auth: {type: bearer, token: "${TOKEN}"}
    methods:
      m:
        http: POST /a
        summary: A text
        params:
          p: {type: string, maxLength: 5}
          q: {type: string}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "line", "advice"),
    [
        ("    methods:", "\tmethods:", 6, "indent with spaces, and not with a tab"),
        ("    methods:", "   methods:", 6, "begin the keys of one mapping in the same column"),
        ("    auth:", "      auth:", 5, "begin the keys of one mapping in the same column"),
        ("          q:", "         q:", 12, "begin the keys of one mapping in the same column"),
        ("methods:", "methods", 6, "write a colon and a space after the key"),
        ("base_url: ", "base_url:", 4, "write a space after the colon"),
        ("base_url: ", "base_url\uff1a", 4, "write a space after the colon"),
        ("A text", "A text: short", 9, "a colon and a space make a key; put the whole text in"),
        ("A text", "'A' text", 9, "put the whole text in quotes"),
        ("A text", "@text", 9, "put the whole text in quotes"),
        ("A text", "*", 9, "put the whole text in quotes"),
        ("A text", '"\\d"', 9, "write the backslash twice, or the text in single quotes"),
        ('"${TOKEN}"', "${TOKEN}", 5, 'write "${NAME}" with its quotes'),
        ('"${TOKEN}"}', '"${TOKEN}"', 5, "what begins here has no end; close it"),
        ('"${TOKEN}"', '"${TOKEN}', 5, "what begins here has no end; close it"),
        ("string, maxLength", "string maxLength", 11, "put a comma between two entries"),
        ("A text", "A \x01 text", 9, "the character U+0001"),
    ],
)
def test_a_slip_is_told_with_its_own_line_and_what_to_write(
    right: str, wrong: str, line: int, advice: str
) -> None:
    assert right in CATALOG
    with pytest.raises(DocumentError) as caught:
        load_catalog(CATALOG.replace(right, wrong), "services.yaml", {"TOKEN": "abc"})
    (problem,) = caught.value.problems
    assert (problem.line, advice in problem.message) == (line, True), problem


def test_no_word_of_the_text_stands_in_what_is_told() -> None:
    with pytest.raises(DocumentError) as caught:
        load_catalog(CATALOG.replace('"${TOKEN}"', "hunter2 {"), "services.yaml", {})
    assert "hunter2" not in str(caught.value)
