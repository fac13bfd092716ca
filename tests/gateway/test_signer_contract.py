"""What holds for every auth type: the bytes signed are the bytes sent, no proof is used twice, no secret is told.

A new type joins with one entry of ``CASES``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote
from xml.etree import ElementTree

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from http_message_signatures import HTTPMessageSignaturesException, HTTPMessageVerifier, algorithms

from gateway.catalog.checks import BY_PARAMS, VERIFIED
from gateway.errors import BadResponse, GatewayError, SignatureRejected
from gateway.masking import STARS
from gateway.signers import SIGNERS
from gateway.streams import MAX_RESENDABLE_BYTES, PassthroughRequest, RequestStream
from sandbox.keys import MERCHANT_PRIVATE_KEY, MERCHANT_PUBLIC_KEY, VENDOR_PUBLIC_KEY
from sandbox.rsa import verify_rsa
from tests.gateway.fakes import FakeClock, Gate, Wire, a_call, answer, service
from tests.gateway.signing import KEYS, Resolver, clock_at

Open = Callable[..., Gate]
SECRET, OTHER, THIRD = "s3cret/key+of=us ü", "oth€r/secret 2", "third-secret"
ENV = {
    "SECRET": SECRET,
    "OTHER": OTHER,
    "THIRD": THIRD,
    "KEY": KEYS["ed25519"][1]["private_key"],
    "RSA": MERCHANT_PRIVATE_KEY,
}
FORBIDDEN = [
    form
    for secret in (*ENV.values(), ENV["KEY"].splitlines()[1], ENV["RSA"].splitlines()[9])
    for form in (
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    )
]


@dataclass
class Heard:
    """A request as it came out of the socket."""

    verb: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    @property
    def values(self) -> list[tuple[str, str]]:
        if self.headers.get("content-type", "").startswith("application/xml"):
            return self.query + [
                (each.tag, each.text or "") for each in ElementTree.fromstring(self.body)
            ]
        if self.headers.get("content-type") == "application/json":
            return self.query + [
                (n, v if isinstance(v, str) else dumped(v))
                for n, v in json.loads(self.body).items()
            ]
        return self.query + parse_qsl(self.body.decode(), keep_blank_values=True)


def dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def heard(raw: bytes) -> Heard:
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): text.strip() for name, _, text in (each.partition(":") for each in fields)
    }
    return Heard(line.split(" ")[0], line.split(" ")[1], headers, body)


@dataclass
class Case:
    """
    :param auth: as a catalog says it, secrets as ``${...}``.
    :param proof: what of a request proves us; none if it is not right for these very bytes.
    :param signs: whether the proof is about the request, and good for one use only.
    :param nonce: whether two attempts within one second have different proofs.
    :param first: what the service answers to requests that come before ours, such as for a token.
    """

    auth: Mapping[str, Any]
    proof: Callable[[Heard], str | None]
    signs: bool = True
    nonce: bool = True
    first: list[bytes] = field(default_factory=list)


def equal(said: str | None, expected: str) -> str | None:
    return said if said == expected else None


def digest_proof(got: Heard) -> str | None:
    pairs = sorted((name, value) for name, value in got.values if value and name != "sign")
    text = "&".join(f"{name}={value}" for name, value in pairs) + f"&key={SECRET}"
    return equal(dict(got.values).get("sign"), hashlib.sha256(text.encode()).hexdigest().upper())


def hmac_proof(got: Heard) -> str | None:
    time, nonce = got.headers["x-time"], got.headers["x-nonce"]
    text = f"{got.verb}\n{got.target}\n{time}\n{nonce}\n{hashlib.sha256(got.body).hexdigest()}"
    return equal(
        got.headers["x-signature"], hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()
    )


def aws_proof(got: Heard) -> str | None:
    said = dict(
        part.split("=", 1) for part in got.headers["authorization"].split(" ", 1)[1].split(", ")
    )
    covered = {name: got.headers[name] for name in said["SignedHeaders"].split(";")}
    request = AWSRequest(got.verb, f"http://{got.headers['host']}{got.target}", covered, got.body)
    request.context["timestamp"] = got.headers["x-amz-date"]
    auth = SigV4Auth(Credentials("AKID", SECRET), "sqs", "eu-west-1")
    expected = auth.signature(
        auth.string_to_sign(request, auth.canonical_request(request)), request
    )
    return equal(said["Signature"], expected)


def http_proof(got: Heard) -> str | None:
    verifier = HTTPMessageVerifier(
        signature_algorithm=algorithms.ED25519, key_resolver=Resolver(KEYS["ed25519"][1])
    )
    message = SimpleNamespace(
        method=got.verb,
        url=f"http://{got.headers['host']}{got.target}",
        headers=got.headers,
        body=got.body,
    )
    created = int(got.headers["signature-input"].partition("created=")[2].split(";")[0])
    digest = f"sha-256=:{b64encode(hashlib.sha256(got.body).digest()).decode()}:"
    with clock_at(datetime.fromtimestamp(created, UTC)):
        try:
            verifier.verify(message)
        except HTTPMessageSignaturesException:
            return None
    return equal(got.headers["content-digest"], digest) and got.headers["signature"]


def alipay_proof(got: Heard) -> str | None:
    pairs = got.query + parse_qsl(got.body.decode())
    text = "&".join(f"{name}={value}" for name, value in sorted(pairs) if name != "sign")
    sign = dict(pairs)["sign"]
    return sign if verify_rsa(MERCHANT_PUBLIC_KEY, sign, text.encode()) else None


def wechat_pay_proof(got: Heard) -> str | None:
    said = dict(re.findall(r'([a-z_]+)="([^"]*)"', got.headers["authorization"]))
    text = (
        f"{got.verb}\n{got.target}\n{said['timestamp']}\n{said['nonce_str']}\n".encode()
        + got.body
        + b"\n"
    )
    return said["signature"] if verify_rsa(MERCHANT_PUBLIC_KEY, said["signature"], text) else None


def header(name: str, expected: str) -> Callable[[Heard], str | None]:
    return lambda got: equal(got.headers.get(name), expected)


def query(name: str, expected: str) -> Callable[[Heard], str | None]:
    return lambda got: equal(dict(got.query).get(name), expected)


BASIC = "Basic " + b64encode(f"ann:{SECRET}".encode()).decode()
GRANT = answer(b'{"access_token": "a-token", "expires_in": 7200}')
CASES: dict[str, Case] = {
    "none": Case({}, lambda got: "", signs=False),
    "api_key": Case({"in": "query", "name": "key", "value": "${SECRET}"}, query("key", SECRET), signs=False),
    "basic": Case({"username": "ann", "password": "${SECRET}"}, header("authorization", BASIC), signs=False),
    "bearer": Case({"token": "s3cret-of-us"}, header("authorization", "Bearer s3cret-of-us"), signs=False),
    "app_secret": Case({"app_id": "app", "secret": "${SECRET}", "token_url": "/t"}, query("access_token", "a-token"),
                       signs=False, first=[GRANT]),
    "digest": Case({"secret": "${SECRET}", "algorithm": "sha256", "sign": "{params}&key={secret}", "case": "upper",
                    "name": "sign", "add": {"nonce": "{nonce}", "time": "{china_time}", "mch": "${OTHER}"}}, digest_proof),
    "hmac": Case({"secret": "${SECRET}", "sign": "{method}\n{target}\n{unix}\n{nonce}\n{body|sha256}",
                  "values": {"target": "{path}?{query}"}, "query": {"from": "postern"},
                  "headers": {"X-Time": "{unix}", "X-Nonce": "{nonce}", "X-Signature": "{signature}", "X-B": "${THIRD}"}},
                 hmac_proof),
    "aws_sigv4": Case({"access_key_id": "AKID", "secret_access_key": "${SECRET}", "region": "eu-west-1",
                       "service": "sqs"}, aws_proof, nonce=False),
    "oauth2_client_credentials": Case({"client_id": "app", "client_secret": "${SECRET}", "token_url": "/t",
                                       "extra": {"more": "${OTHER}"}}, header("authorization", "Bearer a-token"),
                                      signs=False, first=[GRANT]),
    "alipay": Case({"app_id": "2021", "private_key": "${RSA}", "alipay_public_key": VENDOR_PUBLIC_KEY}, alipay_proof,
                    nonce=False),
    "wechatpay_v3": Case({"mch_id": "1900", "serial_no": "5157F0", "private_key": "${RSA}",
                          "public_key": VENDOR_PUBLIC_KEY, "public_key_id": "PUB_KEY_ID_1"}, wechat_pay_proof),
    "http_signature": Case({"key_id": "k", "algorithm": "ed25519", "private_key": "${KEY}"}, http_proof),
}  # fmt: skip
SIGNING = [kind for kind, case in CASES.items() if case.signs]
VALUES = {
    "id": "7 é",
    "q": ["中 文", "a&b=c", ""],
    "text": "谢谢 & +%",
    "empty": "",
    "list": ["1", "b"],
    "yes": True,
}
PARAMS = {
    "id": {"type": "string"},
    "q": {"type": "array", "items": {"type": "string"}, "in": "query"},
    "text": {"type": "string"},
    "empty": {"type": "string"},
    "list": {"type": "array", "items": {"type": "string"}},
    "yes": {"type": "boolean"},
}
METHOD = {"http": "POST /v1/{id}/items", "params": PARAMS, "idempotent": True}
READ = {
    "http": "GET /v1/{id}/items",
    "params": {name: {**each, "in": "query"} for name, each in PARAMS.items()},
}
READ["params"]["id"] = PARAMS["id"]
METHODS = {
    "json": METHOD,
    "form": {**METHOD, "body": "form"},
    "xml": {**METHOD, "body": "xml"},
    "get": READ,
}


def at_wire(open_gate: Open, server: Wire, kind: str, **options: Any) -> Gate:
    auth = {"type": kind, **CASES[kind].auth}
    settings = service(server.url + "/base", auth=auth, methods=METHODS)
    settings["retry"] = {"times": 1, "backoff": 2, "max_backoff": 2}
    settings["deadline"] = 60
    return open_gate({"s": settings}, env=ENV, **options)


def ask(at: Gate, method: str) -> None:
    """Some types take no answer that their service did not sign; what was sent is to be looked at."""
    with suppress(BadResponse, SignatureRejected):
        at.ask(method, VALUES)


def test_every_type_in_the_registry_is_held_to_this_contract() -> None:
    assert CASES.keys() == SIGNERS.keys()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", CASES)
def test_the_bytes_that_arrive_are_the_bytes_that_were_signed(
    open_gate: Open, kind: str, method: str
) -> None:
    with Wire([*CASES[kind].first, answer()]) as server:
        ask(at_wire(open_gate, server, kind), method)
        assert CASES[kind].proof(heard(server.heard[-1])) is not None


PROXIED = [kind for kind in CASES if kind not in BY_PARAMS | VERIFIED]


@pytest.mark.parametrize("size", [0, 5, 2 * MAX_RESENDABLE_BYTES])
@pytest.mark.parametrize("kind", PROXIED)
def test_a_proxied_request_is_signed_as_it_arrives(open_gate: Open, kind: str, size: int) -> None:
    body = "谢".encode() * size
    upload = RequestStream([body[:9], body[9:]], lambda: body, len(body)) if size else None
    inbound = PassthroughRequest(
        (("Content-Type", "application/json"),),
        upload,
        None,
        "POST",
        "/a%20b",
        "q=%E4%B8%AD+x&q=&b=1",
    )
    with Wire([*CASES[kind].first, answer()]) as server:
        settings = service(
            server.url, auth={"type": kind, **CASES[kind].auth}, proxy=True, query={"ours": "7"}
        )
        at = open_gate({"s": settings}, env=ENV)
        b"".join(
            at.gateway.proxy(a_call("proxy", {"verb": "POST", "path": "/a%20b"}, inbound=inbound))
        )
        got = heard(server.heard[-1])
    assert CASES[kind].proof(got) is not None
    assert got.body == body
    wanted = [("q", "中 x"), ("q", ""), ("b", "1"), ("ours", "7")]
    assert sorted(pair for pair in got.query if pair[0] in ("q", "b", "ours")) == sorted(wanted)


@pytest.mark.parametrize(
    "kind", [kind for kind in PROXIED if CASES[kind].nonce and CASES[kind].signs]
)
def test_a_proxied_request_that_is_sent_again_carries_a_proof_of_its_own(
    open_gate: Open, kind: str
) -> None:
    with Wire([answer(b"{}", "503 Busy"), answer()]) as server:
        settings = service(
            server.url, auth={"type": kind, **CASES[kind].auth}, proxy=True, retry={"times": 1}
        )
        at = open_gate({"s": settings}, env=ENV, clock=FakeClock())
        at.gateway.proxy(
            a_call(
                "proxy",
                {"verb": "GET", "path": "/"},
                inbound=PassthroughRequest(verb="GET", path="/"),
            )
        ).close()
    first, second = (CASES[kind].proof(heard(raw)) for raw in server.heard)
    assert first and second and first != second


@pytest.mark.parametrize("kind", SIGNING)
def test_a_signature_is_good_for_no_other_request(open_gate: Open, kind: str) -> None:
    with Wire([*CASES[kind].first, answer()]) as server:
        ask(at_wire(open_gate, server, kind), "json")
    got = heard(server.heard[-1])
    changed = got.body.replace("谢谢".encode(), "多谢".encode()).replace(
        *(quote(it).encode() for it in ("谢谢", "多谢"))
    )
    for other in (
        replace(got, body=changed),
        replace(got, target=got.target.replace(quote("中 文"), quote("中文"))),
    ):
        assert other != got
        assert CASES[kind].proof(other) is None


@pytest.mark.parametrize("jitter", [0.0, 1.0])
@pytest.mark.parametrize("kind", SIGNING)
def test_a_second_attempt_carries_a_proof_of_its_own(
    open_gate: Open, kind: str, jitter: float
) -> None:
    with Wire([*CASES[kind].first, answer(b"{}", "503 Busy"), answer()]) as server:
        ask(at_wire(open_gate, server, kind, clock=FakeClock(), jitter=lambda: jitter), "json")
    first, second = (CASES[kind].proof(heard(raw)) for raw in server.heard[-2:])
    assert first and second
    assert (first != second) == (CASES[kind].nonce or jitter > 0)


@pytest.mark.parametrize("kind", CASES)
def test_no_secret_is_in_the_log_an_error_or_the_picture_of_a_catalog(
    open_gate: Open, kind: str
) -> None:
    echo = json.dumps({"errcode": 1, "errmsg": " ".join(ENV.values())}).encode()
    for said in (
        answer(),
        answer(echo),
        answer(echo, "400 No"),
        answer(echo, "500 Oops"),
        answer(echo[:-5]),
        b"",
    ):
        with Wire([*CASES[kind].first, said], then="close") as server:
            at = at_wire(open_gate, server, kind, clock=FakeClock())
            told = [repr(at.gateway.catalog), repr(list(at.gateway.catalog.methods()))]
            try:
                at.ask("json", VALUES)
            except GatewayError as error:
                told += [repr(error), str(error), error.text, at.masker.text(error.detail or "")]
            told.append(at.log.rendered(at.masker).decode())
        assert not [secret for secret in FORBIDDEN for text in told if secret in text]


@pytest.mark.parametrize("kind", CASES)
def test_a_dry_run_is_the_request_with_stars_for_what_is_secret(open_gate: Open, kind: str) -> None:
    with Wire([*CASES[kind].first, answer()]) as server:
        at = at_wire(open_gate, server, kind, clock=FakeClock())
        shown = at.dry("json", VALUES)
        assert server.heard == []
        ask(at, "json")
    got = heard(server.heard[-1])
    pictured = unquote(repr(shown)) + shown.body.decode()
    assert (STARS in pictured) == (kind != "none") or kind == "basic"  # base64 of the stars
    assert not [secret for secret in FORBIDDEN if secret in pictured]
    assert shown.full_path == got.target.partition("?")[0]
    assert [name.lower() for name in shown.headers] == [
        name for name in got.headers if name not in ADDED
    ]


ADDED = ("host", "content-length")  # by the client
