"""A vendor's own code is told to who calls, where the service says so, whatever the failure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config import Settings
from tests.gateway.fakes import Wire, answer

CATALOG = """
version: 1
services:
  told:
    base_url: "{url}"
    allow_private: true
    expose_vendor_code: {expose}
    retry: {{times: 0}}
    envelope: {{code: code, ok: ["0"], errors: {{"10001": credential_error, "10003": downstream_quota, "10004": circuit_open, "10005": downstream_unhealthy}}}}
    methods: {{m: {{http: GET /}}}}
"""


@pytest.mark.parametrize("expose", ["true", "false"])
@pytest.mark.parametrize(
    "failure",
    [
        ("10001", "200 OK", -1012),
        ("10003", "200 OK", -1009),
        ("7", "200 OK", -1006),
        ("7", "503 Busy", -1004),
    ],
)
def test_the_vendors_code_is_told(
    make_app: Any,
    settings: Settings,
    tokens: Any,
    tmp_path: Path,
    failure: tuple[str, str, int],
    expose: str,
) -> None:
    code, status, expected = failure
    with Wire([answer(f'{{"code": {code}}}'.encode(), status)]) as server:
        file = tmp_path / "told.yaml"
        file.write_text(CATALOG.format(url=server.url, expose=expose))
        client = make_app(replace(settings, catalog=str(file))).test_client()
        envelope = client.get("/api/v1/call/told/m", headers=tokens["user"]).json
    assert envelope["code"] == expected
    assert envelope["error"].get("vendor_code") == (code if expose == "true" else None)


@pytest.mark.parametrize(("code", "expected"), [(10004, -1007), (10005, -1008)])
def test_a_vendor_that_says_by_its_code_that_it_is_away_is_a_503_with_retry_after(
    make_app: Any, settings: Settings, tokens: Any, tmp_path: Path, code: int, expected: int
) -> None:
    with Wire([answer(f'{{"code": {code}}}'.encode())]) as server:
        file = tmp_path / "told.yaml"
        file.write_text(CATALOG.format(url=server.url, expose="false"))
        client = make_app(replace(settings, catalog=str(file))).test_client()
        response = client.get("/api/v1/call/told/m", headers=tokens["user"])
    assert (response.status_code, response.json["code"], response.headers["Retry-After"]) == (
        503,
        expected,
        "1",
    )
