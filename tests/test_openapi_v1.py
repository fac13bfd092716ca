"""What tests/openapi-v1.json promises is not taken back. ``make openapi`` writes it anew, for what is added."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import create_app
from config import Settings
from gateway.masking import Secret
from tests.breaking import breaking

Json = dict[str, Any]
PROMISED: Json = json.loads((Path(__file__).parent / "openapi-v1.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> Json:
    folder = tmp_path_factory.mktemp("openapi")
    app = create_app(
        Settings(
            jwt_secret=Secret("x" * 32),
            database_url=f"sqlite:///{folder / 'x.db'}",
            files_dir=str(folder),
        )
    )
    document: Json = app.test_client().get("/openapi.json").json
    return document


def test_nothing_that_v1_promises_is_taken_back(now: Json) -> None:
    assert breaking(PROMISED, now) == []


def test_the_promise_is_the_file_as_it_is(now: Json) -> None:
    assert now == PROMISED, "run: make openapi"


def test_what_is_added_breaks_nobody() -> None:
    new = copy.deepcopy(PROMISED)
    new["paths"]["/api/v1/more"] = {"get": new["paths"]["/healthz"]["get"]}
    operation(new)["parameters"].append(
        {"name": "more", "in": "query", "schema": {"type": "string"}}
    )
    schema(new, "ProductIn")["properties"]["more"] = {"type": "string"}
    schema(new, "ProductOut")["properties"]["more"] = {"type": "string"}
    schema(new, "ProductIn")["properties"]["name"]["maxLength"] = 300
    schema(new, "Failure")["properties"]["code"]["enum"].append(-9999)

    assert breaking(PROMISED, new) == []


def operation(document: Json, path: str = "/api/v1/products", verb: str = "get") -> Json:
    item: Json = document["paths"][path][verb]
    return item


def schema(document: Json, name: str) -> Json:
    schema: Json = document["components"]["schemas"][name]
    return schema


def body(document: Json) -> Json:
    body: Json = operation(document, "/api/v1/call/wechat/send_msg", "post")["requestBody"]
    return body


CHANGES: dict[str, Callable[[Json], Any]] = {
    "is gone": lambda new: new["paths"].pop("/api/v1/orders/{order_id}"),
    "DELETE /api/v1/products/{product_id} is gone": lambda new: new["paths"]["/api/v1/products/{product_id}"].pop("delete"),
    "in_stock is gone": lambda new: schema(new, "ProductOut")["properties"].pop("in_stock"),
    "category is gone": lambda new: schema(new, "ProductIn")["properties"].pop("category"),
    "query sort is gone": lambda new: operation(new)["parameters"].pop(3),
    "-1007 is gone": lambda new: schema(new, "Failure")["properties"]["code"]["enum"].remove(-1007),
    "409 is gone": lambda new: operation(new, verb="post")["responses"].pop("409"),
    "text/csv is gone": lambda new: operation(new)["responses"]["200"]["content"].pop("text/csv"),
    "stock is required now": lambda new: schema(new, "ProductIn")["required"].append("stock"),
    "stock is optional now": lambda new: schema(new, "ProductOut")["required"].remove("stock"),
    "query limit is required now": lambda new: operation(new)["parameters"][1].update(required=True),
    "a body is required now": lambda new: operation(new, "/api/v1/call/demo/list_items", "post")["requestBody"].update(required=True),
    "maxLength is 10": lambda new: schema(new, "ProductIn")["properties"]["name"].update(maxLength=10),
    "minimum is 5": lambda new: operation(new)["parameters"][0]["schema"].update(minimum=5),
    "pattern is ^x": lambda new: body(new)["content"]["application/json"]["schema"]["properties"]["text"].update(pattern="^x"),
    "enum is ['a']": lambda new: body(new)["content"]["application/json"]["schema"]["properties"]["text"].update(enum=["a"]),
    "-price is gone": lambda new: operation(new)["parameters"][3]["schema"]["enum"].remove("-price"),
    "it was null or string and is string": lambda new: schema(new, "ProductIn")["properties"]["category"].update(type="string"),
    "it was integer and is integer or null": lambda new: schema(new, "ProductOut")["properties"]["stock"].update(type=["integer", "null"]),
    "token no longer says who calls": lambda new: [each["post"].get("security", new["security"]).pop(1) for each in [new["paths"]["/api/v1/call"]]],
    "it asks who calls": lambda new: operation(new, "/healthz").pop("security"),
}  # fmt: skip


@pytest.mark.parametrize("message", CHANGES)
def test_what_is_taken_back_is_named(message: str) -> None:
    new = copy.deepcopy(PROMISED)
    CHANGES[message](new)

    problems = breaking(PROMISED, new)

    assert problems
    assert all(message in problem for problem in problems) or message.startswith("token"), problems
