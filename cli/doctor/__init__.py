"""``postern doctor``: everything that may be amiss with an installation, and what to do about it.

It needs no application, for it is asked when there is none.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from cli.doctor.finding import OK, PROBLEM, WARNING, Finding, ok, problem
from cli.doctor.machine import folder_findings, port_finding, settings_findings
from cli.doctor.servers import database_findings, redis_findings
from cli.doctor.vendors import proxy_finding, vendor_findings
from cli.output import AS_JSON, NO_COLOR, count, print_json
from config import Settings, SettingsError
from gateway.catalog.loader import load_catalog
from gateway.catalog.model import Catalog
from gateway.catalog.notes import Note
from gateway.catalog.yaml.document import DocumentError
from gateway.clock import SystemClock
from gateway.masking import Masker
from gateway.sources import AddressError, SourceError, open_source

COLORS = {OK: "green", WARNING: "yellow", PROBLEM: "red"}


@click.command("doctor")
@AS_JSON
@click.option("--offline", is_flag=True, help="Do not connect to vendors.")
def doctor(as_json: bool, offline: bool) -> None:
    """Say what is wrong with this installation, and what to do.

    Looks at settings, port, folders, database, Redis, clocks, egress proxy, catalog, and how the
    vendors are reached: each is ok, a warning or a problem.

    Exit code: 0 no problem, 1 a problem. Vendors are asked HEAD / without a credential.
    """
    masker = Masker()
    findings = []
    for finding in _findings(masker, offline):
        masked = Finding(*(masker.mask_secrets(text) for text in finding))
        findings.append(masked)
        if not as_json:
            _print(masked)
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        _print_total(findings)
    if any(finding.level == PROBLEM for finding in findings):
        raise SystemExit(1)


def _findings(masker: Masker, offline: bool) -> Iterator[Finding]:
    """:param masker: learns the secrets before anything is said that may hold one."""
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        yield from map(_setting_problem, str(error).splitlines())
        return
    for secret in settings.secrets:
        masker.register(secret)
    yield from settings_findings(settings)
    yield port_finding(settings)
    yield from folder_findings(settings)
    yield from database_findings(settings)
    yield from redis_findings(settings)
    yield proxy_finding(settings)
    catalog, findings = _read_catalog(settings, masker)
    yield from findings
    if catalog and not offline:
        yield from vendor_findings(catalog, settings)


def _setting_problem(line: str) -> Finding:
    """Return what a wrong setting's line says; the rest cannot be looked at."""
    name, _, message = line.partition(": ")
    return problem(name, message, "correct it in .env or the environment, then run doctor again")


def _read_catalog(settings: Settings, masker: Masker) -> tuple[Catalog | None, list[Finding]]:
    try:
        source = open_source(settings.catalog, settings.environ, SystemClock(), masker)
        catalog = load_catalog(source.read(), source.name, settings.environ)
    except (AddressError, SourceError) as error:
        message = getattr(error, "detail", None) or str(error)
        return None, [
            problem("catalog", message, "see that CATALOG names it, and that it is there")
        ]
    except DocumentError as error:
        return None, list(map(_catalog_problem, error.problems))
    for secret in catalog.secrets:
        masker.register(secret)
    methods = sum(1 for _ in catalog.methods())
    services = count(len(catalog.services), "service")
    return catalog, [ok("catalog", f"{source.name}: {services}, {count(methods, 'method')}")]


def _catalog_problem(note: Note) -> Finding:
    todo = "correct that line; postern catalog check looks at it again"
    if "is not set" in note.message:
        todo = "set the variable in .env or the environment"
    return problem("catalog", note.full_text, todo)


def _print(finding: Finding) -> None:
    level = f"{finding.level:<7}"
    if not NO_COLOR:
        level = click.style(level, fg=COLORS[finding.level])
    click.echo(f"{level}  {finding.check}: {finding.message}")
    if finding.todo:
        click.echo(f"         -> {finding.todo}")


def _print_total(findings: list[Finding]) -> None:
    counts = {level: sum(finding.level == level for finding in findings) for level in COLORS}
    words = [count(counts[level], level) for level in (PROBLEM, WARNING)]
    click.echo(f"\n{', '.join(words)}, {counts[OK]} ok")
