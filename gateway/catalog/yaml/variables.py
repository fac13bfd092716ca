"""What a catalog takes from outside: ``${NAME}``, ``${NAME:-default}`` and ``${file:/path}``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path

from gateway.catalog.yaml.document import SECRET_PLACES, Path_, YamlDocument
from gateway.system import MAX_SECRET_BYTES, read_regular

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = r"([A-Z][A-Z0-9]*_[A-Z0-9_]+|[A-Z][A-Z0-9]{2,})"
#: A variable as shells, Windows and templates write it, where nothing else would be in a value.
_OTHER_SPELLING = re.compile(
    rf"(?:^|(?<=[ /=:]))(?:\${_NAME}|\$\({_NAME}\)|%{_NAME}%|\{{{_NAME}\}}|<{_NAME}>"
    rf"|\{{\{{ ?{_NAME} ?\}}\}})(?=$|[ /:])"
)
#: One whose brace is missing.
_UNCLOSED = re.compile(r"\$\{(?:[A-Z][A-Z0-9_]{2,}|file:)[^}]*$")
#: Keys of a service or a method whose texts are sent.
_SENT = frozenset({"auth", "headers", "query", "base_url", "backup_url"})
#: A default as it is written elsewhere: ``${NAME-text}``, ``${NAME:text}``.
_OTHER_DEFAULT = re.compile(r"([A-Z][A-Z0-9_]*)(?::?[-=]|:)(.+)")


class Variables:
    """Fills variables in, from ``env``; what cannot be is a problem of the document."""

    def __init__(self, document: YamlDocument, env: Mapping[str, str]) -> None:
        self._document = document
        self._env = env

    def fill(self, raw: str, path: Path_) -> str:
        """Return the text at a path with its variables filled in."""
        if _SENT.intersection(path):
            self._check_spelling(raw, path)
        if "${" not in raw:
            return raw
        count = len(self._document.injected)
        filled = _VARIABLE.sub(lambda match: self._value(match[1], path), raw)
        if len(self._document.injected) > count:  # the default is the catalog's own
            self._document.injected.append((path, filled))
        return filled

    def _check_spelling(self, raw: str, path: Path_) -> None:
        """Refuse what is a variable elsewhere and would be sent as it is."""
        if _OTHER_SPELLING.search(raw) or _UNCLOSED.search(raw):
            self._document.complain_missing(
                path,  # and not the text, which may be a secret after all
                "would be sent as it is written; a variable is ${NAME}, with braces"
                " (${NAME:-TEXT} if the text is meant)",
            )

    def _value(self, reference: str, path: Path_) -> str:
        if "${" in reference:  # the first } ends it, and what follows would be sent as it is
            self._document.complain_missing(
                path,
                "a variable inside another is not filled in; write one, with a text as default",
            )
            return ""
        if reference.startswith("file:"):
            return self._from_file(Path(reference[5:]), path)
        name, has_default, default = reference.partition(":-")
        if has_default and not self._env.get(name):
            return default
        if name in self._env:
            value = _pem_lines(self._env[name])
            self._document.injected.append((path, value))
            if not value and _SENT.intersection(path):
                self._document.complain_missing(
                    path,
                    f"${{{name}}} is set, but to nothing; give it a value"
                    f" (${{{name}:-}} may be empty)",
                )
            return value
        self._complain_unset(name, path)
        return ""

    def _complain_unset(self, name: str, path: Path_) -> None:
        hint = ""
        if default := _OTHER_DEFAULT.fullmatch(name):
            text = default[2]
            if SECRET_PLACES.intersection(path):  # it may be a secret
                name = default[1]
                text = "TEXT"
            hint = f" (a default is written ${{{default[1]}:-{text}}})"
        for similar in difflib.get_close_matches(name, self._env, n=1, cutoff=0.8):
            hint = f" (did you mean ${{{similar}}}?)"
        self._document.complain_missing(
            path, f"${{{name}}} is not set; set it in the environment or in .env{hint}"
        )

    def _from_file(self, file: Path, path: Path_) -> str:
        try:
            content = read_regular(file, MAX_SECRET_BYTES).decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            self._document.complain_missing(path, f"${{file:{file}}} cannot be read: {reason}")
            return ""
        self._document.injected.append((path, content))
        return content


def _pem_lines(text: str) -> str:
    r"""Return a key in PEM with its lines, which a variable that is one line has ``\n`` for."""
    if text.startswith("-----BEGIN ") and "\n" not in text:
        return text.replace("\\n", "\n")
    return text
