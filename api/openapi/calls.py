"""The catalog in the OpenAPI file: an operation for each way to call a method, and aggregates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api.calls.form_params import is_file
from api.http.versions import PREFIX
from api.openapi.failures import AWAY, BODY, UNAUTHENTICATED, UNFORESEEN, Failures, Kind
from api.openapi.values import object_of, sample, schema_of
from gateway.catalog.aggregates import Aggregate, Reference
from gateway.catalog.model import Catalog, Method, Param, kind_of
from schemas.catalog.param_styles import list_separator

_STYLES = {",": "form", " ": "spaceDelimited", "|": "pipeDelimited"}
Item = tuple[str, dict[str, Any]]
#: What several calls in one request may end in; each of them says its own.
BATCH: frozenset[Kind] = UNAUTHENTICATED | {
    UNFORESEEN, AWAY, (400, -3001), (400, -3003), (403, -2004), (409, -3006), (413, -3007),
}  # fmt: skip
#: What any call may end in, whatever the method.
CALL: frozenset[Kind] = BATCH | {
    (422, -1006), (429, -3008), (429, -1009), (502, -1003), (502, -1004), (502, -1005), (502, -1012),
    (503, -1007), (504, -1001), (504, -1011),
}  # fmt: skip
ANY_ANSWER = "Answer"
RESPONSE = {"$ref": "#/components/responses/Answer"}
REQUEST_TIMEOUT = {"$ref": "#/components/parameters/RequestTimeout"}
IDEMPOTENCY_KEY = {"$ref": "#/components/parameters/IdempotencyKey"}
#: How several calls in one request end, where they were made.
SEVERAL = {
    "200": {"$ref": "#/components/responses/Together"},
    "207": {"$ref": "#/components/responses/Partial"},
}
HEADERS = [REQUEST_TIMEOUT, IDEMPOTENCY_KEY]
PAGINATE = {"$ref": "#/components/parameters/Paginate"}
#: The headers of every call's answer.
HEADER_REFS = {
    name: {"$ref": f"#/components/headers/{component}"}
    for name, component in {
        "X-Attempts": "Attempts",
        "X-Cache": "Cache",
        "X-Fallback": "Fallback",
        "Idempotency-Replayed": "Replayed",
        "Server-Timing": "ServerTiming",
    }.items()
}
_FILE = {"type": "string", "format": "binary"}
_UPLOADS: Mapping[str, Any] = {
    "multipart": {"multipart/form-data": {"schema": {"type": "object"}}},
    "raw": {"application/octet-stream": {"schema": _FILE}},
}
_STREAM = {
    "description": "The service's own bytes, as they come; a failure before the first one is an envelope.",
    "content": {"text/event-stream": {}, "*/*": {}},
}


def method_paths(catalog: Catalog, failures: Failures) -> Iterator[Item]:
    """Yield path and operations of every method."""
    for method in catalog.methods():
        item = {"post": _post(method, failures)}
        if method.verb == "GET":
            operation = _operation(method, ".get", method_codes(method), failures)
            item["get"] = {**operation, "parameters": [*_queries(method), *_headers(method)]}
        yield f"{PREFIX}/call/{method.service.name}/{method.name}", item


def aggregate_paths(catalog: Catalog, failures: Failures) -> Iterator[Item]:
    """Yield path and operations of every aggregate."""
    for aggregate in catalog.aggregates.values():
        yield f"{PREFIX}/aggregate/{aggregate.name}", _aggregate(catalog, aggregate, failures)


def method_codes(method: Method) -> frozenset[Kind]:
    """Return what a call of this method may end in."""
    codes = set(CALL)
    envelope = method.envelope if isinstance(method.envelope, Mapping) else {}
    mapped = {*envelope.get("errors", {}).values(), *envelope.get("messages", {}).values()}
    if method.service.health or "downstream_unhealthy" in mapped:
        codes.add((503, -1008))
    if method.service.concurrency:
        codes.add((503, -1010))
    if method.service.auth.get("type") != "none" or "invalid_signature" in mapped:
        codes.add((502, -1002))
    return frozenset(codes)


def _operation(
    method: Method, suffix: str, codes: frozenset[Kind], failures: Failures
) -> dict[str, Any]:
    roles = " or ".join(sorted(method.service.roles | {"admin"}))
    return {
        "operationId": f"{method.full_name}{suffix}",
        "summary": method.summary or method.full_name,
        "description": f"Calls {method.verb} of {method.service.name} through the gateway. Takes the role {roles}.",
        "tags": [method.service.name],
        "responses": {"200": _answer(method), **failures.responses(codes)},
    }


def answer_name(method: Method) -> str:
    """Return the name of the schema of a method's answer, in its envelope."""
    if method.returns is None and not method.paginate:
        return ANY_ANSWER
    return f"{ANY_ANSWER}.{method.full_name}"


def _answer(method: Method) -> dict[str, Any]:
    """Return a method's success."""
    own_headers = {
        name: {"description": "The service's own.", "schema": {"type": "string"}}
        for name in method.response_headers
    }
    if method.streams_answer:
        return {**_STREAM, "headers": own_headers} if own_headers else _STREAM
    name = answer_name(method)
    if name == ANY_ANSWER and not own_headers:
        return RESPONSE
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {
        "description": "The service's answer.",
        "headers": {**HEADER_REFS, **own_headers},
        "content": {"application/json": {"schema": schema}},
    }


def _post(method: Method, failures: Failures) -> dict[str, Any]:
    operation = _operation(method, "", method_codes(method) | BODY, failures)
    if method.streams_body:
        content = _UPLOADS["multipart" if kind_of(method.body) == "multipart" else "raw"]
        return {
            **operation,
            "parameters": [*_queries(method), *_headers(method)],
            "requestBody": {"content": content},
        }
    declared = {param.name: _keywords(param) for param in method.params}
    example = {
        param.name: sample(param.keywords)
        for param in method.params
        if _is_needed(param) or "example" in param.keywords
    }
    content = {"application/json": {"schema": object_of(declared), "example": example}}
    if kind_of(method.body) == "multipart":
        content["multipart/form-data"] = {"schema": _form_of(declared)}
    required = any(map(_is_needed, method.params))
    return {
        **operation,
        "parameters": _headers(method),
        "requestBody": {"required": required, "content": content},
    }


def _form_of(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Describe the parameters as parts of a form, where files are themselves and not base64."""
    form = object_of(declared)
    for name, keywords in declared.items():
        if _is_file(keywords):
            form["properties"][name] = _FILE
        elif _is_file(keywords.get("items", {})):
            form["properties"][name]["items"] = _FILE
    return form


def _is_file(keywords: Mapping[str, Any]) -> bool:
    return is_file(keywords) or keywords.get("format") in ("byte", "binary")


def _headers(method: Method) -> list[dict[str, str]]:
    if method.stream:
        return [REQUEST_TIMEOUT]  # what is streamed is not kept, so no key gives it again
    return [*HEADERS, PAGINATE] if method.paginate else HEADERS


def _queries(method: Method) -> list[dict[str, Any]]:
    return [_query(param.name, _keywords(param)) for param in method.params]


def _query(name: str, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a parameter of the query, where an object is JSON."""
    is_json = keywords.get("type") == "object"
    schema = schema_of(keywords, from_text=not is_json)
    parameter: dict[str, Any] = {
        "name": name,
        "in": "query",
        "required": keywords.get("required") is True,
    }
    if "description" in schema:
        parameter["description"] = schema.pop("description")
    text: dict[str, Any] = {"schema": schema}
    if keywords.get("type") == "array" and (separator := list_separator(keywords)):
        text = {"style": _STYLES[separator], "explode": False, **text}
    if parameter["required"] or "example" in keywords:
        text["example"] = sample(keywords)
    if is_json:
        text = {"content": {"application/json": text}}
    return {**parameter, **text}


def _aggregate(catalog: Catalog, aggregate: Aggregate, failures: Failures) -> dict[str, Any]:
    """Describe its POST and, unless it takes something from a body, its GET."""
    query = _params_from(catalog, aggregate, "query")
    body = _params_from(catalog, aggregate, "body")
    shared = {
        "summary": f"{aggregate.name}: {', '.join(part.name for part in aggregate.parts)} as one answer",
        "description": "Calls them side by side, as the catalog declares, each with its own envelope.",
        "tags": ["calls"],
        "parameters": [*(_query(name, keywords) for name, keywords in query.items()), *HEADERS],
    }
    name = f"aggregate.{aggregate.name}"
    example = {field: sample(keywords) for field, keywords in body.items()}
    json_body = {"schema": object_of(body), "example": example}
    post = {
        "operationId": name,
        "requestBody": {"required": True, "content": {"application/json": json_body}},
        "responses": {**SEVERAL, **failures.responses(BATCH | BODY)},
    }
    if body:
        return {"post": {**shared, **post}}
    get = {"operationId": f"{name}.get", "responses": {**SEVERAL, **failures.responses(BATCH)}}
    return {"get": {**shared, **get}, "post": {**shared, **post}}


def _params_from(
    catalog: Catalog, aggregate: Aggregate, source: str
) -> dict[str, Mapping[str, Any]]:
    """Return what a query or body gives: the method's parameter that it fills, any text or object."""
    match: dict[str, Mapping[str, Any]] = {}
    for part in aggregate.parts:
        declared = {
            param.name: param.keywords
            for param in catalog.services[part.service].methods[part.method].params
        }
        for name, value in part.params.items():
            if (
                isinstance(value, Reference)
                and value.source == source
                and len(value.path) == 1
                and name in declared
            ):
                match.setdefault(value.path[0], declared[name])
        for reference in part.references:
            if reference.source == source:
                kind = "object" if len(reference.path) > 1 else "string"
                match.setdefault(reference.path[0], {"type": kind})
    return match


def _keywords(param: Param) -> Mapping[str, Any]:
    """Return the keywords as declared; what stands in a path cannot be empty."""
    if param.place == "path" and param.keywords.get("type") == "string":
        return {**param.keywords, "minLength": max(1, param.keywords.get("minLength", 1))}
    return param.keywords


def _is_needed(param: Param) -> bool:
    return param.keywords.get("required") is True
