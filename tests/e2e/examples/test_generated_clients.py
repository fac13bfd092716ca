"""Clients that others' generators make of the OpenAPI file: every method of them is called, and what comes back has its type."""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from examples.postman.make import LEFT_OUT, SAVED_VARIABLES, collection
from tests.e2e.live import BIN, PASSWORD, Live
from tests.e2e.npm import MODULES, NEEDS_NPM

GENERATOR = BIN / "openapi-python-client"
HAS_GENERATOR = importlib.util.find_spec("openapi_python_client") is not None
HAS_TYPESCRIPT = (MODULES / "openapi-typescript").is_dir()
NEEDS_GENERATOR = pytest.mark.skipif(
    not HAS_GENERATOR, reason="not installed: make check installs requirements/dev.txt"
)
NEEDS_TYPESCRIPT = pytest.mark.skipif(
    not HAS_TYPESCRIPT, reason="not installed: npm ci --prefix tests/npm"
)
VARIABLE = re.compile(r"\{\{(.+?)\}\}")
#: What needs a vendor's page: it is asked for a service that has none.
FAILURES = {"authorize_connection": 409, "complete_connection": 400}


class Step:
    """One method with what it is called with: texts may have ``{{variables}}``, which earlier steps keep."""

    def __init__(self, name: str, verb: str, path: str, operation: dict[str, Any]) -> None:
        self.name = name
        self.verb = verb
        self.path = path
        self.operation = operation
        self.path_values: dict[str, str] = {}
        self.body: str | None = None
        self.has_file = False
        self.status = FAILURES.get(name, 200)

    def fill_from(self, request: dict[str, Any]) -> None:
        """Take the values of a request of the Postman collection."""
        names = self.path.split("/")
        sent = ["", *request["url"]["path"]]
        self.path_values = {
            name[1:-1]: value
            for name, value in zip(names, sent, strict=True)
            if name.startswith("{")
        }
        body = request.get("body", {})
        self.has_file = body.get("mode") == "formdata"
        self.body = body.get("raw")

    @property
    def media_types(self) -> set[str]:
        return {
            media
            for status, answer in self.operation["responses"].items()
            if status.startswith("2")
            for media in answer.get("content", {})
        }


def steps(document: dict[str, Any]) -> list[Step]:
    """Return every method in an order that works: that of the Postman collection, then what it leaves out."""
    known = {
        operation["operationId"]: Step(operation["operationId"], verb, path, operation)
        for path, item in document["paths"].items()
        for verb, operation in item.items()
        if verb != "parameters"
    }
    ordered = []
    for folder in collection(document)["item"]:
        for item in folder["item"]:
            step = known[item["name"].partition(":")[0]]
            copy = Step(step.name, step.verb, step.path, step.operation)
            copy.fill_from(item["request"])
            ordered.append(copy)
    for name in sorted(LEFT_OUT):
        known[name].path_values = {"service": "wechat"} if "{service}" in known[name].path else {}
        ordered.insert(-1, known[name])
    assert {step.name for step in ordered} == set(known)
    return ordered


class Kept:
    """The variables: those of the collection's environment, and what steps keep of their answers."""

    def __init__(self) -> None:
        self.values = {"username": "ann", "password": PASSWORD, "token": "", "service": "wechat"}

    def fill(self, text: str) -> str:
        return VARIABLE.sub(lambda found: self._value(found[1]), text)

    def _value(self, name: str) -> str:
        return uuid.uuid4().hex if name == "$guid" else str(self.values[name])

    def keep(self, step: Step, answer: Any) -> None:
        for name, place in SAVED_VARIABLES.get(step.name, {}).items():
            value = answer["data"]
            for part in re.findall(r"[A-Za-z_]+|\d+", place):
                value = value[int(part)] if part.isdigit() else value[part]
            self.values[name] = value


@pytest.fixture(scope="module")
def document(live: Live) -> dict[str, Any]:
    live.call("wechat.send_msg", {"touser": "o6_bmjrPTlm6", "text": "hello"})
    document: dict[str, Any] = live.get("/openapi.json").json()
    return document


@pytest.fixture(scope="module")
def folder(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clients")
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def python_client(folder: Path) -> Iterator[Path]:
    (folder / "settings.yaml").write_text("post_hooks: []\n", encoding="utf-8")
    words = ["generate", "--path", "openapi.json", "--config", "settings.yaml", "--meta", "none"]
    printed = run(GENERATOR, *words, "--output-path", "generated", cwd=folder)
    assert "WARNING" not in printed, printed  # it leaves out what it does not understand
    sys.path.insert(0, str(folder))
    yield folder / "generated"
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "generated"]:
        del sys.modules[name]


@NEEDS_GENERATOR
def test_every_method_of_a_python_client_is_called(
    python_client: Path, document: dict[str, Any], live: Live
) -> None:
    client_class = importlib.import_module("generated.client").AuthenticatedClient
    kept = Kept()
    for step in steps(document):
        (file,) = python_client.glob(f"api/*/{step.name.replace('.', '_')}.py")
        name = ".".join(file.relative_to(python_client.parent).with_suffix("").parts)
        call = importlib.import_module(name).sync_detailed
        client = client_class(base_url=live.url, token=kept.values["token"] or "none")
        response = call(client=client, **arguments(step, call, kept))
        said = (step.name, response.status_code, response.content[:500])
        expected = range(200, 300) if step.status == 200 else [step.status]
        assert response.status_code in expected, said
        if step.media_types == {"application/json"} or step.status != 200:
            assert type(response.parsed).__module__.startswith("generated.models."), said
            assert type(response.parsed).__name__.startswith("Failure") is (step.status != 200)
        if step.name in SAVED_VARIABLES:
            kept.keep(step, json.loads(response.content))


def arguments(step: Step, call: Callable[..., Any], kept: Kept) -> dict[str, Any]:
    """Return what this function of the generated client takes."""
    hints = get_type_hints(call)
    values: dict[str, Any] = {
        name: hints[name](kept.fill(value)) for name, value in step.path_values.items()
    }
    for parameter in step.operation.get("parameters", ()):
        if parameter.get("in") == "query" and parameter.get("required"):
            values[parameter["name"]] = hints[parameter["name"]](parameter["example"])
    if step.has_file:
        file = importlib.import_module("generated.types").File
        values["body"] = hints["body"](file=file(io.BytesIO(b"hello"), "hello.txt", "text/plain"))
    elif step.body is not None:
        kinds = get_args(hints["body"]) or (hints["body"],)
        values["body"] = kinds[0].from_dict(json.loads(kept.fill(step.body)))
    return values


TYPESCRIPT = """
import createClient from "openapi-fetch";
import type { paths } from "./api";
declare const process: { env: Record<string, string>; exitCode: number };
const client = createClient<paths>({ baseUrl: process.env.BASE });
const kept: Record<string, any> = JSON.parse(process.env.KEPT);
const v = (name: string): any => (name === "$guid" ? crypto.randomUUID() : kept[name]);
const headers = () => (kept.token ? { Authorization: `Bearer ${kept.token}` } : {});
function check(name: string, expected: number, { data, error, response }: { data?: any; error?: any; response: Response }): any {
  if (expected === 200 ? !response.ok : response.status !== expected) {
    throw new Error(`${name}: ${response.status} ${JSON.stringify(error)}`);
  }
  console.log(name);
  return data?.data;
}
"""


@NEEDS_NPM
@NEEDS_TYPESCRIPT
def test_every_method_of_a_typescript_client_is_called(
    folder: Path, document: dict[str, Any], live: Live
) -> None:
    planned = steps(document)
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    lines = [TYPESCRIPT, *map(statement, planned)]
    (folder / "calls.ts").write_text("\n".join(lines), encoding="utf-8")
    run(
        MODULES / ".bin" / "openapi-typescript",
        "openapi.json",
        "-o",
        "api.d.ts",
        "--default-non-nullable=false",
        cwd=folder,
    )
    options = "--strict --target es2022 --module es2022 --moduleResolution bundler --lib es2022,dom"
    run(MODULES / ".bin" / "tsc", *options.split(), "--skipLibCheck", "calls.ts", cwd=folder)
    env = {"BASE": live.url, "KEPT": json.dumps(Kept().values)}
    called = run("node", "calls.js", cwd=folder, **env).splitlines()
    assert called == [step.name for step in planned]


def statement(step: Step) -> str:
    """Return a call of one method, its parameters written where the types are checked."""
    query = {
        parameter["name"]: parameter["example"]
        for parameter in step.operation.get("parameters", ())
        if parameter.get("in") == "query" and parameter.get("required")
    }
    options = ["headers: headers()"]
    params = []
    if step.path_values:
        places = ", ".join(f"{name}: {_code(value)}" for name, value in step.path_values.items())
        params.append(f"path: {{ {places} }}")
    if query:
        params.append(f"query: {json.dumps(query)}")
    if params:
        options.append(f"params: {{ {', '.join(params)} }}")
    if step.has_file:
        options.append(
            'body: { file: "hello" }, bodySerializer: (body) => { const form = new FormData(); '
            'form.append("file", new Blob([body.file]), "hello.txt"); return form; }'
        )
    elif step.body is not None:
        options.append(f"body: {_literal(step.body)}")
    if "application/json" not in step.media_types:
        options.append('parseAs: "text"')
    verb = step.verb.upper()
    asked = f"await client.{verb}({json.dumps(step.path)}, {{ {', '.join(options)} }})"
    checked = f"check({json.dumps(step.name)}, {step.status}, {asked})"
    taken = "".join(
        f" kept.{name} = data.{place};"
        for name, place in SAVED_VARIABLES.get(step.name, {}).items()
    )
    return f"{{ const data = {checked};{taken} }}" if taken else f"{checked};"


def _code(text: str) -> str:
    """Return the expression for a text that may be a variable."""
    whole = VARIABLE.fullmatch(text)
    return f"v({json.dumps(whole[1])})" if whole else json.dumps(text)


def _literal(body: str) -> str:
    """Return JSON with variables as a literal of TypeScript."""
    in_texts = re.sub(
        r'"(?:[^"\\]|\\.)*"',
        lambda found: (
            "`" + VARIABLE.sub(r'${v("\1")}', found[0][1:-1]) + "`"
            if "{{" in found[0]
            else found[0]
        ),
        body,
    )
    return re.sub(r"(?<![$`{])\{\{([a-z_]+)\}\}", r'v("\1")', in_texts)
