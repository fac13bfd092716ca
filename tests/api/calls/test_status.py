"""``/status``: what the console draws."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cli.top.metrics_snapshot import parse_metrics
from config import Settings
from sandbox import Sandbox
from tests.api.conftest import ROOT
from tests.ports import free_port

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
      "no": {{http: GET /status/400}}
      cut: {{http: GET /items, response: xml}}
      strict: {{http: GET /items, params: {{n: {{type: integer, required: true}}}}}}
  secret:
    base_url: "{url}"
    allow_private: true
    roles: [admin]
    methods: {{good: {{http: GET /items}}}}
  locked:
    base_url: "{url}"
    allow_private: true
    roles: [admin]
    auth: {{type: app_secret, app_id: nobody, secret: wrong, token_url: /cgi-bin/token}}
    methods: {{good: {{http: GET /items}}}}
"""


@pytest.fixture
def settings(settings: Settings, tmp_path: Path):
    with Sandbox(port=free_port()) as box:
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

    counts = {"rejected": 0, "caller": 1, "gateway": 0, "downstream": 1}
    assert faults("user") == {"none": 2, **counts}
    assert faults("admin") == {"none": 3, **counts}


@pytest.mark.parametrize(
    ("name", "code", "fault"),
    [
        ("s/good", 0, "none"),
        ("s/strict", -3003, "caller"),
        ("s/no", -1006, "rejected"),
        ("s/bad", -1004, "downstream"),
        ("s/cut", -1005, "downstream"),
        ("locked/good", -1012, "gateway"),
    ],
)
def test_console_top_and_alerts_agree_on_what_a_failure_is(
    client, tokens, name: str, code: int, fault: str
) -> None:
    answer = client.post(f"/api/v1/call/{name}", headers=tokens["admin"])
    assert answer.json["code"] == code
    fails = fault in ("gateway", "downstream")
    status = client.get("/api/v1/status", headers=tokens["admin"]).json["data"]
    assert status["faults"] == {**dict.fromkeys(status["faults"], 0), fault: 1}
    service = name.partition("/")[0]
    assert [s["failed"] for s in status["services"] if s["name"] == service] == [fails]
    metrics = client.get("/metrics").text
    assert parse_metrics(metrics)[service].failures == fails
    assert _counted_by_alerts(metrics) == fails


def _counted_by_alerts(metrics: str) -> float:
    """Count the failed calls as ``deploy/prometheus/recording.yml`` selects them."""
    rules = (ROOT / "deploy" / "prometheus" / "recording.yml").read_text()
    selectors = set(re.findall(r"postern_calls_total\{(.+)\}\[", rules))
    assert selectors == {'source=~"gateway|downstream", code!="-1006"'}
    return sum(
        sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == "postern_calls_total"
        and sample.labels["source"] in ("gateway", "downstream")
        and sample.labels["code"] != "-1006"
    )


def test_an_hour_without_calls_has_no_percentiles_and_no_minutes(client, tokens) -> None:
    service = client.get("/api/v1/status", headers=tokens["user"]).json["data"]["services"][0]
    assert (service["calls"], service["p50_ms"], service["p99_ms"], service["minutes"]) == (
        0,
        None,
        None,
        [],
    )


def test_the_catalog_that_serves_is_named(app, client, tokens) -> None:
    state = app.extensions["postern"].gateway.catalog_state
    catalog = client.get("/api/v1/status", headers=tokens["user"]).json["data"]["catalog"]
    assert (catalog["version"], catalog["error"], catalog["reloads"]) == (state.version, "", 0)
    assert catalog["taken_at"].startswith("20")
