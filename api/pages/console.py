"""The console's page and its files, open to everybody; what they show asks for a token."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import Blueprint, Response, request

from api.http.etags import hash_etag
from api.http.security import CSP_HEADER, CSP_PAGE
from gateway.errors import NotFound

blueprint = Blueprint("console", __name__)
FOLDER = Path(__file__).parents[2] / "static" / "console"
PAGE = "index.html"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class File:
    content: bytes
    mimetype: str
    etag: str


@cache
def _files() -> dict[str, File]:
    """Return what is in the folder, by name: nothing else can be asked for."""
    return {file.name: _read(file) for file in FOLDER.iterdir()}


def _read(file: Path) -> File:
    content = file.read_bytes()
    return File(content, TYPES[file.suffix], hash_etag(sha256(content)))


@blueprint.get("/")
def page() -> Response:
    """The page."""
    return static_file(PAGE)


@blueprint.get("/console/<name>")
def static_file(name: str) -> Response:
    """Answer a file, which is asked for anew each time: page and scripts are of one version."""
    file = _files().get(name)
    if file is None:
        raise NotFound
    response = Response(file.content, mimetype=file.mimetype)
    response.headers["Cache-Control"] = "no-cache"
    if name == PAGE:
        response.headers[CSP_HEADER] = CSP_PAGE
    response.set_etag(file.etag)
    return response.make_conditional(request)  # type: ignore[return-value]
