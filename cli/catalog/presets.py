"""``flask catalog presets|add``: the catalogs in ``examples/catalogs``; one of them put to use.

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

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem
from flask.cli import with_appcontext

from api.context import app_state
from cli.files import FileArgument
from cli.names import offer
from cli.openapi import VARIABLE
from cli.output import AS_JSON, print_json, table
from config import ROOT
from gateway.catalog.yaml.document import DocumentError
from gateway.catalog.yaml.parser import read
from gateway.errors import nearest

FOLDER = ROOT / "examples" / "catalogs"
ENV_FILE = ROOT / ".env"
PRIVATE = 0o600  # of a .env, which will hold secrets
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


@click.command("presets")
@AS_JSON
def list_presets(as_json: bool) -> None:
    """List the catalogs that `catalog add` knows, and the variables that each needs."""
    presets = read_presets().values()
    if as_json:
        print_json([_to_dict(preset) for preset in presets])
        return
    rows = [(preset.name, preset.title, " ".join(preset.variables)) for preset in presets]
    click.echo("\n".join(table(("NAME", "TITLE", "NEEDS"), rows)))


def _to_dict(preset: Preset) -> dict[str, Any]:
    return {
        "name": preset.name,
        "title": preset.title,
        "manual": preset.manual,
        "variables": dict(preset.variables),
    }


def complete_preset(
    context: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return offer(((preset.name, preset.title) for preset in read_presets().values()), incomplete)


@click.command("add")
@click.argument("name", shell_complete=complete_preset)
@click.option("--force", is_flag=True, help="Write over a file of that name.")
@click.option("--env", "into_env", is_flag=True, help="Add a line NAME= to .env for each variable.")
@click.option(
    "-o",
    "--output",
    type=FileArgument(path_type=Path, dir_okay=False),
    help="Write there and not into the folder that CATALOG names.",
)
@with_appcontext
def add(name: str, force: bool, into_env: bool, output: Path | None) -> None:
    """Write the catalog NAME, one of `catalog presets`, into the folder that CATALOG names.

    Say which variables it needs, and where the vendor has their values.
    """
    preset = _find(name)
    environ = app_state().settings.environ
    file = output or _file_in_folder(preset)
    _write(file, preset.text, force)
    click.echo(f"{file}: {preset.title}")
    missing = _tell_variables(preset, environ)
    click.echo(f"Manual: {preset.manual}")
    if into_env:
        added = _add_to_env(ENV_FILE, [name for name in missing if name not in environ])
        click.echo(f".env: {', '.join(added) or 'nothing'} added, to be filled in")
    if missing:
        click.echo("Until all are set, the whole catalog is refused; what serves now goes on.")
    click.echo("Then: flask catalog check")


def _tell_variables(preset: Preset, environ: Mapping[str, str]) -> list[str]:
    """Print which variables a catalog needs, and return those that are not set."""
    if preset.variables:
        click.echo("It needs, in the environment or in .env:")
    for variable, place in preset.variables.items():
        is_set = " (it is set)" if environ.get(variable) else ""
        click.echo(f"  {variable}{is_set}\n    {place}")
    return [variable for variable in preset.variables if not environ.get(variable)]


def _find(name: str) -> Preset:
    """:raises click.BadParameter: there is none of this name."""
    presets = read_presets()
    if name in presets:
        return presets[name]
    similar = nearest(name, presets)
    hint = f"did you mean {similar}? all: " if similar else "there are: "
    message = f"there is no catalog {name!r}; {hint}{', '.join(presets)}"
    raise click.BadParameter(message, param_hint="NAME")


def _file_in_folder(preset: Preset) -> Path:
    """Return the preset's file in the folder that CATALOG names.

    :raises click.ClickException: it names no folder, or one of its files has such a service.
    """
    catalog = app_state().settings.catalog
    if Path(catalog).is_dir():
        file = Path(catalog) / f"{preset.name}.yaml"
        _refuse_services_of_others(preset, file)
        return file
    if "://" in catalog:
        kind = catalog.partition("://")[0]
        raise click.ClickException(
            f"CATALOG is in {kind}, where this command does not write; "
            f"try: flask catalog add {preset.name} -o {preset.name}.yaml"
        )
    raise click.ClickException(
        f"CATALOG is one file, {catalog}; make it a folder, in which each file is a part of it:\n"
        f"  mkdir catalog && mv {catalog} catalog/\n"
        "then set CATALOG=catalog in .env, restart a server that runs, and once more: "
        f"flask catalog add {preset.name}"
    )


def _refuse_services_of_others(preset: Preset, file: Path) -> None:
    """:raises click.ClickException: another file of the folder has a service of the same name."""
    names = _services(preset.text)
    for other in sorted(file.parent.glob("*.yaml")):
        if other.name == file.name or not other.is_file():
            continue
        try:
            duplicates = names & _services(other.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # `catalog check` says what is wrong with it
        if duplicates:
            raise click.ClickException(f"{other} has a service {min(duplicates)} already")


def _services(text: str) -> set[str]:
    """Return the names of a catalog's services; none where it is no good one."""
    try:
        value = read(text, "", dict.fromkeys(VARIABLE.findall(text), "x")).value
    except DocumentError:
        return set()
    services = value.get("services") if isinstance(value, Mapping) else None
    return set(services) if isinstance(services, Mapping) else set()


def _write(file: Path, text: str, force: bool) -> None:
    """:raises click.ClickException: there is a file already, or it cannot be written."""
    try:
        with file.open("w" if force else "x", encoding="utf-8") as output:
            output.write(text)
    except FileExistsError as error:
        raise click.ClickException(f"{file} is there already; --force writes over it") from error
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error


def _add_to_env(file: Path, names: Collection[str]) -> list[str]:
    """Append ``NAME=`` for each of these that the file does not have, and return those.

    :raises click.ClickException: it cannot be written.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, PRIVATE)
        with os.fdopen(descriptor, "r+", encoding="utf-8") as env:
            text = env.read()
            names_there = {line.partition("=")[0].strip() for line in text.splitlines()}
            added = [name for name in names if name not in names_there]
            separator = "" if text.endswith("\n") or not text else "\n"
            env.write(separator * bool(added) + "".join(f"{name}=\n" for name in added))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise click.ClickException(f"{file} cannot be written: {reason}") from error
    return added
