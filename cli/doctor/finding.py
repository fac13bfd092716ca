"""A line of ``postern doctor``."""

from __future__ import annotations

from typing import NamedTuple

OK = "ok"
WARNING = "warning"
PROBLEM = "problem"


class Finding(NamedTuple):
    """:param check: what was looked at.
    :param todo: what to do about it; empty where it is well.
    """

    check: str
    level: str
    message: str
    todo: str = ""


def ok(check: str, message: str) -> Finding:
    return Finding(check, OK, message)


def warning(check: str, message: str, todo: str) -> Finding:
    return Finding(check, WARNING, message, todo)


def problem(check: str, message: str, todo: str) -> Finding:
    return Finding(check, PROBLEM, message, todo)
