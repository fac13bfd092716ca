"""README.zh-CN.md says what README.md says: section by section, command by command, code by code."""

from __future__ import annotations

import re
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = (
    (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")
)
FENCED = re.compile(r"^```.*?^```$", re.S | re.M)


def shape(text: str) -> list[str]:
    """Headings (their level), code blocks and rows of tables by their first cells, in order; not what ``make bench`` writes."""
    text = re.sub(r"<!-- bench.*?<!-- /bench.*?-->", "", text, flags=re.S)
    parts: list[str] = []
    at = 0
    for block in FENCED.finditer(text):
        parts += [*_outside(text[at : block.start()]), block[0]]
        at = block.end()
    return parts + _outside(text[at:])


def _outside(text: str) -> list[str]:
    found = re.findall(r"^(#+ )|^\| (-?\d+ \| [^|]* \| \w*|`[^|]*(?:\\\|[^|]*)*) ", text, re.M)
    return [level + "(heading)" if level else row for level, row in found]


def test_both_have_the_same_headings_code_blocks_and_codes() -> None:
    here: str | None = "the beginning"
    for theirs, ours in zip_longest(shape(ENGLISH), shape(CHINESE)):
        if theirs != ours:
            pytest.fail(
                f"README.zh-CN.md is not README.md any more, after\n{here}\n\n"
                f"README.md goes on with\n{theirs}\n\nREADME.zh-CN.md with\n{ours}",
                pytrace=False,
            )
        here = theirs


def test_each_names_the_other() -> None:
    assert "](README.zh-CN.md)" in ENGLISH
    assert "](README.md)" in CHINESE


def test_what_either_links_to_is_there() -> None:
    for file in re.findall(r"\]\(([^)#:]+)", ENGLISH + CHINESE):
        assert (ROOT / file).exists(), file
