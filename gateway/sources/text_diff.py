"""How one catalog's text differs from another's, without the secrets that either spells out.

print(diff_catalogs(serving_text, refused_text, "services.yaml"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from itertools import islice, takewhile

from gateway.catalog.yaml.folder import split_files
from gateway.masking import Masker, Secret
from gateway.sources.literals import Literals, find_literals
from gateway.sources.masked_text import mask_lines

CONTEXT_LINES = 3
MAX_COMPARED_LINES = 2000  # of one file, where it begins to differ: the time grows with the cube
MAX_DIFF_LINES = 500
MAX_LINE_CHARACTERS = 300
MORE = "… and more"


def diff_catalogs(old: str, new: str, name: str, mask: Callable[[str], str] = str) -> str:
    """Return a unified diff of two texts, each a file's or a folder's; bounded in its length.

    :param mask: takes the secrets in use out of a line.
    """
    before = _files(old, name)
    after = _files(new, name)
    empty = find_literals("")
    masker = Masker()
    masker.use_catalog_secrets(
        Secret(value)
        for literals in (*before.values(), *after.values())
        for value in literals.values
    )

    def mask_all(text: str) -> str:
        return mask(masker.mask_secrets(text))

    differing = (
        line
        for file in sorted({*before, *after})
        for line in _diff_file(file, before.get(file, empty), after.get(file, empty), mask_all)
    )
    lines = list(islice(differing, MAX_DIFF_LINES + 1))  # the other files are not compared
    if len(lines) > MAX_DIFF_LINES:
        lines = [*lines[:MAX_DIFF_LINES], MORE]
    return "".join(f"{line}\n" for line in lines)


def _files(text: str, name: str) -> dict[str, Literals]:
    files = {file.name: file.text for file in split_files(text)} or {name: text}
    return {file: find_literals(text) for file, text in files.items()}


def _diff_file(
    name: str, old_file: Literals, new_file: Literals, mask: Callable[[str], str]
) -> Iterator[str]:
    if old_file.text == new_file.text:
        return
    old = old_file.text.splitlines()
    new = new_file.text.splitlines()
    start = _count_equal(old, new)
    skipped = max(0, start - CONTEXT_LINES)
    # What both end with would be compared in vain.
    common_end_count = max(0, _count_equal(old[start:][::-1], new[start:][::-1]) - CONTEXT_LINES)
    end = skipped + MAX_COMPARED_LINES
    both_go_on = end < min(len(old), len(new)) - common_end_count
    old = old[: min(len(old) - common_end_count, end)]
    new = new[: min(len(new) - common_end_count, end)]
    masked_old = _masked(old_file, len(old), mask)[skipped:]
    masked_new = _masked(new_file, len(new), mask)[skipped:]
    yield f"--- {name} (serving)"
    yield f"+++ {name}"
    matcher = SequenceMatcher(None, old[skipped:], new[skipped:])  # none of what stands everywhere
    for group in matcher.get_grouped_opcodes(CONTEXT_LINES):
        if both_go_on and group[-1][0] in ("insert", "delete"):
            group.pop()  # the other text has these lines where it is not compared
            if len(group) == 1:  # what both have before them
                continue
        first = group[0]
        last = group[-1]
        old_lines = f"{first[1] + skipped + 1},{last[2] - first[1]}"
        new_lines = f"{first[3] + skipped + 1},{last[4] - first[3]}"
        yield f"@@ -{old_lines} +{new_lines} @@"
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                yield from _lines(mask, " ", masked_new[new_from:new_to])
            else:
                yield from _lines(mask, "-", masked_old[old_from:old_to])
                yield from _lines(mask, "+", masked_new[new_from:new_to])
    if both_go_on:
        yield MORE


def _masked(file: Literals, count: int, mask: Callable[[str], str]) -> list[str]:
    """Return a file's first lines without its secrets."""
    return mask_lines(file.mask(mask).splitlines()[:count], file.is_yaml)


def _count_equal(old: list[str], new: list[str]) -> int:
    """Return how many lines both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _lines(mask: Callable[[str], str], mark: str, lines: list[str]) -> Iterator[str]:
    for line in map(mask, lines):  # before they are cut
        text = line if len(line) <= MAX_LINE_CHARACTERS else line[:MAX_LINE_CHARACTERS] + "…"
        yield mark + text
