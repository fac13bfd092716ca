"""Apps: tools that sign their requests. Admins create them and pass the secret on."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy.orm import Session

from api.auth import role_required
from api.auth.wiring import auth_services
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.cache import write_session
from api.http.etags import etag_response
from api.http.idempotency import idempotent_by_database
from api.http.lists import RowList, csv_response, select_fields, wants_csv
from api.http.responses import success_response
from gateway.errors import NotFound
from gateway.masking import Secret
from models import App
from schemas.dump import entity_dumper, row_dumper
from schemas.users import AppArgs, AppIn, AppListOut, AppOut, AppRow, AppSecretOut

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
    if wants_csv():
        return csv_response(_apps, _row_schema, args)
    with app_state().database.read_connection() as connection:
        return etag_response(_apps.page(connection, args))


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
        return _secret_response(app, secret, 201)


@blueprint.post("/apps/<app_id>/rotate")
@role_required("admin")
@blueprint.response(200, AppSecretOut)
@idempotent_by_database()
def rotate_secret(app_id: str) -> Response:
    """A new secret, shown this once; the previous one is good until the next time."""
    secret, encrypted = _new_secret()
    with write_session() as session:
        app = _get_app(session, app_id)
        app.previous_secret = app.secret
        app.secret = encrypted
        session.flush()
        return _secret_response(app, secret)


@blueprint.post("/apps/<app_id>/disable")
@role_required("admin")
@blueprint.response(200, AppOut)
@idempotent_by_database()
def disable_app(app_id: str) -> Response:
    """Refuse whatever the app signs from now on."""
    with write_session() as session:
        app = _get_app(session, app_id)
        app.disabled = True
        session.flush()
        return etag_response(_dump_app(app))


def _get_app(session: Session, app_id: str) -> App:
    app = None
    if "\0" not in app_id:  # PostgreSQL refuses a NUL in a parameter
        app = App.by_app_id(session, app_id, lock=True)
    if app is None:
        raise NotFound(f"There is no app {app_id}.")
    return app


def _new_secret() -> tuple[Secret, str]:
    """Return a secret, which no log line will show, and its encrypted form for the database."""
    app_secrets = auth_services().app_secrets
    secret = app_secrets.make()
    app_state().masker.register(secret)
    return secret, app_secrets.seal(secret)


def _secret_response(app: App, secret: Secret, status: int = 200) -> Response:
    response = success_response({**_dump_app(app), "secret": secret.reveal()}, status)
    response.headers["Cache-Control"] = "no-store"
    return response
