"""Settings as fields of a class: each says its default and how it is read, here from ``PORT``.

    port: int = whole(5000, 0, 65535)

What is wrong is None, and a problem of the ``Reader``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, fields
from typing import Any

from config import checks
from config.checks import Check
from config.environ import Reader
from gateway.masking import Secret


def text(
    default: str = "", check: Check | None = None, *, secret: bool = False, variable: str = ""
) -> Any:
    """
    :param secret: it may hold a password, and is not printed.
    :param variable: whose name is another.
    """

    def read(env: Reader, name: str) -> str | None:
        value: str | None = env.str(variable or name, default, validate=check)
        return value

    return field(default=default, repr=not secret, metadata={"read": read})


def place(default: Callable[[], str], check: Check | None = None, *, secret: bool = False) -> Any:
    """A file, a folder or a database; a variable that is empty counts as one that is not set."""

    def read(env: Reader, name: str) -> str:
        return env.str(name, "", validate=check) or default()

    return field(default_factory=default, repr=not secret, metadata={"read": read})


def host_name(default: str) -> Any:
    """Declare a name or an address, that of IPv6 with or without brackets."""

    def read(env: Reader, name: str) -> str:
        return (env.str(name, default, validate=checks.host) or "").strip("[]")

    return field(default=default, metadata={"read": read})


def one_of(*values: str) -> Any:
    """:param values: the first is the default."""
    return text(values[0], checks.one_of(*values))


def whole(default: int, low: int, high: int) -> Any:
    def read(env: Reader, name: str) -> int | None:
        value = env.str(name, str(default), validate=checks.whole(low, high))
        return None if value is None else int(value)

    return field(default=default, metadata={"read": read})


def comma_separated(check: Check, *default: str) -> Any:
    def read(env: Reader, name: str) -> tuple[str, ...] | None:
        return env.comma_separated(name, check) or default

    return field(default=default, metadata={"read": read})


def secret() -> Any:
    def read(env: Reader, name: str) -> Secret:
        return Secret(env.str(name, "", validate=checks.secret) or "")

    return field(default=Secret(""), metadata={"read": read})


def secret_list() -> Any:
    def read(env: Reader, name: str) -> tuple[Secret, ...]:
        return tuple(map(Secret, env.comma_separated(name, checks.secret) or ()))

    return field(default=(), metadata={"read": read})


def read_fields(declared: type, env: Reader) -> dict[str, Any]:
    """Read every setting that a class declares, by its field's name; None where it is wrong."""
    return {
        entry.name: entry.metadata["read"](env, entry.name.upper())
        for entry in fields(declared)
        if "read" in entry.metadata
    }
