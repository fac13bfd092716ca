"""A credential of ours that a service repeats is masked on its way to the caller, wherever it stands in an answer."""

from __future__ import annotations

import itertools
import json
import random
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import quote

import pytest

from gateway.errors import GatewayError
from gateway.http.credential_forms import CredentialForms
from gateway.http.credential_mask import CredentialMask
from gateway.streams import PassthroughRequest, ResponseStream
from tests.gateway.fakes import Gate, Wire, answer, make_call, make_catalog, service

Open = Callable[..., Gate]
KEY = "SECRETKEY-abc/def+1=ü&x"
TOKEN = "fetched.token-6"
AUTH = {"type": "api_key", "in": "query", "name": "key", "value": KEY}
FORMS = {
    "as it is": KEY,
    "in a URL": quote(KEY, safe=""),
    "in a URL, slashes kept, lower case": re.sub(
        "%..", lambda match: match[0].lower(), quote(KEY, safe="/")
    ),
    "in JSON": json.dumps(KEY)[1:-1],
    "in PHP's JSON": json.dumps(KEY)[1:-1].replace("/", "\\/"),
    "in a URL, plus kept": quote(KEY, safe="+"),
    "in a URL, slash and plus kept": quote(KEY, safe="/+"),
    "in HTML": escape(KEY),
    "in Go's HTML": escape(KEY).replace("+", "&#43;"),
    "in base64": b64encode(KEY.encode()).decode(),
    "in base64 of more": b64encode(f"u:{KEY}:x".encode()).decode(),
    "in base64 of other more": b64encode(f"x{KEY}".encode()).decode(),
}


def ask(open_gate: Open, reply: bytes, *headers: str, auth: Any = AUTH, **method: Any) -> Any:
    with Wire([answer(reply, "200 OK", *headers)]) as server:
        at = open_gate(
            {"s": service(server.url, auth=auth, methods={"m": {"http": "GET /", **method}})}
        )
        return at.ask()


@pytest.mark.parametrize("form", FORMS)
def test_it_is_masked_in_json_at_any_depth_and_in_keys(open_gate: Open, form: str) -> None:
    text = f"<{FORMS[form]}>"
    data = ask(
        open_gate,
        json.dumps({"a": [{"b": text, text: 1}], "n": 5, "t": True, "none": None}).encode(),
    )
    stars = data["a"][0]["b"]
    assert KEY[:9] not in str(data) and "ecre" not in str(data).lower()
    assert (list(data["a"][0]), data["n"], data["t"], data["none"]) == (["b", stars], 5, True, None)
    if "base64" in form:
        assert len(stars) == len(text), "what is no credential is as it was"
        assert KEY[:5].encode() not in b64decode(stars[1:-1])
    else:
        assert stars == "<****>"


def test_escapes_of_plain_letters_do_not_hide_it(open_gate: Open) -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
    assert ask(open_gate, f'{{"a": "{escaped}"}}'.encode()) == {"a": "****"}
    assert ask(
        open_gate,
        json.dumps({"a": KEY}).encode("utf-16-be"),
        "Content-Type: application/json; charset=utf-16",
    ) == {"a": "****"}
    wide = f"中文 {KEY}".encode("utf-16-le")
    assert ask(open_gate, wide, response={"type": "text", "charset": "utf-16le"}) == "中文 ****"
    entities = "".join(f"&#{ord(letter)};" for letter in KEY)
    assert ask(open_gate, f"<r><a>{entities}</a></r>".encode(), response="xml") == {"a": "****"}


def test_it_is_masked_however_deep_an_answer_is(open_gate: Open) -> None:
    data = ask(open_gate, b'{"a":' * 400 + json.dumps(KEY).encode() + b"}" * 400)
    for _ in range(400):
        data = data["a"]
    assert data == "****"


def test_a_large_answer_is_looked_through_with_a_pause_at_each_list_and_object() -> None:
    pauses: list[None] = []
    data = [{"a": [KEY]} for _ in range(100)]
    masked = CredentialForms({KEY}).mask_data(data, lambda: pauses.append(None))
    assert KEY not in json.dumps(masked, ensure_ascii=False)
    assert len(pauses) >= 201


def test_it_is_masked_in_text_xml_and_bytes(open_gate: Open) -> None:
    assert ask(open_gate, f"a {KEY} b".encode(), response="text") == "a **** b"
    assert ask(open_gate, f"<r><a>{escape(KEY)}</a></r>".encode(), response="xml") == {"a": "****"}
    body = b"\0\xff" + KEY.encode() + b"\xfe"
    data = ask(open_gate, body, response="bytes")
    assert b64decode(data["base64"]) == b"\0\xff" + b"*" * len(KEY.encode()) + b"\xfe", (
        "offsets stay right"
    )


def test_every_secret_of_the_service_is_masked_and_what_is_none_is_not(open_gate: Open) -> None:
    basic = {"type": "basic", "username": "user-of-the-team", "password": "pass-of-the-team-1"}
    pair = b64encode(b"user-of-the-team:pass-of-the-team-1").decode()
    headers = {
        "X-Api-Key": "Bearer key-in-a-header-1",
        "X-Tenant": "tenant-of-the-team",
        "X-Sort-Version": "2023-10-16",
    }
    reply = [
        "user-of-the-team",
        "pass-of-the-team-1",
        f"Basic {pair}",
        "key-in-a-header-1",
        "tenant-of-the-team",
        "2023-10-16",
    ]
    data = ask(open_gate, json.dumps(reply).encode(), auth=basic, headers=headers)
    assert data == [
        "user-of-the-team",
        "****",
        "Basic ****",
        "****",
        "tenant-of-the-team",
        "2023-10-16",
    ]


def test_a_number_that_is_the_credential_is_masked_and_a_short_one_is_not(open_gate: Open) -> None:
    for key, masked in (("123456789", "****"), ("1234567", 1234567)):
        data = ask(open_gate, f'{{"a": {key}, "b": 1{key}}}'.encode(), auth={**AUTH, "value": key})
        assert data == {"a": masked, "b": int(f"1{key}")}


def test_a_fetched_token_is_masked_and_so_is_the_next_one(open_gate: Open) -> None:
    auth = {"type": "app_secret", "app_id": "a", "secret": "the-app-secret", "token_url": "/token"}
    grants = [
        answer(json.dumps({"access_token": f"{TOKEN}{n}", "expires_in": 7200}).encode())
        for n in (1, 2)
    ]
    echo = answer(json.dumps({"url": f"/x?access_token={TOKEN}1", "s": "the-app-secret"}).encode())
    second = answer(json.dumps({"url": f"/x?access_token={TOKEN}2"}).encode())
    with Wire([grants[0], echo, answer(b"", "401 Stale"), grants[1], second]) as server:
        at = open_gate({"s": service(server.url, auth=auth, methods={"m": {"http": "GET /x"}})})
        assert at.ask() == {"url": "/x?access_token=****", "s": "****"}
        assert at.ask() == {"url": "/x?access_token=****"}


def test_a_kept_answer_has_it_masked(open_gate: Open) -> None:
    with Wire([answer(json.dumps({"a": KEY}).encode())]) as server:
        method = {"http": "GET /", "cache": {"ttl": 60}}
        at = open_gate({"s": service(server.url, auth=AUTH, methods={"m": method})})
        assert [at.ask(), at.ask()] == [{"a": "****"}] * 2
        assert at.trace.cache == "HIT"


def test_a_vendor_s_code_that_is_the_credential_is_masked(open_gate: Open) -> None:
    with pytest.raises(GatewayError) as caught:
        ask(open_gate, json.dumps({"code": KEY}).encode(), envelope={"code": "code", "ok": [0]})
    assert caught.value.vendor_code == "****"


def pieces_of(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges) if start < end]


def masked_stream(pieces: list[bytes], key: str = KEY) -> list[bytes]:
    auth = {**AUTH, "value": key}
    catalog = make_catalog(
        {"s": service("http://a.example", auth=auth, methods={"m": {"http": "GET /"}})}
    )
    remaining = iter(pieces)
    read = CredentialMask(catalog.services["s"].methods["m"], ()).mask_stream(
        lambda: next(remaining, b"")
    )
    return list(iter(read, b""))


def test_it_is_masked_in_a_stream_wherever_that_is_cut() -> None:
    chance = random.Random(1)
    body = f"a {KEY} b {quote(KEY, safe='')}{KEY}{KEY[:9]} c SECRETKEX".encode()
    expected = body
    for form in (quote(KEY, safe="").encode(), KEY.encode()):
        expected = expected.replace(form, b"*" * len(form))
    for cuts in [[at] for at in range(len(body))] + [
        chance.sample(range(len(body)), 9) for _ in range(300)
    ]:
        assert b"".join(masked_stream(pieces_of(body, cuts))) == expected
    assert b"".join(masked_stream([body[at : at + 1] for at in range(len(body))])) == expected


def test_of_a_stream_only_what_may_become_a_credential_waits_for_the_next_piece() -> None:
    events = [b"data: one\n\n", b"data: SECRET\n\n", b"data: S", b"ECRETKEY-abc", b"x\n\n"]
    assert masked_stream(events) == [
        b"data: one\n\n",
        b"data: SECRET\n\n",
        b"data: ",
        b"SECRETKEY-abcx\n\n",
    ]


def test_a_streamed_answer_and_its_headers_have_it_masked_and_keep_their_length(
    open_gate: Open,
) -> None:
    reply = f"data: {KEY}\n\n".encode()
    with Wire(
        [answer(reply, "200 OK", "Content-Type: text/plain", f'ETag: "{TOKEN}-key"')]
    ) as server:
        auth = {"type": "bearer", "token": f"{TOKEN}-key"}
        methods = {"m": {"http": "GET /", "stream": True, "query": {"key": KEY}}}
        at = open_gate({"s": service(server.url, auth=auth, methods=methods)})
        stream: ResponseStream = at.gateway.call(make_call(inbound=PassthroughRequest())).data
        assert b"".join(stream) == b"data: " + b"*" * len(KEY.encode()) + b"\n\n"
        assert dict(stream.headers)["ETag"] == '"****"'


def test_a_proxied_answers_head_has_it_masked_and_its_body_is_as_it_came(open_gate: Open) -> None:
    reply = KEY.encode()
    key = KEY.replace("ü", "u")  # a status line and most clients know Latin-1 only
    lines = (f"X-Echo: {key}", f"Set-Cookie: k={quote(key, safe='')}", "ETag: plain")
    with Wire([answer(reply, f"404 no {key}", *lines)]) as server:
        auth = {"type": "api_key", "in": "query", "name": "key", "value": key}
        at = open_gate({"s": service(server.url, auth=auth, proxy=True)})
        stream: ResponseStream = at.gateway.proxy(
            make_call("proxy", inbound=PassthroughRequest(verb="GET", path="/x"))
        )
        headers = dict(stream.headers)

        assert (headers["X-Echo"], headers["Set-Cookie"].split(";")[0]) == ("****", "k=****")
        assert (headers["ETag"], stream.reason) == ("plain", "no ****")
        assert b"".join(stream) == reply
