"""``flask secrets status|reseal``: under which key the apps' secrets are sealed."""

from __future__ import annotations

from collections import Counter

import click
from flask.cli import AppGroup
from sqlalchemy import select

from api.auth.app_secrets import SealState
from api.context import app_state
from cli.accounts import loaded_auth, report_database_errors
from cli.output import AS_JSON, print_json
from models import App

secrets_cli = AppGroup("secrets", help="The secrets that are kept sealed.")
MEANINGS: dict[SealState, str] = {
    "current": "sealed with the current key",
    "old": "sealed with an older key; try: flask secrets reseal",
    "lost": "cannot be opened; put the key into SECRETS_PREVIOUS_KEYS, or rotate these apps",
}


@secrets_cli.command("status")
@AS_JSON
def status(as_json: bool) -> None:
    """Count the secrets of apps by the key that seals them; exit status 1 if one is lost."""
    with report_database_errors(""), app_state().database.read_session() as session:
        apps = session.scalars(select(App).order_by(App.app_id)).all()
    state = loaded_auth().app_secrets.state
    states = {app.app_id: state(app.secret) for app in apps}
    counts = Counter(states.values())
    lost = [app_id for app_id, kind in states.items() if kind == "lost"]
    if as_json:
        print_json({**{kind: counts[kind] for kind in MEANINGS}, "lost_apps": lost})
    else:
        for kind, meaning in MEANINGS.items():
            click.echo(f"{counts[kind]:6} {meaning}")
        for app_id in lost:
            click.echo(f"       lost: {app_id}")
    if lost:
        raise SystemExit(1)


@secrets_cli.command("reseal")
def reseal() -> None:
    """Seal with the current key what an older one sealed."""
    reseal_one = loaded_auth().app_secrets.reseal
    count = 0
    with report_database_errors(""), app_state().database.write_session() as session:
        for app in session.scalars(select(App).with_for_update()):
            sealed = (app.secret, app.previous_secret)
            app.secret = reseal_one(app.secret)
            if app.previous_secret:
                app.previous_secret = reseal_one(app.previous_secret)
            count += sealed != (app.secret, app.previous_secret)
    click.echo(f"sealed the secrets of {count} apps anew")
