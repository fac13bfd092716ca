"""``flask catalog check|show|diff|import``: is the catalog right, what is in it, what would another one change."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, cast

import click
from flask.cli import AppGroup

from api.context import app_state
from cli import loading as complete
from cli.loading import gateway
from cli.openapi import VARIABLE, SpecError, imported, summary_of
from cli.output import AS_JSON, print_json, table
from gateway.catalog.loader import CatalogError, load_catalog
from gateway.catalog.model import Catalog, Method
from gateway.catalog.yaml_document import read
from gateway.clock import SystemClock
from gateway.masking import STARS
from gateway.signers import is_public_key
from gateway.sources import AddressError, SourceError, open_source

# differences: What one catalog's text says otherwise than another's: services, methods and aggregates, key by key.

LONGEST = 60  # characters of a value
ABSENT = object()

Values = Mapping[str, Any]


def differences(old: Values, new: Values) -> Iterator[str]:
    """A line for each thing added (+), removed (-) or changed (~), the latter followed by a line for each key.

    :param old: a catalog as ``gateway.catalog.yaml_document`` reads it, checked; ``new`` likewise.
    """
    before, after = dict(_things(old)), dict(_things(new))
    for thing in {**before, **after}:
        if thing not in after:
            yield f"- {thing}"
        elif thing not in before:
            yield f"+ {thing}"
        elif changed := list(_changes(before[thing], after[thing], ())):
            yield f"~ {thing}"
            yield from changed


def _things(catalog: Values) -> Iterator[tuple[str, Values]]:
    yield "defaults", catalog.get("defaults") or {}
    for name, service in catalog["services"].items():
        yield f"service {name}", {key: value for key, value in service.items() if key != "methods"}
        for method, settings in service.get("methods", {}).items():
            yield f"method {name}.{method}", settings
    for name, aggregate in (catalog.get("aggregates") or {}).items():
        yield f"aggregate {name}", aggregate


def _changes(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _changes(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    elif old != new or type(old) is not type(new):
        yield f"    {'.'.join(path)}: {_shown(old, path)} -> {_shown(new, path)}"


def _shown(value: Any, path: tuple[str, ...]) -> str:
    if value is ABSENT:
        return "(none)"
    secret = path[0] in ("headers", "query") or (
        path[0] == "auth" and (len(path) > 2 or not is_public_key(path[1]))
    )
    text = STARS if secret else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


# importing: ``flask catalog import``: a vendor's API description as a service to call.

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@click.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@click.option(
    "--tag", "tags", multiple=True, help="Only operations with this tag; may be given again."
)
@click.option("--name", help="The service's name; made from the title unless given.")
@click.option("--base-url", help="Where the service is; the file's first server unless given.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write there and not to stdout.",
)
def import_catalog(
    file: TextIO, tags: tuple[str, ...], name: str | None, base_url: str | None, output: Path | None
) -> None:
    """Turn FILE (OpenAPI 3.0 or 3.1, or Swagger 2.0; - for stdin) into a service: a catalog that passes the check.

    Comments in it say what a catalog cannot say, and which variables to set; how many methods there are, and how many
    operations are left out, is told on stderr, too. Other files that FILE refers to are read from its folder.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise click.BadParameter(f"must match {_NAME.pattern}", param_hint="--name")
    try:
        path = None if file.name == "<stdin>" else Path(file.name)
        text = imported(file.read(), tags, name, base_url, path)
        load_catalog(text, "imported", dict.fromkeys(VARIABLE.findall(text), "x"))
    except SpecError as error:
        raise click.ClickException(f"{file.name}: {error}") from error
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file.name}: not UTF-8") from error
    except CatalogError as error:
        raise click.ClickException(f"what came of {file.name} would be refused\n{error}") from error
    click.echo(summary_of(text), err=True)
    if output:
        output.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)


# catalog: ``flask catalog check|show|diff|import``: is the catalog right, what is in it, what would another one change.

catalog_cli = AppGroup("catalog", help="The services that Postern can call.")
catalog_cli.add_command(import_catalog)


class Trouble(click.ClickException):
    """Nothing could be compared: the exit code is diff(1)'s."""

    exit_code = 2


@catalog_cli.command("check")
@click.argument("file", required=False, type=click.Path())
@AS_JSON
def check(file: str | None, as_json: bool) -> None:
    """Say everything that is wrong with FILE (the configured catalog unless given), with line and key."""
    try:
        text, name = _text(file)
        catalog = _checked(text, name)
    except CatalogError as error:
        if not as_json:
            raise _refused(error) from error
        problems = [
            {"line": line or None, "key": key, "problem": say} for line, key, say in error.problems
        ]
        print_json({"ok": False, "name": error.name, "problems": problems})
        raise SystemExit(1) from error
    services, methods = len(catalog.services), len(list(catalog.methods()))
    if as_json:
        counts = {"services": services, "methods": methods, "notes": list(catalog.notes)}
        print_json({"ok": True, "name": name, **counts})
        return
    for note in catalog.notes:
        click.echo(f"{name}: note: {note}")
    click.echo(f"{name}: ok, {services} services, {methods} methods")


def _refused(error: CatalogError) -> click.ClickException:
    return click.ClickException(f"the catalog is refused\n{error}")


@catalog_cli.command("diff")
@click.argument("file", required=False, type=click.Path())
@AS_JSON
def diff(file: str | None, as_json: bool) -> None:
    """Say what would change if FILE took the present catalog's place: + added, - removed, ~ changed.

    The present catalog is the last good one. Without FILE it is compared with what its source has now, which is
    something else only while that is refused, or where nobody serves. Exit code: 0 the same, 1 not, 2 trouble.
    """
    made = app_state()
    try:
        new, old = _values(*_text(file)), _values(_serving(), "the last good one")
    except CatalogError as error:
        raise Trouble(_refused(error).message) from error
    except click.ClickException as error:
        raise Trouble(error.message) from error
    lines = [made.masker.line(line.encode()).decode() for line in differences(old, new)]
    if as_json:
        print_json({"same": not lines, "changes": lines})
    else:
        click.echo("".join(f"{line}\n" for line in lines), nl=False)
    raise SystemExit(int(bool(lines)))


@catalog_cli.command("show")
@click.argument("service", required=False, shell_complete=complete.services)
@AS_JSON
def show(service: str | None, as_json: bool) -> None:
    """List every method, or those of one SERVICE; ! marks the parameters that must be given."""
    catalog: Catalog = gateway().catalog
    if service and service not in catalog.services:
        raise click.ClickException(
            f"there is no service {service}; there are: {', '.join(catalog.services)}"
        )
    methods = [method for method in catalog.methods() if service in (None, method.service.name)]
    if as_json:
        print_json([_values_of(method) for method in methods])
        return
    rows = [
        (method.full_name, f"{method.verb} {method.path}", _params(method), method.summary)
        for method in methods
    ]
    click.echo("\n".join(table(("METHOD", "HTTP", "PARAMS", "SUMMARY"), rows)))


def _values_of(method: Method) -> dict[str, Any]:
    params = [
        {
            "name": param.name,
            "in": param.place,
            "type": param.keywords["type"],
            "required": param.keywords["required"],
        }
        for param in method.params
    ]
    http = {"http": f"{method.verb} {method.path}", "summary": method.summary}
    return {"service": method.service.name, "method": method.name, **http, "params": params}


def _params(method: Method) -> str:
    """``touser! text! lang``: the required ones carry a mark."""
    return " ".join(
        f"{param.name}{'!' if param.keywords['required'] is True else ''}"
        for param in method.params
    )


def _text(file: str | None) -> tuple[str, str]:
    """What stands in FILE, or in the configured source now, and its name.

    :raises CatalogError: it cannot be read.
    """
    made = app_state()
    try:
        source = made.watcher.source
        if file:
            source = open_source(file, made.settings.environ, SystemClock(), made.masker)
        return source.read(), source.name
    except AddressError as error:
        raise click.BadParameter(str(error), param_hint="FILE") from error
    except SourceError as error:
        raise CatalogError(source.name, [(0, "", error.detail)]) from error


def _serving() -> str:
    """The text that the workers serve, as far as this process can know: the copy they keep, or the source's own."""
    gateway()  # which has it loaded
    watcher = app_state().watcher
    kept = watcher.last_good.read() if watcher.source.away else None
    return kept[0] if kept else watcher.text


def _checked(text: str, name: str) -> Catalog:
    """:raises CatalogError: what is wrong."""
    made = app_state()
    catalog = load_catalog(text, name, made.settings.environ)
    for secret in catalog.secrets:
        made.masker.register(secret)
    return catalog


def _values(text: str, name: str) -> dict[str, Any]:
    """A good catalog as it is written, variables filled in."""
    _checked(text, name)
    return cast(dict[str, Any], read(text, name, app_state().settings.environ).value)
