"""``flask call ... --dry-run``: the request that is then sent, byte for byte, with stars for secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from config import Settings
from gateway.bodies import WRITERS
from sandbox import Sandbox
from tests.gateway.fakes import service
from tests.ports import free_port

AUTHS: dict[str, dict[str, str]] = {
    "none": {"type": "none"},
    "key in the query": {"type": "api_key", "in": "query", "name": "key", "value": "secret-key-1"},
    "key in a header": {"type": "api_key", "in": "header", "name": "X-Key", "value": "secret-key-1"},
    "basic": {"type": "basic", "username": "ann", "password": "secret-key-1"},
    "bearer": {"type": "bearer", "token": "secret-key-1"},
    "app_secret": {"type": "app_secret", "app_id": "sandbox-app", "secret": "sandbox-secret", "token_url": "/cgi-bin/token"},
}  # fmt: skip
TEXT = {"type": "string"}
METHODS: dict[str, dict[str, Any]] = {
    "read": {
        "http": "GET /anything/{id}",
        "params": {"id": TEXT, "q": TEXT, "X-Tenant": {**TEXT, "in": "header"}},
    },
    "gone": {"http": "DELETE /anything/{id}", "params": {"id": TEXT}},
    "bare": {"http": "POST /anything", "headers": {"X-Fixed": "yes"}},
    **{
        kind: {"http": "POST /anything", "body": kind, "params": {"text": TEXT}} for kind in WRITERS
    },
}
ARGUMENTS = {"read": ["id=a b/c", "q=北京 &=", "X-Tenant=t"], "gone": ["id=1"], "bare": []}


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.fixture
def make(
    make_app: Callable[[Settings], Flask], settings: Settings, tmp_path: Path, box: Sandbox
) -> Callable[..., Any]:
    """The command's output, for a service with this auth and these methods on the sandbox."""

    def build(auth: dict[str, str], methods: dict[str, Any]) -> Callable[..., str]:
        file = tmp_path / "catalog.yaml"
        services = {"s": service(box.url, auth=auth, methods=methods)}
        file.write_text(json.dumps({"version": 1, "services": services}))
        runner = make_app(replace(settings, catalog=str(file))).test_cli_runner()

        def run(*words: str) -> str:
            done = runner.invoke(args=["call", "s", *words])
            assert done.exit_code == 0, done.output
            return str(done.stdout)

        return run

    return build


def same(printed: str, sent: str) -> bool:
    """Stars stand for anything."""
    return bool(re.fullmatch(".*".join(map(re.escape, printed.split("****"))), sent))


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("method", METHODS)
def test_what_a_dry_run_shows_is_what_is_sent(
    make: Callable[..., Any], box: Sandbox, auth: str, method: str
) -> None:
    run = make(AUTHS[auth], {"m": METHODS[method]})
    arguments = ARGUMENTS.get(method, ["text=你好 & <more>"])
    printed = run("m", *arguments, "--dry-run")
    assert box.requests == []
    run("m", *arguments)
    sent = box.requests[-1]
    printed = printed[printed.rindex("# to ") :]
    head, _, body = printed.removesuffix("\n").partition("\n\n")
    where, first, *headers = head.split("\n")
    assert where == f"# to {box.url}"
    assert same(first, f"{sent.verb} {sent.target} HTTP/1.1")
    pairs = {name.lower(): value for name, value in (line.split(": ", 1) for line in headers)}
    assert pairs.keys() == sent.headers.keys()
    boundary = pairs["content-type"].partition("boundary=")[2] if method == "multipart" else ""
    boundaries = (
        (boundary, sent.headers["content-type"].partition("boundary=")[2]) if boundary else ("", "")
    )
    for name, value in pairs.items():
        assert name in ("x-request-id", "traceparent") or same(
            value.replace(*boundaries) if boundary else value, sent.headers[name]
        )
    assert (body.replace(*boundaries) if boundary else body) == sent.text().replace(
        "\r\n", "\n" if boundary else "\r\n"
    )
    assert not any(secret in printed for secret in ("secret-key-1", "sandbox-secret"))


def test_bytes_that_are_no_text_are_shown_escaped(make: Callable[..., Any]) -> None:
    run = make(AUTHS["none"], {"m": {"http": "POST /anything", "params": {"text": TEXT}}})
    assert '{"text":"\\x9b2J"}' in run("m", "text=\x9b2J", "--dry-run")


def test_what_the_catalog_fixes_is_covered_where_its_name_is_a_secrets_and_what_is_given_is_shown(
    make: Callable[..., Any],
) -> None:
    secret = {
        "Authorization": "Bearer literal-1",
        "X-App-Secret": "literal-2",
        "Cookie": "literal-3",
        "X-Team": "tools",
    }
    method = {
        "http": "GET /anything",
        "headers": secret,
        "query": {"access_token": "literal-4", "v": "2"},
    }
    method |= {"params": {"phone": TEXT}}
    printed = make(AUTHS["none"], {"m": method})("m", "phone=13800138000", "--dry-run")
    assert "literal" not in printed
    assert "X-Team: tools" in printed
    assert "GET /anything?access_token=****&v=2&phone=13800138000 " in printed


PLACES: dict[str, dict[str, Any]] = {
    "path": {"http": "GET /anything/{pw}", "params": {"pw": TEXT}},
    "query": {"http": "GET /anything", "params": {"pw": TEXT}},
    "header": {"http": "GET /anything", "params": {"pw": {**TEXT, "in": "header"}}},
    "number": {"http": "POST /anything", "params": {"pw": {"type": "integer"}}},
    "list": {"http": "GET /anything", "params": {"pw": {"type": "array", "items": TEXT}}},
    "object": {"http": "POST /anything", "params": {"user": {"type": "object"}, "pw": TEXT}},
    "bytes": {
        "http": "POST /anything",
        "body": "multipart",
        "params": {"pw": {**TEXT, "format": "byte"}},
    },
    **{
        f"body: {kind}": {"http": "POST /anything", "body": kind, "params": {"pw": TEXT}}
        for kind in WRITERS
    },
}
WORDS = {
    "number": "pw=8675309",
    "object": 'user={"pw": "hunter-2", "name": "ann"}',
    "bytes": "pw=aHVudGVyLTI=",
}


@pytest.mark.parametrize("place", PLACES)
def test_what_mask_names_is_covered_wherever_it_stands(
    make: Callable[..., Any], place: str
) -> None:
    printed = make(AUTHS["none"], {"m": {**PLACES[place], "mask": ["pw"]}})(
        "m", WORDS.get(place, "pw=hunter-2"), "--dry-run"
    )
    assert "****" in printed
    assert not any(text in printed for text in ("hunter", "8675309", "aHVudGVy"))
    assert ("ann" in printed) is (place == "object")


def test_the_request_for_a_token_is_shown_before_the_call(make: Callable[..., Any]) -> None:
    values = {"app_id": "cli_7", "app_secret": "hush-hush"}
    auth = {"type": "token", "preset": "lark", "values": values}
    printed = make(auth, {"m": METHODS["json"]})("m", "text=hi", "--dry-run")
    first, _, then = printed.partition("# first, for a token:\n")[2].rpartition("\n\n# to ")
    assert "POST /open-apis/auth/v3/tenant_access_token/internal HTTP/1.1" in first
    assert '"app_id":"cli_7"' in first
    assert "Authorization: Bearer ****" in then


def test_a_dry_run_takes_no_refresh_token_and_shows_none(make: Callable[..., Any]) -> None:
    auth = {"type": "oauth2", "grant": "refresh_token", "token_url": "/token", "client_id": "crm"}
    run = make({**auth, "refresh_token": "hush-hush-hush"}, {"m": METHODS["json"]})
    printed = run("m", "text=hi", "--dry-run")
    assert "client_id=crm" in printed
    assert "grant_type=refresh_token&refresh_token=****" in printed
    assert "hush" not in printed


def test_a_text_may_look_like_json(make: Callable[..., Any]) -> None:
    params = {"content": TEXT, "more": {"type": "object"}}
    run = make({"type": "none"}, {"send": {"http": "POST /anything", "params": params}})
    printed = run("send", 'content={"text":"hi"}', 'more={"a":1}', "--dry-run")
    assert json.loads(printed.splitlines()[-1]) == {"content": '{"text":"hi"}', "more": {"a": 1}}


@pytest.mark.parametrize("allowed", [True, False])
def test_an_address_that_the_call_would_be_refused_to_is_told(
    make_app: Callable[[Settings], Flask], settings: Settings, tmp_path: Path, allowed: bool
) -> None:
    file = tmp_path / "catalog.yaml"
    methods = {"m": METHODS["bare"]}
    services = {"s": service("http://127.0.0.1:9", allow_private=allowed, methods=methods)}
    file.write_text(json.dumps({"version": 1, "services": services}))
    runner = make_app(replace(settings, catalog=str(file))).test_cli_runner()
    printed = runner.invoke(args=["call", "s", "m", "--dry-run"]).stdout
    line = "# would be refused: 127.0.0.1 is no public address; allow_private: true allows it"
    assert (line in printed.splitlines()) is not allowed
