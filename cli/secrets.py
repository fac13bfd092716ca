"""``flask secrets status|reseal``: under which key apps' secrets and refresh tokens are sealed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import click
import sqlalchemy as sa
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from api.auth.app_secrets import AppSecrets, SealState
from cli.accounts import load_auth, read_session, record_act, write_session
from cli.output import AS_JSON, count, print_json
from models import AccountConnection, Act, App

secrets_cli = AppGroup("secrets", help="The secrets that are kept sealed.")
MEANINGS: dict[SealState, str] = {
    "current": "sealed with the current key",
    "old": "sealed with an older key; try: flask secrets reseal",
    "lost": "cannot be opened; put the key into SECRETS_PREVIOUS_KEYS, or rotate these apps, and"
    " connect these services again",
}


class SealStates(NamedTuple):
    """How much is sealed under which key, and whose cannot be opened."""

    counts: Counter[SealState]
    lost_apps: list[str]
    lost_services: list[str]

    @classmethod
    def read(cls, session: Session, app_secrets: AppSecrets) -> SealStates:
        """:raises SQLAlchemyError: the database does not answer."""
        state = app_secrets.state
        apps = session.scalars(sa.select(App).order_by(App.app_id))
        app_states = [(app.app_id, state(app.secret)) for app in apps]
        connection_states = [
            (connection.service, state(sealed))
            for connection in session.scalars(_sealed_connections())
            for sealed in (connection.refresh_token, connection.access_token)
            if sealed
        ]
        return cls(
            Counter(kind for _, kind in app_states + connection_states),
            [name for name, kind in app_states if kind == "lost"],
            sorted({name for name, kind in connection_states if kind == "lost"}),
        )


@secrets_cli.command("status")
@AS_JSON
def status(as_json: bool) -> None:
    """Count what is sealed by the key that seals it; exit status 1 if something is lost."""
    with read_session() as session:
        states = SealStates.read(session, load_auth().app_secrets)
    if as_json:
        names = {"lost_apps": states.lost_apps, "lost_services": states.lost_services}
        print_json({**{kind: states.counts[kind] for kind in MEANINGS}, **names})
    else:
        for kind, meaning in MEANINGS.items():
            click.echo(f"{states.counts[kind]:6} {meaning}")
        for name in states.lost_apps + states.lost_services:
            click.echo(f"       lost: {name}")
    if states.lost_apps or states.lost_services:
        raise SystemExit(1)


@secrets_cli.command("reseal")
def reseal() -> None:
    """Seal with the current key what an older one sealed."""
    reseal_one = load_auth().app_secrets.reseal
    resealed = 0
    with write_session() as session:
        for app in session.scalars(sa.select(App).with_for_update()):
            sealed = (app.secret, app.previous_secret)
            app.secret = reseal_one(app.secret)
            if app.previous_secret:
                app.previous_secret = reseal_one(app.previous_secret)
            resealed += sealed != (app.secret, app.previous_secret)
        apps = count(resealed, "app")
        services = count(_reseal_connections(session, reseal_one), "service")
        summary = f"{apps}, {services}"
        record_act(session, Act("secrets.reseal", "secrets", summary))
    click.echo(f"sealed the secrets of {apps} and the tokens of {services} anew")


def _sealed_connections() -> sa.Select[AccountConnection]:
    tokens = (AccountConnection.refresh_token, AccountConnection.access_token)
    has_tokens = sa.or_(*(token.is_not(None) for token in tokens))
    return sa.select(AccountConnection).where(has_tokens).order_by(AccountConnection.service)


def _reseal_connections(session: Session, reseal_one: Callable[[str], str]) -> int:
    """Return how many were sealed with another key."""
    resealed = 0
    for connection in session.scalars(_sealed_connections().with_for_update()):
        sealed = (connection.refresh_token, connection.access_token)
        connection.refresh_token, connection.access_token = (
            token and reseal_one(token) for token in sealed
        )
        resealed += sealed != (connection.refresh_token, connection.access_token)
    return resealed
