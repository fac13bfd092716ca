"""Apps: tools that sign their requests. Admins make them and hand the secret on."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth import role_required
from api.auth.wiring import identity
from api.context import parts
from api.http.blueprint import Blueprint
from api.http.cache import writing
from api.http.etags import answer
from api.http.idempotency import idempotent
from api.http.lists import as_csv, page, wants_csv
from api.http.responses import envelope
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
        return as_csv(select(App), App, _row, args)
    with parts().database.reading() as session:
        return answer(_list.dump(page(session, select(App), App, args)))


@blueprint.post("/apps")
@role_required("admin")
@blueprint.arguments(AppIn)
@blueprint.response(201, AppSecretOut)
@idempotent()
def create_app(given: dict[str, Any]) -> Response:
    """A new app; its secret is shown this once."""
    secret, sealed = _new_secret()
    with writing() as session:
        app = App(**given, secret=sealed)
        session.add(app)
        session.flush()
        return _shown(app, secret, 201)


@blueprint.post("/apps/<app_id>/rotate")
@role_required("admin")
@blueprint.response(200, AppSecretOut)
@idempotent()
def rotate_secret(app_id: str) -> Response:
    """A new secret, shown this once; the previous one is good until the next time."""
    secret, sealed = _new_secret()
    with writing() as session:
        app = _found(session, app_id)
        app.previous_secret, app.secret = app.secret, sealed
        session.flush()
        return _shown(app, secret)


@blueprint.post("/apps/<app_id>/disable")
@role_required("admin")
@blueprint.response(200, AppOut)
@idempotent()
def disable_app(app_id: str) -> Response:
    """Refuse whatever the app signs from now on."""
    with writing() as session:
        app = _found(session, app_id)
        app.disabled = True
        session.flush()
        return answer(_one.dump(app))


def _found(session: Session, app_id: str) -> App:
    app = (
        None if "\0" in app_id else App.named(session, app_id, lock=True)
    )  # PostgreSQL cannot ask for a NUL
    if app is None:
        raise NotFound(f"There is no app {app_id}.")
    return app


def _new_secret() -> tuple[Secret, str]:
    """As it is shown, and as it is stored; no log line shows it."""
    app_secrets = identity().app_secrets
    secret = app_secrets.make()
    parts().masker.register(secret)
    return secret, app_secrets.seal(secret)


def _shown(app: App, secret: Secret, status: int = 200) -> Response:
    response = envelope({**_one.dump(app), "secret": secret.reveal()}, status)
    response.headers["Cache-Control"] = "no-store"
    return response
