"""``flask catalog check|show|diff|import``: what is in a catalog, and whether it is right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TextIO, cast

import click
from flask.cli import AppGroup

from api.context import app_state
from cli.catalog.changes import diff_lines
from cli.files import FileArgument, OpenFileArgument
from cli.loading import load_gateway, require_service
from cli.names import complete_service
from cli.openapi import VARIABLE, SpecError, import_spec, summarize
from cli.output import AS_JSON, count, print_json, table
from gateway.catalog.loader import CatalogError, load_catalog
from gateway.catalog.model import Catalog, Method
from gateway.catalog.yaml.parser import read
from gateway.clock import SystemClock
from gateway.sources import AddressError, SourceError, open_source

SERVICE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

catalog_cli = AppGroup("catalog", help="The services that Postern can call.")


class ComparisonError(click.ClickException):
    """Nothing could be compared. The exit code is that of diff(1)."""

    exit_code = 2


@catalog_cli.command("check")
@click.argument("file", required=False, type=FileArgument())
@AS_JSON
def check(file: str | None, as_json: bool) -> None:
    """Say everything that is wrong with FILE (the configured catalog unless given), with line and
    key.
    """
    try:
        text, name = _read_source(file)
        catalog = _load(text, name)
    except CatalogError as error:
        if not as_json:
            raise _refusal(error) from error
        problems = [
            {"file": file, "line": line or None, "key": key, "problem": problem}
            for file, line, key, problem in error.problems
        ]
        print_json({"ok": False, "name": error.name, "problems": problems})
        raise SystemExit(1) from error
    services = len(catalog.services)
    methods = len(list(catalog.methods()))
    notes = [(f"{note.file}:{note.line}", str(note)) for note in catalog.notes]
    for other in sorted(Path(name).glob("*.yml")):  # meant for a folder's catalog
        notes.append((str(other), f"is not read; name it {other.stem}.yaml"))
    if as_json:
        counts = {"services": services, "methods": methods, "notes": [note for _, note in notes]}
        print_json({"ok": True, "name": name, **counts})
        return
    for place, note in notes:
        click.echo(f"{place}: note: {note}")
    click.echo(f"{name}: ok, {count(services, 'service')}, {count(methods, 'method')}")


def _refusal(error: CatalogError) -> click.ClickException:
    return click.ClickException(f"the catalog is refused\n{error}")


@catalog_cli.command("diff")
@click.argument("file", required=False, type=FileArgument())
@AS_JSON
def diff(file: str | None, as_json: bool) -> None:
    """Say what would change if FILE took the present catalog's place: + added, - removed, ~
    changed.

    The present catalog is the last good one. Without FILE it is compared with what its source has
    now, which is something else only while that is refused, or where nobody serves. Exit code: 0
    the same, 1 not, 2 trouble.
    """
    try:
        new = _load_values(*_read_source(file))
        old = _load_values(_serving_text(), "the last good one")
    except CatalogError as error:
        raise ComparisonError(_refusal(error).message) from error
    except click.ClickException as error:
        raise ComparisonError(error.message) from error
    lines = list(diff_lines(old, new, app_state().masker.mask_secrets))
    if as_json:
        print_json({"same": not lines, "changes": lines})
    else:
        click.echo("".join(f"{line}\n" for line in lines), nl=False)
    raise SystemExit(int(bool(lines)))


@catalog_cli.command("show")
@click.argument("service", required=False, shell_complete=complete_service)
@AS_JSON
def show(service: str | None, as_json: bool) -> None:
    """List every method, or those of one SERVICE; ! marks the parameters that must be given."""
    catalog = load_gateway().catalog
    if service:
        require_service(catalog, service)
    methods = [method for method in catalog.methods() if service in (None, method.service.name)]
    if as_json:
        print_json([_to_dict(method) for method in methods])
        return
    rows = [
        (method.full_name, f"{method.verb} {method.path}", _render_params(method), method.summary)
        for method in methods
    ]
    click.echo("\n".join(table(("METHOD", "HTTP", "PARAMS", "SUMMARY"), rows)))


def _to_dict(method: Method) -> dict[str, Any]:
    params = [
        {
            "name": param.name,
            "in": param.place,
            "type": param.keywords.get("type", "any"),  # none beside oneOf
            "required": param.keywords["required"],
        }
        for param in method.params
    ]
    return {
        "service": method.service.name,
        "method": method.name,
        "http": f"{method.verb} {method.path}",
        "summary": method.summary,
        "params": params,
    }


def _render_params(method: Method) -> str:
    """Return ``touser! text! lang``, the required ones with a mark."""
    names = []
    for param in method.params:
        mark = "!" if param.keywords["required"] is True else ""
        names.append(param.name + mark)
    return " ".join(names)


def _read_source(file: str | None) -> tuple[str, str]:
    """Return the text of FILE, or of the configured source as it is now, and its name.

    :raises CatalogError: it cannot be read.
    """
    state = app_state()
    try:
        source = state.watcher.source
        if file:
            source = open_source(file, state.settings.environ, SystemClock(), state.masker)
        return source.read(), source.name
    except AddressError as error:
        raise click.BadParameter(str(error), param_hint="FILE") from error
    except SourceError as error:
        raise CatalogError(source.name, [(0, "", error.detail)]) from error


def _serving_text() -> str:
    """Return the text that the workers serve: the source's, or their copy while that is away."""
    load_gateway()  # reads the source
    watcher = app_state().watcher
    if watcher.source.away and (copy := watcher.last_good.read()):
        return copy.text
    return watcher.text


def _load(text: str, name: str) -> Catalog:
    """Check a catalog and have its secrets masked.

    :raises CatalogError: it is wrong.
    """
    state = app_state()
    catalog = load_catalog(text, name, state.settings.environ)
    for secret in catalog.secrets:
        state.masker.register(secret)
    return catalog


def _load_values(text: str, name: str) -> dict[str, Any]:
    """Return a good catalog as it is written, variables filled in.

    :raises CatalogError: it is wrong.
    """
    _load(text, name)
    return cast(dict[str, Any], read(text, name, app_state().settings.environ).value)


@catalog_cli.command("import", with_appcontext=False)
@click.argument("file", type=OpenFileArgument("r", encoding="utf-8-sig"))
@click.option(
    "--tag", "tags", multiple=True, help="Only operations with this tag; may be given again."
)
@click.option("--name", help="The service's name; made from the title unless given.")
@click.option("--base-url", help="Where the service is; the file's first server unless given.")
@click.option(
    "-o",
    "--output",
    type=FileArgument(path_type=Path, dir_okay=False),
    help="Write there and not to stdout.",
)
def import_catalog(
    file: TextIO, tags: tuple[str, ...], name: str | None, base_url: str | None, output: Path | None
) -> None:
    """Turn FILE (OpenAPI 3.0 or 3.1, or Swagger 2.0; - for stdin) into a service: a catalog that
    passes the check.

    Comments in it say what a catalog cannot say, and which variables to set; how many methods there
    are, and how many operations are left out, is told on stderr, too. Other files that FILE refers
    to are read from its folder.
    """
    if name is not None and not SERVICE_NAME.fullmatch(name):
        raise click.BadParameter(f"must match {SERVICE_NAME.pattern}", param_hint="--name")
    path = Path(file.name) if file.name != "<stdin>" else None
    try:
        text = import_spec(file.read(), tags, name, base_url, path)
        load_catalog(text, "imported", dict.fromkeys(VARIABLE.findall(text), "x"))
    except SpecError as error:
        raise click.ClickException(f"{file.name}: {error}") from error
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file.name}: not UTF-8") from error
    except CatalogError as error:
        raise click.ClickException(f"what came of {file.name} would be refused\n{error}") from error
    click.echo(summarize(text), err=True)
    if output:
        output.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)
