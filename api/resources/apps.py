"""Apps: tools that sign their requests. Admins make them and hand the secret on."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth import role_required
from api.auth.wiring import auth_services
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.cache import write_session
from api.http.etags import etag_response
from api.http.idempotency import idempotent_by_database
from api.http.lists import csv_response, list_page, wants_csv
from api.http.responses import success_response
from gateway.errors import NotFound
from gateway.masking import Secret
from models import App
from schemas.users import AppArgs, AppIn, AppListOut, AppOut, AppRow, AppSecretOut

blueprint = Blueprint("apps", __name__, description="Tools, which sign their requests.")
_one, _row, _list = AppOut(), AppRow(), AppListOut()


@blueprint.get("/apps")
@role_required("admin")
@blueprint.arguments(AppArgs, location="query")
@blueprint.response(200, AppListOut)
def list_apps(args: dict[str, Any]) -> Response:
    """Apps, without their secrets."""
    if wants_csv():
        return csv_response(select(App), App, _row, args)
    with app_state().database.read_session() as session:
        return etag_response(_list.dump(list_page(session, select(App), App, args)))


@blueprint.post("/apps")
@role_required("admin")
@blueprint.arguments(AppIn, example={"app_id": "shop", "allow": ["wechat.*"], "rate": "100/minute"})
@blueprint.response(201, AppSecretOut)
@idempotent_by_database()
def create_app(given: dict[str, Any]) -> Response:
    """A new app; its secret is shown this once."""
    secret, sealed = _new_secret()
    with write_session() as session:
        app = App(**given, secret=sealed)
        session.add(app)
        session.flush()
        return _shown(app, secret, 201)


@blueprint.post("/apps/<app_id>/rotate")
@role_required("admin")
@blueprint.response(200, AppSecretOut)
@idempotent_by_database()
def rotate_secret(app_id: str) -> Response:
    """A new secret, shown this once; the previous one is good until the next time."""
    secret, sealed = _new_secret()
    with write_session() as session:
        app = _found(session, app_id)
        app.previous_secret, app.secret = app.secret, sealed
        session.flush()
        return _shown(app, secret)


@blueprint.post("/apps/<app_id>/disable")
@role_required("admin")
@blueprint.response(200, AppOut)
@idempotent_by_database()
def disable_app(app_id: str) -> Response:
    """Refuse whatever the app signs from now on."""
    with write_session() as session:
        app = _found(session, app_id)
        app.disabled = True
        session.flush()
        return etag_response(_one.dump(app))


def _found(session: Session, app_id: str) -> App:
    app = (
        None if "\0" in app_id else App.by_app_id(session, app_id, lock=True)
    )  # PostgreSQL cannot ask for a NUL
    if app is None:
        raise NotFound(f"There is no app {app_id}.")
    return app


def _new_secret() -> tuple[Secret, str]:
    """As it is shown, and as it is stored; no log line shows it."""
    app_secrets = auth_services().app_secrets
    secret = app_secrets.make()
    app_state().masker.register(secret)
    return secret, app_secrets.seal(secret)


def _shown(app: App, secret: Secret, status: int = 200) -> Response:
    response = success_response({**_one.dump(app), "secret": secret.reveal()}, status)
    response.headers["Cache-Control"] = "no-store"
    return response
