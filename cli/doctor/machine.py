"""What ``postern doctor`` sees on this machine: settings, port, folders."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cli.doctor.finding import Finding, ok, problem, warning
from config import INSTANCE, ROOT, Settings, places
from gateway.system import disk_problem

TIMEOUT_SECONDS = 3.0


def settings_findings(settings: Settings) -> Iterator[Finding]:
    """Look at settings that are right as far as they go."""
    if (ROOT / ".env").exists():
        yield ok("settings", f"{ROOT / '.env'} and the environment; ENV is {settings.env}")
    else:
        yield ok("settings", f"the environment, for there is no .env; ENV is {settings.env}")
    for text in settings.warnings:
        name, _, message = text.partition(": ")
        yield warning(name, message, "correct or remove it in .env or the environment")
    if not settings.development and not settings.secrets_key.reveal():
        yield warning(
            "SECRETS_KEY",
            "is not set: JWT_SECRET seals the apps' secrets, too",
            "set it, put the present JWT_SECRET into SECRETS_PREVIOUS_KEYS, and run: postern"
            " secrets reseal",
        )
    if not settings.development and settings.database_url.startswith("sqlite:"):
        yield warning(
            "DATABASE_URL",
            "is a SQLite file in production: one machine only",
            "see that it is backed up (postern backup FILE), or set postgresql://...",
        )


def port_finding(settings: Settings) -> Finding:
    """Say whether the port is free, or this service's already."""
    trouble = places.listen_problem(settings.host, settings.port)
    if trouble is None:
        if note := places.listen_warning(settings.host, settings.port):
            return warning("port", note, "stop the other program, or set another PORT")
        return ok("port", f"{settings.bind} is free; Postern does not run here")
    if _is_postern(settings.url):
        return ok("port", f"Postern answers at {settings.url}")
    return problem("port", trouble, "stop that program, or set another PORT")


def folder_findings(settings: Settings) -> Iterator[Finding]:
    folders = {
        "instance": INSTANCE,
        "FILES_DIR": Path(settings.files_dir),
        "CATALOG_COPY": Path(settings.catalog_copy).parent,
    }
    for name, folder in folders.items():
        trouble = disk_problem(folder)
        if trouble:
            yield problem(name, f"{folder}: {trouble}", "make room, or let this user write there")
        else:
            yield ok(name, f"{folder} can be written to")


def _is_postern(url: str) -> bool:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(
        place.hostname or "", place.port, timeout=TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", "/healthz")
        return b'"request_id"' in connection.getresponse().read(1000)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
