"""``flask backup`` and ``flask restore``."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import delete, select, update

from app import create_app
from config import Settings
from gateway.masking import Secret
from models import AccountConnection, Base, Order, OrderLine, Product, RefreshToken, User
from tests import postgres
from tests.api.conftest import ROOT
from tests.gateway.fakes import comes_true
from tests.small_disk import mounted

MakeApp = Callable[[Settings], Flask]
PASSWORD = "correct horse battery staple"


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=list(words))


def succeed(app: Flask, *words: str) -> str:
    result = run(app, *words)
    assert result.exit_code == 0, result.output
    return result.output


def fill(app: Flask) -> None:
    """Have something in every table that people fill, through the API."""
    succeed(app, "user", "create", "ann", "--role", "admin", "--password", PASSWORD)
    succeed(app, "app", "create", "shop", "--allow", "wechat.*")
    client = app.test_client()
    login = client.post("/api/v1/login", json={"username": "ann", "password": PASSWORD})
    headers = {"Authorization": f"Bearer {login.json['data']['access_token']}"}

    def post(path: str, **options: Any) -> None:
        answer = client.post(f"/api/v1{path}", headers=headers, **options)
        assert answer.status_code == 201, answer.json

    post("/data", json={"key": "numbers", "value": {"one": 1.0, "null": None, "名": "值"}})
    post("/products", json={"name": "tea", "price": "12.30", "stock": 5})
    post("/users/1/orders", json={"items": [{"product_id": 1, "quantity": 2}]})
    post("/files", data={"file": (io.BytesIO(b"bytes" * 1000), "letter.txt")})


def rows(app: Flask) -> dict[str, list[Any]]:
    """Return every row of every table, but for logins."""
    with app.extensions["postern"].database.read_session() as session:
        return {
            table.name: [
                tuple(row) for row in session.execute(select(table).order_by(*table.primary_key))
            ]
            for table in Base.metadata.sorted_tables
            if table.name not in ("refresh_tokens", "audit_events")
        }


def file_bytes(app: Flask) -> list[bytes]:
    folder = app.extensions["postern"].files.folder
    return sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def empty_app(
    make_app: MakeApp, settings: Settings, make_database_url: Callable[..., str], tmp_path: Path
) -> Flask:
    """Another machine, with the same keys and no table yet."""
    return create_app(
        replace(settings, database_url=make_database_url(), files_dir=str(tmp_path / "restored"))
    )


@pytest.mark.parametrize("name", ["all.tar", "all.tar.gz"])
def test_what_is_restored_is_what_was_backed_up(
    app: Flask, empty_app: Flask, tmp_path: Path, name: str
) -> None:
    fill(app)
    file = tmp_path / name
    assert "1 product" in succeed(app, "backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert "bytes of 1 file" in succeed(empty_app, "restore", str(file))
    assert rows(empty_app) == rows(app)
    assert file_bytes(empty_app) == file_bytes(app) == [b"bytes" * 1000]
    assert succeed(empty_app, "db", "current") == succeed(app, "db", "current")


def test_a_backup_goes_from_sqlite_to_postgresql_and_back(
    make_app: MakeApp, settings: Settings, postgres_databases: postgres.Databases, tmp_path: Path
) -> None:
    first = make_app(replace(settings, database_url=f"sqlite:///{tmp_path}/first.db"))
    fill(first)
    succeed(first, "backup", str(tmp_path / "1.tar"))
    with postgres_databases.one("template0") as url:
        second = create_app(replace(settings, database_url=url, files_dir=str(tmp_path / "second")))
        succeed(second, "restore", str(tmp_path / "1.tar"))
        assert rows(second) == rows(first)
        succeed(second, "backup", str(tmp_path / "2.tar"))
        third = create_app(
            replace(
                settings,
                database_url=f"sqlite:///{tmp_path}/third.db",
                files_dir=str(tmp_path / "third"),
            )
        )
        succeed(third, "restore", str(tmp_path / "2.tar"))
        assert rows(third) == rows(first)
        second.extensions["postern"].database.close()


def test_ids_of_rows_that_were_deleted_are_not_given_again(
    app: Flask, empty_app: Flask, tmp_path: Path
) -> None:
    fill(app)
    succeed(app, "user", "create", "bob", "--password", PASSWORD)
    with app.extensions["postern"].database.write_session() as session:
        session.execute(delete(User).where(User.username == "bob"))
    succeed(app, "backup", str(tmp_path / "all.tar"))
    succeed(empty_app, "restore", str(tmp_path / "all.tar"))
    succeed(empty_app, "user", "create", "eve", "--password", PASSWORD)
    with empty_app.extensions["postern"].database.read_session() as session:
        assert User.by_username(session, "eve").id == 3


def test_a_login_from_before_is_not_restored(app: Flask, empty_app: Flask, tmp_path: Path) -> None:
    fill(app)
    succeed(app, "backup", str(tmp_path / "all.tar"))
    assert "logs in again" in succeed(empty_app, "restore", str(tmp_path / "all.tar"))
    with empty_app.extensions["postern"].database.read_session() as session:
        assert session.scalars(select(RefreshToken)).all() == []


def test_a_refresh_token_that_may_have_been_used_since_is_not_sent_again(
    app: Flask, empty_app: Flask, tmp_path: Path
) -> None:
    with app.extensions["postern"].database.write_session() as session:
        for service, rotates in (("crm", True), ("mail", None), ("maps", False)):
            row = AccountConnection(service=service, fingerprint="f", state="connected", epoch="e")
            row.rotates = rotates
            session.add(row)
    succeed(app, "backup", str(tmp_path / "all.tar"))
    output = succeed(empty_app, "restore", str(tmp_path / "all.tar"))
    assert "connect these accounts again: crm, mail\n" in output
    with empty_app.extensions["postern"].database.read_session() as session:
        states = {row.service: row.state for row in session.scalars(select(AccountConnection))}
    assert states == {"crm": "reconnect", "mail": "reconnect", "maps": "connected"}


def test_all_tables_are_of_one_moment_while_orders_are_made(
    app: Flask, empty_app: Flask, tmp_path: Path
) -> None:
    database = app.extensions["postern"].database
    with database.write_session() as session:
        session.add(User(username="ann", role="user", password_hash="x"))
        session.add(Product(name="tea", price=1, stock=100_000))
    stopping = threading.Event()
    orders = []

    def order() -> None:
        while not stopping.is_set():
            with database.write_session() as session:
                session.execute(update(Product).values(stock=Product.stock - 1))
                line = OrderLine(product_id=1, quantity=1, price=1)
                session.add(Order(user_id=1, total=1, items=[line]))
            orders.append(1)

    thread = threading.Thread(target=order)
    thread.start()
    try:
        assert comes_true(lambda: len(orders) > 5)
        succeed(app, "backup", str(tmp_path / "all.tar"))
        count = len(orders)
        assert comes_true(lambda: len(orders) > count)
    finally:
        stopping.set()
        thread.join()
    succeed(empty_app, "restore", str(tmp_path / "all.tar"))
    restored = rows(empty_app)
    assert len(restored["orders"]) == len(restored["order_lines"]) > 5
    assert restored["products"][0][Product.__table__.columns.keys().index("stock")] == (
        100_000 - len(restored["orders"])
    )


def test_a_database_with_rows_is_not_restored_into(app: Flask, tmp_path: Path) -> None:
    fill(app)
    before = rows(app)
    succeed(app, "backup", str(tmp_path / "all.tar"))
    result = run(app, "restore", str(tmp_path / "all.tar"))
    assert result.exit_code == 1
    assert "has rows already" in result.output
    assert rows(app) == before


def test_a_file_that_is_there_is_not_overwritten(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "all.tar").write_text("mine")
    result = run(app, "backup", str(tmp_path / "all.tar"))
    assert (result.exit_code, (tmp_path / "all.tar").read_text()) == (1, "mine")


def test_what_a_backup_that_died_left_is_in_nobodys_way(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "all.tar.part").write_bytes(b"x" * 100_000)
    succeed(app, "backup", str(tmp_path / "all.tar"))
    assert not (tmp_path / "all.tar.part").exists()
    with tarfile.open(tmp_path / "all.tar") as archive:
        assert archive.getnames()[-1] == "manifest.json"


def test_of_two_backups_to_one_file_the_second_is_refused(app: Flask, tmp_path: Path) -> None:
    with (tmp_path / "all.tar.part").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        result = run(app, "backup", str(tmp_path / "all.tar"))
    assert (result.exit_code, (tmp_path / "all.tar").exists()) == (1, False)
    assert "another backup" in result.output


def test_a_backup_for_which_there_is_no_room_leaves_nothing(
    app: Flask, settings: Settings, tmp_path: Path
) -> None:
    fill(app)
    disk = tmp_path / "disk"
    disk.mkdir()
    env = {
        "PATH": os.environ["PATH"],
        "JWT_SECRET": settings.jwt_secret.reveal(),
        "DATABASE_URL": settings.database_url,
        "FILES_DIR": settings.files_dir,
        "CATALOG": settings.catalog,
    }
    flask = Path(sys.executable).with_name("flask")
    # After the command its status and what is on the disk.
    script = '"$0" "$@"; echo "status $?"; ls -A "${2%/*}"'
    command = [*mounted({disk: "8k"}), "sh", "-c", script, flask, "backup", disk / "all.tar"]
    result = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert "No space left" in result.stderr
    assert result.stdout == "status 1\n"


def test_secrets_whose_key_is_gone_are_told(
    app: Flask, empty_app: Flask, settings: Settings, tmp_path: Path
) -> None:
    fill(app)
    succeed(app, "backup", str(tmp_path / "all.tar"))
    state = empty_app.extensions["postern"]
    other_key = replace(state.settings, jwt_secret=Secret("another secret of 32 bytes or more"))
    result = run(create_app(other_key), "restore", str(tmp_path / "all.tar"))
    assert result.exit_code == 0
    assert "the secrets of 1 app cannot be opened" in result.output


def rewrite(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """Copy an archive, each member as ``change`` returns it."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            body = change(member.name, old.extractfile(member).read())
            if body is not None:
                member.size = len(body)
                new.addfile(member, io.BytesIO(body))


@pytest.mark.parametrize(
    ("part", "change", "problem"),
    [
        ("manifest.json", lambda body: None, "manifest"),
        ("manifest.json", lambda body: body.replace(b'"format": 1', b'"format": 2'), "newer"),
        ("manifest.json", lambda body: body[:9], "not whole"),
        ("tables/products", lambda body: body.replace(b"tea", b"tee"), "rows of products"),
        ("files/", lambda body: body.replace(b"b", b"c"), "not those that were uploaded"),
        ("files/", lambda body: None, "missing"),
        (
            "tables/files",
            lambda body: body.replace(b'"stored_as":"', b'"stored_as":"../'),
            "no name",
        ),
        ("manifest.json", lambda body: body.replace(b'"revision"', b'"x"'), "not what a backup"),
        ("manifest.json", lambda body: body.replace(b'"sha256"', b'"x"'), "not what a backup"),
        (
            "manifest.json",
            lambda body: body.replace(b'"lost_files": []', b'"lost_files": 5'),
            "not",
        ),
        ("manifest.json", lambda body: body.replace(b'"users": 1', b'"people": 1'), "not what"),
        ("tables/users", lambda body: None, "not what a backup makes"),
        ("tables/users", lambda body: b"[1]\n", "rows of users"),
        ("tables/users", lambda body: b'{"id": 1}\n{"x": 2}\n', "rows of users"),
    ],
)
def test_of_an_archive_that_is_damaged_nothing_is_kept(
    app: Flask,
    empty_app: Flask,
    tmp_path: Path,
    part: str,
    change: Callable[[bytes], bytes | None],
    problem: str,
) -> None:
    fill(app)
    succeed(app, "backup", str(tmp_path / "all.tar"))
    rewrite(
        tmp_path / "all.tar",
        tmp_path / "bad.tar",
        lambda name, body: change(body) if name.startswith(part) else body,
    )
    result = run(empty_app, "restore", str(tmp_path / "bad.tar"))
    assert result.exit_code == 1
    assert problem in result.output
    assert "Traceback" not in result.output
    succeed(empty_app, "db", "upgrade")
    assert not any(rows(empty_app).values())
    succeed(empty_app, "restore", str(tmp_path / "all.tar"))  # and a good one still can be
    assert rows(empty_app) == rows(app)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_an_archive_that_was_cut_off_is_told(
    app: Flask, empty_app: Flask, tmp_path: Path, share: float
) -> None:
    fill(app)
    succeed(app, "backup", str(tmp_path / "all.tar.gz"))
    whole = (tmp_path / "all.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: int(share * len(whole))])
    result = run(empty_app, "restore", str(tmp_path / "cut.tar.gz"))
    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_a_backup_of_an_older_version_is_restored_and_upgraded(
    empty_app: Flask, tmp_path: Path
) -> None:
    member = {"id": 7, "app_id": "shop", "secret": "sealed", "previous_secret": None}
    member |= {"allow": ["maps"], "rate": None, "disabled": False}
    member |= {"created_at": "2026-01-02T03:04:05+00:00"}
    line = json.dumps(member).encode() + b"\n"
    manifest = {"format": 1, "revision": "0003", "created_at": "2026-01-02T03:04:05+00:00"}
    manifest |= {"rows": {"files": 0, "apps": 1}, "last_ids": {}, "lost_files": []}
    digests = {"files": hashlib.sha256().hexdigest(), "apps": hashlib.sha256(line).hexdigest()}
    parts = {"tables/files.jsonl": b"", "tables/apps.jsonl": line}
    parts["manifest.json"] = json.dumps(manifest | {"sha256": digests}).encode()
    with tarfile.open(tmp_path / "old.tar", "w") as archive:
        for name, body in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    succeed(empty_app, "restore", str(tmp_path / "old.tar"))
    assert [row[1] for row in rows(empty_app)["apps"]] == ["shop"]
    assert succeed(empty_app, "db", "current").strip() != "0003"
