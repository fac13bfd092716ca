"""What holds for every envelope there is, whatever its vendor answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from gateway.bodies import READERS, make_reader
from gateway.catalog.formats import ENVELOPE_NAMES, EnvelopeSchema
from gateway.envelopes import make_envelope
from gateway.envelopes.presets import PRESETS
from gateway.errors import BadResponse, GatewayError
from gateway.http_messages import HttpResponse
from tests.gateway.envelopes.envelope_samples import SAMPLES, WORDS, Failure
from tests.gateway.fakes import Gate, Wire, answer, service

Open = Callable[..., Gate]
NAMES = sorted(SAMPLES)
FAILURES = [
    pytest.param(name, sample, id=f"{name}-{sample.code or sample.status}-{at}")
    for name, samples in SAMPLES.items()
    for at, sample in enumerate((*samples.failures, samples.unknown))
]


def call_once(
    open_gate: Open, name: str, body: bytes, status: str = "200 OK", *headers: str, **on: Any
) -> tuple[Gate, Any]:
    """The gate and, of one call through it, the data or the error."""
    response = on.pop("response", SAMPLES[name].response)
    with Wire([answer(body, status, *headers)]) as server:
        methods = {"m": {"http": "GET /", "response": response}}
        at = open_gate({"s": service(server.url, envelope=name, methods=methods, **on)})
        try:
            return at, at.ask()
        except GatewayError as error:
            return at, error


def test_every_envelope_has_its_samples() -> None:
    assert set(SAMPLES) == set(ENVELOPE_NAMES)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_is_written_as_a_user_may_write_it(name: str) -> None:
    assert EnvelopeSchema().load({**PRESETS[name]})["ok"]


@pytest.mark.parametrize("name", NAMES)
def test_a_good_reply_is_its_data(open_gate: Open, name: str) -> None:
    samples = SAMPLES[name]
    assert call_once(open_gate, name, samples.good, "200 OK", *samples.headers)[1] == samples.data


@pytest.mark.parametrize(("name", "failure"), FAILURES)
def test_each_documented_failure_is_what_it_means_and_says_nothing_in_the_vendors_words(
    open_gate: Open, name: str, failure: Failure
) -> None:
    at, error = call_once(open_gate, name, failure.body, failure.status, *failure.headers)
    assert type(error) is failure.kind
    assert error.vendor_code == failure.code or failure.code is None
    assert error.retry_after == failure.wait
    assert WORDS not in f"{error} {error.message} {error.fields} {error.vendor_code}"
    assert error.expose_vendor_code is False
    if WORDS.encode() in failure.body and name != "plain":
        assert WORDS in at.log.events[0]["why"]


@pytest.mark.parametrize("name", NAMES)
def test_the_vendors_code_is_shown_only_where_the_service_says_so(
    open_gate: Open, name: str
) -> None:
    unknown = SAMPLES[name].unknown
    _, error = call_once(
        open_gate, name, unknown.body, unknown.status, *unknown.headers, expose_vendor_code=True
    )
    assert (error.vendor_code, error.expose_vendor_code) == (unknown.code, True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "body", [b"<html><body><h1>Welcome</h1></html>", b"\x00\xff\xfe\x00", b"{", b"<a>"]
)
def test_garbage_in_a_200_is_a_bad_response(open_gate: Open, name: str, body: bytes) -> None:
    assert (
        type(call_once(open_gate, name, body, "200 OK", "Content-Type: text/html")[1])
        is BadResponse
    )


ODD_BODIES = [
    b"", b" ", b"null", b"[]", b"{}", b"5", b'"text"', b"true", b"{", b"<a>", b"<a/>", b"\x00\xff\xfe", b"\xff\xfe",
    b"<html><body>Bad Gateway</body></html>", b"<!DOCTYPE html><html></html>", b"[" * 5000, b"<a>" * 5000,
    b'{"error":"text"}', b'{"error":[{"code":{}}]}', b'{"errcode":{"a":1}}', b'{"code":[1],"errors":{"0":1}}',
    b'{"errors":[]}', b'{"message":{"a":"b"},"infocode":[]}', b"<xml><return_code/></xml>",
    b"<xml><return_code>a</return_code><return_code>b</return_code></xml>", b"<e><Code><Code>x</Code></Code></e>",
    b'{"errcode":"' + b"9" * 5000 + b'"}', b'{"errcode":' + b"9" * 5000 + b"}",
]  # fmt: skip
ODD_STATUSES = [200, 204, 301, 304, 400, 401, 403, 404, 429, 500, 503, 599]
ODD_HEADERS: list[dict[str, str]] = [
    {},
    {"content-type": "application/json; charset=nonsense"},
    {"content-type": "text/html; charset=gbk"},
    {
        "content-type": "application/xml",
        "retry-after": "soon",
        "x-ratelimit-reset": "-1",
        "x-amzn-errortype": "",
    },
    {
        "content-type": "image/png",
        "retry-after": "99999999999999",
        "x-ratelimit-reset": "9999999999",
    },
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", READERS)
def test_whatever_a_vendor_answers_is_data_or_a_failure_we_know(name: str, kind: str) -> None:
    envelope, read = make_envelope(name), make_reader(kind)
    for body, status, headers in itertools.product(ODD_BODIES, ODD_STATUSES, ODD_HEADERS):
        try:
            envelope(HttpResponse(status, headers, body), read)
        except GatewayError as error:
            assert len(error.vendor_code or "") <= 80
            assert error.retry_after is None or 0 <= error.retry_after <= 86400
        else:
            assert 200 <= status < 300
