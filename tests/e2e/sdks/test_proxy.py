"""A vendor's own client works through ``/proxy`` by changing its base URL; nothing but our proof is taken away."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from examples.clients.postern_auth import PosternAuth
from sandbox import Sandbox
from tests.e2e.live import GTHREAD, Live, catalog_for, wait_for
from tests.gateway.fakes import Wire, answer

WORKERS = {"gevent": (), "gthread": GTHREAD}
SERVICES = """
  rest:
    base_url: {url}
    allow_private: true
    timeout: {{read: 30}}
    deadline: 60
    breaker: {{min_calls: 10000}}
    retry: {{times: 1, backoff: 0.001, on: [connect, timeout, 503]}}
    auth: {{type: api_key, in: query, name: key, value: the-vendors-key}}
    headers: {{X-Team: tools}}
    proxy: true
  basic: {{base_url: "{url}", allow_private: true, auth: {{type: basic, username: sandbox, password: sandbox-secret}}, proxy: true}}
  some: {{base_url: "{url}", allow_private: true, proxy: [/v1/*, /items]}}
  wire: {{base_url: "{wire}", allow_private: true, proxy: true}}
  keyed: {{base_url: "{wire}", allow_private: true, proxy: true, auth: {{type: api_key, in: header, name: X-Key, value: the-vendors-key}}}}
  shut: {{base_url: "{url}", allow_private: true}}
  hasty: {{base_url: "{url}", allow_private: true, timeout: {{read: 1}}, proxy: true}}
  away: {{base_url: "http://127.0.0.1:9", allow_private: true, proxy: true, retry: {{times: 0}}}}
  slow: {{base_url: "{url}", allow_private: true, proxy: true, rate_limit: 1/hour}}
"""
Said = tuple[int, list[tuple[str, str]], bytes]


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """What it answers is said by the test; each connection once."""
    with Wire([], "close") as server:
        yield server


@pytest.fixture(scope="module", params=WORKERS)
def live(
    request: Any, box: Sandbox, wire: Wire, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("proxy")
    catalog = catalog_for(box, SERVICES.format(url=box.url, wire=wire.url))
    service = Live(
        folder, catalog, gunicorn=WORKERS[request.param], CORS_ORIGINS="https://tools.example"
    )
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture(autouse=True)
def _fresh(box: Sandbox) -> None:
    box.reset()


def ask(live: Live, verb: str, path: str, body: bytes | None = None, **headers: str) -> Said:
    """One request, byte for byte as written; by X-Postern-Token."""
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
    headers = {
        "X-Postern-Token": live.token(),
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    connection.request(verb, f"/api/v1/proxy{path}", body, headers)
    response = connection.getresponse()
    result = response.status, response.getheaders(), response.read()
    connection.close()
    return result


def echo(answer: Said) -> dict[str, Any]:
    assert answer[0] == 200, answer
    request: dict[str, Any] = json.loads(answer[2])
    return request


@pytest.mark.parametrize(
    "verb", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH", "FOO-BAR"]
)
def test_verb_path_query_and_body_pass_as_they_are(live: Live, box: Sandbox, verb: str) -> None:
    target = "/anything/a%20b/%E4%B8%AD//x;y=1?b=2&a=1&a=%7e+%2F&flag&empty="
    request = echo(ask(live, verb, f"/rest{target}", b"\x00body\xff" if verb != "GET" else None))
    assert request["method"] == verb
    assert box.requests[-1].target == f"{target}&key=the-vendors-key"
    assert verb == "GET" or box.requests[-1].body == b"\x00body\xff"


@pytest.mark.parametrize("target", ["/anything?", "/anything??", "/anything?&", "/anything"])
def test_a_question_mark_passes_even_where_nothing_follows_it(
    live: Live, box: Sandbox, target: str
) -> None:
    ask(live, "GET", f"/some/v1{target}")
    assert box.requests[-1].target == f"/v1{target}"


def test_trace_is_refused_as_its_answer_would_repeat_our_credential(
    live: Live, box: Sandbox
) -> None:
    answer = ask(live, "TRACE", "/basic/anything")
    assert (answer[0], dict(answer[1])["X-Postern-Error"]) == (405, "method_not_allowed")
    assert box.requests == []


def test_headers_pass_less_hop_by_hop_ones_and_our_proof(live: Live, box: Sandbox) -> None:
    headers = echo(ask(
        live, "GET", "/rest/anything", Authorization="Vendor abc", Cookie="a=1; b=2", X_Custom="c", User_Agent="sdk/1",
        Connection="keep-alive, X-Hop", X_Hop="1", Keep_Alive="5", TE="trailers", Proxy_Authorization="Basic eDp5",
        X_Request_ID="r-77", X_Timestamp="1", X_Nonce="2", X_Signature="3",
    ))["headers"]  # fmt: skip
    assert headers.pop("host") == f"127.0.0.1:{box.port}"
    headers.pop("accept-encoding", None)
    headers.pop("traceparent")
    assert headers == {
        "authorization": "Vendor abc", "cookie": "a=1; b=2", "x-custom": "c", "user-agent": "sdk/1",
        "x-request-id": "r-77", "x-team": "tools",
        "x-timestamp": "1", "x-nonce": "2", "x-signature": "3",  # the SDK's own: the proof was a token
    }  # fmt: skip


@pytest.mark.parametrize("body", [b"abc", b"a" * 60_000])
def test_a_body_that_breaks_off_is_no_whole_one_for_the_service(
    live: Live, box: Sandbox, body: bytes
) -> None:
    head = f"POST /api/v1/proxy/rest/anything HTTP/1.1\r\nHost: x\r\nX-Postern-Token: {live.token()}\r\n"
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        client.sendall(f"{head}Content-Length: {len(body) + 1}\r\n\r\n".encode() + body)
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert (
        answer.startswith(b"HTTP/1.1 400 ")
        and json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == -3001
    )
    assert box.requests == []


def test_an_upload_that_says_it_is_too_large_never_reaches_the_service(
    live: Live, box: Sandbox
) -> None:
    head = f"POST /api/v1/proxy/rest/anything HTTP/1.1\r\nHost: x\r\nX-Postern-Token: {live.token()}\r\n"
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        client.sendall(f"{head}Content-Length: {65 * 1024 * 1024}\r\n\r\n".encode())
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"X-Attempts: 1" not in answer
    assert box.requests == []


def test_an_address_that_the_service_sends_callers_to_does_not_tell_them_our_key(
    live: Live,
) -> None:
    status, headers, _ = ask(live, "GET", "/rest/redirect?to=/next%3Fkey=the-vendors-key")
    assert (status, dict(headers)["Location"]) == (302, "/api/v1/proxy/rest/next?key=****")


def test_the_token_that_was_the_proof_does_not_go_on(live: Live) -> None:
    answer = live.get("/api/v1/proxy/rest/anything")
    assert "authorization" not in answer.json()["headers"]


def test_the_proof_does_not_go_on_as_the_sdks_key_either(live: Live) -> None:
    assert (
        "authorization"
        not in echo(ask(live, "GET", "/rest/anything", Authorization=f"Bearer {live.token()}"))[
            "headers"
        ]
    )


def test_the_services_credential_takes_the_place_of_the_sdks_own(live: Live) -> None:
    assert (
        echo(ask(live, "GET", "/basic/basic", Authorization="Bearer of-the-sdk"))["authenticated"]
        is True
    )


def test_status_headers_and_body_come_back_untouched(live: Live, wire: Wire) -> None:
    wire.answers.append(
        b"HTTP/1.1 203 Fine\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nSet-Cookie: a=1; Path=/\r\n"
        b'X-Request-ID: v-1\r\nSet-Cookie: b=2; Expires=Wed, 01 Jan 2070 00:00:00 GMT\r\nETag: W/"x"\r\nVary: *\r\n'
        b"RateLimit-Limit: 9\r\nDate: Wed, 01 Jan 2020 00:00:00 GMT\r\nServer: vendor\r\nLocation: relative\r\n"
        b"Connection: X-Hop, close\r\nX-Hop: 1\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x00ab"
    )
    status, headers, body = ask(
        live, "GET", "/wire/x", Origin="https://tools.example", Accept_Encoding="gzip"
    )
    assert (status, body) == (203, b"\x1f\x8b\x00ab")
    own = [(name, text) for name, text in headers if name not in ("Connection", "Server", "Date")]
    assert sorted(own) == [
        ("Content-Encoding", "gzip"), ("Content-Length", "5"), ("Content-Type", "text/html"),
        ("ETag", 'W/"x"'), ("Location", "relative"), ("RateLimit-Limit", "9"),
        ("Set-Cookie", "a=1; Path=/api/v1/proxy/wire"),
        ("Set-Cookie", "b=2; Expires=Wed, 01 Jan 2070 00:00:00 GMT; Path=/api/v1/proxy/wire"), ("Vary", "*"), ("X-Request-ID", "v-1"),
    ]  # fmt: skip
    if live.gunicorn != GTHREAD:  # gunicorn says its own there; our settings for it are for gevent
        assert {("Server", "vendor"), ("Date", "Wed, 01 Jan 2020 00:00:00 GMT")} < set(headers)


def heard(live: Live, wire: Wire, service: str, *lines: str) -> list[str]:
    """The header lines that arrive of these, whose names begin with X or are proofs."""
    wire.answers.append(answer())
    head = [
        f"GET /api/v1/proxy/{service}/x HTTP/1.1",
        "Host: x",
        f"X-Postern-Token: {live.token()}",
        *lines,
        "",
        "",
    ]
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        client.sendall("\r\n".join(head).encode("latin-1"))
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    head_lines = wire.heard[-1].decode("latin-1").split("\r\n")
    return [
        line
        for line in head_lines
        if line.startswith(("X", "x", "Auth", "Cookie")) and "equest-I" not in line
    ]


def test_header_lines_pass_as_they_were_written(live: Live, wire: Wire) -> None:
    lines = ["X_Under: 1", "X-Rep: 1", "x-rep: 2,3", "X-Rep: 1", "X-Obs: é", "X-Empty: "]
    if live.gunicorn != GTHREAD:  # gunicorn joins and drops lines there; our reader is for gevent
        want = ["X_Under: 1", "X-Rep: 1", "X-Rep: 2,3", "X-Rep: 1", "X-Obs: é", "X-Empty: "]
        assert heard(live, wire, "wire", *lines) == want
        assert heard(live, wire, "wire", "Cookie: a=1", "Cookie: b=2") == [
            "Cookie: a=1; b=2"
        ]  # RFC 6265, 5.4: one line


def test_no_line_takes_the_place_of_our_credential_or_of_the_framing(
    live: Live, wire: Wire
) -> None:
    lines = [
        "X-Key: theirs",
        "X-Key: again",
        "Transfer_Encoding: chunked",
        "Content_Length: 5",
        "X_Postern_Token: t",
    ]
    assert heard(live, wire, "keyed", *lines) == ["X-Key: the-vendors-key"]
    assert b"ransfer_" not in wire.heard[-1] and b"ontent_" not in wire.heard[-1]


@pytest.mark.parametrize(
    "status", ["200 Fine", "299 ", "404 Nicht gefunden: é", "500 Out to lunch"]
)
def test_the_reason_phrase_passes_as_it_came(live: Live, wire: Wire, status: str) -> None:
    wire.answers.append(answer(b"hi", status))
    head = (
        f"GET /api/v1/proxy/wire/x HTTP/1.1\r\nHost: x\r\nX-Postern-Token: {live.token()}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        client.sendall(head.encode())
        assert client.recv(65536).startswith(f"HTTP/1.1 {status}\r\n".encode("latin-1"))


def test_a_vendor_cannot_speak_for_us(live: Live, wire: Wire) -> None:
    wire.answers.append(
        answer(b"hi", "403 No", "X-Postern-Error: forbidden", "X-Accel-Redirect: /_files/x")
    )
    status, headers, body = ask(live, "GET", "/wire/x")
    assert (status, body, "X-Postern-Error" in dict(headers)) == (403, b"hi", False)
    assert (
        dict(headers)["X-Accel-Redirect"] == "/_files/x"
    )  # nobody is in front of us who would obey


def attempts(live: Live, request_id: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in live.log.splitlines() if f'"{request_id}"' in line]
    return [line for line in lines if line["event"] == "attempt"]


def test_an_answer_that_has_no_body_is_no_hang_up(live: Live) -> None:
    for verb, how in (("HEAD", {}), ("GET", {"If_None_Match": '"abc"'})):
        ask(live, verb, "/rest/ranged", X_Request_ID=f"bodyless-{verb}", **how)
        [attempt] = wait_for(lambda verb=verb: attempts(live, f"bodyless-{verb}"))
        assert attempt["code"] == 0


def test_redirects_conditions_ranges_and_head_are_the_vendors(live: Live) -> None:
    status, headers, _ = ask(live, "GET", "/rest/redirect?to=http://elsewhere.example/")
    assert (status, dict(headers)["Location"]) == (302, "http://elsewhere.example/")
    assert ask(live, "GET", "/rest/ranged", If_None_Match='"abc"')[0] == 304
    status, headers, body = ask(live, "GET", "/rest/ranged", Range="bytes=1-2")
    assert (status, body, dict(headers)["Content-Range"]) == (206, b"bc", "bytes 1-2/26")
    status, headers, body = ask(live, "HEAD", "/rest/ranged")
    assert (status, body, dict(headers)["Content-Length"]) == (200, b"", "26")


@pytest.mark.parametrize("status", [400, 401, 404, 409, 418, 429, 500, 503])
def test_a_vendors_error_is_the_vendors_own(live: Live, status: int) -> None:
    answer = ask(live, "GET", f"/rest/fault/status={status}/anything")
    assert (answer[0], json.loads(answer[2])) == (
        status,
        {"error": f"postern-sandbox was asked for {status}"},
    )
    assert "x-postern-error" not in {name.lower() for name, _ in answer[1]}


def test_what_is_safe_is_sent_again_and_nothing_else(live: Live, box: Sandbox) -> None:
    assert ask(live, "GET", "/rest/fault/status=503x1;id=p/anything")[0] == 200
    assert ask(live, "PUT", "/rest/fault/status=503x1;id=q/anything", b"small")[0] == 200
    assert ask(live, "POST", "/rest/fault/status=503x1;id=r/anything", b"small")[0] == 503
    assert ask(live, "PUT", "/rest/fault/status=503x1;id=s/anything", b"x" * 200_000)[0] == 503
    assert len(box.requests) == 6


def test_a_stale_token_is_renewed_and_the_request_sent_once_more(live: Live, box: Sandbox) -> None:
    message = b'{"touser": "o1", "text": "x"}'
    assert echo(ask(live, "POST", "/wechat/cgi-bin/message/send", message))["errcode"] == 0
    box.revoke_tokens()
    assert echo(ask(live, "POST", "/wechat/cgi-bin/message/send", message))["errcode"] == 0


REFUSED = [
    ("/nobody/x", 404, "not_found"), ("/rest%2fanything", 404, "not_found"), ("/rest%2Fa/b", 404, "not_found"),
    ("/shut/items", 404, "not_found"), ("/some/v2/x", 404, "not_found"),
    ("/rest/../admin", 400, "validation_error"), ("/rest/a/%2e%2e/b", 400, "validation_error"),
    ("/rest/a/..%2fb", 400, "validation_error"), ("/rest/a/%252e%252e/b", 400, "validation_error"),
    ("/some/v1/..%5c..%5cadmin", 400, "validation_error"), ("/rest/..;/b", 400, "validation_error"),
    ("/away/x", 502, "downstream_unreachable"), ("/hasty/fault/hang/anything", 504, "downstream_timeout"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "status", "kind"), REFUSED)
def test_our_own_refusals_keep_the_envelope_and_say_so(
    live: Live, path: str, status: int, kind: str
) -> None:
    answer = ask(live, "GET", path)
    assert (answer[0], dict(answer[1]).get("X-Postern-Error")) == (status, kind)
    assert json.loads(answer[2])["error"]["type"] == kind


def test_who_has_no_proof_is_refused_by_us(live: Live) -> None:
    answer = requests.get(f"{live.url}/api/v1/proxy/rest/anything", timeout=30)
    assert (answer.status_code, answer.headers["X-Postern-Error"]) == (401, "unauthenticated")
    answer = requests.options(f"{live.url}/api/v1/proxy/rest/anything", timeout=30)
    assert (answer.status_code, answer.headers["X-Postern-Error"]) == (401, "unauthenticated")


def test_an_upgrade_is_refused_clearly(live: Live, box: Sandbox) -> None:
    answer = ask(live, "GET", "/rest/anything", Connection="Upgrade", Upgrade="websocket")
    assert (answer[0], list(json.loads(answer[2])["error"]["fields"])) == (400, ["Upgrade"])
    assert box.requests == []


def test_a_listed_path_is_open(live: Live) -> None:
    assert ask(live, "GET", "/some/v1/health")[0] == 200
    assert ask(live, "GET", "/some/items?x=1")[0] == 200


def test_services_tell_which_paths_may_be_proxied(live: Live) -> None:
    patterns = {
        item["name"]: item["proxy"] for item in live.get("/api/v1/services").json()["data"]["items"]
    }
    assert (patterns["rest"], patterns["some"]) == (["/*"], ["/v1/*", "/items"])


def test_an_app_may_proxy_what_it_may_call_and_its_signature_does_not_go_on(live: Live) -> None:
    secret = re.search(r"[\w-]{43}", live.flask("app", "create", "sdk", "--allow", "rest").stdout)[
        0
    ]
    url = f"{live.url}/api/v1/proxy"
    answer = requests.post(
        f"{url}/rest/anything?x=1", data=b"hello", auth=PosternAuth("sdk", secret), timeout=30
    )
    assert (answer.status_code, answer.json()["body"]) == (200, "hello")
    assert not [
        name
        for name in answer.json()["headers"]
        if name in ("x-app-id", "x-nonce", "x-signature", "x-timestamp")
    ]
    answer = requests.get(f"{url}/some/items", auth=PosternAuth("sdk", secret), timeout=30)
    assert (answer.status_code, answer.headers["X-Postern-Error"]) == (403, "forbidden")


def test_the_services_quota_counts_proxied_requests(live: Live) -> None:
    ask(live, "GET", "/slow/items")
    answer = ask(live, "GET", "/slow/items")
    assert (answer[0], dict(answer[1])["X-Postern-Error"]) == (429, "downstream_quota")


def test_a_chunked_request_and_expect_100_continue_are_taken(live: Live, box: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as sock:
        sock.sendall(
            f"POST /api/v1/proxy/rest/anything HTTP/1.1\r\nHost: x\r\nX-Postern-Token: {live.token()}\r\n"
            "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n".encode()
        )
        assert sock.recv(65536).startswith(b"HTTP/1.1 100")
        sock.sendall(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        data = b"".join(iter(lambda: sock.recv(65536), b""))
    assert b" 200 " in data and box.requests[-1].body == b"abcde"
    assert "expect" not in box.requests[-1].headers


def test_a_body_in_a_transfer_coding_that_would_be_lost_is_refused(
    live: Live, box: Sandbox
) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as sock:
        sock.sendall(
            f"POST /api/v1/proxy/rest/anything HTTP/1.1\r\nHost: x\r\nX-Postern-Token: {live.token()}\r\n"
            "Transfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\n\r\n".encode()
        )
        data = b"".join(iter(lambda: sock.recv(65536), b""))
    assert b" 400 " in data and box.requests == []


def test_the_attempt_is_logged_without_query_and_secrets(live: Live) -> None:
    ask(live, "GET", "/rest/anything/logged?token=hunter22")
    wait_for(lambda: '"/anything/logged"' in live.log)
    lines = [json.loads(line) for line in live.log.splitlines() if '"/anything/logged"' in line]
    assert [entry["method"] for entry in lines] == ["proxy"]
    assert "hunter22" not in live.log and "the-vendors-key" not in live.log


def test_wechatpy_works_by_changing_its_base_url(live: Live, box: Sandbox) -> None:
    from wechatpy import WeChatClient

    client = WeChatClient("any", "any", access_token="unused")
    client.API_BASE_URL = f"{live.url}/api/v1/proxy/wechat/cgi-bin/"
    client._http.headers["X-Postern-Token"] = live.token()
    answer = client.post("message/send", data={"touser": "o1", "text": "from wechatpy"})
    assert answer["errcode"] == 0
    assert json.loads(box.requests[-1].body)["text"] == "from wechatpy"


def test_the_openai_sdk_works_by_changing_its_base_url(live: Live) -> None:
    from openai import OpenAI

    client = OpenAI(
        api_key="unused",
        base_url=f"{live.url}/api/v1/proxy/llm/v1",
        default_headers={"X-Postern-Token": live.token()},
    )
    messages = [{"role": "user", "content": "one two"}]
    whole = client.chat.completions.create(model="echo", messages=messages)
    assert whole.choices[0].message.content == "one two"
    stream = client.chat.completions.create(model="echo", messages=messages, stream=True)
    assert [event.choices[0].delta.content for event in stream] == ["one", "two", None]


def test_the_sdks_trace_goes_on_as_ours(live: Live, box: Sandbox) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = echo(
        ask(
            live,
            "GET",
            "/rest/anything",
            traceparent=f"00-{trace}-00f067aa0ba902b7-01",
            tracestate="a=1",
        )
    )["headers"]
    version, trace_id, span_id, _ = headers["traceparent"].split("-")
    assert (version, trace_id, headers["tracestate"]) == ("00", trace, "a=1")
    assert span_id != "00f067aa0ba902b7"
