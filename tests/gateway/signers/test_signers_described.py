"""What the settings of digest, hmac, aws_sigv4 and http_signature change, seen at the service; and wrong ones refused."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from typing import Any
from urllib.parse import parse_qsl

import pytest

from gateway.catalog.loader import CatalogError, load_catalog
from gateway.errors import CredentialError
from sandbox import Sandbox
from tests.gateway.fakes import FakeClock, Gate
from tests.gateway.signers.signing import KEYS

Open = Callable[..., Gate]
DIGEST = {"type": "digest", "secret": "k3y", "sign": "{params}{secret}", "name": "sig"}
HMAC = {"type": "hmac", "secret": "k3y", "sign": "{unix}", "headers": {"X-Sign": "{signature}"}}
PARAMS = {name: {"type": "string"} for name in ("b", "a", "B", "none", "word")}
VALUES = {"b": "2", "a": "1", "B": "3", "none": "", "word": "中 &"}
SORTED = "B=3&a=1&b=2&word=中 &"


def sent(
    gate: Open, box: Sandbox, auth: dict[str, Any], http: str = "GET /anything", **method: Any
) -> Any:
    gate(http, on={"auth": auth}, params=PARAMS, clock=FakeClock(), **method).ask("m", VALUES)
    return box.requests[-1]


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, md5(SORTED + "k3y")),
        ({"sign": "{secret}{params}"}, md5("k3y" + SORTED)),
        ({"sign": "{secret}{params}{secret}", "separator": "", "equals": ""}, md5("k3yB3a1b2word中 &k3y")),
        ({"unsigned": ["a", "word"]}, md5("B=3&b=2k3y")),
        ({"empty": "keep"}, md5("B=3&a=1&b=2&none=&word=中 &k3y")),
        ({"quoted": True}, md5("B=3&a=1&b=2&word=%E4%B8%AD%20%26k3y")),
        ({"sign": "{path|upper}?{params|quote}{secret}"}, md5("/ANYTHING?B%3D3%26a%3D1%26b%3D2%26word%3D%E4%B8%AD%20%26k3y")),
        ({"case": "upper"}, md5(SORTED + "k3y").upper()),
        ({"algorithm": "sha1"}, hashlib.sha1((SORTED + "k3y").encode()).hexdigest()),
        ({"algorithm": "sha256", "encoding": "base64"}, b64encode(hashlib.sha256((SORTED + "k3y").encode()).digest()).decode()),
        ({"algorithm": "sha512"}, hashlib.sha512((SORTED + "k3y").encode()).hexdigest()),
        *(
            ({"algorithm": f"hmac-{name}", "sign": "{params}"}, hmac.new(b"k3y", SORTED.encode(), name).hexdigest())
            for name in ("md5", "sha1", "sha256", "sha512")
        ),
    ],
)  # fmt: skip
def test_digest_hashes_the_parameters_in_order_with_the_key_where_the_catalog_says(
    gate: Open, box: Sandbox, settings: dict[str, Any], expected: str
) -> None:
    assert sent(gate, box, {**DIGEST, **settings}).query["sig"] == [expected]


def test_amap_signs_its_key_with_the_other_parameters(gate: Open, box: Sandbox) -> None:
    request = sent(gate, box, {**DIGEST, "add": {"key": "amap-key"}})
    assert request.query["key"] == ["amap-key"]
    assert request.query["sig"] == [md5("B=3&a=1&b=2&key=amap-key&word=中 &k3y")]


@pytest.mark.parametrize(("body", "read"), [("json", json.loads), ("form", None)])
def test_digest_goes_into_the_body_of_a_method_that_has_one(
    gate: Open, box: Sandbox, body: str, read: Callable[[bytes], Any] | None
) -> None:
    request = sent(
        gate,
        box,
        {**DIGEST, "add": {"time": "{unix}", "nonce_str": "{nonce}"}},
        "POST /anything",
        body=body,
    )
    values = (
        read(request.body)
        if read
        else dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    )
    assert request.query == {}
    assert values["time"] == "1700001000"
    signed = "&".join(
        f"{name}={values[name]}" for name in sorted(values) if values[name] and name != "sig"
    )
    assert values["sig"] == md5(signed + "k3y")
    assert request.headers["content-type"].startswith("application/")


def test_digest_may_go_into_the_query_of_a_method_with_a_body_or_into_a_header(
    gate: Open, box: Sandbox
) -> None:
    in_query = sent(gate, box, {**DIGEST, "in": "query", "add": {"t": "{date}"}}, "POST /anything")
    assert in_query.query.keys() == {"sig", "t"}
    assert "sig" not in json.loads(in_query.body)
    in_header = sent(gate, box, {**DIGEST, "in": "header", "name": "X-Sig"}, "POST /anything")
    assert in_header.headers["x-sig"] == md5(SORTED + "k3y")
    assert json.loads(in_header.body) == VALUES


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{unix}", "1700001000"), ("{unix_ms}", "1700001000000"), ("{iso8601}", "2023-11-14T22:30:00Z"),
        ("{date}", "2023-11-14"), ("{http_date}", "Tue, 14 Nov 2023 22:30:00 GMT"), ("{china_time}", "2023-11-15 06:30:00"),
        ("{method} {path}", "GET /anything"), ("{header:user-agent}|{header:none}", "postern|"), ("{word|base64}", "d29yZA=="),
        ("{word|sha1|upper}", hashlib.sha1(b"word").hexdigest().upper()), ("{key_id}", "me"), ("{not a place}", "{not a place}"),
        ("{iso8601_ms}", "2023-11-14T22:30:00.000Z"), ("{iso8601|compact}", "20231114T223000Z"),
        ("{china_time|compact}", "20231115063000"), ("{word|md5|unhex|base64}", b64encode(hashlib.md5(b"word").digest()).decode()),
        ("{target}", "/anything?b=2&a=1&B=3&none=&word=%E4%B8%AD%20%26"),
        ("{query}", "b=2&a=1&B=3&none=&word=%E4%B8%AD%20%26"), ("{sorted_query}", "B=3&a=1&b=2&none=&word=%E4%B8%AD%20%26"),
    ],
)  # fmt: skip
def test_hmac_fills_its_templates_with_what_the_request_is(
    gate: Open, box: Sandbox, template: str, expected: str
) -> None:
    auth = {**HMAC, "key_id": "me", "values": {"word": "word"}, "sign": template}
    auth["headers"] = {"X-Sign": "{signature}", "X-Said": template}
    request = sent(gate, box, auth)
    assert request.headers["x-said"] == expected
    assert request.headers["x-sign"] == hmac.new(b"k3y", expected.encode(), "sha256").hexdigest()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"algorithm": "sha512"}, hmac.new(b"k3y", b"1700001000", "sha512").hexdigest()),
        ({"algorithm": "md5", "encoding": "base64"}, b64encode(hmac.digest(b"k3y", b"1700001000", "md5")).decode()),
        ({"secret": b64encode(b"\xff\x00k").decode(), "secret_encoding": "base64"},
         hmac.new(b"\xff\x00k", b"1700001000", "sha256").hexdigest()),
        ({"derive": ["V4{secret}", "{date}", "end"]},
         hmac.new(hmac.digest(hmac.digest(b"V4k3y", b"2023-11-14", "sha256"), b"end", "sha256"), b"1700001000", "sha256").hexdigest()),
    ],
)  # fmt: skip
def test_hmac_derives_its_key_and_writes_its_signature_as_the_catalog_says(
    gate: Open, box: Sandbox, settings: dict[str, Any], expected: str
) -> None:
    assert sent(gate, box, {**HMAC, **settings}).headers["x-sign"] == expected


def test_the_target_of_a_request_without_a_query_has_no_question_mark(
    gate: Open, box: Sandbox
) -> None:
    auth = {**HMAC, "sign": "{target}"}
    gate("GET /anything", on={"auth": auth}).ask()
    proof = hmac.new(b"k3y", b"/anything", "sha256").hexdigest()
    assert box.requests[-1].headers["x-sign"] == proof


def test_digest_may_hash_single_parameters_as_baidu_translate_wants_them(
    gate: Open, box: Sandbox
) -> None:
    """fanyi-api.baidu.com/doc/21: appid, q, salt and key, in that order."""
    auth = {
        **DIGEST,
        "sign": "{param:appid}{param:word}{param:salt}{secret}",
        "add": {"appid": "2015", "salt": "{unix}"},
    }
    request = sent(gate, box, auth, "POST /anything", body="form")
    values = dict(parse_qsl(request.body.decode()))
    assert values["sig"] == md5("2015中 &1700001000k3y")
    assert sent(gate, box, {**DIGEST, "sign": "{param:gone}"}).query["sig"] == [md5("")]


def test_digest_may_add_headers_and_sign_them_as_netease_wants_it(gate: Open, box: Sandbox) -> None:
    """doc.yunxin.163.com: CheckSum is SHA-1 of AppSecret, Nonce and CurTime, beside them."""
    headers = {"AppKey": "app", "Nonce": "{nonce}", "CurTime": "{unix}"}
    auth = {
        "type": "digest",
        "secret": "k3y",
        "algorithm": "sha1",
        "sign": "{secret}{header:Nonce}{header:CurTime}",
        "in": "header",
        "name": "CheckSum",
        "headers": headers,
    }
    request = sent(gate, box, auth, "POST /anything", body="form")
    text = f"k3y{request.headers['nonce']}{request.headers['curtime']}"
    assert request.headers["checksum"] == hashlib.sha1(text.encode()).hexdigest()
    assert request.headers["appkey"] == "app"
    assert dict(parse_qsl(request.body.decode(), keep_blank_values=True)) == VALUES


def test_bytes_that_are_no_text_are_not_sent_as_a_parameter(gate: Open, box: Sandbox) -> None:
    auth = {**HMAC, "query": {"d": "{nonce|sha256|unhex}"}}
    with pytest.raises(CredentialError):
        sent(gate, box, auth)
    with pytest.raises(CredentialError):
        sent(gate, box, {**DIGEST, "add": {"d": "{nonce|sha256|unhex}"}})


def test_hmac_signs_what_it_adds_before_and_not_what_it_adds_after(
    gate: Open, box: Sandbox
) -> None:
    auth = {
        **HMAC,
        "sign": "{query}\n{canonical_headers}{signed_headers}",
        "signed_headers": ["x-*", "host"],
    }
    auth |= {
        "query": {"t": "{unix}", "s": "{proof}"},
        "values": {"proof": "v1:{signature}"},
        "headers": {"X-T": "{date}"},
    }
    request = sent(gate, box, auth)
    head = f"host:{box.url[7:]}\nx-request-id:r-1\nx-t:2023-11-14\n"
    text = f"b=2&a=1&B=3&none=&word=%E4%B8%AD%20%26&t=1700001000\n{head}host;x-request-id;x-t"
    assert request.query["s"] == ["v1:" + hmac.new(b"k3y", text.encode(), "sha256").hexdigest()]


HTTP = {"type": "http_signature", "key_id": "k", "algorithm": "hmac-sha256", "secret": "k3y"}


def test_hmac_may_sign_into_the_body_as_larks_bots_want_it(gate: Open, box: Sandbox) -> None:
    """open.feishu.cn/document/client-docs/bot-v3/add-custom-bot: the key is time and secret."""
    auth = {
        "type": "hmac",
        "secret": "k3y",
        "derive": ["{unix}\n{secret}"],
        "sign": "",
        "encoding": "base64",
        "body": {"timestamp": "{unix}", "sign": "{signature}"},
    }
    request = sent(gate, box, auth, "POST /anything")
    body = json.loads(request.body)
    key = f"{body['timestamp']}\nk3y".encode()
    assert body["sign"] == b64encode(hmac.new(key, b"", "sha256").digest()).decode()
    assert body["word"] == VALUES["word"]


def test_hmac_signs_the_fields_that_it_adds_to_the_body(gate: Open, box: Sandbox) -> None:
    auth = {
        "type": "hmac",
        "secret": "k3y",
        "sign": "{body}",
        "body": {"at": "{unix}"},
        "headers": {"X-Sign": "{signature}"},
    }
    request = sent(gate, box, auth, "POST /anything")
    assert "at" in json.loads(request.body)
    assert request.headers["x-sign"] == hmac.new(b"k3y", request.body, "sha256").hexdigest()


def test_what_a_caller_sends_cannot_add_a_header(gate: Open, box: Sandbox) -> None:
    auth = {**HMAC, "headers": {"X-Sign": "{signature}", "X-Said": "{body}"}}
    at = gate("POST /anything", on={"auth": auth}, params={"t": {"type": "string"}}, body="form")
    at.ask("m", {"t": "a"})
    assert box.requests[-1].headers["x-said"] == "t=a"
    lines = gate("POST /anything", on={"auth": {**auth, "headers": {**auth["headers"], "X-H": "{canonical_headers}"},
                                                "signed_headers": ["host"]}})  # fmt: skip
    with pytest.raises(CredentialError):
        lines.ask()
    assert len(box.requests) == 1


def test_http_signature_says_what_the_catalog_says_about_it(gate: Open, box: Sandbox) -> None:
    auth = {**HTTP, "components": [], "parameters": ["created", "expires", "tag", "keyid"], "expires": 60, "tag": "app",
            "label": "mine"}  # fmt: skip
    assert sent(gate, box, auth).headers["signature-input"] == (
        'mine=();created=1700001000;expires=1700001060;tag="app";keyid="k"'
    )


@pytest.mark.parametrize("digest", ["sha-256", "sha-512"])
def test_http_signature_sends_the_digest_of_the_body(gate: Open, box: Sandbox, digest: str) -> None:
    request = sent(gate, box, {**HTTP, "digest": digest}, "POST /anything")
    digest_bytes = hashlib.new(digest.replace("-", ""), request.body).digest()
    assert request.headers["content-digest"] == f"{digest}=:{b64encode(digest_bytes).decode()}:"


@pytest.mark.parametrize("component", ["x-absent", '@query-param;name="absent"'])
def test_a_request_that_lacks_what_is_to_be_signed_is_not_sent(
    gate: Open, box: Sandbox, component: str
) -> None:
    with pytest.raises(CredentialError):
        sent(gate, box, {**HTTP, "components": [component]})
    assert box.requests == []


def test_a_repeated_query_parameter_is_not_signed(gate: Open, box: Sandbox) -> None:
    auth = {**HTTP, "components": ['@query-param;name="q"']}
    at = gate(
        "GET /anything",
        on={"auth": auth},
        params={"q": {"type": "array", "items": {"type": "string"}}},
    )
    with pytest.raises(CredentialError):
        at.ask("m", {"q": ["1", "2"]})
    at.ask("m", {"q": ["1"]})


AWS = {
    "type": "aws_sigv4",
    "access_key_id": "a",
    "secret_access_key": "b",
    "region": "r",
    "service": "s",
}
FACT_NAMES = "body, china_time, date, host, http_date, iso8601, iso8601_ms, method, nonce, path, query, secret, sorted_query, target, unix, unix_ms, header:NAME, param:NAME"


@pytest.mark.parametrize(
    ("auth", "key", "problem"),
    [
        ({**DIGEST, "sign": "{parms}"}, "sign", f"{{parms}} is not known here; known: {FACT_NAMES.replace('path,', 'params, path,')}"),
        ({**DIGEST, "sign": "{params|rot13}"}, "sign",
         "|rot13 is no filter; use one of: md5, sha1, sha256, sha512, base64, quote, lower, upper"),
        ({**DIGEST, "add": {"t": "{now}"}}, "add.t", f"{{now}} is not known here; known: {FACT_NAMES}"),
        ({**DIGEST, "add": {"t": "{params}"}}, "add.t", f"{{params}} is not known here; known: {FACT_NAMES}"),
        ({**DIGEST, "in": "header", "name": "a b"}, "name", "must be a header's name"),
        ({**DIGEST, "encoding": "base64", "case": "upper"}, "case", "base64 has a case of its own; drop case"),
        ({**DIGEST, "algorithm": "md6"}, "algorithm",
         "must be one of: md5, sha1, sha256, sha512, hmac-md5, hmac-sha1, hmac-sha256, hmac-sha512"),
        ({"type": "hmac", "secret": "k"}, "sign", "missing; say what is signed, or a preset: tencent_tc3, alibaba_acs3"),
        ({"type": "hmac", "secret": "k", "preset": "aws"}, "preset", "must be one of: tencent_tc3, alibaba_acs3"),
        ({"type": "hmac", "secret": "k", "sign": "{unix}"}, "headers",
         "missing; say where the {signature} goes, in headers, query or body"),
        ({**HMAC, "values": {"a": "{b}", "b": "{a}"}}, "values", "{a} needs itself"),
        ({**HMAC, "sign": "{a}", "values": {"a": "{signature}"}}, "sign", "what is signed cannot have the {signature} in it"),
        ({**HMAC, "secret_encoding": "base64"}, "secret", "must be base64, as secret_encoding says"),
        ({**HMAC, "sign": "{body|base64|unhex}"}, "sign", "|unhex follows a hash: md5, sha1, sha256, sha512"),
        ({**HMAC, "sign": "{param:a}"}, "sign", "{param:a} is not known here"),
        ({**DIGEST, "headers": {"X-A": "{params}"}}, "headers.X-A", "{params} is not known here"),
        ({**HMAC, "signed_headers": ["Host"]}, "signed_headers.0", "must be in lower case"),
        ({**HMAC, "headers": {"Host": "{signature}"}}, "headers.Host", None),
        ({**AWS, "expires": 5}, "expires", "only what is signed in the query expires; add in: query"),
        ({**AWS, "in": "query", "expires": 604801}, "expires", "must be at most 604800 (a week)"),
        ({key: value for key, value in AWS.items() if key != "region"}, "region", "missing; this key is required"),
        ({**AWS, "access_key_id": "a b"}, "access_key_id", "must be one word of ASCII text"),
        ({key: value for key, value in HTTP.items() if key != "secret"}, "secret", "missing; hmac-sha256 needs it"),
        ({**HTTP, "algorithm": "ed25519"}, "private_key", "missing; ed25519 needs it"),
        ({**HTTP, "algorithm": "ed25519", "private_key": "k3y"}, "private_key",
         "must be a private key, PEM, without a password"),
        ({**HTTP, "algorithm": "ed25519", "private_key": KEYS["ecdsa-p256-sha256"][1]["private_key"]}, "private_key",
         "must be an Ed25519 key for ed25519"),
        ({**HTTP, "components": ["@status"]}, "components.0", None),
        ({**HTTP, "components": ["Date"]}, "components.0", None),
    ],
)  # fmt: skip
def test_a_wrong_signing_setting_is_named_with_what_to_write_instead(
    auth: dict[str, Any], key: str, problem: str | None
) -> None:
    catalog = {
        "version": 1,
        "services": {"s": {"base_url": "http://a", "auth": auth, "methods": {}}},
    }
    with pytest.raises(CatalogError) as caught:
        load_catalog(json.dumps(catalog, indent=1), "x.yaml", {})
    assert f"services.s.auth.{key}: {problem or ''}" in str(caught.value)
    assert "k3y" not in str(caught.value)


def test_a_preset_without_what_it_needs_says_what_that_is() -> None:
    auth = {"type": "hmac", "preset": "tencent_tc3", "key_id": "i", "secret": "k"}
    catalog = {
        "version": 1,
        "services": {"s": {"base_url": "http://a", "auth": auth, "methods": {}}},
    }
    with pytest.raises(CatalogError, match=r"\{service\} is not known here"):
        load_catalog(json.dumps(catalog), "x.yaml", {})


def test_what_a_preset_says_may_be_said_otherwise(gate: Open, box: Sandbox) -> None:
    auth = {
        "type": "hmac",
        "preset": "alibaba_acs3",
        "key_id": "i",
        "secret": "k",
        "headers": {"x-acs-security-token": "t"},
    }
    headers = sent(gate, box, auth, "POST /anything").headers
    assert headers["x-acs-security-token"] == "t"
    assert "x-acs-security-token" in headers["authorization"]


def test_a_secret_among_the_values_is_starred_in_a_dry_run(gate: Open, box: Sandbox) -> None:
    auth = {
        **HMAC,
        "values": {"service": "cvm", "token": "${TOKEN}"},
        "headers": {"X-S": "{service}{signature}", "X-T": "{token}"},
    }
    dry_request = gate("GET /anything", on={"auth": auth}, env={"TOKEN": "a-token"}).dry()
    assert (dry_request.headers["X-S"], dry_request.headers["X-T"]) == ("cvm****", "****")


DOCS = (Path(__file__).parents[3] / "docs" / "catalog.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"```yaml\n(auth:.*?)```", DOCS.partition("### Signed requests")[2].partition("\n## ")[0], re.S
)


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda example: re.search(r"type: (\w+)", example)[1]
)  # type: ignore[index]
def test_the_examples_in_the_documentation_load(example: str) -> None:
    env = {name: b64encode(name.encode()).decode() for name in re.findall(r"\$\{(\w+)\}", example)}
    text = "version: 1\nservices:\n  s:\n    base_url: http://a\n    methods: {}\n" + indent(
        example, "    "
    )
    assert load_catalog(text, "docs/catalog.md", env).services


def test_the_documentation_has_an_example_of_every_signing_type() -> None:
    example_types = set(re.findall(r"type: (\w+)", " ".join(EXAMPLES)))
    assert {"digest", "hmac", "aws_sigv4", "http_signature"} <= example_types
