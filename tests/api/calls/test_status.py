"""``/status``: what the console draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from config import Settings
from sandbox import Sandbox

CATALOG = """
version: 1
defaults: {{retry: {{times: 0}}}}
services:
  s:
    base_url: "{url}"
    allow_private: true
    methods:
      good: {{http: GET /items}}
      bad: {{http: GET /status/500}}
      strict: {{http: GET /items, params: {{n: {{type: integer, required: true}}}}}}
  secret:
    base_url: "{url}"
    allow_private: true
    roles: [admin]
    methods: {{good: {{http: GET /items}}}}
"""


@pytest.fixture
def settings(settings: Settings, tmp_path: Path):
    with Sandbox() as box:
        file = tmp_path / "catalog.yaml"
        file.write_text(CATALOG.format(url=box.url))
        yield replace(settings, catalog=str(file))


@pytest.fixture
def called(client, tokens) -> None:
    for name in ("s/good", "s/good", "s/bad", "s/strict", "secret/good"):
        client.post(f"/api/v1/call/{name}", headers=tokens["admin"])


def test_a_caller_sees_what_became_of_the_calls_of_the_services_it_may_call(
    client, tokens, called
) -> None:
    [seen] = client.get("/api/v1/status", headers=tokens["user"]).json["data"]["services"]
    assert (seen["name"], seen["health"], seen["breaker"]) == ("s", "unknown", "closed")
    assert (seen["calls"], seen["failed"], seen["rate"]) == (4, 0.25, round(4 / 240, 3))
    assert 0 < seen["p50_ms"] <= seen["p99_ms"]
    [minute] = seen["minutes"]
    assert (minute["ago"], minute["calls"], minute["failed"]) == (0, 4, 1)


def test_faults_are_counted_by_whose_they_are_without_what_the_caller_may_not_see(
    client, tokens, called
) -> None:
    def faults(role: str) -> dict[str, int]:
        return client.get("/api/v1/status", headers=tokens[role]).json["data"]["faults"]

    assert faults("user") == {"none": 2, "caller": 1, "gateway": 0, "downstream": 1}
    assert faults("admin") == {"none": 3, "caller": 1, "gateway": 0, "downstream": 1}


def test_an_hour_without_calls_has_no_percentiles_and_no_minutes(client, tokens) -> None:
    told = client.get("/api/v1/status", headers=tokens["user"]).json["data"]["services"][0]
    assert (told["calls"], told["p50_ms"], told["p99_ms"], told["minutes"]) == (0, None, None, [])


def test_the_catalog_that_serves_is_named(app, client, tokens) -> None:
    state = app.extensions["postern"].gateway.catalog_state
    catalog = client.get("/api/v1/status", headers=tokens["user"]).json["data"]["catalog"]
    assert (catalog["version"], catalog["error"], catalog["reloads"]) == (state.version, "", 0)
    assert catalog["taken_at"].startswith("20")
