"""The OpenAPI file: valid, whole, of the catalog that serves, and made once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.http.error_response import STATUS
from gateway.catalog.loader import CatalogError, load_catalog

CATALOG = """
version: 1
services:
  box:
    base_url: https://box.example
    auth: {type: bearer, token: x}
    health: {path: /health}
    concurrency: 5
    methods:
      find:
        http: GET /{kind}/things
        summary: Things of a kind
        params:
          kind: {type: string, required: true, enum: [big, small]}
          limit: {type: integer, minimum: 1, maximum: 9, default: 3}
          names: {type: array, items: {type: string, maxLength: 5}}
          note: {type: string, nullable: true, example: hello}
      keep:
        http: POST /things
        params:
          thing:
            type: object
            required: true
            properties: {id: {type: integer, required: true}, when: {type: string, format: date-time}}
      several:
        http: GET /several
        params:
          ids: {type: array, items: {type: integer}, explode: false, required: true}
          tags: {type: array, items: {type: string}, style: pipeDelimited}
          who: {oneOf: [{type: string}, {type: integer}], nullable: true, example: ann}
          labels: {type: object, additionalProperties: {type: string, nullable: true}, style: deepObject}
      lines:
        http: POST /lines
        body_param: lines
        params:
          lines: {type: array, required: true, items: {anyOf: [{type: object, properties: {a: {type: string}}, additionalProperties: true}, {type: string}]}}
      look:
        http: GET /look
        params: {filter: {type: object, required: true}}
aggregates:
  both:
    one: {call: box.find, params: {kind: $query.kind}}
    two: {call: box.keep, params: {thing: $body.thing}, optional: true}
"""


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def faults(content: dict[str, Any]) -> list[Exception]:
    """Return what the specification forbids. The validator takes seconds to import, in each process of a run."""
    from openapi_spec_validator import OpenAPIV31SpecValidator

    return list(OpenAPIV31SpecValidator(content).iter_errors())


def document(client: FlaskClient) -> dict[str, Any]:
    content: dict[str, Any] = client.get("/openapi.json").json
    return content


@pytest.fixture
def boxed(app: Flask, client: FlaskClient) -> dict[str, Any]:
    app.extensions["postern"].gateway.swap(load_catalog(CATALOG, "x", {}))
    return document(client)


def test_it_is_valid(client: FlaskClient, boxed: dict[str, Any]) -> None:
    assert faults(boxed) == []


def test_every_route_stands_in_it(app: Flask, client: FlaskClient) -> None:
    paths = document(client)["paths"]
    typed = {"/api/v1/call/{service}/{method}", "/api/v1/aggregate/{name}"}  # one for each, instead
    own = {
        "/openapi.json",
        "/docs",
        "/redoc",
        "/docs/{name}",
        "/docs/errors",
        "/docs/{name}.md",
        "/",
        "/console/{name}",
        "/me",
        "/admin",
        "/write",
    }
    own |= {
        f"/api/v1/proxy/{rest}" for rest in ("{service}", "{service}/{path}")
    }  # OpenAPI knows no path of any depth
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^<>:]+:)?([^<>]+)>", r"{\1}", rule.rule)
        for verb in () if path in typed | own else (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            assert verb.lower() in paths[path], f"{verb} {path}"


def test_every_code_stands_in_it_with_its_status(client: FlaskClient) -> None:
    content = document(client)
    enum = content["components"]["schemas"]["Failure"]["properties"]["code"]["enum"]
    answers = [name for name in content["components"]["responses"] if name.startswith("Failure_")]

    assert set(enum) == set(STATUS)
    for name in answers:
        status, *codes = map(int, name.split("_")[1:])
        assert all(
            STATUS[-code] == status or (status, code) in {(401, 1002), (503, 5000), (416, 3003)}
            for code in codes
        )


def test_a_method_is_an_operation_with_its_params(boxed: dict[str, Any]) -> None:
    post = boxed["paths"]["/api/v1/call/box/find"]["post"]
    content = post["requestBody"]["content"]["application/json"]

    assert (post["operationId"], post["summary"], post["tags"]) == (
        "box.find",
        "Things of a kind",
        ["box"],
    )
    assert content["schema"] == {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind"],
        "properties": {
            "kind": {"type": "string", "enum": ["big", "small"], "minLength": 1},
            "limit": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
            "names": {"type": "array", "items": {"type": "string", "maxLength": 5}},
            "note": {"type": ["string", "null"], "examples": ["hello"]},
        },
    }
    assert content["example"] == {"kind": "big", "note": "hello"}
    assert {"-1008", "-1010", "-1012"} <= {str(code) for code in codes_of(boxed, post)}
    assert -1013 not in codes_of(boxed, post)


def codes_of(document: dict[str, Any], operation: dict[str, Any]) -> set[int]:
    names = [answer.get("$ref", "").split("/")[-1] for answer in operation["responses"].values()]
    return {
        -int(code) for name in names if name.startswith("Failure_") for code in name.split("_")[2:]
    }


def test_a_get_method_can_be_asked_by_query_where_an_object_is_json(boxed: dict[str, Any]) -> None:
    find, look = boxed["paths"]["/api/v1/call/box/find"], boxed["paths"]["/api/v1/call/box/look"]
    params = {
        parameter["name"]: parameter
        for parameter in find["get"]["parameters"]
        if "name" in parameter
    }

    assert set(params) == {"kind", "limit", "names", "note"}
    assert params["kind"]["required"]
    assert params["note"]["schema"]["type"] == "string"  # a query knows no null
    [filter_] = [
        parameter for parameter in look["get"]["parameters"] if parameter.get("name") == "filter"
    ]
    assert (
        filter_["required"] and filter_["content"]["application/json"]["schema"]["type"] == "object"
    )
    assert set(boxed["paths"]["/api/v1/call/box/keep"]) == {"post"}


def test_lists_are_asked_for_as_the_vendor_has_them(boxed: dict[str, Any]) -> None:
    get = boxed["paths"]["/api/v1/call/box/several"]["get"]
    ids, tags, who, labels = get["parameters"][:4]

    assert (ids["style"], ids["explode"], ids["schema"]["type"]) == ("form", False, "array")
    assert (tags["style"], tags["explode"]) == ("pipeDelimited", False)
    assert who["schema"] == {
        "oneOf": [{"type": "string"}, {"type": "integer"}],
        "examples": ["ann"],
    }
    assert labels["content"]["application/json"]["schema"] == {
        "type": "object",
        "additionalProperties": {"type": ["string", "null"]},
    }


def test_shapes_and_other_names_are_typed(boxed: dict[str, Any]) -> None:
    several = boxed["paths"]["/api/v1/call/box/several"]["post"]["requestBody"]
    lines = boxed["paths"]["/api/v1/call/box/lines"]["post"]["requestBody"]

    properties = several["content"]["application/json"]["schema"]["properties"]
    assert properties["who"]["oneOf"][-1] == {"type": "null"}
    assert lines["content"]["application/json"]["schema"]["properties"]["lines"]["items"] == {
        "anyOf": [
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "additionalProperties": True,
            },
            {"type": "string"},
        ]
    }


def test_an_aggregate_is_an_operation_with_what_its_parts_take(boxed: dict[str, Any]) -> None:
    both = boxed["paths"]["/api/v1/aggregate/both"]
    query = {
        parameter["name"]: parameter
        for parameter in both["post"]["parameters"]
        if "name" in parameter
    }

    assert set(both) == {"post"}
    assert query["kind"]["schema"]["enum"] == ["big", "small"]
    thing = both["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"][
        "thing"
    ]
    assert thing["required"] == ["id"]


def test_it_is_the_same_for_all_and_not_sent_twice(client: FlaskClient) -> None:
    first = client.get("/openapi.json")
    second = client.get(
        "/openapi.json", headers={"If-None-Match": first.headers["ETag"], "Accept-Encoding": "gzip"}
    )

    assert (first.status_code, second.status_code, second.data) == (200, 304, b"")


def test_a_new_catalog_is_another_file(app: Flask, client: FlaskClient) -> None:
    before = client.get("/openapi.json")
    app.extensions["postern"].gateway.swap(load_catalog(CATALOG, "x", {}))
    after = client.get("/openapi.json", headers={"If-None-Match": before.headers["ETag"]})

    assert after.status_code == 200
    assert "/api/v1/call/box/find" in after.json["paths"]
    assert "/api/v1/call/wechat/send_msg" not in after.json["paths"]


def test_a_read_that_promises_an_etag_has_one_and_minds_accept(
    client: FlaskClient, tokens: dict[str, dict[str, str]]
) -> None:
    client.get("/api/v1/call/maps/geocode", headers={**tokens["admin"], "X-Request-ID": "r1"})
    client.post("/api/v1/products", json={"name": "Tea", "price": 1}, headers=tokens["admin"])
    promising = [
        path.replace("{product_id}", "1").replace("{request_id}", "r1")
        for path, item in document(client)["paths"].items()
        if "ETag" in item.get("get", {}).get("responses", {}).get("200", {}).get("headers", {})
    ]

    def read(path: str, **headers: str) -> Any:
        return client.get(path, headers={**tokens["admin"], **headers})

    for path in [path for path in promising if "{" not in path]:
        etag = read(path).headers.get("ETag")
        assert etag, path
        assert read(path, **{"If-None-Match": etag}).status_code == 304, path
        refused = read(path, Accept="image/png")
        assert (refused.status_code, refused.json["code"]) == (406, -3010), path


@pytest.mark.parametrize("etag", ['""', 'W/""', '"", "x"', "*", "x"])
def test_an_odd_etag_is_no_internal_error(
    client: FlaskClient, tokens: dict[str, Any], etag: str
) -> None:
    for path in ("/openapi.json", "/api/v1/products", "/docs"):
        assert client.get(path, headers={"If-None-Match": etag, **tokens["user"]}).status_code in (
            200,
            304,
        )


def test_options_tells_a_methods_own_verbs(client: FlaskClient) -> None:
    def allowed(name: str) -> set[str]:
        return set(client.options(f"/api/v1/call/{name}").headers["Allow"].split(", "))

    assert allowed("wechat/send_msg") == {"OPTIONS", "POST"}
    assert allowed("maps/geocode") == {"GET", "HEAD", "OPTIONS", "POST"}


def test_a_number_of_any_size_stands_in_it_as_it_is(app: Flask, client: FlaskClient) -> None:
    low, high = -9223372036854776000, 10**300
    numbers = (
        f"minimum: {low}, maximum: {high}, enum: [{low}, {high}], default: {low}, example: {high}"
    )
    catalog = f"""
version: 1
services:
  box:
    base_url: https://box.example
    methods:
      find:
        http: POST /things
        params:
          seed: {{type: integer, {numbers}}}
          text: {{type: string, required: true, minLength: {high}}}
          list: {{type: array, required: true, minItems: {high}, items: {{type: integer}}}}
"""
    app.extensions["postern"].gateway.swap(load_catalog(catalog, "x", {}))
    content = document(client)["paths"]["/api/v1/call/box/find"]["post"]["requestBody"]["content"][
        "application/json"
    ]
    seed = content["schema"]["properties"]["seed"]
    printed = app.test_cli_runner().invoke(args=["openapi"])

    assert (seed["minimum"], seed["maximum"], seed["enum"], seed["default"]) == (
        low,
        high,
        [low, high],
        low,
    )
    assert (seed["examples"], content["example"]["seed"]) == ([high], high)
    assert printed.exit_code == 0


def test_a_number_that_is_infinite_is_no_number_of_a_catalog() -> None:
    huge = f"{'9' * 300}.0e99"
    catalog = f"""
version: 1
services:
  box:
    base_url: https://box.example
    methods: {{find: {{http: GET /, params: {{a: {{type: number, maximum: {huge}}}}}}}}}
"""
    with pytest.raises(CatalogError, match="Not a valid number"):
        load_catalog(catalog, "x", {})


def _values(value: Any) -> Any:
    yield value
    for inner in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from _values(inner)


def test_what_generators_make_types_of_has_a_name_of_its_own(
    app: Flask, client: FlaskClient
) -> None:
    """openapi-python-client drops what refers into another schema, and makes a type for each answer without a name."""
    upload = (
        "{http: POST /up, stream: true, body: raw, params: {file: {type: string, format: binary}}}"
    )
    catalog = CATALOG.partition("aggregates:")[0] + f"      up: {upload}\n"
    app.extensions["postern"].gateway.swap(load_catalog(catalog, "x", {}))
    content = document(client)
    for value in _values(content):
        reference = value.get("$ref") if isinstance(value, dict) else None
        assert not isinstance(reference, str) or re.fullmatch(
            r"#/components/[a-zA-Z]+/[^/]+", reference
        )
    for name, answer in content["components"]["responses"].items():
        schema = (
            answer["content"]["application/json"]["schema"] if "content" in answer else {"$ref": ""}
        )
        assert list(schema) == ["$ref"], name
    body = content["paths"]["/api/v1/call/box/up"]["post"]["requestBody"]["content"]
    assert body == {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def test_bytes_are_base64_in_json_and_files_in_a_form(app: Flask, client: FlaskClient) -> None:
    methods = """
      put: {http: PUT /f, body: raw, params: {content: {type: string, format: binary}}}
      send:
        http: POST /f
        body: multipart
        params:
          one: {type: string, format: binary}
          more: {type: array, items: {type: string, format: binary}}
"""
    catalog = CATALOG.partition("aggregates:")[0] + methods
    app.extensions["postern"].gateway.swap(load_catalog(catalog, "x", {}))
    paths = document(client)["paths"]

    def properties(method: str, media: str) -> Any:
        content = paths[f"/api/v1/call/box/{method}"]["post"]["requestBody"]["content"]
        return content[media]["schema"]["properties"]

    base64 = {"type": "string", "format": "byte"}
    file = {"type": "string", "format": "binary"}
    assert properties("put", "application/json") == {"content": base64}
    more = {"type": "array", "items": base64}
    assert properties("send", "application/json") == {"one": base64, "more": more}
    more = {"type": "array", "items": file}
    assert properties("send", "multipart/form-data") == {"one": file, "more": more}


RETURNS = """{id: {type: integer, required: true}, name: {type: string, nullable: true},
  size: {oneOf: [{type: integer}, {type: object, properties: {x: {type: number}}}], nullable: true},
  tags: {type: array, items: {type: object, required: [a], properties: {a: {type: string}}}}}"""


def test_what_a_method_returns_types_its_data_under_a_name(app: Flask, client: FlaskClient) -> None:
    catalog = CATALOG.replace(
        "http: GET /look", f"http: GET /look\n        returns: {RETURNS}", 1
    ).replace("http: POST /things", "http: POST /things\n        response_headers: [Link]", 1)
    paginate = "paginate: {by: page, param: limit}"
    catalog = catalog.replace("summary: Things of a kind", paginate, 1)
    app.extensions["postern"].gateway.swap(load_catalog(catalog, "x", {}))
    content = document(client)
    assert faults(content) == []
    for verb in ("get", "post"):
        answer = content["paths"]["/api/v1/call/box/look"][verb]["responses"]["200"]
        schema = answer["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Answer.box.look"}
        assert "X-Attempts" in answer["headers"]
    envelope = content["components"]["schemas"]["Answer.box.look"]
    assert envelope["required"] == ["code", "message", "data", "request_id", "timestamp"]
    tag = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    assert envelope["properties"]["data"] == {
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "integer"},
            "name": {"type": ["string", "null"]},
            "size": {
                "oneOf": [
                    {"type": "integer"},
                    {"type": "object", "properties": {"x": {"type": "number"}}},
                    {"type": "null"},
                ]
            },
            "tags": {"type": "array", "items": tag},
        },
    }
    untyped = content["paths"]["/api/v1/call/box/keep"]["post"]["responses"]["200"]
    assert untyped["content"]["application/json"]["schema"]["$ref"].endswith("/Answer")
    assert untyped["headers"]["Link"]["schema"] == {"type": "string"}
    pages = content["components"]["schemas"]["Answer.box.find"]["properties"]
    assert pages["next"]["type"] == ["object", "null"]
    assert "type" not in pages["data"]


def test_of_all_pages_the_data_is_the_list_that_one_page_has(
    app: Flask, client: FlaskClient
) -> None:
    page = "returns: {rows: {type: array, items: {type: integer}}, more: {type: boolean}}"
    declared = f"{page}\n        paginate: {{by: link, items: rows}}"
    catalog = CATALOG.replace("summary: Things of a kind", declared, 1)
    app.extensions["postern"].gateway.swap(load_catalog(catalog, "x", {}))
    content = document(client)
    assert faults(content) == []
    one, every = content["components"]["schemas"]["Answer.box.find"]["properties"]["data"]["anyOf"]
    assert list(one["properties"]) == ["rows", "more"]
    assert (every["type"], every["items"]) == ("array", {"type": "integer"})
    header = {"$ref": "#/components/parameters/Paginate"}
    for path, paginates in (("find", True), ("look", False)):
        parameters = content["paths"][f"/api/v1/call/box/{path}"]["post"]["parameters"]
        assert (header in parameters) == paginates
