"""A Postman collection from an OpenAPI file: ``flask openapi | python postman/make.py``.

Postman runs requests from top to bottom, so they stand in an order that works: what is made comes
before what uses it, what ends something comes last. Each keeps what later ones need: the token, the
ids of what it made.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
Json = dict[str, Any]

#: Operations in this order; all others stand between ``reduce_stock`` and ``disable_app``.
FIRST = (
    "login", "refresh", "get_profile", "create_user", "get_user",
    "create_app", "get_app", "change_app", "rotate_secret", "create_product", "get_product",
    "replace_product", "change_product", "reduce_stock", "create_order",
    "get_order", "pay_order",
    "keep_document", "get_document", "upload_file", "download_file", "list_calls", "get_call",
)  # fmt: skip
LAST = (
    "disable_app", "enable_app", "delete_app",
    "delete_document", "delete_file", "delete_product", "delete_user", "logout",
)  # fmt: skip
#: What needs a browser, a vendor's page and an admin.
LEFT_OUT = {"authorize_connection", "complete_connection", "delete_connection"}
#: What an operation keeps of its answer: variable -> where it stands under ``data``.
SAVED_VARIABLES = {
    "login": {"token": "access_token", "refresh_token": "refresh_token"},
    "refresh": {"token": "access_token", "refresh_token": "refresh_token"},
    "get_profile": {"my_id": "id"},
    "create_user": {"user_id": "id"},
    "create_app": {"app_id": "app_id"},
    "create_product": {"product_id": "id"},
    "create_order": {"order_id": "id"},
    "keep_document": {"key": "key"},
    "upload_file": {"file_id": "id"},
    "list_calls": {"request_id": "items[0].request_id"},
}
#: What differs from the file's example, because it is used up by the first run or is another's.
BODIES: dict[str, Json] = {
    "login": {"username": "{{username}}", "password": "{{password}}"},
    "refresh": {"refresh_token": "{{refresh_token}}"},
    "create_user": {"username": "postman-{{$guid}}", "password": "correct-horse-battery"},
    "create_app": {"app_id": "postman-{{$guid}}", "allow": ["wechat.*"], "rate": "100/minute"},
    "create_product": {
        "name": "Teapot {{$guid}}",
        "price": "12.50",
        "stock": 20,
        "category": "kitchen",
    },
    "replace_product": {
        "name": "Teapot {{$guid}}",
        "price": "13.00",
        "stock": 20,
        "category": "kitchen",
    },
    "change_password": {"current_password": "{{password}}", "new_password": "{{password}}"},
    "keep_document": {"key": "postman-{{$guid}}", "value": {"text": "hello"}},
}
PATHS = {"list_orders": {"user_id": "my_id"}, "create_order": {"user_id": "my_id"}}
SINGLE_USE = {"delete_product"}  # the product is on an order by now, so another one is made first
ENVIRONMENT = {
    "base": "http://127.0.0.1:5000",
    "username": "admin",
    "password": "",
    "token": "",
    "service": "wechat",
    "app_id": "",
    "app_secret": "",
}
#: Runs before each request. What it signs is what is sent: variables are put in once, here.
SIGN = """\
// With app_id and app_secret in the environment, requests without files are signed as that app.
const secret = pm.environment.get('app_secret');
const body = pm.request.body;
if (secret && (!body || body.mode === 'raw')) {
  const crypto = require('crypto-js');
  if (body) body.raw = pm.variables.replaceIn(body.raw);
  const url = pm.variables.replaceIn(pm.request.url.toString()).replace(/'/g, '%27');
  pm.request.url.update(url.replace(/[^!-~]+|["<>`{}|\\\\^]/g, encodeURIComponent));
  const timestamp = String(Math.floor(Date.now() / 1000));
  const nonce = crypto.lib.WordArray.random(16).toString();
  const hash = crypto.SHA256(body ? body.raw : '').toString();
  const target = pm.request.url.getPathWithQuery();
  const text = [pm.request.method, target, timestamp, nonce, hash].join('\\n');
  const signature = crypto.HmacSHA256(text, secret).toString();
  const proof = {
    'X-App-Id': pm.environment.get('app_id'), 'X-Timestamp': timestamp, 'X-Nonce': nonce,
    'X-Content-SHA256': hash, 'X-Signature': signature,
  };
  Object.entries(proof).forEach(([key, value]) => pm.request.headers.upsert({ key, value }));
}"""
NO_TOKEN = {"login", "refresh"}


def collection(document: Json) -> Json:
    """The file's operations as Postman's collection format 2.1, a folder for each step or tag."""
    operations = {operation["operationId"]: operation for operation in _operations(document)}
    for name in LEFT_OUT:
        operations.pop(name, None)
    middle = sorted(
        (operation for name, operation in operations.items() if name not in FIRST + LAST),
        key=_place,
    )
    chosen = [*(operations[name] for name in FIRST), *middle, *(operations[name] for name in LAST)]
    folders: list[Json] = []
    for operation in chosen:
        if not folders or folders[-1]["name"] != operation["tags"][0]:
            folders.append({"name": operation["tags"][0], "item": []})
        if operation["operationId"] in SINGLE_USE:
            folders[-1]["item"].append(_item(document, operations["create_product"]))
        folders[-1]["item"].append(_item(document, operation))
    return {
        "info": {
            "name": document["info"]["title"],
            "description": (
                "Choose the environment, fill in the password, and run it from top to bottom."
            ),
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "auth": {
            "type": "bearer",
            "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}],
        },
        "event": [
            {
                "listen": "prerequest",
                "script": {"type": "text/javascript", "exec": SIGN.splitlines()},
            }
        ],
        "item": folders,
    }


def environment() -> Json:
    """Where it runs, and who logs in."""
    values = [{"key": key, "value": value, "enabled": True} for key, value in ENVIRONMENT.items()]
    return {
        "name": "Postern on this machine",
        "values": values,
        "_postman_variable_scope": "environment",
    }


def _operations(document: Json) -> list[Json]:
    return [
        {
            **operation,
            "path": path,
            "verb": verb,
            "parameters": _parameters(document, item, operation),
        }
        for path, item in document["paths"].items()
        for verb, operation in item.items()
        if verb != "parameters"
    ]


def _parameters(document: Json, item: Json, operation: Json) -> list[Json]:
    parameters = [*item.get("parameters", ()), *operation.get("parameters", ())]
    components = document["components"]["parameters"]
    return [
        components[parameter["$ref"].split("/")[-1]] if "$ref" in parameter else parameter
        for parameter in parameters
    ]


def _place(operation: Json) -> tuple[str, str]:
    return operation["tags"][0], operation["operationId"]


def _item(document: Json, operation: Json) -> Json:
    name = operation["operationId"]
    request: Json = {"method": operation["verb"].upper(), "header": [], "url": _url(operation)}
    request["description"] = operation.get("description", operation["summary"])
    if name in NO_TOKEN or operation.get("security") == []:
        request["auth"] = {"type": "noauth"}
    if body := _body(operation):
        request["body"] = body
        if body["mode"] == "raw":
            request["header"].append({"key": "Content-Type", "value": "application/json"})
    test = {"listen": "test", "script": {"type": "text/javascript", "exec": _script(name)}}
    return {"name": f"{name}: {operation['summary']}", "request": request, "event": [test]}


def _url(operation: Json) -> Json:
    renamed = PATHS.get(operation["operationId"], {})
    path = operation["path"]
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            variable = renamed.get(
                parameter["name"], "service" if parameter["name"] == "name" else parameter["name"]
            )
            path = path.replace(f"{{{parameter['name']}}}", f"{{{{{variable}}}}}")
    query = [
        {
            "key": parameter["name"],
            "value": str(_value(parameter)),
            "disabled": not parameter.get("required", False),
        }
        for parameter in operation["parameters"]
        if parameter["in"] == "query"
    ]
    raw = "{{base}}" + path
    return {"raw": raw, "host": ["{{base}}"], "path": path.lstrip("/").split("/"), "query": query}


def _value(parameter: Json) -> Any:
    schema = parameter["schema"]
    return parameter.get("example", schema.get("default", schema.get("enum", [""])[0]))


def _body(operation: Json) -> Json | None:
    content = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content and "application/json" not in content:
        return {
            "mode": "formdata",
            "formdata": [{"key": "file", "type": "file", "src": "hello.txt"}],
        }
    if "application/json" not in content:
        return None
    example = BODIES.get(operation["operationId"], content["application/json"].get("example", {}))
    text = json.dumps(example, indent=2, ensure_ascii=False).replace(
        '"product_id": 1', '"product_id": {{product_id}}'
    )
    return {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}


def _script(name: str) -> list[str]:
    lines = ["pm.test('success', () => pm.expect(pm.response.code).to.be.within(200, 299));"]
    return lines + [
        f"pm.environment.set('{key}', pm.response.json().data.{at});"
        for key, at in SAVED_VARIABLES.get(name, {}).items()
    ]


def main() -> None:
    document = json.load(sys.stdin)
    for name, content in (("collection", collection(document)), ("environment", environment())):
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (FOLDER / f"postern.postman_{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
