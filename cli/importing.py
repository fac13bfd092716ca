"""``flask catalog import``: a vendor's API description as a service to call."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TextIO

import click

from cli.openapi import VARIABLE, SpecError, imported, summary_of
from gateway.loader import CatalogError, load_catalog

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@click.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@click.option("--tag", "tags", multiple=True, help="Only operations with this tag; may be given again.")
@click.option("--name", help="The service's name; made from the title unless given.")
@click.option("--base-url", help="Where the service is; the file's first server unless given.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write there and not to stdout.")
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
