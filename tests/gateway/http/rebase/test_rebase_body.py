"""A service's base URL in JSON becomes the gate's where it begins a string value, and nothing else moves."""

from __future__ import annotations

import json
import time

import pytest

from gateway.http.rebase import BodyRebaser

GATE = "http://gate:5000/api/v1/proxy/hub"
BASES = ("https://api.example.com/v3", "https://backup.example.com")
JSON = (
    ("Content-Type", "application/json; charset=utf-8"),
    ("Content-Length", "9"),
    ("ETag", '"1"'),
)
CHANGED = [
    (r'{"url": "https://api.example.com/v3/a?b#c"}', r'{"url": "GATE/a?b#c"}'),
    (r'"https://api.example.com/v3"', r'"GATE"'),
    (r'"https://api.example.com/v3?q=1"', r'"GATE?q=1"'),
    (r'"https://api.example.com/v3#x"', r'"GATE#x"'),
    (r'["https://backup.example.com/1" , "https://backup.example.com/2"]', r'["GATE/1" , "GATE/2"]'),
    (r'{"a":1,"b":["https://api.example.com/v3/x","y"]}', r'{"a":1,"b":["GATE/x","y"]}'),
    (r'{"a":"https:\/\/api.example.com\/v3\/a"}', r'{"a":"ESCAPED\/a"}'),
    (r'{"a":"\u0068ttps:\u002f\u002Fapi\u002eexample.com/v3\u003Fa"}', r'{"a":"GATE\u003Fa"}'),
    ('{\n  "a" :\r\n\t"HTTPS://API.example.com/v3/users{/id}"\n}', '{\n  "a" :\r\n\t"GATE/users{/id}"\n}'),
    (r'{"a":"https://api.example.com:443/v3/a","b":"http://api.example.com/v3/b"}', r'{"a":"GATE/a","b":"GATE/b"}'),
    (r'{"a\\":"https://api.example.com/v3/a"}', r'{"a\\":"GATE/a"}'),
    ('{"a":"https://api.example.com/v3/1"}\n{"a":"https://api.example.com/v3/2"}\n', '{"a":"GATE/1"}\n{"a":"GATE/2"}\n'),
    (r'["","https://api.example.com/v3/a\"b",":"]', r'["","GATE/a\"b",":"]'),
]  # fmt: skip
UNCHANGED = [
    r'{"https://api.example.com/v3/a": 1}',
    r'{"b":2,"https://api.example.com/v3/a" : 1}',
    r'{"b":2,"https:\/\/api.example.com\/v3\/\"a":[]}',
    r'{"a":"see https://api.example.com/v3/a"}',
    r'{"a":"\"https://api.example.com/v3/a\""}',
    r'{"a":"x\\\"https://api.example.com/v3/a"}',
    r'{"a":"https://api.example.com.evil.example/v3/a"}',
    r'{"a":"https://api.example.com/v31/a","b":"https://api.example.com/v3.json"}',
    r'{"a":"https://api.example.com/V3/a","b":"https://api.example.com/"}',
    r'{"a":"https://api.example.com:8443/v3/a","b":"https://u@api.example.com/v3"}',
    r'{"a":"ftp://api.example.com/v3/a","b":"//api.example.com/v3/a"}',
    r'{"a":"https:\\/\\/api.example.com/v3/a"}',
    '{"a": 1.10, "b": "\\ud800 \xfc", "c" :[ ] }\n',
    "",
    '"',
    "[1",
]


def expected(text: str) -> bytes:
    return text.replace("GATE", GATE).replace("ESCAPED", GATE.replace("/", "\\/")).encode("latin-1")


def streamed(body: bytes, size: int) -> bytes:
    rebase = BodyRebaser(BASES).of_answer("GET", 200, JSON, GATE)
    assert rebase
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    read = rebase.stream(lambda: pieces.pop(0) if pieces else b"")
    return b"".join(iter(read, b""))


CASES = [*CHANGED, *((text, text) for text in UNCHANGED)]


@pytest.mark.parametrize(("before", "after"), CASES)
def test_a_base_url_becomes_the_gates_wherever_the_pieces_end(before: str, after: str) -> None:
    body = before.encode("latin-1")
    for size in (*range(1, 70), 10_000):
        assert streamed(body, size) == expected(after)


@pytest.mark.parametrize(("before", "after"), CASES)
def test_a_body_that_came_whole_is_the_same_and_has_its_length(before: str, after: str) -> None:
    rebase = BodyRebaser(BASES).of_answer("GET", 200, JSON, GATE)
    assert rebase
    body, headers = rebase.whole(before.encode("latin-1"), rebase.headers(JSON))
    assert body == expected(after)
    assert dict(headers)["Content-Length"] == str(len(body))
    assert dict(headers)["ETag"] == '"1"'


def test_a_piece_waits_only_while_it_may_begin_a_url() -> None:
    rebase = BodyRebaser(BASES).of_answer("GET", 200, JSON, GATE)
    assert rebase
    pieces = [b'{"a":"text', b'","b":"https://api.ex', b"ample.org", b'"}']
    read = rebase.stream(lambda: pieces.pop(0) if pieces else b"")
    parts = list(iter(read, b""))
    assert parts == [b'{"a":"text', b'","b":', b'"https://api.example.org', b'"}']


@pytest.mark.parametrize(
    ("verb", "status", "headers"),
    [
        ("GET", 206, JSON),
        ("GET", 200, (("Content-Type", "text/html"),)),
        ("GET", 200, ()),
        ("GET", 200, (*JSON, ("content-encoding", "gzip"))),
    ],
)
def test_what_is_no_plain_json_or_a_part_of_it_is_left_alone(
    verb: str, status: int, headers: tuple[tuple[str, str], ...]
) -> None:
    assert BodyRebaser(BASES).of_answer(verb, status, headers, GATE) is None


def test_a_head_has_no_length_that_its_get_would_not_have() -> None:
    rebase = BodyRebaser(BASES).of_answer("HEAD", 200, JSON, GATE)
    assert rebase
    body, headers = rebase.whole(b"", rebase.headers((*JSON, ("Accept-Ranges", "bytes"))))
    assert (body, [name for name, _ in headers]) == (b"", ["Content-Type", "ETag"])


def test_what_is_held_is_bounded_and_a_hostile_body_costs_linear_time() -> None:
    long = b'[1,"https://api.example.com/v3/' + b"a" * 100_000 + b'"]'
    assert streamed(long, 1000) == expected(long.decode().replace(BASES[0], "GATE"))
    started = time.process_time()
    for body in (
        b'"' * 200_000,
        b'["h' * 70_000,
        b"\\" * 200_000,
        b'[,"https://api.example.com' * 9000,
    ):
        assert streamed(body, 500) == body
    assert time.process_time() - started < 20


def test_all_strings_of_a_large_document_are_found() -> None:
    items = [
        {"id": n, "url": f"https://api.example.com/v3/items/{n}", "t": '\u00fc/\\"'}
        for n in range(3000)
    ]
    done = json.loads(streamed(json.dumps(items).encode(), 4096))
    assert done == [{**item, "url": f"{GATE}/items/{item['id']}"} for item in items]
