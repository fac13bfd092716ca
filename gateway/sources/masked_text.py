"""A catalog's text without the secrets that it spells out.

mask_lines(["auth: {type: bearer, token: hunter2}"])  # ["auth: {type: bearer, token: ****"]
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.masking import STARS, is_secret_name
from gateway.signers import is_secret

AUTH = "auth"
#: Whose texts are all sent, so that any may be a secret.
SENT = frozenset({"headers", "query"})
#: What else an auth calls a secret; ``auth`` itself may be spelled wrong, or stand in an anchor.
SECRET_KEYS = frozenset({"value", "service_account"})
_PEM = re.compile(r"-----(BEGIN|END) [A-Z ]*PRIVATE KEY")
#: What a value stands after; a wrong file may lack the space, or have another sign.
_NAME = re.compile(r"""((?<![\w.-])[\w.-]++|"[^"]*"|'[^']*')\s*[:=\uff1a](?!//)\s*""")
_VARIABLE = re.compile(r"""["']?\$\{([A-Za-z_]\w*|file:[^}]*)\}["']?(?=\s*([,}\]]|$))""")
_USER_INFO = re.compile(r"(?<=://)[^\s\"',]{1,200}@")  # a wrong one may have a / or an @
_KEY_IN_QUERY = re.compile(r"""(?<=[?&])([\w.-]*key=)[^&#\s"',}]+""", re.I)
#: What is long and no word: a key that stands where none is looked for.
_LONG_TOKEN = re.compile(r"(?<![\w+=-])(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{24,}")
#: What is a secret elsewhere: a comment, a text that has an anchor, a value of a parameter.
_DOUBTFUL = re.compile(
    r"""((?:^|\s)\#|[\s:]&[^\s,]+\s|(?<!\w)(?:default|example|enum|const)["']?:)\s*[^\s{].*"""
)


def mask_lines(lines: Sequence[str], is_yaml: bool = True) -> list[str]:
    """Return the lines of a catalog, right or wrong, with stars for what may be a secret.

    Variables stay. The text may be no YAML, so that indentation tells what stands in what; too much
    is masked rather than too little.

    :param is_yaml: False where ``find_literals`` could not read all of it; then more is masked.
    """
    masker = _LineMasker(is_yaml)
    return [masker.mask(line) for line in lines]


class _LineMasker:
    """Masks line after line, and remembers what the next one may stand in."""

    def __init__(self, is_yaml: bool) -> None:
        self._is_yaml = is_yaml
        self._open_braces = 0
        self._hidden_indent: int | None = None  # of a key whose value goes on, hidden
        self._block = ""  # auth, headers or query
        self._block_indent = 0
        self._in_private_key = False

    def mask(self, line: str) -> str:
        text = line.lstrip()
        if not text:
            return line
        indent = len(line) - len(text)
        is_outside = self._is_yaml or not self._open_braces
        self._open_braces = max(0, self._open_braces + line.count("{") - line.count("}"))
        if self._in_private_key and ":" not in line:  # pasted, and indented in any way
            self._in_private_key = "-----END" not in line
            return line[:indent] + STARS
        marks = _PEM.findall(line)
        self._in_private_key = marks[-1:] == ["BEGIN"]
        if self._hidden_indent is not None:
            is_item = text.startswith("-") and indent == self._hidden_indent
            if indent > self._hidden_indent or is_item:
                return line[:indent] + STARS
            self._hidden_indent = None
        if indent <= self._block_indent and is_outside and not text.startswith(("}", "#")):
            self._block = ""
        masked = self._mask_values(line, indent)
        if self._is_yaml:
            return masked
        name = _NAME.search(line)
        before = line[: name.start()] if name else line
        if before.strip(" \t{}[],-") or "\\" in line or line.count('"') % 2:
            return line[:indent] + STARS
        return _DOUBTFUL.sub(rf"\1 {STARS}", masked)

    def _mask_values(self, line: str, indent: int) -> str:
        """Return the line up to the first value that may be a secret."""
        has_names = False
        for match in _NAME.finditer(line):
            has_names = True
            name = match[1].strip("\"'")
            if not self._block and (name == AUTH or name in SENT):
                self._block = name
                self._block_indent = indent
                if line[match.end() :][:1] not in ("", "{", "&", "*", "#"):
                    return line[: match.end()] + STARS  # no mapping, so that it is wrong
            elif self._is_secret(name) and not _VARIABLE.match(line, match.end()):
                value = line[match.end() :].strip()
                is_comment = line.lstrip().startswith("#")
                if (value or self._block) and not is_comment and value[:1] != "{":
                    self._hidden_indent = indent
                if value and value[0] != "{":
                    return line[: match.end()] + STARS
        if self._block and not has_names and line.strip(" \t{}[],-"):
            return line[:indent] + STARS
        line = _USER_INFO.sub(f"{STARS}@", line)
        line = _KEY_IN_QUERY.sub(rf"\1{STARS}", line)
        return _LONG_TOKEN.sub(STARS, line)

    def _is_secret(self, name: str) -> bool:
        if self._block == AUTH:
            return is_secret(name)
        return self._block in SENT or name in SECRET_KEYS or is_secret_name(name)
