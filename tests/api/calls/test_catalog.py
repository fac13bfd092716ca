"""``/catalog``: what the catalog's source has now, for admins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from api.calls import catalog
from api.context import AppState
from config import Settings
from gateway.masking import MAX_TEMPORARY_SECRETS, Masker, Secret
from gateway.sources.file import File
from gateway.sources.inspection import MAX_PROBLEMS

CATALOG = """\
version: 1
services:
  s:
    base_url: https://api.example.com
    auth: {type: bearer, token: spelled-out}
    methods: {get: {http: GET /items}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.yaml"
    path.write_text(CATALOG)
    return path


@pytest.fixture
def settings(settings: Settings, file: Path) -> Settings:
    return replace(settings, catalog=str(file))


def inspect(client, tokens) -> dict:
    answer = client.get("/api/v1/catalog", headers=tokens["admin"])
    assert answer.status_code == 200
    return answer.json["data"]


def test_a_source_that_serves_says_so(client, tokens) -> None:
    found = inspect(client, tokens)
    assert (found["state"], found["problems"], found["diff"]) == ("serving", [], "")
    assert found["version"] == found["serving"] != ""


def test_all_that_is_wrong_is_told_by_file_line_and_key_with_the_lines_that_differ(
    client, tokens, file: Path
) -> None:
    inspect(client, tokens)  # so that it serves
    file.write_text(
        CATALOG.replace("spelled-out", "other-secret") + "    timeoutt: 5\n    deadline: soon\n"
    )
    found = inspect(client, tokens)
    assert (found["source"], found["state"]) == ("catalog.yaml", "refused")
    assert [(each["file"], each["line"], each["key"]) for each in found["problems"]] == [
        ("catalog.yaml", 7, "services.s.timeoutt"),
        ("catalog.yaml", 8, "services.s.deadline"),
    ]
    assert "timeout" in found["problems"][0]["message"]
    assert found["version"] != found["serving"]
    lines = found["diff"].splitlines()
    assert "+    timeoutt: 5" in lines
    assert "-    auth: {type: bearer, token: ****" in lines
    assert "spelled-out" not in str(found)
    assert "other-secret" not in str(found)


def test_of_many_problems_so_many_are_told(client, tokens, file: Path) -> None:
    inspect(client, tokens)
    file.write_text(CATALOG + "".join(f"    x{number}: 1\n" for number in range(MAX_PROBLEMS + 7)))
    problems = inspect(client, tokens)["problems"]
    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[-1]["message"] == "and 7 more problems"


def test_a_right_one_that_does_not_serve_yet_is_valid_and_one_that_is_gone_unreadable(
    client, tokens, file: Path
) -> None:
    inspect(client, tokens)
    file.write_text(CATALOG.replace("/items", "/others"))
    found = inspect(client, tokens)
    assert (found["state"], found["problems"]) == ("valid", [])
    assert "+    methods: {get: {http: GET /others}}" in found["diff"].splitlines()
    file.unlink()
    found = inspect(client, tokens)
    assert (found["state"], found["version"]) == ("unreadable", "")
    assert found["problems"][0]["message"].startswith("catalog.yaml cannot be read")


@pytest.mark.parametrize("role", ["guest", "user"])
def test_it_is_for_admins_only(client, tokens, role: str) -> None:
    assert client.get("/api/v1/catalog", headers=tokens[role]).status_code == 403


def test_a_login_for_it_pushes_no_token_out_of_what_is_masked(
    client, tokens, app, file: Path, monkeypatch
) -> None:
    masker = AppState.of(app).masker
    masker.register(Secret("token-of-a-vendor"), temporary=True)

    def log_in_and_open(address: str, env, clock, own_masker: Masker, run_in_thread) -> File:
        for number in range(MAX_TEMPORARY_SECRETS):
            own_masker.register(Secret(f"token-of-a-login-{number}"), temporary=True)
        return File(address, run_in_thread)

    monkeypatch.setattr(catalog, "open_source", log_in_and_open)
    assert inspect(client, tokens)["state"] == "serving"
    assert masker.mask_text("token-of-a-vendor") == "****"
