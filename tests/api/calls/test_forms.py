"""``multipart/form-data`` from a caller, as ``curl -F`` sends it, for methods that send one themselves."""

from __future__ import annotations

import hashlib
import hmac
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.calls import form_params
from config import Settings
from sandbox import Sandbox
from tests.clock import FakeClock
from tests.ports import free_port

CATALOG = """
version: 1
services:
  s:
    base_url: {url}
    allow_private: true
    methods:
      send:
        http: POST /anything/{{id}}
        body: multipart
        params:
          id: {{type: integer}}
          media: {{type: object, required: true}}
          thumb: {{type: string, format: binary}}
          tags: {{type: array, items: {{type: string}}}}
          more: {{type: array, items: {{type: object}}}}
          size: {{type: integer, minimum: 1}}
          keep: {{type: boolean, in: query}}
          extra: {{type: object, properties: {{a: {{type: integer}}}}}}
      plain:
        http: POST /anything
        params: {{a: {{type: string}}}}
"""
PATH = "/api/v1/call/s/send"
PNG = b"\x89PNG\r\n\x1a\n\x00\xff--"


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, box: Sandbox, tmp_path: Path) -> Settings:
    catalog = tmp_path / "services.yaml"
    catalog.write_text(CATALOG.format(url=box.url), encoding="utf-8")
    return replace(settings, catalog=str(catalog), max_body=64 * 1024)


Post = Callable[..., Any]


@pytest.fixture
def post(client: FlaskClient, tokens: dict[str, dict[str, str]]) -> Post:
    def send(data: Any, path: str = PATH, **options: Any) -> Any:
        options.setdefault("content_type", "multipart/form-data")
        return client.post(path, data=data, headers=tokens["user"], **options)

    return send


def file(data: bytes = PNG, name: str = "cat.png") -> tuple[io.BytesIO, str, str]:
    return io.BytesIO(data), name, "image/png"


def test_files_and_fields_of_a_form_are_the_methods_parameters(post: Post, box: Sandbox) -> None:
    form = {
        "id": "7",
        "media": file(),
        "thumb": file(b"small", "t.png"),
        "tags": ["a", "b"],
        "size": "3",
        "extra": '{"a": 1}',
    }
    answer = post(form, f"{PATH}?keep=true")
    assert answer.status_code == 200, answer.json
    request = box.requests[-1]
    assert request.target == "/anything/7?keep=true"
    for part in (
        b'name="media"; filename="cat.png"\r\nContent-Type: image/png\r\n\r\n' + PNG + b"\r\n",
        b'name="thumb"; filename="thumb"\r\nContent-Type: application/octet-stream\r\n\r\nsmall\r\n',
        b'name="tags"\r\n\r\na\r\n',
        b'name="tags"\r\n\r\nb\r\n',
        b'name="size"\r\n\r\n3\r\n',
        b'name="extra"\r\nContent-Type: application/json\r\n\r\n{"a":1}\r\n',
    ):
        assert part in request.body


@pytest.mark.parametrize("count", [1, 2])
def test_a_list_of_files_may_be_one(post: Post, box: Sandbox, count: int) -> None:
    answer = post({"id": "7", "media": file(), "more": [file(name="x.png")] * count})
    assert answer.status_code == 200, answer.json
    assert box.requests[-1].body.count(b'name="more"; filename="x.png"') == count


def test_the_same_method_is_called_by_json_as_before(post: Post, box: Sandbox) -> None:
    body = '{"id": 7, "media": {"filename": "cat.png", "base64": "aGk="}}'
    assert post(body, content_type="application/json").status_code == 200
    assert b'filename="cat.png"' in box.requests[-1].body


def test_what_a_form_lacks_or_has_wrong_is_told_by_name(post: Post, box: Sandbox) -> None:
    answer = post({"id": "x", "size": "0", "tags": file(), "other": "1"})
    assert (answer.status_code, answer.json["code"]) == (400, -3003)
    assert answer.json["error"]["fields"] == {
        "id": ["Not a valid integer."],
        "media": ["Missing data for required field."],
        "other": ["Unknown field."],
        "size": ["Must be greater than or equal to 1."],
        "tags": ["Not a valid list."],
    }
    assert box.requests == []


def test_a_parameter_that_is_in_the_query_and_in_the_form_is_refused(post: Post) -> None:
    answer = post({"id": "7", "media": file()}, f"{PATH}?id=8")
    assert answer.json["error"]["fields"] == {"id": ["Given in the query and in the form."]}


def test_a_field_that_is_no_text_is_refused(post: Post) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="tags"\r\n\r\n\xff\r\n--b--\r\n'
    answer = post(form, content_type="multipart/form-data; boundary=b")
    assert answer.json["error"]["fields"] == {"tags": ["Not UTF-8; a file needs a filename."]}


@pytest.mark.parametrize("form", [b"--b\r\n", b"--b\r\nX: y\r\n\r\nz\r\n--b--"])
def test_a_broken_form_is_refused(post: Post, box: Sandbox, form: bytes) -> None:
    answer = post(form, content_type="multipart/form-data; boundary=b")
    assert (answer.status_code, answer.json["code"]) == (400, -3001)
    assert box.requests == []


def test_a_form_of_very_many_parts_is_refused(
    post: Post, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form_params, "MAX_PARTS", 5)
    answer = post({"media": "x", "tags": ["y"] * 5})
    assert (answer.status_code, answer.json["code"]) == (400, -3001)
    assert "5 parts" in answer.json["message"]
    assert box.requests == []


def test_a_form_over_the_limit_is_told_the_limit_and_the_way(post: Post, box: Sandbox) -> None:
    answer = post({"id": "7", "media": file(b"x" * 70_000)})
    assert (answer.status_code, answer.json["code"]) == (413, -3007)
    assert answer.json["message"] == (
        "The body may have at most 65536 bytes (MAX_BODY); a file, sent to POST /api/v1/files"
        " or to a method with stream: true, up to 67108864 (MAX_UPLOAD)."
        " Send less, or have an admin raise that."
    )
    assert box.requests == []


@pytest.mark.parametrize(
    ("path", "content_type", "message"),
    [
        ("s/plain", "multipart/form-data; boundary=b",
         "Send the body as application/json (curl --json); it came as multipart/form-data; boundary=b."),
        ("s/plain", "text/plain", "Send the body as application/json (curl --json); it came as text/plain."),
        ("s/plain", "", "Send the body as application/json (curl --json); it came without a Content-Type."),
        ("s/send", "text/plain",
         "Send the body as application/json (curl --json) or multipart/form-data (curl -F); it came as text/plain."),
    ],
)  # fmt: skip
def test_a_body_of_another_type_is_told_what_is_due(
    post: Post, box: Sandbox, path: str, content_type: str, message: str
) -> None:
    answer = post(b"--b--", f"/api/v1/call/{path}", content_type=content_type)
    assert (answer.status_code, answer.json["code"]) == (400, -3002)
    assert answer.json["message"] == message
    assert box.requests == []


def signed(clock: FakeClock, secret: str, body: bytes, nonce: str) -> dict[str, str]:
    timestamp = str(int(clock.wall()))
    lines = ("POST", PATH, timestamp, nonce, hashlib.sha256(body).hexdigest())
    signature = hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()
    names = ("X-App-Id", "X-Timestamp", "X-Nonce", "X-Signature")
    return dict(zip(names, ("shop", timestamp, nonce, signature), strict=True))


def test_an_app_signs_the_form_as_any_body(
    client: FlaskClient, tokens: dict[str, dict[str, str]], box: Sandbox, clock: FakeClock
) -> None:
    created = client.post(
        "/api/v1/apps", json={"app_id": "shop", "allow": ["s.*"]}, headers=tokens["admin"]
    )
    form = (
        b'--b\r\nContent-Disposition: form-data; name="id"\r\n\r\n7\r\n--b\r\n'
        b'Content-Disposition: form-data; name="media"; filename="a"\r\n\r\nhi\r\n--b--\r\n'
    )
    secret = created.json["data"]["secret"]
    kind = "multipart/form-data; boundary=b"
    headers = signed(clock, secret, form, "nonce-one")
    assert client.post(PATH, data=form, headers=headers, content_type=kind).status_code == 200
    wrong = signed(clock, secret, form + b"x", "nonce-two")
    assert client.post(PATH, data=form, headers=wrong, content_type=kind).status_code == 401
    assert len(box.requests) == 1


def test_openapi_says_that_it_takes_a_form(client: FlaskClient) -> None:
    paths = client.get("/openapi.json").json["paths"]
    content = paths["/api/v1/call/s/send"]["post"]["requestBody"]["content"]
    properties = content["multipart/form-data"]["schema"]["properties"]
    assert properties["media"] == properties["thumb"] == {"type": "string", "format": "binary"}
    assert properties["more"]["items"] == {"type": "string", "format": "binary"}
    assert properties["extra"]["type"] == "object"
    assert list(content) == ["application/json", "multipart/form-data"]
