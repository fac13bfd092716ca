"""The catalog in the OpenAPI file: one typed operation for each way to call each method, and the
aggregates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api.http.versions import PREFIX
from api.openapi.failures import AWAY, BODY, UNAUTHENTICATED, UNFORESEEN, Failures, Kind
from gateway.catalog.aggregates import Aggregate, Reference
from gateway.catalog.model import Catalog, Method, Param, kind_of
from schemas.catalog.param_styles import list_separator

MAX_SAMPLE = 1000  # characters, or items: a catalog may ask for any number of them
#: What ``schema_of`` writes itself, or what says how a vendor gets it.
_OWN = frozenset({
    "in", "in_", "required", "nullable", "example", "items", "properties", "additionalProperties",
    "oneOf", "anyOf", "style", "explode", "allowReserved", "array_format", "object_format",
})  # fmt: skip
_STYLES = {",": "form", " ": "spaceDelimited", "|": "pipeDelimited"}
_BY_TYPE: Mapping[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
}
_BY_FORMAT: Mapping[str, str] = {
    "email": "ann@example.com",
    "uri": "https://example.com",
    "uuid": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "date": "2026-11-21",
    "date-time": "2026-11-21T03:40:00Z",
    "byte": "dGV4dA==",
}


def schema_of(keywords: Mapping[str, Any], *, from_text: bool = False) -> dict[str, Any]:
    """One parameter's schema.

    :param keywords: as the catalog has them: OpenAPI 3.0's ``nullable`` and ``example`` among them.
    :param from_text: it comes in a query, where there is no null.
    """
    schema = {key: value for key, value in keywords.items() if key not in _OWN}
    shapes = _shapes_of(keywords, from_text)
    schema |= shapes
    if keywords.get("nullable") and not from_text and not shapes:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    if "example" in keywords:
        schema["examples"] = [keywords["example"]]
    if "items" in keywords:
        schema["items"] = schema_of(keywords["items"], from_text=from_text)
    if keywords.get("properties"):
        schema |= object_of(keywords["properties"])
        names = keywords.get("required")
        required = {*schema.get("required", ()), *(names if isinstance(names, list) else ())}
        if required:
            schema["required"] = sorted(required)
    extras = keywords.get("additionalProperties")
    if extras is not None:
        schema["additionalProperties"] = extras if isinstance(extras, bool) else schema_of(extras)
    return schema


def _shapes_of(keywords: Mapping[str, Any], from_text: bool) -> dict[str, Any]:
    """Return ``oneOf`` or ``anyOf``; null is a shape of its own there."""
    for key in ("oneOf", "anyOf"):
        if key in keywords:
            shapes = [schema_of(shape, from_text=from_text) for shape in keywords[key]]
            if keywords.get("nullable") and not from_text:
                shapes.append({"type": "null"})
            return {key: shapes}
    return {}


def object_of(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Named values as one object; what is not declared is an error."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: schema_of(keywords) for name, keywords in declared.items()},
        "additionalProperties": False,
    }
    required = [name for name, keywords in declared.items() if keywords.get("required") is True]
    if required:
        schema["required"] = required
    return schema


def sample(keywords: Mapping[str, Any]) -> Any:
    """A value to begin with: the declared example, default or first allowed one, else one made for
    the type.
    """
    for key in ("example", "default"):
        if key in keywords:
            return keywords[key]
    if "enum" in keywords:
        return keywords["enum"][0]
    for key in ("oneOf", "anyOf"):
        if key in keywords:
            return sample(keywords[key][0])
    kind = keywords["type"]
    if kind == "string":
        text = _BY_FORMAT.get(keywords.get("format", ""), _BY_TYPE["string"])
        return text.ljust(min(keywords.get("minLength", 0), MAX_SAMPLE), "x")[
            : keywords.get("maxLength")
        ]
    if kind in ("integer", "number"):
        return _number(keywords)
    if kind == "array" and keywords.get("minItems"):
        return [sample(keywords.get("items", {"type": "string"}))] * min(
            keywords["minItems"], MAX_SAMPLE
        )
    if kind == "object" and keywords.get("properties"):
        names = keywords.get("required")
        required = names if isinstance(names, list) else ()
        inner = keywords["properties"].items()
        return {
            name: sample(property_)
            for name, property_ in inner
            if name in required or property_.get("required") is True
        }
    return _BY_TYPE[kind]


def _number(keywords: Mapping[str, Any]) -> Any:
    """1 or 1.5 where that is allowed, else the nearer end."""
    low = keywords.get("minimum")
    high = keywords.get("maximum")
    value = _BY_TYPE[keywords["type"]]
    if low is not None and value < low:
        return low
    return high if high is not None and value > high else value


Item = tuple[str, dict[str, Any]]
#: What any call may end in, whatever the method.
CALL: frozenset[Kind] = UNAUTHENTICATED | {
    UNFORESEEN, AWAY, (400, -3001), (400, -3003), (403, -2004), (409, -3006), (413, -3007), (422, -1006),
    (429, -3008), (429, -1009), (502, -1003), (502, -1004), (502, -1005), (502, -1012),
    (503, -1007), (504, -1001), (504, -1011),
}  # fmt: skip
#: What several calls in one request may end in; each of them says its own.
BATCH: frozenset[Kind] = UNAUTHENTICATED | {
    UNFORESEEN,
    AWAY,
    (400, -3001),
    (400, -3003),
    (403, -2004),
    (409, -3006),
    (413, -3007),
}
ANY_ANSWER = "Answer"
RESPONSE = {"$ref": "#/components/responses/Answer"}
HEADERS = [
    {"$ref": f"#/components/parameters/{name}"} for name in ("RequestTimeout", "IdempotencyKey")
]
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
_UPLOADS: Mapping[str, Any] = {
    "multipart": {"multipart/form-data": {"schema": {"type": "object"}}},
    "raw": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
_STREAM = {
    "description": "The service's own bytes, as they come; a failure before the first one is an envelope.",
    "content": {"text/event-stream": {}, "*/*": {}},
}


def method_paths(catalog: Catalog, failures: Failures) -> Iterator[Item]:
    """Path and operations of every method."""
    for method in catalog.methods():
        item = {"post": _post(method, failures)}
        if method.verb == "GET":
            item["get"] = _get(method, failures)
        yield f"{PREFIX}/call/{method.service.name}/{method.name}", item


def aggregate_paths(catalog: Catalog, failures: Failures) -> Iterator[Item]:
    """Path and operations of every aggregate."""
    for aggregate in catalog.aggregates.values():
        yield f"{PREFIX}/aggregate/{aggregate.name}", _aggregate(catalog, aggregate, failures)


def method_codes(method: Method) -> frozenset[Kind]:
    """What a call of this method may end in."""
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
        param.name: sample(param.keywords) for param in method.params if _is_in_example(param)
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
        is_file = keywords.get("type") == "object" and not keywords.get("properties")
        if is_file or keywords.get("format") in ("byte", "binary"):
            form["properties"][name] = {"type": "string", "format": "binary"}
    return form


def _get(method: Method, failures: Failures) -> dict[str, Any]:
    operation = _operation(method, ".get", method_codes(method), failures)
    return {**operation, "parameters": [*_queries(method), *_headers(method)]}


def _headers(method: Method) -> list[dict[str, str]]:
    if method.stream:
        return HEADERS[:1]  # what is streamed is not kept, so no key gives it again
    return [*HEADERS, PAGINATE] if method.paginate else HEADERS


def _queries(method: Method) -> list[dict[str, Any]]:
    return [_query(param.name, _keywords(param)) for param in method.params]


def _query(name: str, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """An object is JSON there."""
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
    """By POST and, unless it takes something from a body, by GET."""
    query = _params_from(catalog, aggregate, "query")
    body = _params_from(catalog, aggregate, "body")
    shared = {
        "summary": f"{aggregate.name}: {', '.join(part.name for part in aggregate.parts)} as one answer",
        "tags": ["calls"],
        "parameters": [*(_query(name, keywords) for name, keywords in query.items()), *HEADERS],
    }
    responses = {
        name: {"$ref": f"#/components/responses/{component}"}
        for name, component in (("200", "Together"), ("207", "Partial"))
    }
    name = f"aggregate.{aggregate.name}"
    post = {
        "operationId": name,
        "requestBody": _body(body),
        "responses": {**responses, **failures.responses(BATCH | BODY)},
    }
    if body:
        return {"post": {**shared, **post}}
    get = {"operationId": f"{name}.get", "responses": {**responses, **failures.responses(BATCH)}}
    return {"get": {**shared, **get}, "post": {**shared, **post}}


def _body(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    example = {name: sample(keywords) for name, keywords in declared.items()}
    return {
        "required": True,
        "content": {"application/json": {"schema": object_of(declared), "example": example}},
    }


def _params_from(
    catalog: Catalog, aggregate: Aggregate, source: str
) -> dict[str, Mapping[str, Any]]:
    """What the request's query or body gives: as the method's parameter that it fills, or any text
    or object.
    """
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
    """As declared; what stands in a path cannot be empty."""
    if param.place == "path" and param.keywords.get("type") == "string":
        return {**param.keywords, "minLength": max(1, param.keywords.get("minLength", 1))}
    return param.keywords


def _is_needed(param: Param) -> bool:
    return param.keywords.get("required") is True


def _is_in_example(param: Param) -> bool:
    return _is_needed(param) or "example" in param.keywords
