"""``/healthz`` and ``/readyz``: whether the process is up, and whether it can do its work."""

from __future__ import annotations

from flask import Blueprint, Response
from sqlalchemy.exc import SQLAlchemyError

from api.auth.wiring import auth_services
from api.context import app_state
from api.errors import NotReady
from api.http.responses import success_response
from gateway.errors import StoreUnavailable
from gateway.stores import Store
from gateway.system import disk_problem
from models.database.revisions import head_revision, revision_exists, revision_of

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Say that the process answers."""
    return success_response({"status": "ok"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Say whether database, cache and catalog are there; 503 names what is not, or says that the server is stopping.

    With REDIS_DOWN=open the cache may be away.

    A catalog that was refused, or whose source is away, is no reason for a 503: the last good one serves. Nor is a
    folder for files that takes none: uploads are refused, and all else goes on.
    """  # noqa: E501  # it stands in the OpenAPI file, line by line
    if app_state().stopping.is_set():
        raise NotReady(fields={"server": ["stopping"]})
    if problem := database_problem():
        raise NotReady(fields={"database": [problem]})
    try:
        secrets = secrets_problem()
    except SQLAlchemyError as error:  # it may have gone meanwhile, or the apps are locked
        raise NotReady(fields={"database": [type(error).__name__]}) from error
    cache = "ok"
    if not store_answers(app_state().store):
        cache = "away"
    if cache == "away" and app_state().settings.redis_down == "closed":
        raise NotReady(fields={"cache": ["Redis does not answer."]})
    catalog = str(app_state().gateway.catalog_state)
    files = disk_problem(app_state().files.folder)
    parts = {"database": "ok", "cache": cache, "catalog": catalog, "files": files or "ok"}
    return success_response({**parts, "secrets": secrets or "ok"})


def secrets_problem() -> str:
    """Return how many apps cannot sign because no key opens their secret; empty where all can."""
    unreadable = auth_services().apps.count_unreadable()
    apps = "1 app" if unreadable == 1 else f"{unreadable} apps"
    return f"of {apps}; see flask secrets status" if unreadable else ""


def database_problem() -> str:
    """Return why the database cannot be used, to write too; an empty text when it can."""
    database = app_state().database
    try:
        revision = revision_of(database)
        if problem := database.write_problem():
            return problem
    except SQLAlchemyError as error:
        return type(error).__name__
    # A newer version's tables have all of ours: it migrates while this one serves.
    is_older = revision is None or revision_exists(revision)
    if is_older and revision != head_revision():
        return "It is not at this version's tables; run: flask db upgrade"
    return ""


def store_answers(store: Store) -> bool:
    """Return whether the store answers."""
    try:
        store.get("readyz")
    except StoreUnavailable:
        return False
    return True
