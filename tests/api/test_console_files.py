"""The console's files, as a browser or a stranger asks for them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "static" / "console"
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}


@pytest.mark.parametrize("name", sorted(file.name for file in FOLDER.iterdir()))
def test_each_file_has_its_type_and_is_sent_again_only_when_it_has_changed(
    client, name: str
) -> None:
    answer = client.get(f"/console/{name}")
    assert answer.data == (FOLDER / name).read_bytes()
    assert answer.headers["Content-Type"].partition(";")[0] == TYPES[Path(name).suffix]
    assert answer.headers["Cache-Control"] == "no-cache"
    again = client.get(f"/console/{name}", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_compressed_file_is_not_sent_again_either(client) -> None:
    packed = client.get("/console/app.js", headers={"Accept-Encoding": "br"})
    assert packed.headers["Content-Encoding"] == "br"
    headers = {"Accept-Encoding": "br", "If-None-Match": packed.headers["ETag"]}
    assert client.get("/console/app.js", headers=headers).status_code == 304


def test_the_page_needs_no_token_and_names_only_files_that_are_there(client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    named = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert named
    for path in named:
        assert client.get(path).status_code == 200, path


@pytest.mark.parametrize(
    "path",
    ["/console/../app.py", "/console/..%2fapp.py", "/console/%2e%2e/app.py", "/console//etc/passwd", "/console/",
     "/console/..", "/console/none.js", "/console/app.js/", "/console/..\\app.py", "/console/%00"],
)  # fmt: skip
def test_nothing_else_can_be_reached_through_the_folder(client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json["error"]["type"] == "not_found"


def test_no_file_names_another_host() -> None:
    for file in FOLDER.iterdir():
        hosts = set(re.findall(r"(?:https?:)?//([\w.-]+\.\w+)", file.read_text(encoding="utf-8")))
        assert hosts <= {"www.w3.org"}, file  # the name of SVG, which nobody fetches


def test_every_picture_that_the_docs_show_is_there_and_small() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for name in re.findall(
            r"(?:\]\(|src=\")([^\s)\"]+\.png)", page.read_text(encoding="utf-8")
        ):
            assert (page.parent / name).stat().st_size < 150_000, name
