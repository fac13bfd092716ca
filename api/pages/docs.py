"""The OpenAPI file, and the pages that show it: ``/docs`` (Swagger UI) and ``/redoc``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from flask import Blueprint, Response, current_app, request

from api.auth.wiring import auth_services
from api.context import app_state
from api.http.etags import CompressedPage
from api.openapi import OpenApi
from gateway.errors import NotFound

blueprint = Blueprint("docs", __name__)
FOLDER = Path(__file__).parents[2] / "static" / "docs"
#: Both pages style their parts by ``style``; Redoc searches in a worker that it makes of a blob.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src blob:; "
    "base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
#: Name in the URL -> file; nothing else is given out.
FILES = {
    "docs.js": "docs.js",
    "redoc.js": "redoc.js",
    "errors.css": "errors.css",
    "swagger-ui.css": "vendored/swagger-ui/swagger-ui.css",
    "swagger-ui-bundle.js": "vendored/swagger-ui/swagger-ui-bundle.js",
    "redoc.standalone.js": "vendored/redoc/redoc.standalone.js",
}
_KINDS = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
}


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI 3.1 file of the catalog that serves."""
    openapi: OpenApi = current_app.extensions["postern.openapi"]
    page = openapi.page(
        app_state().gateway.catalog, request.root_path, pause=lambda: auth_services().clock.sleep(0)
    )
    return page.response()


@blueprint.get("/docs")
def docs() -> Response:
    """Swagger UI: read and try."""
    return _html("docs.html")


@blueprint.get("/redoc")
def redoc() -> Response:
    """Redoc: read."""
    return _html("redoc.html")


@blueprint.get("/docs/<name>")
def file(name: str) -> Response:
    """A script or a stylesheet of the two."""
    if name not in FILES:
        raise NotFound
    return _page(FILES[name]).response()


def _html(name: str) -> Response:
    response = _page(name).response()
    response.headers["Content-Security-Policy"] = POLICY
    return response


@cache
def _page(name: str) -> CompressedPage:
    path = FOLDER / name
    return CompressedPage.of(path.read_bytes(), _KINDS[path.suffix])
