"""What there is in Chinese says what the English page says: section by section, command by command, code by code."""

from __future__ import annotations

import re
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHINESE_PAGES = [ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.zh-CN.md"))]
FENCED_BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
HEADING_OR_ROW = re.compile(
    r"^(#+ )|^\| (-?\d+ \| [^|]* \| \w*|`[^|]*(?:\\\|[^|]*)*) ", re.MULTILINE
)
CODE = re.compile(r"`[^`]*`")


def english(page: Path) -> Path:
    return page.with_name(page.name.replace(".zh-CN", ""))


def shape(page: Path) -> list[str]:
    """The page's headings (their level), code blocks, and rows of tables by their codes, in order."""
    text = page.read_text(encoding="utf-8")
    parts: list[str] = []
    start = 0
    for block in FENCED_BLOCK.finditer(text):
        parts += [*_headings_and_rows(text[start : block.start()]), block[0]]
        start = block.end()
    return parts + _headings_and_rows(text[start:])


def _headings_and_rows(text: str) -> list[str]:
    return [
        level + "(heading)" if level else _codes(row) for level, row in HEADING_OR_ROW.findall(text)
    ]


def _codes(row: str) -> str:
    """What both languages write alike in a row's first cell: words around and between code differ."""
    return " ".join(CODE.findall(row)) if row.startswith("`") else row


@pytest.mark.parametrize("page", CHINESE_PAGES, ids=lambda page: page.name)
def test_both_have_the_same_headings_code_blocks_and_codes(page: Path) -> None:
    last: str | None = "the beginning"
    for theirs, ours in zip_longest(shape(english(page)), shape(page)):
        if theirs != ours:
            pytest.fail(
                f"{page.name} is not {english(page).name} any more, after\n{last}\n\n"
                f"{english(page).name} goes on with\n{theirs}\n\n{page.name} with\n{ours}",
                pytrace=False,
            )
        last = theirs


def test_both_pages_on_speed_have_the_same_tables() -> None:
    marked = re.compile(r"<!-- (\w+) -->\n.*?<!-- /\1 -->", re.DOTALL)
    ours, theirs = (
        [part[0] for part in marked.finditer((ROOT / "docs" / name).read_text(encoding="utf-8"))]
        for name in ("speed.zh-CN.md", "speed.md")
    )
    assert ours == theirs


def test_every_page_is_in_chinese() -> None:
    pages = {page.name for page in (ROOT / "docs").glob("*.md")}
    translated = {english(page).name for page in CHINESE_PAGES}
    assert {page for page in pages if ".zh-CN" not in page} <= translated


def test_a_chinese_page_leads_to_chinese_ones() -> None:
    for page in CHINESE_PAGES:
        text = FENCED_BLOCK.sub("", page.read_text(encoding="utf-8"))
        for name in re.findall(r"\]\(((?:docs/)?[a-z]+)\.md", text):
            target = page.parent / f"{name}.zh-CN.md"
            own = target == page  # each names the other
            assert own or not target.exists(), f"{page.name} links to {name}.md"


@pytest.mark.parametrize("page", CHINESE_PAGES, ids=lambda page: page.name)
def test_each_names_the_other(page: Path) -> None:
    assert f"]({page.name})" in english(page).read_text(encoding="utf-8")
    assert f"]({english(page).name})" in page.read_text(encoding="utf-8")


def test_the_codes_are_in_both_languages() -> None:
    codes = [part for part in shape(ROOT / "docs" / "errors.zh-CN.md") if part.startswith("-")]

    assert len(codes) > 30


def test_what_a_page_links_to_is_there() -> None:
    for page in [ROOT / "README.md", ROOT / "README.zh-CN.md", *(ROOT / "docs").glob("*.md")]:
        text = FENCED_BLOCK.sub("", page.read_text(encoding="utf-8"))
        for file, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
            target = page.parent / file if file else page
            assert target.exists(), f"{page.name} links to {file}"
            if anchor:
                assert anchor in _anchors(target), f"{page.name} links to {file}#{anchor}"


def _anchors(page: Path) -> set[str]:
    """The names by which GitHub reaches a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
