"""Whatever goes wrong, no secret and no masked parameter is in the log, the error, its fields or its traceback."""

from __future__ import annotations

import json
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from api.http.error_response import describe_error
from gateway.errors import GatewayError
from gateway.http.channel import Channel
from sandbox import Sandbox
from tests.gateway.fakes import Gate, Wire, answer, make_catalog, service

Open = Callable[..., Gate]

APP_SECRET, API_KEY, PASSWORD, BEARER = (
    'app secret/1+"x"',
    "api&key=2/ü",
    "basic:pass wörd3",
    "bearer.token-4",
)
HEADER, MASKED, PHONE = "env-header-value-5", 'meet me at 9, "Ann"', "13812345678"
TOKEN = "fetched/token+6=="
FORBIDDEN = [
    form
    for secret in (APP_SECRET, API_KEY, PASSWORD, BEARER, HEADER, MASKED, PHONE, TOKEN)
    for form in (
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    )
] + [b64encode(f"ann:{PASSWORD}".encode()).decode()]
AUTHS: dict[str, dict[str, str]] = {
    "app_secret": {
        "type": "app_secret",
        "app_id": "app",
        "secret": "${APP_SECRET}",
        "token_url": "/token",
    },
    "api_key in the query": {
        "type": "api_key",
        "in": "query",
        "name": "key",
        "value": "${API_KEY}",
    },
    "api_key in a header": {
        "type": "api_key",
        "in": "header",
        "name": "X-Key",
        "value": "${API_KEY}",
    },
    "basic": {"type": "basic", "username": "ann", "password": "${PASSWORD}"},
    "bearer": {"type": "bearer", "token": "${BEARER}"},
}
ENV = {
    "APP_SECRET": APP_SECRET,
    "API_KEY": API_KEY,
    "PASSWORD": PASSWORD,
    "BEARER": BEARER,
    "HEADER": HEADER,
}
METHOD = {
    "http": "POST /send",
    "params": {
        "text": {"type": "string"},
        "password": {"type": "string"},
        "phone": {"type": "string"},
        "note": {"type": "string"},
        "strict": {"type": "integer"},
    },
    "mask": ["text"],
    "headers": {"X-Extra": "Extra ${HEADER}"},
    "idempotent": True,
}
VALUES = {"text": MASKED, "password": PASSWORD, "phone": PHONE, "note": f"call {PHONE}"}
EVERYTHING = (APP_SECRET, API_KEY, PASSWORD, BEARER, HEADER, MASKED, PHONE, TOKEN)
ECHO = json.dumps({"errcode": 40003, "errmsg": " ".join(EVERYTHING)}).encode()
GRANT = answer(json.dumps({"access_token": TOKEN, "expires_in": 7200}).encode())
ENDINGS: dict[str, bytes] = {
    "success": answer(b'{"errcode":0}'),
    "rejected with an echo": answer(ECHO),
    "a stale credential": answer(ECHO.replace(b"40003", b"40001")),
    "an echo that is no JSON": answer(ECHO[:-3]),
    "an echo in a 500": answer(ECHO, "500 Oops"),
    "an echo in a 400": answer(ECHO, "400 No"),
    "an echo in the content type": answer(b"<html>", "200 OK", f"Content-Type: {BEARER} {HEADER}"),
    "an echo in the encoding": answer(b"x", "200 OK", f"Content-Encoding: {BEARER}"),
    "an echo in the status line": f"HTTP/1.1 200 {BEARER}\r\nContent-Length: x{HEADER}\r\n\r\n".encode(),
    "an echo for a code": answer(json.dumps({"errcode": f"{BEARER} {MASKED}"}).encode()),
    "a redirect to a URL with secrets": answer(
        b"", "302 Go", f"Location: http://x/?key={quote(API_KEY)}&t={BEARER}"
    ),
    "a short answer": answer(ECHO)[:-5],
    "too large an answer": answer(b" " * 5000 + ECHO),
    "a hang-up": b"",
}


# The catalog knows all secrets, whichever of them the service under test uses.
OTHERS = {
    f"other-{number}": service(
        "http://127.0.0.1:9",
        auth=auth,
        headers={"X-Extra": "Extra ${HEADER}"},
        methods={"m": METHOD},
    )
    for number, auth in enumerate(AUTHS.values())
}


def without_token(reply: bytes) -> bytes:
    """What a service says that was never given a token."""
    return reply.replace(TOKEN.encode(), b"-" * len(TOKEN))


def visible_texts(at: Gate, error: BaseException | None) -> Iterator[str]:
    """All that could reach a reader: log lines as written, and the parts of the error that are shown or logged."""
    yield at.log.rendered(at.masker).decode()
    if error is None:
        return
    yield at.masker.mask_text("".join(traceback.format_exception(error)))
    yield str(error)
    yield repr(error)
    if isinstance(error, GatewayError):
        yield json.dumps(describe_error(error), ensure_ascii=False)
        yield error.message
        yield at.masker.mask_call_text(error.detail or "", VALUES, frozenset(METHOD["mask"]))


def check(at: Gate, error: BaseException | None) -> None:
    for text in visible_texts(at, error):
        for secret in FORBIDDEN:
            assert secret not in text


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_secret_is_told_whatever_a_service_answers(
    open_gate: Open, auth: str, ending: str
) -> None:
    grants, reply = (
        ([GRANT], ENDINGS[ending]) if auth == "app_secret" else ([], without_token(ENDINGS[ending]))
    )
    with Wire([*grants, reply, *grants, reply], then="close") as server:
        settings = service(
            server.url,
            auth=AUTHS[auth],
            envelope="wechat",
            max_response=4000,
            methods={"m": METHOD},
            **({"timeout": {"read": 0.5}} if ending == "a short answer" else {}),
        )
        at = open_gate({"s": settings, **OTHERS}, env=ENV)
        error = None
        try:
            at.ask("m", VALUES)
        except GatewayError as caught:
            error = caught
    assert (error is None) == (ending == "success")
    assert at.log.events
    check(at, error)


TROUBLES = ["hang", "reset", "close", "garbage", "html", "bad-json", "nan", "latin", "bad-gzip", "short", "truncated",
            "status=503", "status=401", "status=429", "status=404", "status=302", "drip=0.1"]  # fmt: skip


@pytest.mark.parametrize("auth", AUTHS)
def test_nothing_secret_is_told_whatever_goes_wrong_on_the_wire(
    gate: Open, box: Sandbox, auth: str
) -> None:
    settings = {**AUTHS[auth], **({"token_url": "/cgi-bin/token"} if auth == "app_secret" else {})}
    at = gate(on={"auth": settings}, timeout={"read": 0.03}, env=ENV, **METHOD)
    for fault in TROUBLES:
        box.fault("/*", fault)
        with pytest.raises(GatewayError) as caught:
            at.ask("m", VALUES)
        check(at, caught.value)
    assert len(at.log.events) == len(TROUBLES)


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("url", ["http://nohost.invalid", "http://127.0.0.1:9", "http://a..b"])
def test_nothing_secret_is_told_when_a_service_cannot_be_reached(
    open_gate: Open, auth: str, url: str
) -> None:
    at = open_gate({"s": service(url, auth=AUTHS[auth], methods={"m": METHOD})}, env=ENV)
    with pytest.raises(GatewayError) as caught:
        at.ask("m", VALUES)
    check(at, caught.value)


def test_nothing_secret_is_told_when_the_token_is_refused(open_gate: Open) -> None:
    for body in (
        without_token(ECHO),
        json.dumps({"errcode": APP_SECRET}).encode(),
        json.dumps({"error": f"no {APP_SECRET}"}).encode(),
        b"<html>" + ECHO,
        b" ",
    ):
        with Wire([answer(body)]) as server:
            at = open_gate(
                {
                    "s": service(
                        server.url,
                        auth=AUTHS["app_secret"],
                        expose_vendor_error=True,
                        methods={"m": METHOD},
                    ),
                    **OTHERS,
                },
                env=ENV,
            )
            with pytest.raises(GatewayError) as caught:
                at.ask("m", VALUES)
        assert caught.value.code == -1012
        check(at, caught.value)


def test_nothing_secret_is_told_when_the_parameters_are_wrong(
    open_gate: Open, box: Sandbox
) -> None:
    at = open_gate({"s": service(box.url, auth=AUTHS["bearer"], methods={"m": METHOD})}, env=ENV)
    for wrong in ({"strict": PASSWORD}, {"text": 5, "password": [PASSWORD]}, {"unknown": MASKED}):
        with pytest.raises(GatewayError) as caught:
            at.ask("m", {**VALUES, **wrong})
        check(at, caught.value)


def test_nothing_secret_is_told_when_something_unforeseen_happens(
    open_gate: Open, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **_: Any) -> None:
        raise RuntimeError(f"no adapter for {args[1].url!r}")

    monkeypatch.setattr(Channel, "send", fail)
    services = {"s": service(box.url, auth=AUTHS["api_key in the query"], methods={"m": METHOD})}
    at = open_gate(services, env=ENV)
    with pytest.raises(RuntimeError) as caught:
        at.ask("m", VALUES)
    assert quote(API_KEY, safe="") in str(caught.value)
    text = at.masker.mask_text("".join(traceback.format_exception(caught.value)))
    assert not [
        secret
        for secret in FORBIDDEN
        if secret in text or secret in at.log.rendered(at.masker).decode()
    ]


@pytest.mark.parametrize("auth", AUTHS)
def test_nothing_secret_is_in_the_picture_of_a_catalog_a_method_or_a_dry_run(
    open_gate: Open, box: Sandbox, auth: str
) -> None:
    services = {"s": service(box.url, auth=AUTHS[auth], methods={"m": METHOD})}
    catalog = make_catalog(services, ENV)
    at = open_gate(services, env=ENV)
    dry_run = at.dry("m", {"note": "x"})
    for text in (
        repr(catalog),
        str(catalog.services["s"]),
        repr(list(catalog.methods())),
        at.masker.mask_text(repr(dry_run)),
    ):
        assert not [secret for secret in FORBIDDEN if secret in text]
