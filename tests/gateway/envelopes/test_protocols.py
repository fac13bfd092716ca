"""SOAP, GraphQL and JSON:API by YAML alone, against the sandbox's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.catalog.loader import CatalogError
from gateway.errors import (
    CredentialError,
    Failed,
    GatewayError,
    QuotaExceeded,
    Rejected,
)
from sandbox import Sandbox
from sandbox.vendors.protocols import CALCULATOR, SOAP_11, SOAP_12
from tests.gateway.fakes import Gate, Wire, answer, service

Open = Callable[..., Gate]
OnWire = Callable[..., tuple[Wire, Gate]]
SOAP = {SOAP_11: "text/xml; charset=utf-8", SOAP_12: "application/soap+xml; charset=utf-8"}


def calculator(box: Sandbox, open_gate: Open, version: str, **service_keys: Any) -> Gate:
    divide = {
        "http": "POST /soap/calculator",
        "headers": {"Content-Type": SOAP[version], "SOAPAction": f'"{CALCULATOR}Divide"'},
        "body": {
            "type": "xml",
            "root": "soap:Envelope/soap:Body/Divide",
            "attributes": {"xmlns": CALCULATOR, "xmlns:soap": version},
        },
        "params": {"intA": {"type": "string"}, "intB": {"type": "string"}},
    }
    keys = {"envelope": "soap", **service_keys}
    return open_gate({"s": service(box.url, methods={"m": divide}, **keys)})


@pytest.mark.parametrize("version", SOAP)
def test_a_soap_request_is_written_and_its_body_read(
    box: Sandbox, open_gate: Open, version: str
) -> None:
    total = calculator(box, open_gate, version).ask(params={"intA": "42", "intB": "6"})
    assert total == {"DivideResponse": {"DivideResult": "7"}}


@pytest.mark.parametrize("version", SOAP)
@pytest.mark.parametrize(
    ("dividend", "kind", "codes"),
    [
        ("1", Rejected, ("DivisionByZero", "DivisionByZero")),
        ("broken", Failed, ("Server", "Receiver")),
    ],
)
def test_a_fault_is_told_by_its_code_whatever_the_status(
    box: Sandbox,
    open_gate: Open,
    version: str,
    dividend: str,
    kind: type[GatewayError],
    codes: tuple[str, str],
) -> None:
    with pytest.raises(GatewayError) as caught:
        calculator(box, open_gate, version).ask(params={"intA": dividend, "intB": "0"})
    error = caught.value
    assert (type(error), error.vendor_code) == (kind, codes[list(SOAP).index(version)])
    assert error.vendor_message in ("division by zero", "the calculator fell down")


def test_data_and_errors_of_soap_may_be_ones_own(box: Sandbox, open_gate: Open) -> None:
    envelope = {
        "preset": "soap",
        "data": "Body.DivideResponse.DivideResult",
        "errors": {"Division*": "downstream_quota"},
    }
    at = calculator(box, open_gate, SOAP_12, envelope=envelope)
    assert at.ask(params={"intA": "6", "intB": "2"}) == "3"
    with pytest.raises(QuotaExceeded):
        at.ask(params={"intA": "6", "intB": "0"})


@pytest.mark.parametrize("body", ["<soap:Body/>", "<soap:Body>\n</soap:Body>"])
def test_a_soap_body_without_elements_is_an_empty_object(wire: OnWire, body: str) -> None:
    text = f'<soap:Envelope xmlns:soap="{SOAP_11}">{body}</soap:Envelope>'
    assert wire(answer(text.encode()), envelope="soap", response="xml")[1].ask() == {}


def test_soap_that_would_be_read_as_json_is_refused_when_the_catalog_loads(open_gate: Open) -> None:
    methods = {"m": {"http": "POST /", "response": "json"}}
    with pytest.raises(CatalogError, match=r"methods\.m\.response: .*write xml"):
        open_gate({"s": service("http://127.0.0.1:9", envelope="soap", methods=methods)})


def test_a_prefix_in_the_root_that_no_attribute_declares_is_refused(open_gate: Open) -> None:
    body = {"type": "xml", "root": "soap:Envelope/Divide", "attributes": {"xmlns": CALCULATOR}}
    methods = {"m": {"http": "POST /", "body": body}}
    with pytest.raises(CatalogError, match=r"methods\.m\.body: .*xmlns:soap"):
        open_gate({"s": service("http://127.0.0.1:9", methods=methods)})


def graphql(gate: Open) -> Gate:
    return gate(
        "POST /graphql",
        envelope="graphql",
        params={
            "query": {"type": "string", "default": "query($id: ID!) {user(id: $id) {name email}}"},
            "variables": {"type": "object", "properties": {"id": {"type": "string"}}},
        },
    )


def test_a_graphql_answer_is_its_data(gate: Open) -> None:
    assert graphql(gate).ask(params={"variables": {"id": "1"}}) == {
        "user": {"name": "Ann", "email": "ann@example.com"}
    }


@pytest.mark.parametrize(
    ("user", "kind", "code"),
    [
        ("partial", CredentialError, "FORBIDDEN"),
        ("busy", QuotaExceeded, "THROTTLED"),
        ("broken", Failed, "INTERNAL_SERVER_ERROR"),
        ("odd", Rejected, "BAD_USER_INPUT"),
        ("hidden", Rejected, "NOT_FOUND"),
        ("none", Rejected, "object"),
    ],
)
def test_graphql_errors_are_a_failure_though_some_data_came(
    gate: Open, user: str, kind: type[GatewayError], code: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        graphql(gate).ask(params={"variables": {"id": user}})
    assert (type(caught.value), caught.value.vendor_code) == (kind, code)


def test_an_empty_list_of_graphql_errors_is_none(wire: OnWire) -> None:
    body = b'{"data": {"a": 1}, "errors": []}'
    assert wire(answer(body), envelope="graphql")[1].ask() == {"a": 1}


def test_a_json_api_document_is_its_data(gate: Open) -> None:
    params = {"id": {"type": "string"}}
    at = gate("GET /articles/{id}", envelope="jsonapi", params=params)
    assert at.ask(params={"id": "1"})["attributes"] == {"title": "JSON:API"}
    with pytest.raises(Rejected) as caught:
        at.ask(params={"id": "2"})
    error = caught.value
    assert (error.vendor_code, error.vendor_message) == ("ARTICLE_GONE", "no article here")


def test_a_json_api_answer_without_content_is_null(gate: Open) -> None:
    assert gate("DELETE /articles/1", envelope="jsonapi").ask() is None
