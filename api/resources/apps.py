"""Apps: tools that sign their requests. Admins create them and pass the secret on."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy.orm import Session

from api.audit import app_act, record_act
from api.auth import role_required
from api.auth.wiring import auth_services
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.cache import write_session
from api.http.etags import check_match, etag_of, etag_response
from api.http.idempotency import idempotent_by_database
from api.http.lists import RowList, list_response, select_fields
from api.http.responses import success_response
from gateway.catalog.model import unknown_patterns
from gateway.errors import Conflict, NotFound
from gateway.masking import Secret
from models import App
from schemas.dump import entity_dumper, row_dumper
from schemas.users import (
    AppArgs,
    AppChange,
    AppChangedOut,
    AppIn,
    AppListOut,
    AppOut,
    AppRow,
    AppSecretOut,
)

blueprint = Blueprint("apps", __name__, description="Tools, which sign their requests.")
_app_schema = AppOut()
_row_schema = AppRow()
_dump_app = entity_dumper(_app_schema)
_apps = RowList(App, select_fields(App, _app_schema), row_dumper(_app_schema), {})


@blueprint.get("/apps")
@role_required("admin")
@blueprint.arguments(AppArgs, location="query")
@blueprint.response(200, AppListOut)
def list_apps(args: dict[str, Any]) -> Response:
    """Apps, without their secrets."""
    return list_response(_apps, _row_schema, args)


@blueprint.post("/apps")
@role_required("admin")
@blueprint.arguments(AppIn, example={"app_id": "shop", "allow": ["wechat.*"], "rate": "100/minute"})
@blueprint.response(201, AppSecretOut)
@idempotent_by_database()
def create_app(data: dict[str, Any]) -> Response:
    """A new app; its secret is shown this once."""
    secret, encrypted = _new_secret()
    with write_session() as session:
        app = App(**data, secret=encrypted)
        session.add(app)
        session.flush()
        record_act(session, app_act("create", app.app_id, data))
        return _secret_response(app, secret, 201)


@blueprint.get("/apps/<app_id>")
@role_required("admin")
@blueprint.response(200, AppOut)
def get_app(app_id: str) -> Response:
    """One app, without its secrets."""
    with app_state().database.read_session() as session:
        return _app_response(_get_app(session, app_id))


@blueprint.patch("/apps/<app_id>")
@role_required("admin")
@blueprint.arguments(AppChange(partial=True), example={"allow": ["wechat.*", "maps"]})
@blueprint.response(200, AppChangedOut)
def change_app(data: dict[str, Any], app_id: str) -> Response:
    """What an app may call, or how often. It counts at once here, and within a second elsewhere."""
    with write_session() as session:
        app = _get_app(session, app_id, lock=True)
        check_match(app)
        for column, value in data.items():
            setattr(app, column, value)
        session.flush()
        record_act(session, app_act("change", app_id, data))
        return etag_response(_with_warnings(app), etag_of(app))


@blueprint.delete("/apps/<app_id>")
@role_required("admin")
@blueprint.response(200)
def delete_app(app_id: str) -> None:
    """Forget an app; whatever it signs from now on is refused."""
    with write_session() as session:
        app = _get_app(session, app_id, lock=True)
        check_match(app)
        session.delete(app)
        record_act(session, app_act("delete", app_id))


@blueprint.post("/apps/<app_id>/rotate")
@role_required("admin")
@blueprint.response(200, AppSecretOut)
@idempotent_by_database()
def rotate_secret(app_id: str) -> Response:
    """A new secret, shown this once; the previous one is good until the next time."""
    secret, encrypted = _new_secret()
    with write_session() as session:
        app = _get_app(session, app_id, lock=True)
        check_match(app)
        if app.disabled:
            raise Conflict("A disabled app gets no new secret; enable it first.")
        app.previous_secret = app.secret
        app.secret = encrypted
        session.flush()
        record_act(session, app_act("rotate", app_id))
        return _secret_response(app, secret)


@blueprint.post("/apps/<app_id>/disable")
@role_required("admin")
@blueprint.response(200, AppOut)
@idempotent_by_database()
def disable_app(app_id: str) -> Response:
    """Refuse whatever the app signs from now on."""
    return _set_disabled(app_id, True)


@blueprint.post("/apps/<app_id>/enable")
@role_required("admin")
@blueprint.response(200, AppOut)
@idempotent_by_database()
def enable_app(app_id: str) -> Response:
    """Take what the app signs again."""
    return _set_disabled(app_id, False)


def _set_disabled(app_id: str, disabled: bool) -> Response:
    with write_session() as session:
        app = _get_app(session, app_id, lock=True)
        check_match(app)
        app.disabled = disabled
        session.flush()
        verb = "disable" if disabled else "enable"
        record_act(session, app_act(verb, app_id, {"disabled": disabled}))
        return _app_response(app)


def _app_response(app: App) -> Response:
    return etag_response(_dump_app(app), etag_of(app))


def _with_warnings(app: App) -> dict[str, Any]:
    """Return the app and what of its ``allow`` names no service or method of the catalog."""
    unknown = unknown_patterns(app.allow, app_state().gateway.catalog)
    warnings = [f"allow: {pattern} names nothing in the catalog" for pattern in unknown]
    return {**_dump_app(app), "warnings": warnings}


def _get_app(session: Session, app_id: str, *, lock: bool = False) -> App:
    app = None
    if "\0" not in app_id:  # PostgreSQL refuses a NUL in a parameter
        app = App.by_app_id(session, app_id, lock=lock)
    if app is None:
        raise NotFound(f"There is no app {app_id}; GET /api/v1/apps lists those that there are.")
    return app


def _new_secret() -> tuple[Secret, str]:
    """Return a secret, which no log line will show, and its encrypted form for the database."""
    app_secrets = auth_services().app_secrets
    secret = app_secrets.make()
    app_state().masker.register(secret)
    return secret, app_secrets.seal(secret)


def _secret_response(app: App, secret: Secret, status: int = 200) -> Response:
    response = success_response({**_with_warnings(app), "secret": secret.reveal()}, status)
    response.headers["Cache-Control"] = "no-store"
    return response
