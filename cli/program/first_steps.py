"""``postern init``: a first ``.env``, a folder for the catalog; in development tables, an admin."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click
from marshmallow import ValidationError

from cli.accounts import validate_with
from cli.database import init
from cli.names import ROOT
from cli.program.application import read_settings
from config import checks

SECRET_BYTES = 48
EMPTY_CATALOG = "version: 1\nservices: {}\n"
HEAD = "# Written by postern init. Every other setting, with its default: .env.example\n"


@click.command("init")
@click.option("--env", type=click.Choice(["development", "production"]), help="What it is for.")
@click.option("--host", callback=validate_with(checks.host), help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port to listen on; else 5000.")
@click.option(
    "--catalog",
    callback=validate_with(checks.catalog),
    help="The catalog's folder or file; the folder catalog unless given.",
)
@click.option("--database-url", callback=validate_with(checks.database), help="postgresql://...")
@click.option("--redis-url", callback=validate_with(checks.redis), help="redis://...")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing; what is not given is the default.")
@click.pass_context
def first_steps(ctx: click.Context, yes: bool, **options: str | int | None) -> None:
    """Write a first .env; in development also tables and an admin.

    Makes the catalog's folder, too, and in production the secrets. Asks at a terminal for what is
    not given. What is there already stays as it is.
    """
    file = ROOT / ".env"
    values = {name.upper(): str(value) for name, value in options.items() if value is not None}
    if file.exists():
        _keep(file, values)
    else:
        if not yes and sys.stdin.isatty():
            values = _prompt(values)
        values = {"ENV": "development", "CATALOG": "catalog", **values}
        _write_env(file, values)
        _make_catalog(values)
    settings = read_settings()
    if settings.development:
        ctx.invoke(init)
        click.echo("Then: postern run, and postern doctor if something is amiss")
    else:
        click.echo(
            "Then: postern db upgrade; postern user create NAME --role admin; postern doctor;"
            " postern run"
        )


def _keep(file: Path, values: Mapping[str, str]) -> None:
    """:raises click.ClickException: something was to stand in a file that is there already."""
    if values:
        lines = "\n".join(f"  {name}={value}" for name, value in _printable(values).items())
        raise click.ClickException(
            f"{file} is there already and stays as it is; write into it what it shall say\n{lines}"
        )
    click.echo(f"{file} is there already and stays as it is.")


def _prompt(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values with what is asked for; an empty answer takes the default."""
    answers = dict(values)
    if "ENV" not in answers:
        answers["ENV"] = click.prompt(
            "What is it for?",
            type=click.Choice(["development", "production"]),
            default="development",
        )
    if "PORT" not in answers:
        answers["PORT"] = str(
            click.prompt("Port to listen on", type=click.IntRange(1, 65535), default=5000)
        )
    if answers["ENV"] == "production":
        _ask_for_servers(answers)
    return answers


def _ask_for_servers(answers: dict[str, str]) -> None:
    for name, text, check in (
        ("DATABASE_URL", "PostgreSQL's URL (empty: a SQLite file)", checks.database),
        ("REDIS_URL", "Redis' URL (empty: state in memory, one worker)", checks.redis),
    ):
        if name not in answers and (value := _prompt_url(text, check)):
            answers[name] = value


def _prompt_url(text: str, check: Callable[[str], None]) -> str:
    """Ask until the answer is empty or passes."""
    while value := click.prompt(text, default="", show_default=False):
        try:
            check(value)
        except ValidationError as error:
            click.echo(f"Error: {' '.join(map(str, error.messages))}", err=True)
        else:
            break
    return str(value)


def _write_env(file: Path, values: Mapping[str, str]) -> None:
    """Write the file, readable by its owner only; in production with secrets of its own.

    :raises click.ClickException: it cannot be written, or came to be meanwhile.
    """
    lines = [f"{name}={value}\n" for name, value in values.items()]
    if values["ENV"] == "production":
        lines += [
            f"{name}={secrets.token_urlsafe(SECRET_BYTES)}\n"
            for name in ("JWT_SECRET", "SECRETS_KEY")
        ]
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as env:  # noqa: PTH123  # it is open already
            env.writelines([HEAD, *lines])
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written ({error.strerror})") from error
    click.echo(f"wrote {file}")


def _make_catalog(values: Mapping[str, str]) -> None:
    """Make the catalog's folder: in development with the services of the sandbox, else with none.

    :raises click.ClickException: it cannot be made.
    """
    if "://" in values["CATALOG"] or values["CATALOG"].endswith((".yaml", ".yml")):
        return
    folder = ROOT / values["CATALOG"]
    if folder.is_dir() and any(folder.glob("*.yaml")):
        return
    text = EMPTY_CATALOG
    if values["ENV"] == "development":
        text = (ROOT / "services.yaml").read_text(encoding="utf-8")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "services.yaml").open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be made ({error.strerror})") from error
    click.echo(f"made {folder} with services.yaml")


def _printable(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values as they may be printed: without passwords."""
    return {
        name: "..." if name.endswith("_URL") and "@" in value else value
        for name, value in values.items()
    }
