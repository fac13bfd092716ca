"""``deploy/prometheus/`` and ``deploy/grafana/``: valid, about metrics that exist, and shown by a real Prometheus."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sandbox import Sandbox
from tests.e2e.live import ROOT, Live, wait_for
from tests.e2e.monitoring.prometheus import DASHBOARD, FOLDER, Prometheus, documented, panels, rules
from tests.e2e.monitoring.promtool import promtool

NEEDS_IT = pytest.mark.skipif(
    os.environ.get("POSTERN_TEST_PROMTOOL") == "no", reason="POSTERN_TEST_PROMTOOL=no"
)
TESTS = ("alerts.test.yml", "budget.test.yml")
ALERTS = sorted({rule["alert"] for rule in rules() if "alert" in rule})
SCRAPED = {"job", "instance"}
EXPRESSIONS = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()] + list(
    panels()
)
CATALOG = """
version: 1
services:
  down: {{base_url: "{url}", allow_private: true, health: {{path: /status/503, interval: 1}}, methods: {{m: {{http: GET /anything}}}}}}
  s:
    base_url: {url}
    allow_private: true
    concurrency: 9
    health: {{path: /v1/health, interval: 1}}
    auth: {{type: app_secret, app_id: sandbox-app, secret: sandbox-secret, token_url: /cgi-bin/token}}
    methods:
      good: {{http: GET /anything, cache: {{ttl: 60}}, fallback: {{static: 1}}}}
      bad: {{http: GET /status/503, rate_limit: 3/minute, retry: {{times: 1, backoff: 0.01}}}}
      kept: {{http: GET /status/500, retry: {{times: 0}}, fallback: {{static: 1}}}}
  crm:
    base_url: {url}
    allow_private: true
    auth: {{type: oauth2, grant: authorization_code, authorization_url: "{url}/a", token_url: /t, client_id: x}}
    methods: {{m: {{http: GET /anything}}}}
"""


@NEEDS_IT
@pytest.mark.parametrize(
    "words",
    [("check", "config", "prometheus.yml"), *(("test", "rules", each) for each in TESTS)],
    ids=" ".join,
)
def test_promtool_accepts_what_ships(words: tuple[str, ...]) -> None:
    *command, file = words
    done = promtool(*command, str(FOLDER / file))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_shown_to_fire_and_then_to_clear(alert: str) -> None:
    for file in TESTS:
        for test in yaml.safe_load((FOLDER / file).read_text())["tests"]:
            firings = [
                bool(test_rule["exp_alerts"])
                for test_rule in test.get("alert_rule_test", ())
                if test_rule["alertname"] == alert
            ]
            if firings[-2:] == [True, False]:
                return
    pytest.fail(f"no test in {', '.join(TESTS)} shows {alert} firing and clearing after it")


def test_the_page_on_metrics_says_what_to_do_about_each_alert() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(Postern\w+)` \|", page, re.M)) == ALERTS


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS, ids=lambda each: str(each)[:40])
def test_each_query_names_metrics_and_labels_that_exist(name: str, expression: str) -> None:
    declared = _known()
    text = re.sub(r'"[^"]*"', '""', expression)
    names = re.findall(r"\b(?:service:|postern:)?(?:postern_|call_)\w+[\w:]*|\bup\b", text)
    assert names, expression
    assert set(names) <= declared.keys()
    for metric, matchers in re.findall(r"([\w:]+)\{([^}]*)\}", text):
        assert set(re.findall(r"(\w+)\s*[=!]", matchers)) <= declared[metric], metric
    grouped = {
        label
        for labels in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", text)
        for label in re.findall(r"\w+", labels)
    }
    assert grouped <= set.union(*(declared[metric] for metric in names))


def _known() -> dict[str, set[str]]:
    """Labels by series, those of histograms and of recording rules among them."""
    metrics = {name: labels | SCRAPED for name, labels in documented().items()} | {"up": SCRAPED}
    for name in [name for name in metrics if name.endswith("_seconds")]:
        metrics |= {
            f"{name}_bucket": metrics[name] | {"le"},
            f"{name}_sum": metrics[name],
            f"{name}_count": metrics[name],
        }
    recorded = [rule["record"] for rule in rules() if "record" in rule]
    return metrics | {
        name: {"service"} if name.startswith("service:") else set() for name in recorded
    }


def test_the_dashboard_is_whole() -> None:
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    shown = dashboard["panels"]
    assert len({panel["id"] for panel in shown}) == len(shown)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in shown)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken), "panels overlap"
    assert max(x for x, _ in taken) == 23
    sources = {panel["datasource"]["uid"] for panel in shown if panel["type"] != "row"}
    assert sources == {"${datasource}"}, "whoever imports it chooses the Prometheus"
    asked = {name for _, expression in panels() for name in re.findall(r"postern_\w+", expression)}
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in asked} == set(documented()), (
        "a metric is not shown"
    )


@pytest.fixture(scope="module")
def watched(
    box: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Live, Prometheus]]:
    live = Live(tmp_path_factory.mktemp("watched"), CATALOG.format(url=box.url)).start()
    try:
        prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), live.port).start()
        try:
            yield live, prometheus
        finally:
            prometheus.stop()
    finally:
        live.stop()


@NEEDS_IT
def test_a_real_prometheus_answers_every_query_of_the_dashboard(
    watched: tuple[Live, Prometheus],
) -> None:
    live, prometheus = watched

    silent = [("", "")]

    def asked(query: str) -> bool:
        """Whether it gives something, after some more calls."""
        for method in ("good", "bad", "kept"):
            live.call(f"s.{method}")
        return bool(prometheus.query(query))

    def all_speak() -> bool:
        asked("up")
        silent[:] = [(title, query) for title, query in panels() if not prometheus.query(query)]
        return {re.search(r"postern_\w+", query)[0] for _, query in silent} <= unused

    unused = {
        "postern_redis_up",
        "postern_breaker_transitions_total",
        "postern_unexpected_answers_total",
        "postern_instances",
    }  # there is none, nor a registry; nothing broke, or had another shape
    live.change_catalog(live.catalog_file.read_text() + "# changed\n")
    try:
        wait_for(all_speak, 120)
    except AssertionError as error:
        raise AssertionError(f"nothing comes of {silent}") from error
    wait_for(lambda: asked('service:postern_call_failures:ratio_rate5m{service="s"} > 0.2'))
    wait_for(lambda: asked('ALERTS{alertname="PosternErrors", service="s"}'))


@NEEDS_IT
def test_metrics_have_the_labels_that_their_page_names(watched: tuple[Live, Prometheus]) -> None:
    live, _ = watched
    for method in ("good", "bad", "kept"):
        live.call(f"s.{method}")
    labels = documented()
    for family in text_string_to_metric_families(live.get("/metrics").text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels[name], name
