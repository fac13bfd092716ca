"""Idempotency-Key: under one key a call is made once, by whichever worker, and its first answer is given again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway import Caller, GatewayError
from gateway.clock import SystemClock
from gateway.errors import (
    BadResponse,
    CircuitOpen,
    Conflict,
    ConnectFailed,
    ConnectionLost,
    CredentialError,
    DeadlineExceeded,
    Failed,
    InvalidParams,
    QuotaExceeded,
    ReadTimeout,
    Rejected,
    StoreUnavailable,
)
from gateway.messages import Result, Trace
from gateway.middleware.idempotency import (
    LEASE_MARGIN_SECONDS,
    MAX_ANSWER_BYTES,
    RETENTION_SECONDS,
    Idempotency,
    KeyUse,
    check_key,
    part_key,
)
from gateway.stores import Store
from gateway.stores.redis import RedisStore
from sandbox import Sandbox
from tests.gateway.fakes import (
    PATIENT,
    WAIT_SECONDS,
    Gate,
    Lines,
    Wire,
    comes_true,
    hasty,
    service,
)
from tests.http_server import Answer, HttpServer, Received
from tests.redis_server import RedisServer

Open = Callable[..., Gate]
Make = Callable[..., Gate]
PassTime = Callable[[float], None]
NAME = {"name": {"type": "string"}, "size": {"type": "integer"}}
POST = {"http": "POST /anything", "params": NAME}
HONOURED = {**POST, "idempotency_header": "Idem-Key"}
DEADLINE_SECONDS = PATIENT["deadline"]
LEASE = DEADLINE_SECONDS + LEASE_MARGIN_SECONDS


@pytest.fixture
def make(box: Sandbox, open_gate: Open, store: Store) -> Make:
    """One more worker over the same store: ``make(http=...)`` has the one method ``m``."""

    def worker(on: Any = None, other_methods: Any = None, **method: Any) -> Gate:
        methods = {"m": {**POST, **method}, **(other_methods or {})}
        return open_gate(
            {"s": service(box.url, methods=methods, **(on or {}))}, store=store, clock=SystemClock()
        )

    return worker


def sent(box: Sandbox) -> int:
    return len(box.requests)


class SlowVendor(HttpServer):
    """Answers the first request once ``release`` is set, and all others at once, with what it got."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.release = threading.Event()

    def answer(self, request: Received) -> Answer:
        self.requests.append(request)
        if len(self.requests) == 1:
            self.release.wait(WAIT_SECONDS)
        body = json.dumps({"headers": dict(request.headers)}).encode()
        return Answer(200, body, (("Content-Type", "application/json"),))

    def __exit__(self, *_: object) -> None:
        self.release.set()
        super().__exit__()


@pytest.fixture
def slow() -> Iterator[SlowVendor]:
    with SlowVendor() as vendor:
        yield vendor


@pytest.fixture
def worker(make: Make, slow: SlowVendor) -> Make:
    """As ``make``, over the slow service."""

    def one_more(**method: Any) -> Gate:
        return make(on={"base_url": slow.url}, **method)

    return one_more


def start_slow_call(slow: SlowVendor, at: Gate) -> Any:
    """A call that the service has and does not answer yet; as that of a worker which hangs."""
    pool = ThreadPoolExecutor(1)
    call = pool.submit(at.ask, "m", {"name": "a"}, idempotency_key="k", request_id="hung")
    assert comes_true(lambda: slow.requests)
    pool.shutdown(wait=False)
    return call


def end_slow_call(slow: SlowVendor, call: Any) -> Any:
    assert not call.done()
    slow.release.set()
    return call.result(WAIT_SECONDS)


@pytest.mark.parametrize("http", ["POST /anything", "GET /anything", "DELETE /anything"])
def test_the_first_answer_is_given_again_by_every_worker(
    make: Make, box: Sandbox, http: str
) -> None:
    one = make(http=http)
    other = make(http=http)
    first = one.ask("m", {"name": "a"}, idempotency_key="k", request_id="r-1")
    assert not one.trace.replayed
    for at in (one, other):
        assert at.ask("m", {"name": "a"}, idempotency_key="k", request_id="r-2") == first
        assert at.trace.replayed
        assert at.trace.attempts == []
    assert sent(box) == 1


def test_without_a_key_every_call_is_made_and_the_store_is_not_asked(
    box: Sandbox, open_gate: Open
) -> None:
    class Untouchable:
        shared = False

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    at = open_gate({"s": service(box.url, methods={"m": POST})}, store=Untouchable())
    assert at.ask("m", {"name": "a"})
    assert at.ask("m", {"name": "a"})
    assert sent(box) == 2


def test_a_key_counts_for_its_own_caller_and_for_a_day(
    make: Make, box: Sandbox, pass_time: PassTime
) -> None:
    at = make()
    for caller in ("user:7", "app:shop", "app:shop"):
        at.ask("m", {"name": caller}, idempotency_key="k", caller=Caller(caller))
    assert sent(box) == 2
    pass_time(RETENTION_SECONDS - 60)
    at.ask("m", {"name": "user:7"}, idempotency_key="k")
    assert sent(box) == 2
    pass_time(60)
    at.ask("m", {"name": "now something else"}, idempotency_key="k")
    assert sent(box) == 3


def test_a_vendor_gets_one_key_for_one_of_ours_and_never_the_same_for_two(
    make: Make, box: Sandbox
) -> None:
    at = make(**HONOURED, other_methods={"n": HONOURED})
    box.fault("/anything", "status=503", times=1)
    with pytest.raises(Failed):
        at.ask(idempotency_key="k")
    at.ask(idempotency_key="k")
    at.ask(idempotency_key="k", caller=Caller("app:shop"))
    at.ask(idempotency_key="other")
    at.ask("n", idempotency_key="for n")
    keys = [request.headers["idem-key"] for request in box.requests]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4
    assert all(len(key) == 36 for key in keys)


def test_who_stands_in_gets_a_key_of_its_own_and_always_the_same(make: Make, box: Sandbox) -> None:
    at = make(
        **HONOURED,
        fallback={"call": "s.n"},
        other_methods={"n": {**HONOURED, "http": "PATCH /anything"}},
    )
    box.fault("/anything", "status=503")
    for _ in range(2):
        with pytest.raises(Failed):
            at.ask(idempotency_key="k")
    keys = [(request.verb, request.headers["idem-key"]) for request in box.requests]
    assert keys[:2] == keys[2:]
    assert len({key for _, key in keys}) == 2


@pytest.mark.parametrize(
    ("method", "params"), [("m", {"name": "b"}), ("m", {}), ("n", {"name": "a"})]
)
def test_another_call_under_the_same_key_is_refused(
    make: Make, box: Sandbox, method: str, params: dict[str, object]
) -> None:
    at = make(other_methods={"n": POST})
    at.ask("m", {"name": "a"}, idempotency_key="k")
    with pytest.raises(Conflict, match="another request") as caught:
        at.ask(method, params, idempotency_key="k")
    assert (caught.value.code, caught.value.source, sent(box)) == (-3006, "caller", 1)


def test_the_order_of_parameters_makes_no_other_call(make: Make, box: Sandbox) -> None:
    at = make()
    at.ask("m", {"name": "a", "size": 1}, idempotency_key="k")
    at.ask("m", {"size": 1, "name": "a"}, idempotency_key="k")
    assert sent(box) == 1


def test_while_the_first_call_is_under_way_the_same_is_refused_and_then_answered(
    worker: Make, slow: SlowVendor
) -> None:
    one = worker()
    other = worker()
    call = start_slow_call(slow, one)
    for at in (one, other):
        with pytest.raises(Conflict, match="being worked on") as caught:
            at.ask("m", {"name": "a"}, idempotency_key="k")
        assert (caught.value.retry_after, caught.value.retryable) == (1, True)
    with pytest.raises(Conflict, match="another request"):
        other.ask("m", {"name": "b"}, idempotency_key="k")
    assert other.ask("m", {"name": "a"}, idempotency_key="k", caller=Caller("app:shop"))
    first = end_slow_call(slow, call)
    assert other.ask("m", {"name": "a"}, idempotency_key="k") == first
    assert len(slow.requests) == 2


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("status=422", Rejected),
        ("status=409", Rejected),
        ("html", BadResponse),
        ("status=503", Failed),
        ("reset", ConnectionLost),
        ("hang", ReadTimeout),
    ],
)
def test_a_failure_that_stands_is_given_again(
    make: Make, box: Sandbox, fault: str, kind: type[GatewayError]
) -> None:
    at = make(on={"expose_vendor_code": True}, **hasty(fault))
    box.fault("/anything", fault, times=1)
    outcomes = []
    for _ in range(2):
        with pytest.raises(kind) as caught:
            at.ask(idempotency_key="k")
        error = caught.value
        outcomes.append(
            (
                type(error),
                error.message,
                error.vendor_code,
                error.service,
                error.method,
                error.expose_vendor_code,
            )
        )
    assert outcomes[0] == outcomes[1]
    assert (sent(box), at.trace.replayed) == (1, True)


def test_an_answer_that_is_given_again_says_who_gave_it(make: Make, box: Sandbox) -> None:
    box.fault("/anything", "status=503", times=1)
    outcomes = []
    for _ in range(2):
        at = make(fallback={"static": {"done": False}})
        outcomes.append((at.ask(idempotency_key="k"), at.trace.fallback, at.trace.replayed))
    assert outcomes == [({"done": False}, "static", False), ({"done": False}, "static", True)]


@pytest.mark.parametrize(
    ("fault", "kind"), [("status=429", QuotaExceeded), ("status=401", CredentialError)]
)
def test_a_failure_that_did_nothing_frees_the_key(
    make: Make, box: Sandbox, fault: str, kind: type[GatewayError]
) -> None:
    at = make()
    box.fault("/anything", fault, times=1)
    with pytest.raises(kind):
        at.ask("m", {"name": "a"}, idempotency_key="k")
    assert at.ask("m", {"name": "for another call, too"}, idempotency_key="k")
    assert not at.trace.replayed


def test_a_call_whose_time_ended_while_its_token_was_fetched_frees_the_key(
    make: Make, box: Sandbox, slow: SlowVendor
) -> None:
    request = {"http": f"POST {slow.url}/token"}
    at = make(on={"auth": {"type": "token", "request": request, "token": "headers.host"}})
    with pytest.raises(DeadlineExceeded):
        at.ask(idempotency_key="k", timeout=0.5)
    assert at.ask(idempotency_key="k")
    assert (at.trace.replayed, sent(box)) == (False, 1)


def test_what_was_never_sent_frees_the_key(open_gate: Open, store: Store, box: Sandbox) -> None:
    with Wire([]) as closed:
        url = closed.url
    breaker = {"window": 60, "min_calls": 1, "failure_rate": 0.5, "open_for": 60}
    params = {"p": {"type": "string", "in": "header"}}
    methods = {"m": {"http": "POST /", "params": params}}
    at = open_gate({"s": service(url, methods=methods, breaker=breaker)}, store=store)
    with pytest.raises(InvalidParams):
        at.ask("m", {"p": "\n"}, idempotency_key="k")
    for kind in (ConnectFailed, CircuitOpen, CircuitOpen):
        with pytest.raises(kind):
            at.ask(idempotency_key="k")
    store.delete("breaker:s:base_url")  # the service is well again
    well = open_gate(
        {"s": service(box.url, methods={"m": {"http": "POST /anything"}})}, store=store
    )
    assert well.ask(idempotency_key="k")


def test_a_key_is_not_freed_when_who_stood_in_may_have_done_it(
    open_gate: Open, store: Store, box: Sandbox
) -> None:
    with Wire([]) as closed:
        url = closed.url
    methods = {"m": {"http": "POST /", "fallback": {"call": "t.m"}}}
    services = {
        "s": service(url, methods=methods),
        "t": service(box.url, methods={"m": {"http": "POST /anything"}}),
    }
    at = open_gate(services, store=store)
    box.fault("/anything", "reset")
    for _ in range(2):
        with pytest.raises(ConnectFailed):
            at.ask(idempotency_key="k")
    assert sent(box) == 1


def test_when_a_worker_hangs_and_the_service_honours_no_key_the_outcome_is_unknown_and_nothing_is_sent_again(
    worker: Make, slow: SlowVendor, pass_time: PassTime
) -> None:
    one = worker()
    other = worker()
    call = start_slow_call(slow, one)
    pass_time(LEASE)
    for _ in range(2):
        with pytest.raises(Conflict, match="outcome is unknown"):
            other.ask("m", {"name": "a"}, idempotency_key="k")
    end_slow_call(slow, call)
    assert other.ask("m", {"name": "a"}, idempotency_key="k"), (
        "it was not dead: now its answer is known"
    )
    assert len(slow.requests) == 1


@pytest.mark.parametrize(
    "method", [{"idempotency_header": "Idem-Key"}, {"idempotent": True}, {"http": "PUT /anything"}]
)
def test_when_a_worker_hangs_what_is_safe_is_sent_again_and_the_late_answer_changes_nothing(
    worker: Make, slow: SlowVendor, pass_time: PassTime, method: dict[str, Any]
) -> None:
    one = worker(**method)
    other = worker(**method)
    call = start_slow_call(slow, one)
    pass_time(LEASE)
    second = other.ask("m", {"name": "a"}, idempotency_key="k", request_id="second")
    assert second["headers"]["x-request-id"] == "second"
    assert end_slow_call(slow, call)["headers"]["x-request-id"] == "hung"
    assert other.ask("m", {"name": "a"}, idempotency_key="k") == second
    first, second = slow.requests
    assert first.headers.get("idem-key") == second.headers.get("idem-key")


def test_what_is_safe_is_not_sent_again_where_who_stands_in_for_it_is_not(
    worker: Make, slow: SlowVendor, pass_time: PassTime
) -> None:
    safe: dict[str, Any] = {
        "idempotent": True,
        "fallback": {"call": "s.n"},
        "other_methods": {"n": POST},
    }
    one = worker(**safe)
    other = worker(**safe)
    call = start_slow_call(slow, one)
    pass_time(LEASE)
    with pytest.raises(Conflict, match="being worked on"):
        other.ask("m", {"name": "a"}, idempotency_key="k")
    pass_time(DEADLINE_SECONDS)  # the time of who stands in
    with pytest.raises(Conflict, match="outcome is unknown"):
        other.ask("m", {"name": "a"}, idempotency_key="k")
    end_slow_call(slow, call)


@pytest.mark.parametrize(
    "fault", ["hang", "reset", "status=503", "short", "status=409", "status=425"]
)
def test_where_sending_again_is_safe_only_an_answer_that_was_understood_stands(
    make: Make, box: Sandbox, fault: str
) -> None:
    box.fault("/anything", fault, times=1)
    with pytest.raises(GatewayError):
        make(**HONOURED, **hasty(fault)).ask("m", {"name": "a"}, idempotency_key="k")
    at = make(**HONOURED)
    with pytest.raises(Conflict, match="another request"):
        at.ask("m", {"name": "b"}, idempotency_key="k")
    assert at.ask("m", {"name": "a"}, idempotency_key="k")
    first, second = box.requests
    assert first.headers["idem-key"] == second.headers["idem-key"]
    box.fault("/anything", "status=422", times=1)
    for _ in range(2):
        with pytest.raises(Rejected):
            at.ask(idempotency_key="no")
    assert sent(box) == 3


def test_an_answer_too_large_to_keep_is_told_as_done_or_asked_for_again_where_that_is_safe(
    make: Make, box: Sandbox
) -> None:
    for method, times in (({}, 1), ({"idempotent": True}, 2)):
        box.reset()
        box.fault("/anything", f"huge={MAX_ANSWER_BYTES}")
        at = make(response="text", **method)
        key = str(times)
        assert len(at.ask(idempotency_key=key)) == MAX_ANSWER_BYTES
        if method:
            assert len(at.ask(idempotency_key=key)) == MAX_ANSWER_BYTES
        else:
            with pytest.raises(Conflict, match="too large"):
                at.ask(idempotency_key=key)
        assert sent(box) == times


def make_use(**how: Any) -> KeyUse:
    facts = {
        "caller": "user:7",
        "key": "k",
        "fingerprint": "this",
        "lease": 10,
        "repeatable": False,
        "trace": Trace(),
    }
    return KeyUse(**{**facts, **how})


def test_a_worker_that_stopped_before_it_began_begins_nothing_once_another_has(
    store: Store, pass_time: PassTime
) -> None:
    done: list[str] = []

    class StopsAfterReading:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def get(self, key: str) -> bytes | None:
            value = store.get(key)
            pass_time(10)
            Idempotency(store).run(make_use(), lambda: Result(done.append("other")))
            return value

    late_store: Any = StopsAfterReading()
    with pytest.raises(Conflict, match="being worked on"):
        Idempotency(late_store).run(make_use(), lambda: Result(done.append("late")))
    assert done == ["other"]


def test_a_late_failure_that_did_nothing_takes_nobody_elses_answer(
    store: Store, pass_time: PassTime
) -> None:
    idempotency = Idempotency(store)
    use = make_use(repeatable=True)

    def hang_and_fail() -> Result:
        pass_time(10)
        assert idempotency.run(use, lambda: Result("done")).data == "done"
        raise ConnectFailed

    with pytest.raises(ConnectFailed):
        idempotency.run(use, hang_and_fail)
    assert idempotency.run(use, lambda: Result("again")).data == "done"


def test_after_something_unforeseen_the_outcome_is_unknown(store: Store) -> None:
    idempotency = Idempotency(store)
    with pytest.raises(ZeroDivisionError):
        idempotency.run(make_use(), lambda: Result(1 // 0))
    with pytest.raises(Conflict, match="outcome is unknown"):
        idempotency.run(make_use(), lambda: Result("done"))
    assert idempotency.run(make_use(repeatable=True), lambda: Result("done")).data == "done"


def test_what_is_kept_tells_neither_who_asked_nor_under_which_key_nor_what(
    redis_server: RedisServer,
) -> None:
    store = RedisStore(redis_server.url, Lines().warning)
    Idempotency(store).run(
        make_use(caller="user:secretive", key="my-private-key"), lambda: Result("done")
    )
    entries = {key: redis_server.client.get(key) for key in redis_server.client.keys("*")}
    assert any(b"idempotency:" in key for key in entries)
    assert not any(word in b"%r" % [*entries.items()] for word in (b"secretive", b"private"))
    store.close()


@pytest.fixture
def mortal(redis_server: RedisServer) -> Iterator[tuple[RedisServer, RedisStore]]:
    """A real Redis that a test may kill, and the store on it."""
    redis = RedisStore(redis_server.url, Lines().warning)
    yield redis_server, redis
    redis.close()


def test_while_the_store_is_away_a_call_with_a_key_is_not_sent(
    mortal: tuple[RedisServer, RedisStore], open_gate: Open, box: Sandbox
) -> None:
    server, store = mortal
    at = open_gate({"s": service(box.url, methods={"m": POST})}, store=store)
    server.kill()
    with pytest.raises(StoreUnavailable):
        at.ask(idempotency_key="k")
    assert sent(box) == 0
    assert at.ask()


def refuse_writes(server: RedisServer) -> None:
    server.client.config_set("maxmemory", 1)


@pytest.mark.parametrize("lose", [refuse_writes, RedisServer.kill])
def test_an_answer_that_the_store_cannot_take_is_given_again_once_it_is_back(
    mortal: tuple[RedisServer, RedisStore], lose: Callable[[RedisServer], None]
) -> None:
    server, store = mortal
    idempotency = Idempotency(store)
    done: list[str] = []

    def do() -> Result:
        done.append("done")
        lose(server)
        return Result("done")

    assert idempotency.run(make_use(), do).data == "done"
    server.start().client.config_set("maxmemory", 0)
    assert comes_true(lambda: store.up)
    use = make_use()
    assert idempotency.run(use, do).data == "done"
    assert use.trace.replayed
    assert done == ["done"]


def test_a_failure_that_did_nothing_frees_the_key_once_the_store_is_back(
    mortal: tuple[RedisServer, RedisStore],
) -> None:
    server, store = mortal
    idempotency = Idempotency(store)

    def fail() -> Result:
        refuse_writes(server)
        raise ConnectFailed

    with pytest.raises(ConnectFailed):
        idempotency.run(make_use(), fail)
    server.client.config_set("maxmemory", 0)
    assert comes_true(lambda: store.up)
    server.pass_time(10)
    assert idempotency.run(make_use(), lambda: Result("done")).data == "done"


def test_a_call_that_was_not_made_because_the_store_did_not_answer_is_not_unknown(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_fenced = store.set_fenced
    lost = iter([True])

    def lose_first_answer(*args: Any) -> bool:
        is_set = set_fenced(*args)
        if next(lost, False):
            raise StoreUnavailable
        return is_set

    monkeypatch.setattr(store, "set_fenced", lose_first_answer)
    idempotency = Idempotency(store)
    with pytest.raises(StoreUnavailable):
        idempotency.run(make_use(), lambda: Result("lost"))
    assert idempotency.run(make_use(), lambda: Result("done")).data == "done"


@pytest.mark.parametrize("text", ["", "a b", "k\n", "ключ", "\x7f", "x" * 256])
def test_a_key_is_1_to_255_visible_ascii_characters(text: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        check_key(text)
    assert set(caught.value.fields or {}) == {"Idempotency-Key"}


@pytest.mark.parametrize(
    "text", ["!", "~", "8e03978e-40d5-43e8-bc93-6894a57f9324", '"quoted"', "x" * 255]
)
def test_any_such_key_is_taken_as_it_is(text: str) -> None:
    assert check_key(text) == text


def test_keys_of_parts_are_never_those_of_other_requests() -> None:
    """A key may hold any visible character, a part's name any at all."""
    keys = {part_key("a", "b:c"), part_key("a:b", "c"), part_key("a", "b c"), check_key("a:b:c")}
    assert len(keys) == 4
