"""Bodies that pass through while they come, on both kinds of worker."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from examples.clients.postern_auth import PosternAuth
from sandbox import Sandbox
from tests.e2e.calls.sink import Sink
from tests.e2e.live import GTHREAD, Live, catalog_for, wait_for

WORKERS = {"gevent": (), "gthread": GTHREAD}
MIB = 1024 * 1024
READ_TIMEOUT_OF_LLM = 30  # seconds, in services.yaml
DEADLINE_OF_LASTING = 5.5  # seconds
SERVICES = """
  files:
    base_url: {url}
    allow_private: true
    timeout: {{read: 60}}
    deadline: 60
    retry: {{times: 1, backoff: 0.001, on: [connect, timeout, 503]}}
    concurrency: 2
    breaker: {{min_calls: 10000}}
    proxy: true
    methods:
      get: {{http: "GET /ranged", stream: true}}
      fault: {{http: "GET /fault/{{fault}}/anything", stream: true, params: {{fault: {{type: string}}}}}}
      json: {{http: "GET /items", stream: true, envelope: {{code: code, ok: [0]}}}}
      keep: {{http: "GET /fault/status=503/anything", stream: true, fallback: {{static: [nobody]}}}}
      put: {{http: "POST /anything/{{id}}", stream: true, body: multipart, params: {{id: {{type: integer}}}}}}
      raw: {{http: "POST /anything", stream: true, body: raw, response: bytes}}
  hasty:
    base_url: {url}
    allow_private: true
    timeout: {{read: 1}}
    deadline: 60
    retry: {{times: 1, backoff: 0.001, on: [timeout]}}
    methods: {{fault: &fault {{http: "GET /fault/{{fault}}/anything", stream: true, params: {{fault: {{type: string}}}}}}}}
  silent:  # its first byte may take ten tries; after that there is no other one
    base_url: {url}
    allow_private: true
    timeout: {{read: 1}}
    deadline: 60
    retry: {{times: 9, backoff: 0.001, on: [timeout]}}
    methods: {{fault: *fault}}
  lasting:
    base_url: {url}
    allow_private: true
    timeout: {{read: 60}}
    deadline: {deadline}
    methods: {{fault: *fault}}
  sink:
    base_url: {sink}
    allow_private: true
    timeout: {{read: 60}}
    deadline: 60
    proxy: true
    methods: {{put: {{http: POST /, stream: true, body: raw}}}}
"""


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture(scope="module", params=WORKERS)
def live(
    request: Any, box: Sandbox, sink: Sink, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("streams")
    catalog = catalog_for(
        box, SERVICES.format(url=box.url, sink=sink.url, deadline=DEADLINE_OF_LASTING)
    )
    service = Live(folder, catalog, gunicorn=WORKERS[request.param], MAX_UPLOAD=str(300 * MIB))
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture(autouse=True)
def _fresh(box: Sandbox) -> None:
    box.reset()


def chat(live: Live, model: str, text: str = "one two three") -> requests.Response:
    params = {"model": model, "messages": [{"role": "user", "content": text}]}
    return live.call("llm.chat", params, stream=True)


def events(answer: requests.Response) -> Iterator[str]:
    return (
        line[6:]
        for line in answer.iter_lines(chunk_size=1, decode_unicode=True)
        if line.startswith("data: ")
    )


def lines(live: Live, service: str, fault: str) -> list[dict[str, Any]]:
    """The log's about the attempts of calls with this fault; a stream's is written when its caller may have gone."""
    lines = [json.loads(line) for line in live.log.splitlines() if line.startswith("{")]
    attempts = [
        attempt
        for attempt in lines
        if attempt["event"] == "attempt" and attempt["service"] == service
    ]
    return [attempt for attempt in attempts if attempt["params"].get("fault") == fault]


def go(box: Sandbox) -> None:
    requests.post(f"{box.url}/v1/chat/go", timeout=30)


def test_events_arrive_one_by_one(live: Live, box: Sandbox) -> None:
    with chat(live, "echo;held") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        texts = []
        for event in events(answer):
            texts.append(event)
            go(box)  # the next one is not sent before this one was seen
    words = [json.loads(event)["choices"][0]["delta"].get("content") for event in texts[:-1]]
    assert (words, texts[-1]) == (["one", "two", "three", None], "[DONE]")


def test_a_caller_that_hangs_up_frees_the_downstream_connection_long_before_the_read_timeout(
    live: Live, box: Sandbox
) -> None:
    answer = chat(live, "echo;stall=1")
    coming = events(answer)  # held, or its end would be the hang-up
    next(coming)
    during = box.open_connections
    answer.close()
    assert wait_for(lambda: box.open_connections < during, READ_TIMEOUT_OF_LLM / 2)


def test_a_caller_that_hangs_up_before_the_first_byte_frees_the_connection_too(
    live: Live, box: Sandbox
) -> None:
    token = live.token()
    box.fault("/v1/chat/completions", "hang")
    caller = http.client.HTTPConnection("127.0.0.1", live.port)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    caller.request("POST", "/api/v1/call/llm/chat", '{"model": "m", "messages": []}', headers)
    wait_for(lambda: box.requests)
    during = box.open_connections
    caller.close()
    assert wait_for(lambda: box.open_connections < during, READ_TIMEOUT_OF_LLM / 2)


def test_an_error_before_the_first_byte_is_an_ordinary_envelope(live: Live, box: Sandbox) -> None:
    for service, fault, status, code, attempts in (
        ("files", "status=503", 502, -1004, 2), ("hasty", "hang", 504, -1001, 2), ("files", "status=404", 422, -1006, 1),
        ("files", "close", 502, -1003, 2), ("files", "status=503x1;id=a", 200, None, 2),
    ):  # fmt: skip
        answer = live.call(f"{service}.fault", {"fault": fault})
        assert (answer.status_code, answer.headers["X-Attempts"]) == (status, str(attempts)), (
            fault,
            answer.text,
        )
        assert answer.json().get("code") == code


def test_who_stands_in_answers_in_the_envelope(live: Live) -> None:
    answer = live.call("files.keep")
    assert (answer.json()["data"], answer.headers["X-Fallback"]) == (["nobody"], "static")


@pytest.mark.parametrize("fault", ["truncated;huge=100000", "short;huge=100000"])
def test_what_breaks_off_after_the_first_byte_is_cut_so_that_the_caller_notices(
    live: Live, fault: str
) -> None:
    with pytest.raises(
        (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)
    ):
        live.call("files.fault", {"fault": fault})
    assert wait_for(lambda: lines(live, "files", fault))[-1]["code"] == -1005


def test_silence_between_two_pieces_ends_at_the_read_timeout(live: Live) -> None:
    with pytest.raises(
        (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)
    ):
        live.call("silent.fault", {"fault": "drip=60"})
    [line] = wait_for(
        lambda: [
            attempt for attempt in lines(live, "silent", "drip=60") if attempt["status"] == 200
        ]
    )
    assert line["code"] == -1001
    assert line["elapsed_ms"] - line["first_byte_ms"] > 900


def test_a_stream_may_last_longer_than_its_deadline(live: Live) -> None:
    answer = live.call("lasting.fault", {"fault": "drip=0.04"})  # 150 bytes and more at 40 ms each
    assert answer.json()["path"] == "/anything"
    line = wait_for(lambda: lines(live, "lasting", "drip=0.04"))[-1]
    assert line["code"] == 0
    assert line["elapsed_ms"] > DEADLINE_OF_LASTING * 1000


def test_a_stream_keeps_its_place_until_its_end(live: Live, box: Sandbox) -> None:
    params = {"fault": "drip=0.5;huge=1000000"}
    answers = [live.call("files.fault", params, stream=True) for _ in range(2)]
    assert live.call("files.get").json()["code"] == -1010
    for answer in answers:
        answer.close()
    assert wait_for(lambda: live.call("files.get").status_code == 200)


def test_a_caller_that_dribbles_a_small_body_keeps_no_place_from_others(live: Live) -> None:
    head = f"POST /api/v1/proxy/files/anything HTTP/1.1\r\nHost: x\r\nX-Postern-Token: {live.token()}\r\n"
    with ExitStack() as stack:
        for _ in range(2):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", live.port)))
            slow.sendall(f"{head}Content-Length: 100\r\nExpect: 100-continue\r\n\r\nabc".encode())
            assert slow.recv(100).startswith(b"HTTP/1.1 100")  # it is being read
        assert live.call("files.get").status_code == 200


def test_ranges_and_conditions_pass(live: Live) -> None:
    whole = live.call("files.get")
    assert (whole.status_code, whole.content[:3], whole.headers["ETag"]) == (200, b"abc", '"abc"')
    assert whole.headers["Accept-Ranges"] == "bytes" and whole.headers["Content-Length"] == "26"
    part = live.call("files.get", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (
        206,
        b"cde",
        "bytes 2-4/26",
    )
    wrong = live.call("files.get", headers={"Range": "bytes=30-40"})
    assert (wrong.status_code, wrong.headers["Content-Range"]) == (416, "bytes */26")
    same = live.get("/api/v1/call/files/get", headers={"If-None-Match": '"abc"'})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", '"abc"')


def test_a_stream_is_not_compressed(live: Live) -> None:
    answer = live.call(
        "files.fault", {"fault": "huge=20000"}, headers={"Accept-Encoding": "gzip, br"}
    )
    assert "Content-Encoding" not in answer.headers and len(answer.content) == 20000


def test_a_code_inside_the_answer_counts_before_the_first_byte(live: Live) -> None:
    assert (
        live.call("files.json").json()["code"] == -1006
        or live.call("files.json").json()["code"] < 0
    )


def test_a_stream_is_no_part_of_a_batch_and_takes_no_idempotency_key(live: Live) -> None:
    calls = {"calls": [{"id": "a", "service": "files", "method": "get", "params": {}}]}
    assert live.post("/api/v1/batch", json=calls).json()["data"]["a"]["code"] == -3003
    answer = live.call("files.get", headers={"Idempotency-Key": "k-1"})
    assert list(answer.json()["error"]["fields"]) == ["Idempotency-Key"]


def test_an_upload_passes_as_it_comes_and_its_answer_is_in_the_envelope(
    live: Live, box: Sandbox
) -> None:
    body = {"file": ("name.bin", b"\x00\xff" * 50000, "image/png")}
    answer = live.post("/api/v1/call/files/put", params={"id": 7}, files=body)
    assert answer.json()["code"] == 0, answer.text
    assert answer.json()["data"]["path"] == "/anything/7"
    sent = box.requests[-1]
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b"\x00\xff" * 50000 in sent.body and b'filename="name.bin"' in sent.body


def test_params_of_an_upload_are_checked(live: Live, box: Sandbox) -> None:
    answer = live.post("/api/v1/call/files/put", params={"id": "x"}, files={"file": b"x"})
    assert list(answer.json()["error"]["fields"]) == ["id"]
    assert box.requests == []


def test_an_answer_to_an_upload_streams_where_it_is_declared_as_bytes(live: Live) -> None:
    answer = live.post(
        "/api/v1/call/files/raw", data=b"hello", headers={"Content-Type": "text/plain"}
    )
    assert answer.json()["body"] == "hello" and "code" not in answer.json()


def test_an_upload_without_a_length_is_taken(live: Live, sink: Sink) -> None:
    pieces = [b"x" * 70000, b"y" * 70000]
    answer = live.post("/api/v1/call/sink/put", data=iter(pieces))
    assert answer.json()["data"] == {
        "size": 140000,
        "sha256": hashlib.sha256(b"".join(pieces)).hexdigest(),
    }


def test_an_upload_over_the_limit_is_refused(live: Live, sink: Sink) -> None:
    whole = len(sink.whole)
    headers = {"Authorization": f"Bearer {live.token()}", "Content-Length": str(301 * MIB)}
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
    connection.putrequest("POST", "/api/v1/call/sink/put")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    assert len(sink.whole) == whole


def test_an_upload_that_is_not_what_was_signed_never_arrives_whole(live: Live, sink: Sink) -> None:
    name = f"up{time.time_ns()}"
    secret = re.search(r"[\w-]{43}", live.flask("app", "create", name, "--allow", "sink.*").stdout)[
        0
    ]
    whole, body = len(sink.whole), b"z" * 300000
    right = {"X-Content-SHA256": hashlib.sha256(body).hexdigest()}
    wrong = {"X-Content-SHA256": hashlib.sha256(b"other").hexdigest()}
    path = "/api/v1/call/sink/put"
    assert (
        live.post(path, data=body, headers=right, auth=PosternAuth(name, secret)).json()["data"][
            "size"
        ]
        == 300000
    )
    refused = live.post(path, data=body, headers=wrong, auth=PosternAuth(name, secret))
    assert (refused.status_code, refused.json()["code"]) == (401, -1002)
    assert len(sink.whole) == whole + 1 and wait_for(lambda: sink.broken)


def test_large_bodies_leave_the_workers_memory_as_it_is(live: Live, sink: Sink) -> None:
    size = 200 * MIB
    live.call("files.fault", {"fault": "huge=1000000"})
    live.post("/api/v1/call/sink/put", data=iter([b"x" * MIB]))
    before, most = resident(live), 0.0
    with live.call("files.fault", {"fault": f"huge={size}"}, stream=True) as answer:
        read = 0
        for nth, piece in enumerate(answer.iter_content(MIB)):
            read += len(piece)
            most = max(most, resident(live)) if nth % 20 == 0 else most
    sent = live.post("/api/v1/call/sink/put", data=(b"x" * MIB for _ in range(size // MIB)))
    most = max(most, resident(live))
    assert answer.status_code == 200, piece
    assert (read, sent.json()["data"]["size"]) == (size, size)
    assert most - before < 16


def resident(live: Live) -> float:
    """MiB of the one worker now."""
    [worker] = live.workers()
    status = Path(f"/proc/{worker}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
