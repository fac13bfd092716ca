"""What bad input gets where the service owns the data, said to a live server on each database."""

from __future__ import annotations

import csv
import io
import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.live import PASSWORD, Live

V1 = "/api/v1"
HUGE = 2**63  # one more than 64 bits hold
LISTS = ["/products", "/products/in_stock", "/users", "/data", "/files", "/apps", "/users/1/orders"]
NUL = "a\\u0000b"
EXACT = [
    "😀👩‍👩‍👧 𝕏𠜎",
    "שלום עולם \u202eabc\u202c مرحبا",
    "e\u0301 is not é",
    "\u2028 \u00a0\ufeff",
    "=1+1",
]
_names = (f"product {number}" for number in count())

pytestmark = pytest.mark.parametrize("live", ["sqlite", "postgresql"], indirect=True)


def send(live: Live, verb: str, path: str, body: str) -> requests.Response:
    headers = {"Content-Type": "application/json"}
    return live.send(verb, V1 + path, data=body.encode(), headers=headers)


def product(live: Live, **fields: Any) -> int:
    answer = live.post(
        f"{V1}/products", json={"name": next(_names), "price": "1.00", "stock": 5, **fields}
    )
    assert answer.status_code == 201, answer.text
    return int(answer.json()["data"]["id"])


def assert_refused(
    answer: requests.Response, status: int, code: int, field: str | None = None
) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text[:300]
    assert answer.json()["error"]["source"] == "caller"
    assert field is None or list(answer.json()["error"]["fields"]) == [field]


@pytest.mark.parametrize("price", ["1e400", "-1e400", "NaN", "Infinity", "9" * 4301])
def test_a_price_that_is_no_number_of_json_is_malformed(live: Live, price: str) -> None:
    assert_refused(
        send(live, "POST", "/products", f'{{"name": "x", "price": {price}}}'), 400, -3001
    )


@pytest.mark.parametrize(
    "price",
    [
        '"1e400"', '"NaN"', '"sNaN"', '"Infinity"', '"-Infinity"', "-1", '"-0.01"', "1e308", "10000000000", "9" * 400,
        "1.005", '"1e-400"', '""', '" 1"', '"1_0"', '"\u0661"', '"\uff11"', '"0x10"', '"1,5"', "true", "null", "[1]", "{}",
    ],
)  # fmt: skip
def test_a_price_that_is_none_is_a_validation_error(live: Live, price: str) -> None:
    for verb, path in (("POST", "/products"), ("PUT", f"/products/{product(live)}")):
        assert_refused(
            send(live, verb, path, f'{{"name": "x", "price": {price}}}'), 400, -3003, "price"
        )


@pytest.mark.parametrize(
    ("text", "price"), [("9999999999.99", "9999999999.99"), ("-0.0", "0.00"), ('"1e3"', "1000.00")]
)
def test_a_price_is_given_back_as_it_is_kept(live: Live, text: str, price: str) -> None:
    data = send(live, "POST", "/products", f'{{"name": "{next(_names)}", "price": {text}}}').json()[
        "data"
    ]

    assert data["price"] == live.get(f"{V1}/products/{data['id']}").json()["data"]["price"] == price


@pytest.mark.parametrize("number", [HUGE, -HUGE - 1, 10**400, -1, 1.5, "1", True, None])
def test_a_whole_number_that_is_none_or_too_long_is_a_validation_error(
    live: Live, number: Any
) -> None:
    product_id = product(live)
    for path, body, field in (
        ("/products", {"name": "x", "price": 1, "stock": number}, "stock"),
        (f"/products/{product_id}/reduce_stock", {"quantity": number}, "quantity"),
        (
            "/users/1/orders",
            {"items": [{"product_id": product_id, "quantity": number}]},
            "items.0.quantity",
        ),
        (
            "/users/1/orders",
            {"items": [{"product_id": number, "quantity": 1}]},
            "items.0.product_id",
        ),
    ):
        assert_refused(send(live, "POST", path, json.dumps(body)), 400, -3003, field)


@pytest.mark.parametrize(
    "number",
    [
        "abc",
        "-1",
        "1.0",
        "1e3",
        "+1",
        "\uff11",
        "1%00",
        "0",
        "999999999",
        "2147483648",
        str(HUGE),
        "9" * 50,
    ],
)
def test_an_id_that_is_no_number_or_too_long_is_not_found(live: Live, number: str) -> None:
    for path in ("/products/{}", "/users/{}", "/orders/{}", "/files/{}", "/users/{}/orders"):
        assert_refused(live.get(V1 + path.format(number)), 404, -3004)
    line = '{"items": [{"product_id": 1, "quantity": 1}]}'
    bodies = {
        "/products/{}/reduce_stock": '{"quantity": 1}',
        "/users/{}/orders": line,
        "/orders/{}/pay": '{"via": "a.b"}',
    }
    for path, body in bodies.items():
        assert_refused(send(live, "POST", path.format(number), body), 404, -3004)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("limit", each)
            for each in ("100000", "101", "0", "-1", "abc", "", "1.5", "1_0", "%D9%A1", str(HUGE))
        ),
        *(("skip", each) for each in ("-1", "1e3", "%201", str(HUGE), "9" * 3000)),
        *(("after", each) for each in ("", "%00")),
        *(("sort", each) for each in ("nope", "", "--id", "id%00", "password_hash", "id,name")),
        *(("nope", each) for each in ("1", "%00")),
    ],
)
def test_what_may_not_be_asked_of_a_list_is_a_validation_error(
    live: Live, path: str, field: str, value: str
) -> None:
    assert_refused(live.get(f"{V1}{path}?{field}={value}"), 400, -3003, field)


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        *(
            ("/products", "price_min", each)
            for each in ("NaN", "-1", "1e400", "Infinity", "x", "", "1.005")
        ),
        *(("/products", "in_stock", each) for each in ("maybe", "")),
        *(
            (path, "q", each)
            for path in ("/products", "/users", "/files")
            for each in ("%00", "a%00b", "", "x" * 201)
        ),
        *(("/products", "category", each) for each in ("%00", "", "x" * 101)),
        *(("/users", "role", each) for each in ("root", "%00")),
        *(("/users/1/orders", "status", each) for each in ("gone", "%00")),
        ("/files", "owner", "%00"),
        *(("/products", "after", each) for each in ("-1", "2147483648", str(HUGE), "abc")),
    ],
)
def test_a_filter_that_can_match_nothing_by_its_kind_is_a_validation_error(
    live: Live, path: str, field: str, value: str
) -> None:
    assert_refused(live.get(f"{V1}{path}?{field}={value}"), 400, -3003, field)


def test_an_argument_said_twice_is_a_validation_error(live: Live) -> None:
    assert_refused(live.get(f"{V1}/products?limit=1&limit=2"), 400, -3003, "limit")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/products", '{"name": "NUL", "price": 1}', "name"),
        ("/products", '{"name": "x", "price": 1, "description": "NUL"}', "description"),
        ("/products", '{"name": "x", "price": 1, "category": "NUL"}', "category"),
        ("/users", '{"username": "NUL", "password": "long enough"}', "username"),
        ("/users", '{"username": "x", "password": "long NUL enough"}', "password"),
        ("/users", '{"username": "x", "password": "long enough", "name": "NUL"}', "name"),
        (
            "/users",
            '{"username": "x", "password": "long enough", "email": "NUL@example.com"}',
            "email",
        ),
        ("/data", '{"key": "NUL", "value": 1}', "key"),
        ("/apps", '{"app_id": "NUL", "allow": ["*"]}', "app_id"),
        ("/apps", '{"app_id": "x", "allow": ["NUL"]}', "allow"),
        ("/apps", '{"app_id": "x", "allow": ["*"], "rate": "NUL"}', "rate"),
        ("/login", '{"username": "NUL", "password": "x"}', "username"),
        ("/orders/1/pay", '{"via": "NUL"}', "via"),
    ],
)
def test_a_text_with_nul_is_a_validation_error(
    live: Live, path: str, body: str, field: str
) -> None:
    assert_refused(send(live, "POST", path, body.replace("NUL", NUL)), 400, -3003, field)


@pytest.mark.parametrize("path", ["/data/a%00b", "/services/%00", "/services/a%00b"])
def test_a_path_with_nul_is_not_found(live: Live, path: str) -> None:
    assert_refused(live.get(V1 + path), 404, -3004)


@pytest.mark.parametrize("text", EXACT)
def test_any_script_comes_back_exactly(live: Live, text: str) -> None:
    number = product(live, description=text, category=text[:20])
    live.post(f"{V1}/data", json={"key": text, "value": {text: [text]}}).raise_for_status()

    made = live.get(f"{V1}/products/{number}").json()["data"]
    assert (made["description"], made["category"]) == (text, text[:20])
    assert [
        item["id"]
        for item in live.get(f"{V1}/products", params={"category": text[:20]}).json()["data"][
            "items"
        ]
    ] == [number]
    assert live.get(f"{V1}/data/{requests.utils.quote(text, safe='')}").json()["data"]["value"] == {
        text: [text]
    }


def test_duplicates_short_stock_and_stale_writes_say_so_and_change_nothing(live: Live) -> None:
    number, other = product(live), product(live)
    path = f"{V1}/products/{number}"
    before = live.get(path)

    assert_refused(
        live.post(f"{V1}/products", json={"name": before.json()["data"]["name"], "price": 1}),
        409,
        -3006,
    )
    assert_refused(
        live.post(f"{V1}/users", json={"username": "ann", "password": PASSWORD}), 409, -3006
    )
    assert_refused(live.post(f"{path}/reduce_stock", json={"quantity": 6}), 409, -3006)
    lines = [{"product_id": other, "quantity": 5}, {"product_id": number, "quantity": 6}]
    assert_refused(
        live.post(f"{V1}/users/1/orders", json={"items": lines}), 409, -3006, "items.1.product_id"
    )
    assert_refused(
        live.send("PATCH", path, json={"stock": 9}, headers={"If-Match": '"stale"'}), 412, -3009
    )
    assert_refused(live.send("PATCH", path, json={"stok": 9}), 400, -3003, "stok")

    assert live.get(path).json()["data"] == before.json()["data"]
    assert live.get(f"{V1}/products/{other}").json()["data"]["stock"] == 5


def test_somebody_elses_order_is_not_found(live: Live) -> None:
    username = next(_names)
    live.post(f"{V1}/users", json={"username": username, "password": PASSWORD}).raise_for_status()
    order = live.post(
        f"{V1}/users/1/orders", json={"items": [{"product_id": product(live), "quantity": 1}]}
    )
    headers = {"Authorization": f"Bearer {live.login(username)['access_token']}"}

    number = order.json()["data"]["id"]
    assert_refused(live.get(f"{V1}/orders/{number}", headers=headers), 404, -3004)
    assert_refused(live.get(f"{V1}/users/1/orders", headers=headers), 404, -3004)
    assert_refused(
        live.post(f"{V1}/orders/{number}/pay", json={"via": "pay.charge"}, headers=headers),
        404,
        -3004,
    )
    missing = live.get(f"{V1}/orders/999999", headers=headers).json()
    assert missing["message"].replace("order 999999", "order N") == live.get(
        f"{V1}/orders/{number}", headers=headers
    ).json()["message"].replace(f"order {number}", "order N")


@pytest.mark.parametrize(
    "accept",
    ["application/xml", "image/*", "text/html", "application/json;q=0", "*/*;q=0", "nonsense"],
)
def test_an_accept_that_allows_neither_format_is_not_acceptable(live: Live, accept: str) -> None:
    number = product(live)
    for path in (*LISTS, "/services", f"/products/{number}", "/users/1", "/user/profile"):
        assert_refused(live.get(V1 + path, headers={"Accept": accept}), 406, -3010)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv, application/json;q=0.1", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
        ("text/csv;q=0.1, */*;q=0.5", "application/json"),
        ("application/*", "application/json"),
        ("*/*", "application/json"),
        ("", "application/json"),
    ],
)
def test_a_list_comes_in_the_format_that_accept_prefers(live: Live, accept: str, kind: str) -> None:
    for path in LISTS:
        answer = live.get(V1 + path, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, kind)


def test_a_csv_holds_no_formula_and_loses_no_text(live: Live) -> None:
    texts = [
        "=1+1",
        "+1",
        "-1",
        "-1+2",
        "@x",
        "\tx",
        "\rx",
        "\nx",
        "\uff1d1",
        "a,b",
        'say "x"',
        "two\nlines",
        "-",
        "=",
        "😀",
    ]
    numbers = [product(live, description=text) for text in texts]
    got = live.get(
        f"{V1}/products?limit=100&after={numbers[0] - 1}", headers={"Accept": "text/csv"}
    )
    rows = list(csv.DictReader(io.StringIO(got.content.decode(), newline="")))

    cells = [row["description"] for row in rows]
    assert [cell.removeprefix("'") for cell in cells] == texts
    plain = {"-1", "a,b", 'say "x"', "two\nlines", "😀"}
    assert [cell for cell, text in zip(cells, texts, strict=True) if cell == text] == [
        piece for piece in texts if piece in plain
    ]
    assert {row["in_stock"] for row in rows} == {"true"}


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\\\..\\\\boot.ini", "boot.ini"),
        ("/etc/passwd", "passwd"),
        ("%2e%2e%2fpasswd", "passwd"),
        ("CON", "CON"),
        ("😀\u202egpj.exe", "😀\u202egpj.exe"),
        ("..", None),
        (".", None),
        ("", None),
        ("../", None),
        ("a\0b", None),
        ("a\x1bb", None),
        ("x" * 256, None),
    ],
)
def test_path_tricks_in_a_files_name_are_harmless(
    live: Live, name: str, stored: str | None
) -> None:
    folder = Path(live.env["FILES_DIR"])
    form = f'--XyZ\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\nbytes\r\n--XyZ--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=XyZ"}
    answer = live.post(f"{V1}/files", data=form.encode(), headers=headers)

    if stored is None:
        assert_refused(answer, 400, -3003, "file")
    else:
        assert (answer.status_code, answer.json()["data"]["name"]) == (201, stored)
        path = f"{V1}/files/{answer.json()['data']['id']}"
        assert live.get(path).content == b"bytes"
        live.send("DELETE", path).raise_for_status()
    assert not [file for file in folder.rglob("*") if file.is_file()]
    assert not (folder.parent / "passwd").exists()


def test_nothing_of_all_this_was_unforeseen(live: Live) -> None:
    assert '"unforeseen"' not in live.log and "Traceback" not in live.log
    assert '"unfit"' not in live.log, "the schemas refuse it before the database does"
