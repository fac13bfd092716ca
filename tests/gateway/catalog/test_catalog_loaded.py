"""What a right catalog means once it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.catalog.loader import load_catalog
from gateway.catalog.model import Retry, Timeout
from gateway.catalog.yaml.parser import read
from gateway.masking import Secret
from sandbox.keys import MERCHANT_PRIVATE_KEY

EXAMPLE = """
version: 1
defaults:
  timeout: {connect: 3.05, read: 5}     # seconds, per attempt
  deadline: 10                           # seconds, the whole call: queueing, token fetch, every attempt
  retry: {times: 2, backoff: 0.2, max_backoff: 2, on: [connect, timeout, 502, 503, 504]}
  breaker: {window: 10, min_calls: 20, failure_rate: 0.5, open_for: 10}
services:
  wechat:
    base_url: https://api.weixin.qq.com
    auth: {type: app_secret, app_id: "${WECHAT_APP_ID}", secret: "${WECHAT_APP_SECRET}", token_url: /cgi-bin/token}
    envelope: wechat
    health: {path: /v1/health, interval: 10}
    rate_limit: 2000/minute              # the vendor's quota, shared by all callers and workers
    concurrency: 50
    methods:
      send_msg:
        http: POST /cgi-bin/message/send
        summary: Send a message to a follower
        params:
          touser: {type: string, required: true}
          text: {type: string, required: true, maxLength: 2048}
        mask: [text]
  maps:
    base_url: https://restapi.amap.com
    backup_url: https://restapi-backup.example
    auth: {type: api_key, in: query, name: key, value: "${file:AMAP_KEY_FILE}"}
    envelope: {code: status, ok: ["1"], message: info, data: geocodes, errors: {"10003": downstream_quota}}
    methods:
      geocode:
        http: GET /v3/geocode/geo
        params: {address: {type: string, required: true}}
        cache: {ttl: 3600, stale_while_revalidate: 600, stale_if_error: 86400}
        fallback: {static: []}
aggregates:
  city_page:
    where: {call: maps.geocode, params: {address: "$query.city"}}
    weather: {call: maps.weather, params: {city: "$query.city"}, optional: true}
"""


def value(text: str, env: dict[str, str] | None = None) -> Any:
    return read(text, "x.yaml", env or {}).value


def one(
    settings: str = "",
    method: str = "http: GET /a",
    top: str = "",
    env: dict[str, str] | None = None,
) -> Any:
    text = f"version: 1\n{top}\nservices:\n  s:\n    base_url: http://a.example\n{settings}\n    methods:\n      m: "
    return (
        load_catalog(f"{text}{{{method}}}\n", "services.yaml", env or {}).services["s"].methods["m"]
    )


def test_the_documented_example_loads_and_says_what_is_not_built(tmp_path: Path) -> None:
    key = tmp_path / "amap_key"
    key.write_text("amap-key-123\n")
    text = EXAMPLE.replace("AMAP_KEY_FILE", str(key))
    catalog = load_catalog(
        text, "services.yaml", {"WECHAT_APP_ID": "wx1", "WECHAT_APP_SECRET": "hush-hush"}
    )
    assert tuple(map(str, catalog.notes)) == (
        "aggregates.city_page.weather.call: there is no method 'maps.weather'",
    )
    assert [part.name for part in catalog.aggregates["city_page"].parts] == ["where", "weather"]
    assert [method.full_name for method in catalog.methods()] == ["wechat.send_msg", "maps.geocode"]
    assert catalog.services["maps"].auth["value"] == Secret("amap-key-123")
    assert {Secret("hush-hush"), Secret("amap-key-123")} <= set(catalog.secrets)
    assert Secret("wx1") not in catalog.secrets


def test_the_catalog_that_ships_loads() -> None:
    assert load_catalog(
        (Path(__file__).parents[3] / "services.yaml").read_text(), "services.yaml", {}
    ).services


def test_what_nobody_sets_is_built_in() -> None:
    method = one()
    assert method.timeout == Timeout(3.05, 5)
    assert method.deadline == 10
    assert method.retry == Retry(2, 0.2, 2, frozenset({"connect", "timeout", 502, 503, 504}))
    assert (method.envelope, dict(method.headers), method.body, method.response) == (
        "plain",
        {},
        "json",
        "json",
    )
    assert method.service.max_response == 10 * 1024 * 1024
    assert method.service.roles == {"user", "admin"}
    assert dict(method.service.auth) == {"type": "none"}


DEFAULTS = "defaults: {timeout: {read: 1}, deadline: 4, retry: {times: 5, on: [500]}}"
SERVICE = "    timeout: {connect: 2}\n    deadline: 6\n    retry: {times: 7}\n    envelope: wechat\n    headers: {A: s, B: s}"


def test_defaults_replace_what_is_built_in_key_by_key() -> None:
    method = one(top=DEFAULTS)
    assert (method.timeout, method.deadline) == (Timeout(3.05, 1), 4)
    assert method.retry == Retry(5, 0.2, 2, frozenset({500}))


def test_a_service_replaces_the_defaults_key_by_key() -> None:
    method = one(SERVICE, top=DEFAULTS)
    assert (method.timeout, method.deadline) == (Timeout(2, 1), 6)
    assert method.retry == Retry(7, 0.2, 2, frozenset({500}))
    assert (method.envelope, dict(method.headers)) == ("wechat", {"A": "s", "B": "s"})


def test_a_method_replaces_its_service_key_by_key() -> None:
    own = "http: GET /a, timeout: {connect: 9}, deadline: 8, retry: {backoff: 3}, envelope: plain, headers: {B: m, C: m}"
    method = one(SERVICE, own, DEFAULTS)
    assert (method.timeout, method.deadline) == (Timeout(9, 1), 8)
    assert method.retry == Retry(7, 3, 2, frozenset({500}))
    assert (method.envelope, dict(method.headers)) == ("plain", {"A": "s", "B": "m", "C": "m"})


@pytest.mark.parametrize(
    ("http", "safe"),
    [
        ("GET", True),
        ("HEAD", True),
        ("PUT", True),
        ("DELETE", True),
        ("POST", False),
        ("PATCH", False),
    ],
)
def test_the_verb_says_whether_a_method_is_idempotent(http: str, safe: bool) -> None:
    assert one(method=f"http: {http} /a").idempotent is safe


@pytest.mark.parametrize(
    ("http", "place"),
    [("GET", "query"), ("HEAD", "query"), ("DELETE", "query"), ("POST", "body"), ("PUT", "body")],
)
def test_the_verb_says_where_a_parameter_goes(http: str, place: str) -> None:
    assert one(method=f"http: {http} /a, params: {{q: {{type: string}}}}").params[0].place == place


def test_a_parameter_named_in_the_path_goes_there_and_is_required() -> None:
    (param,) = one(
        method="http: 'POST /a/{id}', params: {id: {type: string, required: false}}"
    ).params
    assert (param.place, param.keywords["required"]) == ("path", True)


def test_a_path_parameter_with_a_default_may_be_left_out() -> None:
    method = one(method="http: 'GET /a/{id}', params: {id: {type: string, default: me}}")
    assert method.load_json_params({}) == {"id": "me"}


def test_secrets_do_not_print() -> None:
    method = one(
        "    auth: {type: basic, username: u, password: '${PW}'}", env={"PW": "correct horse"}
    )
    for text in (repr(method.service), str(method.service.auth), f"{method!r}"):
        assert "horse" not in text
    assert "Secret(****)" in repr(method.service)


def test_what_a_header_or_an_auth_setting_takes_from_the_environment_is_secret_in_part_and_whole() -> (
    None
):
    settings = "headers: {X-Auth: 'Token ${T}'}, auth: {type: bearer, token: 'a-${B}'}"
    text = f"version: 1\nservices: {{s: {{base_url: http://a, {settings}}}}}"
    secrets = load_catalog(text, "x", {"T": "from-env-1", "B": "from-env-2"}).secrets
    assert {"Token from-env-1", "from-env-1", "a-from-env-2", "from-env-2"} <= {
        secret.reveal() for secret in secrets
    }


def test_a_base_url_may_end_in_a_slash() -> None:
    catalog = load_catalog(
        "version: 1\nservices: {s: {base_url: [http://a/, http://b/api/]}}", "x", {}
    )
    assert catalog.services["s"].base_urls == ("http://a", "http://b/api")


def test_the_frozen_values_cannot_be_changed() -> None:
    method = one()
    with pytest.raises(AttributeError):
        method.path = "/other"
    with pytest.raises(TypeError):
        method.service.methods["x"] = method


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on", "on"), ("yes", "yes"), ("No", "No"), ("off", "off"), ("y", "y"), ("12:30", "12:30"), ("1_0", "1_0"),
        ("0x1F", "0x1F"), ("010", "010"), ("1e5", "1e5"), (".5", ".5"), (".inf", ".inf"), ("2024-01-01", "2024-01-01"),
        ("=", "="), ("tRue", "tRue"), ('"5"', "5"), ("'true'", "true"), ("+1", 1), ("-0", 0), ("1.50", 1.5),
        ("1.0e3", 1000.0), ("true", True), ("True", True), ("FALSE", False), ("null", None), ("~", None), ("", None),
        ("|\n  5", "5"), ("[a, 1]", ["a", 1]),
    ],
)  # fmt: skip
def test_only_true_false_null_and_plain_numbers_are_not_text(text: str, expected: object) -> None:
    result = value(f"k: {text}")["k"]
    assert (result, type(result)) == (expected, type(expected))


@pytest.mark.parametrize("key", ["on", "yes", "1", "1.5", "null", "true", "12:30"])
def test_keys_are_always_text(key: str) -> None:
    assert value(f"{key}: x") == {key: "x"}


def test_an_alias_stands_for_what_it_names() -> None:
    assert value("a: &a {x: [1]}\nb: *a") == {"a": {"x": [1]}, "b": {"x": [1]}}


def test_merged_keys_give_way_to_written_ones_and_to_earlier_merges() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, <<: [*a, *b]}\nd: {<<: *a, x: 4}"
    loaded = value(text)
    assert loaded["c"] == {"x": 1, "y": 1, "z": 3}
    assert loaded["d"] == {"x": 4, "y": 1}


def test_a_quoted_merge_sign_is_an_ordinary_key() -> None:
    assert value("'<<': 5") == {"<<": 5}


def test_variables_are_filled_in_anywhere_in_a_text_and_stay_text() -> None:
    assert value('a: "${A}-${B}"\nb: ${A}\nc: $A\n${A}: k', {"A": "1", "B": "2"}) == {
        "a": "1-2", "b": "1", "c": "$A", "${A}": "k",
    }  # fmt: skip


def test_a_key_in_pem_may_be_a_variable_of_one_line_as_docker_takes_it() -> None:
    auth = "{type: github_app, app_id: '7', installation_id: '8', private_key: '${KEY}'}"
    text = f"version: 1\nservices: {{s: {{base_url: 'http://a', auth: {auth}, methods: {{}}}}}}"
    key = MERCHANT_PRIVATE_KEY.strip()
    catalog = load_catalog(text, "c.yaml", {"KEY": key.replace("\n", "\\n")})
    assert catalog.services["s"].auth["private_key"].reveal() == key


def test_what_a_variable_holds_is_not_filled_in_again() -> None:
    assert value("a: ${A}", {"A": "${B}", "B": "x"}) == {"a": "${B}"}


def test_an_empty_variable_is_set() -> None:
    assert value("a: ${A}", {"A": ""}) == {"a": ""}


def test_an_unset_or_empty_variable_may_have_a_default() -> None:
    assert value(
        "a: '${A:-http://x:80}'\nb: ${B:-2}\nc: ${C:-}\nd: '${D:-4}'", {"A": "", "B": "1"}
    ) == {"a": "http://x:80", "b": "1", "c": "", "d": "4"}
