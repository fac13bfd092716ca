"""Hundreds of shapes of requests, by Postern itself and by an nginx with deploy/nginx.conf before it.

What a proxy says of the caller counts only from one that is trusted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.e2e.front.nginx import Nginx
from tests.e2e.incoming.raw_http import Answer, Dialogue
from tests.e2e.incoming.request_shapes import SHAPES, TOKEN, Seen, Shape, get
from tests.e2e.live import Live, catalog_for

FRONTS = ["postern", "nginx"]
PEER = "127.0.0.1"


@pytest.fixture(scope="module")
def stack() -> Iterator[ExitStack]:
    with ExitStack() as running:
        yield running


@pytest.fixture(scope="module")
def trusting(box: Sandbox, tmp_path_factory: pytest.TempPathFactory, stack: ExitStack) -> Live:
    """It believes one proxy."""
    return _start(box, tmp_path_factory.mktemp("trusting"), stack, TRUSTED_PROXIES="1")


@pytest.fixture(scope="module")
def alone(box: Sandbox, tmp_path_factory: pytest.TempPathFactory, stack: ExitStack) -> Live:
    """It believes nobody."""
    return _start(box, tmp_path_factory.mktemp("alone"), stack)


def _start(box: Sandbox, folder: Path, stack: ExitStack, **settings: str) -> Live:
    vendor = f'  echo: {{base_url: "{box.url}", allow_private: true, proxy: true}}\n'
    live = Live(folder, catalog_for(box, vendor), **settings)
    stack.callback(live.stop)
    return live.start()


@pytest.fixture(scope="module")
def nginx(trusting: Live, tmp_path_factory: pytest.TempPathFactory, stack: ExitStack) -> Nginx:
    if os.environ.get("POSTERN_TEST_NGINX") == "no":
        pytest.skip("POSTERN_TEST_NGINX=no")
    front = Nginx(tmp_path_factory.mktemp("nginx"), trusting.port, files=trusting.env["FILES_DIR"])
    stack.callback(front.stop)
    return front.start()


def outcome_of(shape: Shape, expected: str, port: int, token: str) -> str:
    """Return what came of it, in the words of ``expected``, which tells how many answers to read."""
    proof = b"X-Postern-Token: Bearer " + token.encode()
    statuses: list[str] = []
    with Dialogue(port) as dialogue:
        dialogue.send(shape.raw.replace(TOKEN, proof))
        if shape.ends:
            dialogue.end()
        for _ in range(expected.count(",") + 1):
            try:
                answer = dialogue.answer(head=shape.raw.startswith(b"HEAD"))
            except TimeoutError:
                return f"{', '.join(statuses)} and silence"
            if answer is None:
                break
            assert answer.version in ("HTTP/1.0", "HTTP/1.1")
            statuses.append(f"{answer.status} {answer.code or ''}".strip())
        end = "kept" if statuses and dialogue.is_kept() else "closed"
    return f"{', '.join(statuses)} {end}".strip()


def sent_to_vendor(box: Sandbox, names: Seen) -> Seen:
    """Return of the last request what is asked for, None for what it lacks."""
    if not box.requests:
        return dict.fromkeys(names)
    request = box.requests[-1]
    facts = {"verb": request.verb, "target": request.target, "body": request.text()}
    return {name: {**request.headers, **facts}.get(name) for name in names}


@pytest.mark.parametrize("front", FRONTS)
def test_each_shape_of_request_has_its_answer_and_its_end_and_reaches_a_vendor_as_it_should(
    front: str, box: Sandbox, trusting: Live, request: pytest.FixtureRequest
) -> None:
    port = trusting.port if front == "postern" else request.getfixturevalue("nginx").port
    wrong = []
    for shape in SHAPES:
        expected, saw = shape.expectation(front)
        box.reset()
        outcome = outcome_of(shape, expected, port, trusting.token())
        if outcome != expected:
            wrong.append(f"{shape.name}: {outcome} instead of {expected}")
        elif (sent := sent_to_vendor(box, saw)) != saw:
            wrong.append(f"{shape.name}: the vendor was sent {sent} instead of {saw}")
    assert not wrong, "\n".join(wrong)
    assert "Traceback" not in trusting.log


#: Header lines; the caller's address and scheme as Postern has them where it trusts one proxy, and where none.
FORWARDED = {
    "nothing": ([], (PEER, "http"), (PEER, "http")),
    "an address": (["X-Forwarded-For: 203.0.113.9"], ("203.0.113.9", "http"), (PEER, "http")),
    "several": (["X-Forwarded-For: 192.0.2.1, 203.0.113.9"], ("203.0.113.9", "http"), (PEER, "http")),
    "several lines": (["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 203.0.113.9"], ("203.0.113.9", "http"), (PEER, "http")),
    "a port": (["X-Forwarded-For: 203.0.113.9:4001"], ("203.0.113.9", "http"), (PEER, "http")),
    "IPv6": (["X-Forwarded-For: [2001:db8::1]:443"], ("2001:db8::1", "http"), (PEER, "http")),
    "no address": (["X-Forwarded-For: unknown"], (PEER, "http"), (PEER, "http")),
    "an empty one": (["X-Forwarded-For:"], (PEER, "http"), (PEER, "http")),
    "an underscore": (["X_Forwarded_For: 203.0.113.9"], (PEER, "http"), (PEER, "http")),
    "another name": (["X-Real-IP: 203.0.113.9", "Forwarded: for=203.0.113.9;proto=https"], (PEER, "http"), (PEER, "http")),
    "https": (["X-Forwarded-Proto: https"], (PEER, "https"), (PEER, "https")),
    "http": (["X-Forwarded-Proto: http"], (PEER, "http"), (PEER, "http")),
    "another scheme": (["X-Forwarded-Proto: gopher"], (PEER, "http"), (PEER, "http")),
    "contradictory schemes": (["X-Forwarded-Proto: https", "X-Forwarded-Proto: http"], (PEER, "http"), (PEER, "http")),
    "a script": (["Script-Name: /x", "X-Script-Name: /x", "Path-Info: /y"], (PEER, "http"), (PEER, "http")),
    "a host": (["X-Forwarded-Host: evil.example"], (PEER, "http"), (PEER, "http")),
    "a broken prefix": (["X-Forwarded-Prefix: //evil.example"], (PEER, "http"), (PEER, "http")),
}  # fmt: skip


def caller_of(live: Live, port: int, lines: list[str]) -> tuple[str, str]:
    """Return the address and the scheme that Postern takes a request for."""
    with Dialogue(port) as dialogue:
        dialogue.send(get(*(line.encode() for line in lines)))
        answer = dialogue.answer()
    assert isinstance(answer, Answer) and answer.status == 200, answer
    request_id = answer.headers["x-request-id"]
    [line] = [json.loads(line) for line in live.log.splitlines() if request_id in line]
    scheme = "https" if "strict-transport-security" in answer.headers else "http"
    return line["address"], scheme


def test_what_a_proxy_says_of_the_caller_counts_if_it_is_trusted(
    trusting: Live, alone: Live
) -> None:
    for lines, trusted, untrusted in FORWARDED.values():
        assert caller_of(trusting, trusting.port, lines) == trusted, lines
        assert caller_of(alone, alone.port, lines) == untrusted, lines


def test_nginx_lets_nobody_say_where_he_comes_from(trusting: Live, nginx: Nginx) -> None:
    for lines, _, _ in FORWARDED.values():
        assert caller_of(trusting, nginx.port, lines) == (PEER, "http"), lines


def test_two_headers_that_name_different_schemes_are_refused(trusting: Live) -> None:
    with Dialogue(trusting.port) as dialogue:
        dialogue.send(get(b"X-Forwarded-Proto: https", b"X-Forwarded-Ssl: off"))
        answer = dialogue.answer()
    assert answer and (answer.status, answer.code) == (400, -3001)
