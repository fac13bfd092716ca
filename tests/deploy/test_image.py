"""The image: its Dockerfile, and that what it holds serves on a read-only root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.deploy import image
from tests.e2e.live import BIN, end, wait_for
from tests.ports import free_port

SECRET = "of the image's test, long enough for HS256"
#: The image's folders (elsewhere, as Python itself may be in /opt), and what a container would have.
MOUNTS = """\
mount -t tmpfs none /srv && mkdir /srv/postern /srv/venv &&
mount --bind {content} /srv/postern && mount --bind {venv} /srv/venv &&
mount -t tmpfs none /var/lib && mkdir /var/lib/postern && mount --bind {state} /var/lib/postern &&
mount -t tmpfs none /tmp && mount -o remount,bind,ro /srv/postern && mount -o remount,bind,ro / &&
cd /srv/postern && exec /srv/venv/bin/python -m "$@"
"""


@pytest.fixture
def container(tmp_path: Path) -> tuple[str, ...]:
    """The beginning of a command line that runs in the image's files, on a read-only root."""
    content = tmp_path / "content"
    state = tmp_path / "state"
    content.mkdir()
    state.mkdir()
    image.copy_content(content)
    script = MOUNTS.format(content=content, state=state, venv=BIN.parent.resolve())
    unshare = "-m" if os.geteuid() == 0 else "-rm"
    return ("unshare", unshare, "sh", "-c", script, "sh")


@pytest.fixture
def env() -> dict[str, str]:
    """The image's own settings, and those that whoever runs it has to give."""
    own = {
        "JWT_SECRET": SECRET,
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "DRAIN_SECONDS": "0",
    }
    return {**image.environment(), "PATH": os.environ["PATH"], **own}


@pytest.fixture
def url(container: tuple[str, ...], env: dict[str, str]) -> Iterator[str]:
    migrate = [*container, "flask", "db", "upgrade"]
    subprocess.run(migrate, env=env, check=True, capture_output=True, timeout=120)
    server = subprocess.Popen([*container, "gunicorn"], env=env)
    url = f"http://127.0.0.1:{env['PORT']}"
    try:
        wait_for(lambda: server.poll() is not None or _answers(url))
        assert server.poll() is None
        yield url
    finally:
        end(server)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except requests.RequestException:
        return False


def test_hadolint_finds_nothing() -> None:
    result = subprocess.run(
        [BIN / "hadolint", image.DOCKERFILE], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")


def test_what_the_image_holds_serves_on_a_read_only_root(
    url: str, container: tuple[str, ...], env: dict[str, str]
) -> None:
    words = ["user", "create", "ann", "--role", "admin", "--password", "long enough"]
    command = [*container, "flask", *words]
    subprocess.run(command, env=env, check=True, capture_output=True, timeout=120)
    body = {"username": "ann", "password": "long enough"}
    login = requests.post(f"{url}/api/v1/login", json=body, timeout=30).json()
    headers = {"Authorization": f"Bearer {login['data']['access_token']}"}
    files = {"file": ("letter.txt", b"bytes")}
    upload = requests.post(f"{url}/api/v1/files", files=files, headers=headers, timeout=30)
    assert upload.status_code == 201
    for path in ("/readyz", "/", "/docs", "/openapi.json", "/metrics"):
        assert requests.get(f"{url}{path}", timeout=30).status_code == 200, path


def test_commands_that_need_files_of_ours_find_them(
    container: tuple[str, ...], env: dict[str, str]
) -> None:
    command = [*container, "flask", "catalog", "presets"]
    result = subprocess.run(command, env=env, check=True, capture_output=True, timeout=120)
    assert b"lark" in result.stdout


def test_the_image_is_not_for_development_unless_told(
    container: tuple[str, ...], env: dict[str, str]
) -> None:
    del env["JWT_SECRET"]
    command = [*container, "gunicorn"]
    result = subprocess.run(command, env=env, capture_output=True, timeout=120, check=False)
    assert result.returncode != 0
    assert b"JWT_SECRET" in result.stderr
