from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Sandbox

Call = Callable[..., Any]


def test_anything_echoes_the_request(call: Call) -> None:
    echo = call("/anything/a%20b?x=1&x=2&y=", "PUT", {"名": 1}, X_Mine="yes").json
    assert (echo["method"], echo["path"]) == ("PUT", "/anything/a b")
    assert echo["query"] == {"x": ["1", "2"], "y": [""]}
    assert echo["headers"]["x-mine"] == "yes"
    assert echo["json"] == {"名": 1}


def test_anything_echoes_a_body_that_is_not_json_with_json_null(call: Call) -> None:
    echo = call("/anything", "POST", b'{"x": NaN}').json
    assert (echo["body"], echo["json"]) == ('{"x": NaN}', None)


def test_anything_survives_bottomless_json_and_lone_surrogates(call: Call) -> None:
    assert call("/anything", "POST", b"[" * 100_000).json["json"] is None
    assert call("/anything", "POST", b'"\\ud800"').json["json"] == "\ud800"


def test_items_are_created_read_changed_and_deleted(call: Call) -> None:
    created = call("/items", "POST", {"name": "pen"})
    assert (created.status, created.json) == (201, {"name": "pen", "id": 1})
    assert created.headers["Location"] == "/items/1"
    assert call("/items/1").json == {"name": "pen", "id": 1}
    assert call("/items/1", "PATCH", {"colour": "red"}).json == {
        "name": "pen",
        "colour": "red",
        "id": 1,
    }
    assert call("/items/1", "PUT", {"name": "cup"}).json == {"name": "cup", "id": 1}
    assert call("/items").json == {"items": [{"name": "cup", "id": 1}], "total": 1}
    assert call("/items/1", "DELETE").status == 204
    assert call("/items/1").status == 404


@pytest.mark.parametrize("body", [b"", b"nope", [1], {}, {"name": ""}, {"name": 3}])
def test_a_bad_item_gets_422(call: Call, body: Any) -> None:
    assert call("/items", "POST", body).status == 422


def test_a_wrong_verb_on_items_gets_405_with_allow(call: Call) -> None:
    answer = call("/items", "DELETE")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("code", [200, 204, 302, 304, 404, 418, 500, 599])
def test_status_answers_that_status_and_keeps_the_connection(
    box: Sandbox, call: Call, code: int
) -> None:
    assert call(f"/status/{code}").status == code
    assert call("/v1/health").json == {"status": "ok"}
    assert box.connections == 1


@pytest.mark.parametrize(
    "target", ["/status/99", "/status/abc", "/bytes/-1", "/bytes/99999999999", "/redirect"]
)
def test_senseless_parameters_get_422(call: Call, target: str) -> None:
    assert call(target).status == 422


@pytest.mark.parametrize(
    ("path", "header", "value"),
    [
        ("/basic", "Authorization", "Basic " + b64encode(b"sandbox:sandbox-secret").decode()),
        ("/bearer", "Authorization", "Bearer sandbox-token"),
        ("/api-key", "X-Api-Key", "sandbox-key"),
    ],
)
def test_a_guarded_path_needs_its_credentials(
    call: Call, path: str, header: str, value: str
) -> None:
    for wrong in ({}, {header: value + "x"}):
        refused = call(path, **wrong)
        assert refused.status == 401
        assert "sandbox" in refused.headers["WWW-Authenticate"]
    assert call(path, **{header: value}).json["authenticated"] is True


def test_a_redirect_leads_where_it_is_told_without_letting_headers_in(call: Call) -> None:
    answer = call("/redirect?to=http://127.0.0.1:1/x%3Fa=b%0d%0aEvil:1")
    assert (answer.status, answer.headers["Location"]) == (
        302,
        "http://127.0.0.1:1/x?a=b%0D%0AEvil:1",
    )
    assert "Evil" not in answer.headers


def test_cookies_are_set_in_two_headers_and_those_received_are_told(call: Call) -> None:
    answer = call("/cookies", Cookie="a=b")
    assert answer.json == {"cookie": "a=b"}
    assert len(answer.headers.get_all("Set-Cookie")) == 2


def test_bytes_gives_that_many(call: Call) -> None:
    assert len(call("/bytes/100000").body) == 100_000


def test_an_unknown_path_gets_a_json_404(call: Call) -> None:
    answer = call("/nowhere")
    assert (answer.status, answer.json["path"]) == (404, "/nowhere")
