"""A steady load of the kinds of requests that a team sends, each from callers of its own."""

import hashlib
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from bench.chaos.accounts import CONFLICT, NO_ANSWER, SUCCESS, Account, Answer

CALLERS_PER_KIND = 2
SECONDS_BETWEEN = 0.25  # two requests of one caller
ANSWER_TIMEOUT_SECONDS = 60
FILE_BYTES = 32 * 1024
MAX_TRIES = 8  # of a call under a key, whose failure is stored, too
WELL_IN_A_ROW = 3  # successes of every caller


@dataclass(frozen=True)
class Message:
    """One request. ``name`` is its Idempotency-Key and the name of what it makes."""

    verb: str
    path: str
    name: str = ""
    body: Any = None
    files: Any = None
    is_signed: bool = False
    has_key: bool = False


@dataclass
class Kind:
    """One kind of request.

    :ivar make: makes the message of a name that no other has.
    :ivar is_decided: a failure under a key is sent again until there is a success.
    :ivar done: what the successes made, by name.
    """

    name: str
    make: Callable[[str], Message]
    is_decided: bool = False
    done: dict[str, Any] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)


def kinds(user_id: int, product_id: int) -> list[Kind]:
    """Return all kinds; orders are this user's, of this product."""
    orders = f"/users/{user_id}/orders"
    line = {"items": [{"product_id": product_id, "quantity": 1}]}
    return [
        Kind("call", lambda name: Message("POST", "/call/demo/create_item", name, {"name": name})),
        Kind("signed", lambda name: Message("GET", "/call/demo/echo", name, is_signed=True)),
        Kind("keyed", _keyed("/call/demo/create_item", lambda name: {"name": name})),
        Kind("charge", _keyed("/call/pay/charge", _charge)),
        Kind("product", _keyed("/products", lambda name: {"name": name, "price": "1.00"}), True),
        Kind("order", _keyed(orders, lambda name: line), True),
        Kind("upload", _upload, True),
        Kind("read", lambda name: Message("GET", "/products?limit=10", name)),
    ]


def _keyed(path: str, body: Callable[[str], Any]) -> Callable[[str], Message]:
    return lambda name: Message("POST", path, name, body(name), has_key=True)


def _charge(name: str) -> dict[str, Any]:
    return {"order_id": int(name.rpartition("-")[2]), "amount": "1.00"}


def _upload(name: str) -> Message:
    return Message("POST", "/files", name, files=(f"{name}.bin", content(name)), has_key=True)


def content(name: str) -> bytes:
    """Return the bytes of the file of this name."""
    return hashlib.sha256(name.encode()).digest() * (FILE_BYTES // 32)


class Load:
    """Callers of every kind, from entry to exit. ``account`` is where their answers go now.

    :param proof: signs as an app.
    :param pause: seconds between two requests of one caller.
    """

    def __init__(
        self, url: str, token: str, proof: Any, kinds: list[Kind], pause: float = SECONDS_BETWEEN
    ) -> None:
        self.kinds = kinds
        self.account: Account
        self._url = f"{url}/api/v1"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._proof = proof
        self._pause = pause
        self._numbers = itertools.count(1)
        self._over = threading.Event()
        self._successes: Counter[int] = Counter()  # in a row, by caller
        self._answered: dict[int, float] = {}  # when each caller's last answered request was sent
        self._threads = [
            threading.Thread(target=self._run, args=(kind, number))
            for number, kind in enumerate(kinds * CALLERS_PER_KIND)
        ]

    def start(self, account: Account) -> "Load":
        self.account = account
        for thread in self._threads:
            thread.start()
        return self

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait_until_well(self, seconds: float) -> float | None:
        """Wait until every caller has successes in a row; return how long that took, or None.

        :param seconds: to wait at most.
        """
        began = time.monotonic()
        self._successes.clear()
        while time.monotonic() < began + seconds:
            if all(
                self._successes[number] >= WELL_IN_A_ROW for number in range(len(self._threads))
            ):
                return time.monotonic() - began - (WELL_IN_A_ROW - 1) * self._pause
            time.sleep(0.05)
        return None

    def wait_until_answered(self, began: float, seconds: float) -> None:
        """Wait until every caller has an answer to what it sent after ``began``.

        :param seconds: to wait at most.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until and not all(
            self._answered.get(number, 0.0) > began for number in range(len(self._threads))
        ):
            time.sleep(0.05)

    def _run(self, kind: Kind, number: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            due = time.monotonic() + number * self._pause / len(self._threads)
            message = None
            tries = 0
            while not self._over.wait(max(0.0, due - time.monotonic())):
                due = max(due + self._pause, time.monotonic())
                message = message or self._next(kind)
                sent = time.monotonic()
                answer, data, is_final = self._send(session, kind, message)
                tries += 1
                self.account.add(answer)
                self._answered[number] = sent
                self._successes[number] = (
                    self._successes[number] + 1 if answer.code == SUCCESS else 0
                )
                if answer.code == SUCCESS:
                    kind.done[message.name] = data
                elif message.has_key and not is_final and (kind.is_decided or tries < MAX_TRIES):
                    continue
                message = None
                tries = 0

    def _next(self, kind: Kind) -> Message:
        name = f"{kind.name}-{next(self._numbers)}"
        kind.sent.add(name)
        return kind.make(name)

    def _send(
        self, session: requests.Session, kind: Kind, message: Message
    ) -> tuple[Answer, Any, bool]:
        """Send it; return the answer, its data, and whether a second try would get the same."""
        headers = {} if message.is_signed else dict(self._headers)
        if message.has_key:
            headers["Idempotency-Key"] = message.name
        began = time.monotonic()
        try:
            response = session.request(
                message.verb,
                self._url + message.path,
                json=message.body,
                files={"file": message.files} if message.files else None,
                headers=headers,
                auth=self._proof if message.is_signed else None,
                timeout=ANSWER_TIMEOUT_SECONDS,
            )
            envelope = json.loads(response.content)
            code = envelope["code"]
            data = envelope["data"]
            text = f"{response.status_code} {response.text[:300]}"
            is_final = "Idempotency-Replayed" in response.headers or (
                code == CONFLICT and "unknown" in envelope["message"]
            )
        except (requests.RequestException, ValueError, KeyError) as error:
            code = NO_ANSWER
            data = None
            text = repr(error)[:300]
            is_final = False
        return Answer(kind.name, code, time.monotonic() - began, text), data, is_final
