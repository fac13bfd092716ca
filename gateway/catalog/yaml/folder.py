"""A catalog in several files as one text, so that it is kept, compared and copied as any other.

text = join_files({"maps.yaml": "version: 1", "mail.yaml": "version: 1"})
[file.name for file in split_files(text)]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

#: Stands before each file of a folder, in the one text that the folder is.
FILE_MARK = "# --- file of this catalog: "


class FilePart(NamedTuple):
    """One file of a document: its text, and the lines of the document before it."""

    name: str
    offset: int
    text: str


def join_files(files: Mapping[str, str]) -> str:
    """Return the one text of several files, by name; ``split_files`` takes it apart.

    :raises ValueError: a file has a line that would be taken for the beginning of another.
    """
    for name, text in files.items():
        if FILE_MARK in text:
            raise ValueError(f"{name} has a line that begins with {FILE_MARK!r}")
    return "".join(f"{FILE_MARK}{name}\n{text.rstrip()}\n" for name, text in files.items())


def split_files(text: str) -> list[FilePart]:
    """Return the files that ``join_files`` made one text of; none of any other text."""
    if not text.startswith(FILE_MARK):
        return []
    files = []
    offset = 0
    for piece in text.removeprefix(FILE_MARK).split("\n" + FILE_MARK):
        name, _, content = piece.partition("\n")
        files.append(FilePart(name, offset + 1, content))
        offset += piece.count("\n") + 1
    return files
