"""SOAP 1.1 and 1.2, GraphQL and JSON:API, as their own pages describe them.

w3.org/TR/2000/NOTE-SOAP-20000508, w3.org/TR/soap12-part1, spec.graphql.org/October2021,
jsonapi.org/format/1.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from defusedxml import DefusedXmlException, ElementTree

from sandbox.messages import Reply, Request, json_reply, parse_json

JSON_API = "application/vnd.api+json"
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
CALCULATOR = "http://tempuri.org/"
_SOAP_TYPES = {SOAP_11: "text/xml; charset=utf-8", SOAP_12: "application/soap+xml; charset=utf-8"}


def protocols(request: Request) -> Reply | None:
    """Return the answer, or None where nothing here stands under this path."""
    _, first, *_ = request.path.split("/")
    serve = _SERVED.get(first)
    return serve(request) if serve else None


def _soap(request: Request) -> Reply:
    """Divide two numbers, in the version of SOAP that the request is in."""
    try:
        root = ElementTree.fromstring(request.body)
    except (ElementTree.ParseError, DefusedXmlException):
        return _fault(SOAP_11, "Client", "not XML")
    version = root.tag.removeprefix("{").removesuffix("}Envelope")
    if version not in _SOAP_TYPES:
        return _fault(SOAP_11, "VersionMismatch", "not a SOAP envelope")
    if version == SOAP_11 and request.headers.get("soapaction") != f'"{CALCULATOR}Divide"':
        return _fault(version, "Client", "no such SOAPAction")
    divide = root.find(f"{{{version}}}Body/{{{CALCULATOR}}}Divide")
    if divide is None:
        return _fault(version, "Client", "nothing to divide")
    dividend, divisor = (divide.findtext(f"{{{CALCULATOR}}}{name}") for name in ("intA", "intB"))
    if dividend == "broken":
        return _fault(version, "Server", "the calculator fell down")
    if divisor == "0":
        return _fault(version, "Client", "division by zero", "m:DivisionByZero")
    quotient = int(dividend or 0) // int(divisor or 1)
    answer = f'<DivideResponse xmlns="{CALCULATOR}"><DivideResult>{quotient}</DivideResult>'
    return _in_envelope(200, version, f"{answer}</DivideResponse>")


def _fault(version: str, kind: str, words: str, subcode: str = "") -> Reply:
    if version == SOAP_11:
        code = subcode or f"soap:{kind}"
        text = f"<faultcode>{code}</faultcode><faultstring>{words}</faultstring>"
        return _in_envelope(500, version, f"<soap:Fault>{text}</soap:Fault>")
    kind = {"Client": "Sender", "Server": "Receiver"}.get(kind, kind)
    inner = f"<soap:Subcode><soap:Value>{subcode}</soap:Value></soap:Subcode>" if subcode else ""
    code = f"<soap:Code><soap:Value>soap:{kind}</soap:Value>{inner}</soap:Code>"
    reason = f'<soap:Reason><soap:Text xml:lang="en">{words}</soap:Text></soap:Reason>'
    status = 400 if kind == "Sender" else 500
    return _in_envelope(status, version, f"<soap:Fault>{code}{reason}</soap:Fault>")


def _in_envelope(status: int, version: str, content: str) -> Reply:
    names = f'xmlns:soap="{version}" xmlns:m="{CALCULATOR}"'
    text = f"<soap:Envelope {names}><soap:Body>{content}</soap:Body></soap:Envelope>"
    declaration = '<?xml version="1.0" encoding="utf-8"?>\n'
    return Reply(status, f"{declaration}{text}".encode(), (("Content-Type", _SOAP_TYPES[version]),))


def _graphql(request: Request) -> Reply:
    """Answer ``user(id)``, whatever the query says beside the variable ``id``."""
    try:
        body = parse_json(request.body)
        user = body["variables"]["id"]
    except (ValueError, TypeError, KeyError):
        error = {"message": "no query", "extensions": {"code": "GRAPHQL_PARSE_FAILED"}}
        return json_reply(400, {"errors": [error]})
    if user == "1":
        return json_reply(200, {"data": {"user": {"name": "Ann", "email": "ann@example.com"}}})
    error = _GRAPHQL_ERRORS.get(user, {"message": "no such user"})
    answer: dict[str, Any] = {"errors": [{**error, "path": ["user"]}], "data": None}
    if user == "partial":
        answer["data"] = {"user": {"name": "Ann", "email": None}}
    return json_reply(200, answer)


_GRAPHQL_ERRORS: Mapping[str, dict[str, Any]] = {
    "partial": {"message": "email is private", "extensions": {"code": "FORBIDDEN"}},
    "busy": {"message": "slow down", "extensions": {"code": "THROTTLED"}},
    "broken": {"message": "oops", "extensions": {"code": "INTERNAL_SERVER_ERROR"}},
    "odd": {"message": "not a user's id", "extensions": {"code": "BAD_USER_INPUT"}},
    "hidden": {"message": "no such repository", "type": "NOT_FOUND"},
}


def _jsonapi(request: Request) -> Reply:
    if request.verb == "DELETE":
        return Reply(204)
    number = request.path.rpartition("/")[2]
    if number == "1":
        article = {"type": "articles", "id": "1", "attributes": {"title": "JSON:API"}}
        return json_reply(200, {"data": article}, content_type=JSON_API)
    error = {"status": "404", "code": "ARTICLE_GONE", "title": "Gone", "detail": "no article here"}
    return json_reply(404, {"errors": [error]}, content_type=JSON_API)


_SERVED: Mapping[str, Callable[[Request], Reply]] = {
    "soap": _soap,
    "graphql": _graphql,
    "articles": _jsonapi,
}
