"""The parameters of ``flask call``: ``name=value``, ``name=@FILE`` and ``-d JSON``."""

from __future__ import annotations

import sys
from collections.abc import Container
from pathlib import Path
from typing import Any

import click

from cli.files import typed_path
from gateway.bodies import load_json
from gateway.catalog.model import Method


def read_params(
    arguments: tuple[str, ...], data: str | None, method: Method | None
) -> dict[str, Any]:
    """Return all parameters; an argument goes before what ``-d`` says of the same name.

    :raises click.UsageError: one of them cannot be read.
    """
    params = _parse_arguments(arguments, text_params(method))
    if data is None:
        return params
    return {**_parse_data(data), **params}


def read_data(data: str) -> bytes:
    """Return what ``-d`` holds, or the file that it names.

    :raises click.UsageError: the file cannot be read.
    """
    if data.startswith("@"):
        return _read_file(data[1:], "-d", "")
    return data.encode()


def text_params(method: Method | None) -> set[str]:
    """Return the names of parameters that take a text, even one that looks like JSON."""
    params = method.params if method else ()
    return {param.name for param in params if param.keywords.get("type") == "string"}


def _parse_data(data: str) -> dict[str, Any]:
    try:
        params = load_json(read_data(data))
    except ValueError as error:
        hint = "" if data.startswith(("{", "@")) else "; a file is written -d @FILE"
        raise click.BadParameter(f"{error}{hint}", param_hint="-d") from error
    if not isinstance(params, dict):
        raise click.BadParameter(
            'must be an object, such as {"name": "value"}, or @FILE that holds one', param_hint="-d"
        )
    return params


def _parse_arguments(arguments: tuple[str, ...], texts: Container[str]) -> dict[str, Any]:
    """Read ``name=value`` arguments; a name that occurs again makes a list.

    :param texts: names whose values are never JSON.
    """
    params: dict[str, Any] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not (name and equals):
            raise click.BadParameter(
                f"{argument!r} is not name=value, which has no spaces around =", param_hint="PARAMS"
            )
        value: Any = _read_text(name, text)
        if name not in texts:
            value = _parse_value(name, value)
        if name not in params:
            params[name] = value
        elif isinstance(params[name], list):
            params[name] = [*params[name], value]
        else:
            params[name] = [params[name], value]
    return params


def _read_text(name: str, text: str) -> str:
    """Return the value that is meant: of ``@FILE`` the file's text, of ``@@all`` ``@all``."""
    if text.startswith("@@"):
        return text[1:]
    if not text.startswith("@"):
        return text
    try:
        literal = f"; a value that begins with @ is written @{text}"
        return _read_file(text[1:], name, literal).decode()
    except UnicodeDecodeError as error:
        raise click.BadParameter(
            f"{name}: {text[1:]} is not a text in UTF-8", param_hint="PARAMS"
        ) from error


def _read_file(file: str, name: str, hint: str) -> bytes:
    try:
        if file == "-":
            return sys.stdin.buffer.read()
        return Path(typed_path(file)).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a possible name"
        raise click.BadParameter(
            f"{name}: {file or 'a file without a name'} cannot be read ({reason}){hint}",
            param_hint="PARAMS",
        ) from error


def _parse_value(name: str, text: str) -> Any:
    if not text.startswith(("[", "{")):
        return text
    try:
        return load_json(text.encode())
    except ValueError as error:
        raise click.BadParameter(f"{name}: {error}", param_hint="PARAMS") from error
