"""compose.yaml, the Kubernetes manifests and the systemd units, each by the tool that knows its kind."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import Settings
from tests.deploy import image
from tests.deploy.compose import interpolate
from tests.e2e.live import BIN

DEPLOY = image.ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
SECRETS = ("JWT_SECRET", "SECRETS_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "GRAFANA_PASSWORD")
MAX_EXPOSURE = 15  # tenths, by `systemd-analyze security`


def run(*command: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """A copy of the folder, for what is made in it."""
    ignore = shutil.ignore_patterns(".env", "catalog")
    return Path(shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=ignore))


def test_the_compose_files_are_such() -> None:
    files = [DEPLOY / "compose.yaml", DEPLOY / "traefik" / "compose.yaml"]
    result = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *files)
    assert result.returncode == 0, result.stdout


def test_secrets_are_made_once_and_are_for_their_owner_only(deploy: Path) -> None:
    for _ in range(2):
        made = subprocess.run(
            ["sh", deploy / "up.sh"], env={"PATH": "/usr/bin:/bin", "UP": "no"}, check=True,
            capture_output=True,
        )  # fmt: skip
    assert made.stdout == b""
    assert stat.S_IMODE((deploy / ".env").stat().st_mode) == 0o600
    secrets = dict(line.split("=", 1) for line in (deploy / ".env").read_text().splitlines())
    assert tuple(secrets) == SECRETS
    assert len(set(secrets.values())) == len(SECRETS)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{48}", secret) for secret in secrets.values())


def _is_in_git(path: Path) -> bool:
    return run("git", "-C", DEPLOY, "check-ignore", "-q", path).returncode != 0


@pytest.mark.parametrize("name", [".env", "services.env", "catalog/x.yaml"])
def test_what_is_made_for_one_place_is_not_committed(name: str) -> None:
    assert not _is_in_git(DEPLOY / name)


def test_every_setting_of_the_compose_file_is_right(
    deploy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run("env", "UP=no", "sh", deploy / "up.sh")
    secrets = dict(line.split("=", 1) for line in (deploy / ".env").read_text().splitlines())
    services = yaml.safe_load((deploy / "compose.yaml").read_text())["services"]
    names = set((image.ROOT / ".env.example").read_text().split())
    for name in ("migrate", "postern1", "postern2"):
        own = services[name]["environment"]
        given = {key: interpolate(value, secrets) for key, value in own.items()}
        assert {f"{key}={value}".partition("=")[0] for key, value in given.items()} <= {
            word.partition("=")[0] for word in names
        }
        for key, value in {**image.environment(), **given}.items():
            monkeypatch.setenv(key, value.replace("/var/lib/postern", str(tmp_path)))
        settings = Settings.from_env()
        assert settings.warnings == ()
        assert not settings.development


@pytest.mark.parametrize(
    "file",
    [path for path in MANIFESTS if path.name != "kustomization.yaml"],
    ids=lambda path: path.name,
)
def test_a_kubernetes_manifest_is_one(file: Path) -> None:
    result = run(BIN / "kubernetes-validate", "--strict", file)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout + result.stderr


def test_kustomize_names_every_manifest() -> None:
    named = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())["resources"]
    assert {*named, "kustomization.yaml"} == {path.name for path in MANIFESTS}


def units(folder: Path) -> list[Path]:
    """Return the units, with programs that are there in place of those of an installed Postern."""
    copies = []
    for unit in (DEPLOY / "postern.service", DEPLOY / "postern.socket"):
        copy = folder / unit.name
        copy.write_text(unit.read_text().replace("/opt/postern/current/.venv/bin", str(BIN)))
        copies.append(copy)
    return copies


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    result = run("systemd-analyze", "verify", *units(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")


def test_the_command_has_the_settings_of_the_unit() -> None:
    unit, command = ((DEPLOY / name).read_text() for name in ("postern.service", "postern"))
    setting = r"\b[A-Z][A-Z_]+=[^\s\"]+"
    given = re.findall(rf"-E ({setting})", command)
    lines = "\n".join(re.findall(r"^Environment=(.*)", unit, re.MULTILINE))
    assert sorted(given) == sorted(re.findall(setting, lines))
    for name in ("WorkingDirectory", "EnvironmentFile", "UMask"):
        (value,) = re.findall(rf"^{name}=(.*)", unit, re.MULTILINE)
        assert f"-p {name}={value}" in command


def test_the_unit_may_do_little(tmp_path: Path) -> None:
    service, _ = units(tmp_path)
    result = run(
        "systemd-analyze", "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", service
    )
    assert result.returncode == 0, result.stdout[-200:]
