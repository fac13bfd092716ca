"""The catalogs that come with Postern, ``examples/catalogs``, and what their heads say.

A file begins with comments: a line ``VENDOR: WHAT FOR.``, a line ``Manual: URL``, and one for each
variable, with three blanks before it and more before the lines that go on::

    # Lark (Feishu): messages, groups and people.
    # Manual: https://open.feishu.cn/document
    #
    # Variables, in the environment or in .env:
    #   LARK_APP_ID      open.feishu.cn/app, the app, Credentials: App ID
    #   LARK_APP_SECRET  there: App Secret
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config import ROOT

FOLDER = ROOT / "examples" / "catalogs"
_VARIABLE = re.compile(r"   ([A-Z][A-Z0-9_]*) +(.+)")


@dataclass(frozen=True)
class Preset:
    """One of the catalogs.

    :param variables: where the vendor's console has the value of each, by name.
    """

    name: str
    text: str
    title: str
    manual: str
    variables: Mapping[str, str]

    @classmethod
    def read(cls, file: Path) -> Preset:
        text = file.read_text(encoding="utf-8")
        head = [line[1:] for line in text.partition("\nversion:")[0].splitlines()]
        manual = ""
        variables: dict[str, str] = {}
        for line in head:
            if line.startswith(" Manual: "):
                manual = line.removeprefix(" Manual: ")
            elif match := _VARIABLE.fullmatch(line):
                variables[match[1]] = match[2]
            elif variables and line.startswith("    "):
                last = next(reversed(variables))
                variables[last] += " " + line.strip()
        return cls(file.stem, text, head[0].strip(), manual, variables)


def read_presets() -> dict[str, Preset]:
    """Return the catalogs by name, in order."""
    files = sorted(FOLDER.glob("*.yaml"))
    return {file.stem: Preset.read(file) for file in files}
