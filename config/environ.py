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

from config import checks

ENCODING = "utf-8-sig"  # editors on Windows begin a file with a byte order mark
MIN_NAME_LETTERS = 5  # of a shorter name, too many others are near
LIKENESS = 0.85  # of two names, by difflib
FOREIGN = ("OTEL_", "SSL_", "REQUESTS_")  # names that others gave, who have many like them

PROXY_VARIABLES = (
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
)


class Environ(Mapping[str, str]):
    """The environment as it is when this is made, and beneath it what a ``.env`` says now.

    So a catalog that is changed while the service runs finds the ``${NAME}`` that was written into ``.env`` for it.
    """

    _taken: ClassVar[
        dict[str, str]
    ] = {}  # what a .env, and not the environment, gave ``os.environ``; forks keep it

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: tuple[int, int, int] | None = None
        self._told: dict[str, str] = {}
        self._look()
        self._taken.update(
            (name, value) for name, value in self._told.items() if name not in os.environ
        )
        self._outer = {
            name: value for name, value in os.environ.items() if self._taken.get(name) != value
        }

    def __getitem__(self, name: str) -> str:
        self._look()
        return self._outer[name] if name in self._outer else self._told[name]

    def __iter__(self) -> Iterator[str]:
        self._look()
        return iter({**self._told, **self._outer})

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _look(self) -> None:
        """What cannot be read says what it said before."""
        try:
            found = self._file.stat()
            stamp = found.st_ino, found.st_size, found.st_mtime_ns
            if stamp != self._stamp:
                told = dotenv.dotenv_values(self._file, encoding=ENCODING)
                self._told, self._stamp = (
                    {name: value for name, value in told.items() if value is not None},
                    stamp,
                )
        except FileNotFoundError:
            self._told, self._stamp = {}, None
        except (OSError, UnicodeDecodeError):
            return


def dotenv_problem(file: Path) -> str | None:
    """Why a ``.env`` cannot be read, without a word of what stands in it."""
    try:
        text = file.read_bytes()
        text.decode(ENCODING)
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        return ".env: is a folder; it must be a file (docker makes a folder of a file that is mounted and not there)"
    except OSError as error:
        return f".env: cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        return f".env: line {line} is not UTF-8; save the file as UTF-8"
    if b"\0" in text:
        return ".env: is not UTF-8 but looks like UTF-16; save the file as UTF-8"
    return _junk_problem(text.decode(ENCODING))


def _junk_problem(text: str) -> str | None:
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            return f".env: line {binding.original.line} is not NAME=VALUE"
    return None


def near_misses(names: Collection[str], settings: Collection[str]) -> list[str]:
    """A warning for each name that is near to a setting's and is none; values are never shown."""
    found = ((name, _near(name, settings)) for name in sorted(set(names) - set(settings)))
    return [f"{name}: is no setting; did you mean {near}?" for name, near in found if near]


def unused_proxies(environ: Mapping[str, str], egress_proxy: str) -> tuple[str, ...]:
    """A note where the environment names a proxy for other programs, and no setting says whether to use it."""
    names = [name for name in PROXY_VARIABLES if environ.get(name)]
    if egress_proxy or not names:
        return ()
    return (
        f"{names[0]}: is not used; calls to services go by EGRESS_PROXY, which is not set (none says so, too)",
    )


def _near(name: str, settings: Collection[str]) -> str | None:
    settings = [each for each in settings if not each.startswith(FOREIGN)]
    if name.startswith(FOREIGN):
        return None
    if len(name) < MIN_NAME_LETTERS:
        return next((each for each in settings if sorted(each) == sorted(name.upper())), None)
    return next(iter(difflib.get_close_matches(name.upper(), settings, 1, LIKENESS)), None)


class Reader(environs.Env):
    """environs, with each problem as one line that names the setting."""

    def __init__(self) -> None:
        super().__init__(eager=False)
        self._slips: dict[str, str] = {}

    @property
    def names(self) -> Collection[str]:
        """Every setting that was asked for."""
        return self._fields.keys()

    def whole(self, name: str, default: int, low: int, high: int) -> int | None:
        """A whole number; None where it is none."""
        value: str | None = self.str(name, str(default), validate=checks.whole(low, high))
        return None if value is None else int(value)

    def comma_separated(self, name: str, check: Callable[[str], None]) -> tuple[str, ...] | None:
        """A comma-separated list, each item checked."""

        def every(values: list[str]) -> None:
            for value in values:
                check(value)

        values: list[str] | None = self.list(name, [], validate=every)
        return None if values is None else tuple(values)

    def problems(self) -> list[str]:
        wrong: Mapping[str, list[str]] = {}
        try:
            self.seal()
        except environs.EnvValidationError as error:
            wrong = cast(Mapping[str, list[str]], error.error_messages)
        lines = {name: f"{name}: {' '.join(map(str, each))}" for name, each in wrong.items()}
        return list({**lines, **self._slips}.values())

    def _get_value(self, env_key: str, default: Any) -> Any:
        """Without the blanks around it, unless it is a secret."""
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
