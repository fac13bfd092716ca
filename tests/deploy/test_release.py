"""``make release``, of a clone."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import venv
from importlib import metadata
from pathlib import Path

import pytest

from tests.deploy import image
from tests.e2e.live import ROOT

VERSION = (ROOT / "VERSION").read_text().strip()
NAME = f"postern-{VERSION}"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    return folder


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The Python of an environment that has one package."""
    venv.create(tmp_path / "environment", with_pip=False)
    (packages,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    site = Path(str(metadata.distribution("flask").locate_file("")))
    (info,) = site.glob("[Ff]lask-[0-9]*.dist-info")
    shutil.copytree(info, packages / info.name)
    return tmp_path / "environment" / "bin" / "python"


def release(clone: Path, python: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        clone / "deploy" / "release.py",
        "--python",
        sys.executable,
        *options,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def tag(clone: Path, name: str) -> None:
    subprocess.run(["git", "-C", clone, "tag", name], check=True)


def test_a_release_has_source_image_packages_licences_and_their_sums(
    clone: Path, python: Path
) -> None:
    tag(clone, f"v{VERSION}")
    result = release(clone, python)
    assert result.returncode == 0, result.stderr
    dist = clone / "dist"
    for line in (dist / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest
    with tarfile.open(dist / f"{NAME}.tar.gz") as source:
        assert {f"{NAME}/README.md", f"{NAME}/tests/conftest.py"} <= set(source.getnames())
    with tarfile.open(dist / f"{NAME}-image.tar.gz") as context:
        names = {name.removeprefix(f"{NAME}/").partition("/")[0] for name in context.getnames()}
    content = {name.partition("/")[0] for name in image.content()}
    assert names - {"", NAME} == content | {"deploy"}
    sbom = json.loads((dist / f"{NAME}.cdx.json").read_text())
    flask = next(part for part in sbom["components"] if part["name"].lower() == "flask")
    assert flask["purl"].startswith("pkg:pypi/flask@")
    assert "Flask" in (dist / "LICENSES.txt").read_text()


@pytest.mark.parametrize("name", [None, "v0.0.9"])
def test_a_commit_that_is_not_tagged_is_not_released(
    clone: Path, python: Path, name: str | None
) -> None:
    if name:
        tag(clone, name)
    result = release(clone, python)
    assert result.returncode == 1
    assert f"git tag v{VERSION}" in result.stderr
    assert not (clone / "dist").exists()


def test_a_version_whose_database_nobody_could_try_to_upgrade_is_not_released(
    clone: Path, python: Path
) -> None:
    (newest, *_) = sorted((clone / "tests" / "models" / "old_databases").iterdir(), reverse=True)
    git = ["git", "-C", clone, "-c", "user.name=t", "-c", "user.email=t@example"]
    subprocess.run([*git, "rm", "-q", newest], check=True)
    subprocess.run([*git, "commit", "-qm", "without"], check=True)
    tag(clone, f"v{VERSION}")
    result = release(clone, python)
    assert (result.returncode, "make databases" in result.stderr) == (1, True)


def test_what_is_not_committed_is_not_released(clone: Path, python: Path) -> None:
    tag(clone, f"v{VERSION}")
    (clone / "app.py").write_text("changed")
    result = release(clone, python)
    assert (result.returncode, "commit" in result.stderr) == (1, True)
