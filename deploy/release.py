"""Make what a release consists of, in dist/: python deploy/release.py [--untagged] [--python P]

    postern-0.1.0.tar.gz         the source
    postern-0.1.0-image.tar.gz   what `docker build -f deploy/Dockerfile .` needs
    postern-0.1.0.cdx.json       every package in it, with its licence (CycloneDX 1.6)
    LICENSES.txt                 the same for people
    SHA256SUMS                   of them all

The version is that of the file VERSION, the commit its tag's: git tag v0.1.0.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
#: What each migration left, for the tests of later versions.
DATABASES = ROOT / "tests" / "models" / "old_databases"
CONTENT = ROOT / "deploy" / "Dockerfile.dockerignore"


class ReleaseError(Exception):
    """Nothing is released; says what to do first."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--untagged", action="store_true", help="for a try, of any commit")
    parser.add_argument("--python", help="of an environment that has requirements.txt and no more")
    options = parser.parse_args()
    version = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
    try:
        check_commit(version, is_try=options.untagged)
        files = build(version, options.python or make_environment())
    except (ReleaseError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"no release: {error}") from error
    for file in files:
        print(file.relative_to(ROOT))


def check_commit(version: str, *, is_try: bool) -> None:
    """:raises ReleaseError: the tree is not what its tag says."""
    if git("status", "--porcelain", "--untracked-files=no"):
        raise ReleaseError("commit or stash first")
    tags = git("tag", "--points-at", "HEAD").split()
    if f"v{version}" not in tags and not is_try:
        raise ReleaseError(f"HEAD is not v{version}; git tag v{version}, or change VERSION")
    if f"## {version}" not in (ROOT / "CHANGES.md").read_text(encoding="utf-8"):
        raise ReleaseError(f"CHANGES.md has no word on {version}")
    migrations = (ROOT / "migrations" / "versions").glob("*.py")
    newest = max(file.name.partition("_")[0] for file in migrations)
    if not (DATABASES / f"{newest}.sql").exists():
        raise ReleaseError(
            "the next version could not be shown to upgrade this one: make databases"
        )


def build(version: str, python: str) -> list[Path]:
    """Write all files and return them."""
    DIST.mkdir(exist_ok=True)
    name = f"postern-{version}"
    source = DIST / f"{name}.tar.gz"
    write_archive(source, name, ["."])
    image = DIST / f"{name}-image.tar.gz"
    own = ["deploy/Dockerfile", str(CONTENT.relative_to(ROOT))]
    write_archive(image, name, [*image_content(), *own])
    sbom = DIST / f"{name}.cdx.json"
    write_sbom(sbom, python)
    licences = DIST / "LICENSES.txt"
    licences.write_text(list_licences(sbom), encoding="utf-8")
    files = [source, image, sbom, licences]
    sums = DIST / "SHA256SUMS"
    sums.write_text("".join(f"{sha256(file)}  {file.name}\n" for file in files), encoding="utf-8")
    return [*files, sums]


def image_content() -> list[str]:
    """Return the paths that go into the image."""
    lines = CONTENT.read_text(encoding="utf-8").splitlines()
    return [line[1:] for line in lines if line.startswith("!")]


def write_archive(file: Path, prefix: str, paths: Sequence[str]) -> None:
    """Write files of HEAD; the same commit makes the same bytes."""
    tar = subprocess.run(  # noqa: S603 - git, and paths of Dockerfile.dockerignore
        ["git", "archive", f"--prefix={prefix}/", "HEAD", *paths],  # noqa: S607 - git of PATH
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    with file.open("wb") as out, gzip.GzipFile("", "wb", fileobj=out, mtime=0) as packed:
        packed.write(tar.stdout)
    with tarfile.open(file) as archive:
        if not archive.getnames():
            raise ReleaseError(f"{file.name} is empty")


def make_environment() -> str:
    """Return the Python of a new environment that has what requirements.txt says and no more."""
    folder = DIST / "environment"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)  # noqa: S603 - this Python
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    install = [*pip, "install", "--require-hashes", "-r", "requirements.txt"]
    subprocess.run(install, cwd=ROOT, check=True)  # noqa: S603 - pip
    subprocess.run([*pip, "uninstall", "--yes", "pip", "setuptools"], check=True)  # noqa: S603 - pip
    return python


def write_sbom(file: Path, python: str) -> None:
    command = [sys.executable, "-m", "cyclonedx_py", "environment"]
    command += ["--no-validate", "--output-reproducible"]
    subprocess.run([*command, "-o", file, python], cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - this Python


def list_licences(sbom: Path) -> str:
    """Return a line for each package: name, version, licences."""
    components = json.loads(sbom.read_text(encoding="utf-8"))["components"]
    lines = []
    for component in sorted(components, key=lambda component: component["name"].lower()):
        entries = component.get("licenses", [])
        names = [
            entry.get("expression") or entry["license"].get("id") or entry["license"]["name"]
            for entry in entries
        ]
        lines.append(f"{component['name']} {component['version']}: {', '.join(names) or '?'}\n")
    return "".join(lines)


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def git(*words: str) -> str:
    return subprocess.run(  # noqa: S603 - git, and words from above
        ["git", *words],  # noqa: S607 - git of PATH
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


if __name__ == "__main__":
    main()
