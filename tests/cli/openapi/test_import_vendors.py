"""``flask catalog import`` of what vendors' own files do: each kind by the smallest file that does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from cli.openapi import VARIABLE, SpecError, import_spec, summarize
from gateway.catalog.loader import load_catalog

Values = dict[str, Any]
MAIN, UPLOADS = "https://api.example.com", "https://uploads.example.com"
OK = {"responses": {"200": {"description": "ok"}}}


def spec(paths: Values, **more: Any) -> Values:
    return {
        "openapi": "3.0.1",
        "info": {"title": "A", "version": "1"},
        "servers": [{"url": MAIN}],
        "paths": paths,
        **more,
    }


def text_of(description: Values, **options: Any) -> str:
    text = import_spec(json.dumps(description), **options)
    load_catalog(text, "imported", dict.fromkeys(VARIABLE.findall(text), "dummy-value"))
    return text


def service_of(text: str) -> Values:
    [service] = yaml.safe_load(text)["services"].values()
    return dict(service)


def imported_paths(description: Values, **options: Any) -> list[str]:
    service = service_of(text_of(description, **options))
    return [method["http"] for method in service["methods"].values()]


def body_method(body: Values) -> Values:
    paths = {
        "/a": {
            "post": {
                "requestBody": {
                    "content": {"application/json": {"schema": body.pop("schema")}},
                    **body,
                }
            }
        }
    }
    [method] = service_of(text_of(spec(paths)))["methods"].values()
    return dict(method)


# Operations in other files: DigitalOcean


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A description in several files, whose references lead on from where they stand."""
    files: dict[str, Values] = {
        "api/main.json": spec(
            {
                "/a": {"post": {"$ref": "resources/a.yml"}},
                "/b": {"$ref": "./resources/paths.yml#/b"},
            }
        ),
        "api/resources/a.yml": {
            "operationId": "make_a",
            "parameters": [{"$ref": "../shared/parameters.yml#/page"}],
            "requestBody": {
                "content": {"application/json": {"schema": {"$ref": "models/thing.yml"}}}
            },
        },
        "api/resources/models/thing.yml": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "part": {"$ref": "part.yml#/part"}},
        },
        "api/resources/models/part.yml": {
            "part": {"type": "object", "properties": {"id": {"$ref": "#/id"}}},
            "id": {"type": "integer"},
        },
        "api/resources/paths.yml": {"b": {"get": {"operationId": "list_b", **OK}}},
        "api/shared/parameters.yml": {
            "page": {"name": "page", "in": "query", "schema": {"type": "integer"}}
        },
        "secret.yml": {"get": {"operationId": "outside"}},
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content) if name.endswith(".json") else yaml.safe_dump(content))
    return tmp_path


def test_an_operation_in_another_file_is_imported_whole(folder: Path, app: Flask) -> None:
    done = app.test_cli_runner().invoke(
        args=["catalog", "import", str(folder / "api" / "main.json")]
    )
    assert done.exit_code == 0, done.output
    methods = service_of(done.stdout)["methods"]
    assert methods["list_b"] == {"http": "GET /b"}
    assert methods["make_a"]["params"] == {
        "page": {"type": "integer", "in": "query"},
        "name": {"type": "string", "required": True},
        "part": {"type": "object", "properties": {"id": {"type": "integer"}}},
    }


@pytest.mark.parametrize(
    "ref", ["resources/gone.yml", "../secret.yml", "https://a.example/x.yml", "/etc/passwd", "a\0b"]
)
def test_an_operation_in_a_file_that_is_not_there_is_left_out_with_a_word(
    folder: Path, ref: str
) -> None:
    paths = {"/a": {"get": {"$ref": ref}}, "/b": {"get": OK}}
    path = folder / "api" / "main.json"
    for file in (path, None):
        text = text_of(spec(paths), path=file)
        assert list(service_of(text)["methods"]) == ["get_b"]
        assert "# Left out: GET /a: " in text
        assert "1 operation left out" in summarize(text)


def test_a_file_that_names_itself_ends(folder: Path) -> None:
    (folder / "api" / "loop.yml").write_text("get: {$ref: loop.yml#/get}\n")
    text = text_of(
        spec({"/a": {"$ref": "loop.yml"}, "/b": {"get": OK}}), path=folder / "api" / "main.json"
    )
    assert "# Left out: GET /a: a reference to itself" in text


def test_a_reference_may_lead_through_others_and_one_that_leads_to_itself_ends(
    folder: Path,
) -> None:
    """As bundlers write them: into an operation, which is a reference itself."""
    through = "#/paths/~1a/post/requestBody/content/application~1json/schema"
    loop = "#/components/schemas/loop/properties/x"
    schemas = {"components": {"schemas": {"loop": {"$ref": loop}}}}
    bodies = {
        path: {"content": {"application/json": {"schema": {"$ref": ref}}}}
        for path, ref in (("b", through), ("c", loop))
    }
    paths = {f"/{path}": {"post": {"requestBody": body}} for path, body in bodies.items()}
    first = {"/a": {"post": {"$ref": "resources/a.yml"}}}
    text = text_of(spec({**first, **paths}, **schemas), path=folder / "api" / "main.json")
    assert list(service_of(text)["methods"]["post_b"]["params"]) == ["name", "part"]
    assert "# Left out: POST /c: a reference to itself" in text


# Servers of paths and operations: Twilio, Box, GitHub


@pytest.mark.parametrize("holder", ["path", "operation"])
def test_an_operation_at_the_file_s_own_server_is_imported_though_it_says_so(holder: str) -> None:
    servers = {"servers": [{"url": f"{MAIN}/"}]}
    item = {"get": OK, **servers} if holder == "path" else {"get": {**OK, **servers}}
    assert imported_paths(spec({"/a": item})) == ["GET /a"]
    assert imported_paths(spec({"/a": item}, servers=[])) == ["GET /a"], (
        "nor need the file name one"
    )


MIXED = spec({"/a": {"get": OK}, "/up": {"servers": [{"url": UPLOADS}], "post": OK}})


def test_an_operation_at_another_server_is_left_out_with_the_command_that_imports_it() -> None:
    text = text_of(MIXED)
    assert [method["http"] for method in service_of(text)["methods"].values()] == ["GET /a"]
    assert (
        f"# Left out: POST /up: at a server of its own; import it with --base-url {UPLOADS}, as another"
        in text
    )


def test_base_url_imports_the_operations_at_that_server_and_no_others() -> None:
    text = text_of(MIXED, base_url=UPLOADS)
    service = service_of(text)
    assert (service["base_url"], [method["http"] for method in service["methods"].values()]) == (
        UPLOADS,
        ["POST /up"],
    )
    assert f"# Left out: 1 operation at {MAIN}" in text
    assert "1 operation left out" in summarize(text)


def test_a_base_url_that_the_file_does_not_know_stands_for_its_server() -> None:
    assert imported_paths(MIXED, base_url="http://127.0.0.1:5099") == ["GET /a"]


def test_a_server_with_variables_is_that_with_any_value() -> None:
    server = {"url": "https://{shop}.example.com/v1", "variables": {"shop": {"default": "demo"}}}
    mixed = spec({"/a": {"get": OK}, "/shop": {"get": {**OK, "servers": [server]}}})
    assert imported_paths(mixed, base_url="https://mine.example.com/v1") == ["GET /shop"]


# Bodies that do not say whether they are required: Box, Twilio, OpenAI


def test_required_fields_stay_required_where_the_body_does_not_say_that_it_is() -> None:
    schema = {
        "type": "object",
        "required": ["x"],
        "properties": {"x": {"type": "string"}, "y": {"type": "string"}},
    }
    assert body_method({"schema": schema})["params"] == {
        "x": {"type": "string", "required": True},
        "y": {"type": "string"},
    }


def test_a_body_that_may_be_missing_asks_for_nothing_and_says_what_it_needs() -> None:
    schema = {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}}}
    body = {"content": {"application/json": {"schema": schema}}, "required": False}
    text = text_of(spec({"/a": {"post": {"requestBody": body}}}))
    [method] = service_of(text)["methods"].values()
    assert method["params"] == {"x": {"type": "string"}}
    assert "# a call without a body is one, too; a body needs x" in text
    assert "1 of them with notes" in summarize(text)


# Several keys at once: Plaid


def test_keys_that_are_needed_together_are_fixed_headers_and_query_with_variables() -> None:
    names = {
        "id": ("header", "PLAID-CLIENT-ID"),
        "secret": ("header", "PLAID-SECRET"),
        "v": ("query", "version"),
    }
    schemes = {
        key: {"type": "apiKey", "in": place, "name": name} for key, (place, name) in names.items()
    }
    parameter = {
        "name": "plaid-secret",
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
    }
    paths = {"/a": {"post": {**OK, "parameters": [parameter]}}}
    security = {
        "security": [{key: [] for key in names}],
        "components": {"securitySchemes": schemes},
    }
    text = text_of(spec(paths, **security), name="plaid")
    service = service_of(text)
    assert service["auth"] == {
        "type": "api_key",
        "in": "header",
        "name": "PLAID-CLIENT-ID",
        "value": "${PLAID_CLIENT_ID}",
    }
    assert (service["headers"], service["query"]) == (
        {"PLAID-SECRET": "${PLAID_SECRET}"},
        {"version": "${PLAID_VERSION}"},
    )
    assert service["methods"]["post_a"] == {"http": "POST /a"}, (
        "the credential is nothing that a caller gives"
    )
    assert "cannot say" not in text
    assert (
        "# Set in the environment or in .env: PLAID_CLIENT_ID, PLAID_SECRET, PLAID_VERSION" in text
    )


def test_a_key_beside_a_token_is_a_fixed_header() -> None:
    schemes = {
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "token": {"type": "http", "scheme": "bearer"},
    }
    security = {"security": [{"key": [], "token": []}], "components": {"securitySchemes": schemes}}
    service = service_of(text_of(spec({"/a": {"get": OK}}, **security)))
    assert (service["auth"]["type"], service["headers"]) == ("bearer", {"X-Key": "${A_API_KEY}"})


# Answers that are redirects: GitHub


def test_a_method_that_could_only_fail_is_left_out_with_a_word() -> None:
    redirect = {"responses": {"302": {"description": "there"}, "404": {"description": "no"}}}
    either = {"responses": {"302": {"description": "there"}, "200": {"description": "ok"}}}
    text = text_of(spec({"/tarball": {"get": redirect}, "/either": {"get": either}}))
    assert list(service_of(text)["methods"]) == ["get_either"]
    assert "# Left out: GET /tarball: its success is a redirect (302)" in text


# What is told


def test_nothing_to_import_is_refused_with_the_reasons() -> None:
    paths = {f"/{number}": {"get": {"$ref": f"{number}.yml"}} for number in range(9)}
    with pytest.raises(
        SpecError, match=r"(?s)no operation to import.*GET /0: 0.yml is another file.*and 4 more"
    ):
        import_spec(json.dumps(spec(paths)))


def test_the_command_says_on_stderr_how_much_it_imported(app: Flask, tmp_path: Path) -> None:
    (tmp_path / "api.json").write_text(json.dumps(MIXED))
    args = ["catalog", "import", str(tmp_path / "api.json"), "-o", str(tmp_path / "made.yaml")]
    done = app.test_cli_runner().invoke(args=args)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "A, version 1: 1 method, 0 of them with notes; 1 operation left out.\n"


@pytest.mark.parametrize("operation", [None, [], "text"])
def test_an_operation_that_is_none_is_left_out_with_a_word(operation: Any) -> None:
    assert "# Left out: GET /a: not a mapping" in text_of(
        spec({"/a": {"get": operation}, "/b": {"get": OK}})
    )


@pytest.mark.parametrize(
    ("variable", "param"),
    [
        ({}, {"type": "string", "pattern": "[A-Za-z0-9-]+"}),
        ({"default": "", "enum": ["eu", "us"]}, {"type": "string", "enum": ["eu", "us"]}),
        ({"enum": ["a/b"]}, {"type": "string", "pattern": "[A-Za-z0-9-]+"}),
    ],
)
def test_a_part_of_the_server_without_a_default_is_said_by_each_call(
    variable: Values, param: Values
) -> None:
    variables = {"shop": variable, "version": {"default": "v2"}}
    servers = [{"url": "https://{shop}.example.com/{version}", "variables": variables}]
    service = service_of(text_of(spec({"/a": {"get": OK}}, servers=servers)))
    assert service["base_url"] == "https://{shop}.example.com/v2"
    assert service["params"] == {"shop": param}
