"""Databases as each revision left them, with rows of every kind: ``tests/models/old_databases/REVISION.sql``, of SQLite.

``python -m tests.models.old_database`` writes those that are not there: after a new migration, its own. One that is there
stays as it is, for it is what stands in the databases of those who upgrade.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from flask.testing import FlaskClient

from api.auth.app_secrets import AppSecrets
from api.auth.passwords import hash_password
from app import create_app
from config import Settings
from gateway.clock import SystemClock
from gateway.masking import Secret
from models import AccountConnection, App, User
from models.database import migrate
from models.database.revisions import MIGRATIONS

FOLDER = Path(__file__).parent / "old_databases"
PASSWORD = "a password of an older day"
JWT_SECRET = "the secret of an older day, 32 bytes"
REFRESH_TOKEN = "the refresh token of an older day"
APP_SECRET = "the-app's-secret-of-an-older-day-43-letters"
CATALOG = """\
version: 1
services:
  crm:
    base_url: https://crm.example
    auth:
      type: oauth2
      grant: authorization_code
      client_id: "1"
      client_secret: "2"
      token_url: /token
      authorization_url: https://crm.example/authorize
    methods: {me: {http: GET /me}}
"""


def revisions() -> list[str]:
    """Return all revisions, the first first."""
    scripts = ScriptDirectory(str(MIGRATIONS)).walk_revisions()
    return [script.revision for script in scripts][::-1]


def settings(url: str, folder: Path) -> Settings:
    """Return the settings that the rows were made under."""
    (folder / "services.yaml").write_text(CATALOG, encoding="utf-8")
    return Settings(
        port=0,
        jwt_secret=Secret(JWT_SECRET),
        database_url=url,
        files_dir=str(folder / "files"),
        catalog=str(folder / "services.yaml"),
        log_level="error",
    )


def log_in(client: FlaskClient, name: str = "ann") -> Mapping[str, str]:
    answer = client.post("/api/v1/login", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json['data']['access_token']}"}


def load(file: Path, revision: str) -> None:
    """Make the database that a revision left."""
    with sqlite3.connect(file) as database:
        database.executescript((FOLDER / f"{revision}.sql").read_text(encoding="utf-8"))
    database.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        newest = Path(folder, "newest.db")
        _fill(newest)
        for revision in revisions():
            file = FOLDER / f"{revision}.sql"
            if not file.exists():
                old = Path(folder, f"{revision}.db")
                migrate.upgrade(f"sqlite:///{old}", revision)
                _copy(newest, old)
                file.write_text(_dump(old), encoding="utf-8")


def _fill(file: Path) -> None:
    """Make rows of every kind, as callers do."""
    url = f"sqlite:///{file}"
    migrate.upgrade(url)
    app = create_app(settings(url, file.parent), SystemClock())
    state = app.extensions["postern"]
    with state.database.write_session() as session:
        session.add(User(username="ann", role="admin", password_hash=hash_password(PASSWORD)))
    client = app.test_client()
    ann = log_in(client)
    for path, body in (
        ("users", {"username": "bob", "password": PASSWORD, "role": "user", "name": "Bob"}),
        ("apps", {"app_id": "shop", "allow": ["crm.*"], "rate": "100/minute"}),
        ("products", {"name": "Tea", "price": "1.25", "stock": 10, "category": "drinks"}),
        ("users/1/orders", {"items": [{"product_id": 1, "quantity": 2}]}),
        ("data", {"key": "greeting", "value": {"text": "你好", "number": 1.0}}),
    ):
        _post(client, path, ann, json=body, headers={"Idempotency-Key": f"of-{path}"})
    _post(client, "files", ann, data={"file": (BytesIO(b"bytes"), "letter.txt")})
    secrets = AppSecrets(state.settings)
    connection = AccountConnection(
        service="crm", fingerprint="f" * 64, state="connected", epoch="e",
        refresh_token=secrets.seal(Secret(REFRESH_TOKEN)), rotates=True, scope="read",
    )  # fmt: skip
    with state.database.write_session() as session:
        session.add(connection)
        [shop] = session.query(App).all()
        shop.secret = secrets.seal(Secret(APP_SECRET))
    state.database.close()
    state.gateway.close()
    state.store.close()


def _post(
    client: FlaskClient, path: str, proof: Mapping[str, str], headers: Any = None, **body: Any
) -> None:
    headers = {**proof, **(headers or {})}
    answer = client.post(f"/api/v1/{path}", headers=headers, **body)
    assert answer.status_code == 201, answer.text


def _copy(newest: Path, old: Path) -> None:
    """Copy what the older database has a place for; it has its revision already."""
    with sqlite3.connect(old) as database:
        database.execute("ATTACH ? AS newest", (str(newest),))
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            if table not in ("alembic_version", "sqlite_sequence"):
                _copy_table(database, table)
    database.close()


def _copy_table(database: sqlite3.Connection, table: str) -> None:
    own, new = (
        [row[1] for row in database.execute(f"PRAGMA {schema}.table_info({table})")]
        for schema in ("main", "newest")
    )
    columns = ", ".join(f'"{name}"' for name in own if name in new)
    database.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM newest.{table}")


def _dump(file: Path) -> str:
    with sqlite3.connect(file) as database:
        text = "\n".join(database.iterdump())
    database.close()
    return text + "\n"


if __name__ == "__main__":
    main()
