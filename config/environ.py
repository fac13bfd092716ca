"""The environment and ``.env``: what they say by name, and which names look like slips."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar, cast

import dotenv
import environs
from dotenv.parser import parse_stream

ENCODING = "utf-8-sig"  # editors on Windows begin a file with a byte order mark
MIN_NAME_LETTERS = 5  # of a shorter name, too many others are near
MIN_SIMILARITY = 0.85  # of two names, by difflib
#: Of names that other projects gave, who have many like them.
FOREIGN_PREFIXES = ("OTEL_", "SSL_", "REQUESTS_")
PROXY_VARIABLES = (
    "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy",
)  # fmt: skip


class SettingsError(ValueError):
    """One line for each setting that is wrong: its name and what is allowed."""


class Environ(Mapping[str, str]):
    """The environment as it is when this is made, and beneath it what a ``.env`` says now.

    So a catalog changed while the service runs finds the ``${NAME}`` newly written into ``.env``.
    """

    #: What a .env, and not the environment, gave ``os.environ``; forks have it, too.
    _from_file: ClassVar[dict[str, str]] = {}

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: tuple[int, int, int] | None = None
        self._values: dict[str, str] = {}
        self._reload()
        self._from_file.update(
            (name, value) for name, value in self._values.items() if name not in os.environ
        )
        self._outer = {
            name: value for name, value in os.environ.items() if self._from_file.get(name) != value
        }

    def __getitem__(self, name: str) -> str:
        self._reload()
        if name in self._outer:
            return self._outer[name]
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        self._reload()
        return iter({**self._values, **self._outer})

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _reload(self) -> None:
        """Read the file again if it has changed; one that cannot be read counts as unchanged."""
        try:
            stat = self._file.stat()
            stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if stamp != self._stamp:
                values = dotenv.dotenv_values(self._file, encoding=ENCODING)
                self._values = {name: value for name, value in values.items() if value is not None}
                self._stamp = stamp
        except FileNotFoundError:
            self._values = {}
            self._stamp = None
        except (OSError, UnicodeDecodeError):
            return


def dotenv_problem(file: Path) -> str | None:
    """Return why a ``.env`` cannot be read, without a word of what stands in it."""
    try:
        text = file.read_bytes()
        text.decode(ENCODING)
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        return (
            ".env: is a folder; it must be a file (docker makes a folder of a file that is mounted "
            "and not there)"
        )
    except OSError as error:
        return f".env: cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        return f".env: line {line} is not UTF-8; save the file as UTF-8"
    if b"\0" in text:
        return ".env: is not UTF-8 but looks like UTF-16; save the file as UTF-8"
    for binding in parse_stream(StringIO(text.decode(ENCODING))):
        if binding.error:
            return f".env: line {binding.original.line} is not NAME=VALUE"
    return None


def near_misses(names: Collection[str], settings: Collection[str]) -> list[str]:
    """Return a warning for each name that is near to a setting's; values are never shown."""
    matches = ((name, _nearest(name, settings)) for name in sorted(set(names) - set(settings)))
    return [f"{name}: is no setting; did you mean {near}?" for name, near in matches if near]


def unused_proxies(environ: Mapping[str, str], egress_proxy: str) -> list[str]:
    """Return a note if the environment names a proxy and no setting says whether to use it."""
    names = [name for name in PROXY_VARIABLES if environ.get(name)]
    if egress_proxy or not names:
        return []
    return [
        f"{names[0]}: is not used; calls to services go by EGRESS_PROXY, which is not set (none "
        "says so, too)"
    ]


def _nearest(name: str, settings: Collection[str]) -> str | None:
    settings = [setting for setting in settings if not setting.startswith(FOREIGN_PREFIXES)]
    if name.startswith(FOREIGN_PREFIXES):
        return None
    if len(name) < MIN_NAME_LETTERS:
        letters = sorted(name.upper())
        return next((setting for setting in settings if sorted(setting) == letters), None)
    return next(iter(difflib.get_close_matches(name.upper(), settings, 1, MIN_SIMILARITY)), None)


class Reader(environs.Env):
    """environs, with each problem as one line that names the setting."""

    def __init__(self) -> None:
        super().__init__(eager=False)
        self._slips: dict[str, str] = {}

    @property
    def names(self) -> Collection[str]:
        """The names of all settings that were read."""
        return self._fields.keys()

    def comma_separated(self, name: str, check: Callable[[str], object]) -> tuple[str, ...] | None:
        """Read a comma-separated list, each item checked; only secrets keep blanks around one."""

        def check_all(values: list[str]) -> None:
            for value in values:
                check(value)

        read_item = str if "SECRET" in name else str.strip
        values: list[str] | None = self.list(name, [], subcast=read_item, validate=check_all)
        if values is None:
            return None
        return tuple(values)

    def problems(self) -> list[str]:
        errors: Mapping[str, list[str]] = {}
        try:
            self.seal()
        except environs.EnvValidationError as error:
            errors = cast(Mapping[str, list[str]], error.error_messages)
        lines = {name: f"{name}: {' '.join(map(str, texts))}" for name, texts in errors.items()}
        return list({**lines, **self._slips}.values())

    def _get_value(self, env_key: str, default: Any) -> Any:
        """Return a value without the blanks around it, unless it is a secret."""
        value = super()._get_value(env_key, default)
        if env_key not in os.environ or "SECRET" in env_key:
            return value
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            self._slips[env_key] = (
                f"{env_key}: stands in quotes, which are taken as part of it; leave them out"
            )
            return default
        return value
