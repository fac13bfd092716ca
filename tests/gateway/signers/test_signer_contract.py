"""What holds for every auth type: the bytes signed are the bytes sent, no proof is used twice, no secret is told.

Each type in ``SIGNERS`` is tried with its own ``example``; ``vectors/`` has how its ``PROOF`` is checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Any
from urllib.parse import quote, unquote

import pytest

from gateway.errors import BadResponse, GatewayError, SignatureRejected
from gateway.masking import STARS
from gateway.signers import SIGNERS, Signer
from gateway.streams import MAX_RESENDABLE_BYTES, PassthroughRequest, RequestStream
from tests.gateway.fakes import FakeClock, Gate, Wire, answer, make_call, service
from tests.gateway.signers.proofs import ENV, SECRETS, Proof, parse_request

Open = Callable[..., Gate]
PROOFS: dict[str, Proof] = {
    kind: import_module(f"tests.gateway.signers.vectors.{kind}").PROOF for kind in SIGNERS
}
FORBIDDEN = [
    form
    for secret in (
        *SECRETS.values(),
        SECRETS["ED25519_KEY"].splitlines()[1],
        SECRETS["RSA_KEY"].splitlines()[9],
    )
    for form in (
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    )
]
SIGNING = [kind for kind, proof in PROOFS.items() if proof.signs]
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
    "params": {name: {**keywords, "in": "query"} for name, keywords in PARAMS.items()},
}
READ["params"]["id"] = PARAMS["id"]
METHODS = {
    "json": METHOD,
    "form": {**METHOD, "body": "form"},
    "xml": {**METHOD, "body": "xml"},
    "get": READ,
}


def open_wire(open_gate: Open, server: Wire, kind: str, **options: Any) -> Gate:
    auth = {"type": kind, **SIGNERS[kind].example}
    settings = service(server.url + "/base", auth=auth, methods=METHODS)
    settings["retry"] = {"times": 1, "backoff": 2, "max_backoff": 2}
    settings["deadline"] = 60
    return open_gate({"s": settings}, env=ENV, **options)


def send_call(at: Gate, method: str) -> None:
    """Some types take no answer that their service did not sign; what was sent is to be looked at."""
    with suppress(BadResponse, SignatureRejected):
        at.ask(method, VALUES)


@pytest.mark.parametrize("kind", SIGNERS)
def test_a_switch_says_what_a_signer_has(kind: str) -> None:
    def overrides(name: str) -> bool:
        return getattr(SIGNERS[kind], name) is not getattr(Signer, name)

    assert SIGNERS[kind].verifies_answers == overrides("verify")
    assert SIGNERS[kind].fetches_token == overrides("fetch_token")
    assert overrides("adopt") == overrides("needs_spool")


@pytest.mark.parametrize("kind", SIGNERS)
def test_no_secret_of_the_example_is_in_a_public_key(kind: str) -> None:
    secrecy = SIGNERS[kind].Settings.secrecy()
    public = [value for key, value in SIGNERS[kind].example.items() if not secrecy[key]]
    assert not [name for name in SECRETS if f"${{{name}}}" in public]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", PROOFS)
def test_the_bytes_that_arrive_are_the_bytes_that_were_signed(
    open_gate: Open, kind: str, method: str
) -> None:
    with Wire([*PROOFS[kind].first, answer()]) as server:
        send_call(open_wire(open_gate, server, kind), method)
        assert PROOFS[kind].check(parse_request(server.heard[-1])) is not None


@pytest.mark.parametrize("kind", [kind for kind in SIGNERS if SIGNERS[kind].proof_header])
def test_a_header_of_the_catalog_gives_way_to_the_proof(open_gate: Open, kind: str) -> None:
    name = SIGNERS[kind].proof_header
    with Wire([*PROOFS[kind].first, answer()]) as server:
        auth = {"type": kind, **SIGNERS[kind].example}
        settings = service(server.url, auth=auth, methods=METHODS, headers={name.lower(): "mine"})
        send_call(open_gate({"s": settings}, env=ENV), "get")
    assert server.heard[-1].lower().count(f"\r\n{name.lower()}: ".encode()) == 1
    assert parse_request(server.heard[-1]).headers[name.lower()] != "mine"


PROXIED = [
    kind for kind, signer in SIGNERS.items() if not (signer.signs_params or signer.verifies_answers)
]


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
    with Wire([*PROOFS[kind].first, answer()]) as server:
        settings = service(
            server.url,
            auth={"type": kind, **SIGNERS[kind].example},
            proxy=True,
            query={"ours": "7"},
        )
        at = open_gate({"s": settings}, env=ENV)
        b"".join(
            at.gateway.proxy(
                make_call("proxy", {"verb": "POST", "path": "/a%20b"}, inbound=inbound)
            )
        )
        received = parse_request(server.heard[-1])
    assert PROOFS[kind].check(received) is not None
    assert received.body == body
    expected = [("q", "中 x"), ("q", ""), ("b", "1"), ("ours", "7")]
    assert sorted(pair for pair in received.query if pair[0] in ("q", "b", "ours")) == sorted(
        expected
    )


@pytest.mark.parametrize(
    "kind", [kind for kind in PROXIED if PROOFS[kind].nonce and PROOFS[kind].signs]
)
def test_a_proxied_request_that_is_sent_again_carries_a_proof_of_its_own(
    open_gate: Open, kind: str
) -> None:
    with Wire([answer(b"{}", "503 Busy"), answer()]) as server:
        settings = service(
            server.url, auth={"type": kind, **SIGNERS[kind].example}, proxy=True, retry={"times": 1}
        )
        at = open_gate({"s": settings}, env=ENV, clock=FakeClock())
        at.gateway.proxy(
            make_call(
                "proxy",
                {"verb": "GET", "path": "/"},
                inbound=PassthroughRequest(verb="GET", path="/"),
            )
        ).close()
    first, second = (PROOFS[kind].check(parse_request(raw)) for raw in server.heard)
    assert first and second and first != second


@pytest.mark.parametrize("kind", SIGNING)
def test_a_signature_is_good_for_no_other_request(open_gate: Open, kind: str) -> None:
    with Wire([*PROOFS[kind].first, answer()]) as server:
        send_call(open_wire(open_gate, server, kind), "json")
    received = parse_request(server.heard[-1])
    changed = received.body.replace("谢谢".encode(), "多谢".encode()).replace(
        *(quote(it).encode() for it in ("谢谢", "多谢"))
    )
    for other in (
        replace(received, body=changed),
        replace(received, target=received.target.replace(quote("中 文"), quote("中文"))),
    ):
        assert other != received
        assert PROOFS[kind].check(other) is None


@pytest.mark.parametrize("jitter", [0.0, 1.0])
@pytest.mark.parametrize("kind", SIGNING)
def test_a_second_attempt_carries_a_proof_of_its_own(
    open_gate: Open, kind: str, jitter: float
) -> None:
    with Wire([*PROOFS[kind].first, answer(b"{}", "503 Busy"), answer()]) as server:
        send_call(
            open_wire(open_gate, server, kind, clock=FakeClock(), jitter=lambda: jitter), "json"
        )
    first, second = (PROOFS[kind].check(parse_request(raw)) for raw in server.heard[-2:])
    assert first and second
    assert (first != second) == (PROOFS[kind].nonce or jitter > 0)


@pytest.mark.parametrize("kind", PROOFS)
def test_no_secret_is_in_the_log_an_error_or_the_picture_of_a_catalog(
    open_gate: Open, kind: str
) -> None:
    echo = json.dumps({"errcode": 1, "errmsg": " ".join(ENV.values())}).encode()
    for reply in (
        answer(),
        answer(echo),
        answer(echo, "400 No"),
        answer(echo, "500 Oops"),
        answer(echo[:-5]),
        b"",
    ):
        with Wire([*PROOFS[kind].first, reply], then="close") as server:
            at = open_wire(open_gate, server, kind, clock=FakeClock())
            outputs = [repr(at.gateway.catalog), repr(list(at.gateway.catalog.methods()))]
            try:
                at.ask("json", VALUES)
            except GatewayError as error:
                outputs += [
                    repr(error),
                    str(error),
                    error.message,
                    at.masker.mask_text(error.detail or ""),
                ]
            outputs.append(at.log.rendered(at.masker).decode())
        assert not [secret for secret in FORBIDDEN for text in outputs if secret in text]


@pytest.mark.parametrize("kind", PROOFS)
def test_a_dry_run_is_the_request_with_stars_for_what_is_secret(open_gate: Open, kind: str) -> None:
    with Wire([*PROOFS[kind].first, answer()]) as server:
        at = open_wire(open_gate, server, kind, clock=FakeClock())
        dry_request = at.dry("json", VALUES)
        assert server.heard == []
        send_call(at, "json")
    received = parse_request(server.heard[-1])
    picture = unquote(repr(dry_request)) + dry_request.body.decode()
    assert (STARS in picture) == (kind != "none") or kind == "basic"  # base64 of the stars
    assert not [secret for secret in FORBIDDEN if secret in picture]
    assert dry_request.full_path == received.target.partition("?")[0]
    assert [name.lower() for name in dry_request.headers] == [
        name for name in received.headers if name not in ADDED
    ]


ADDED = ("host", "content-length")  # by the client
