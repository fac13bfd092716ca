"""``Idempotency-Key`` on a request: checked; and, where a view asks for it, the first answer given again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Response, g
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.auth import View
from api.auth.wiring import auth_services
from api.context import app_state, current_request
from api.http.etags import etag_response
from api.http.responses import success_response
from gateway.bodies import digest, dump_json, load_json
from gateway.errors import Conflict, UnderWay
from gateway.masking import Secret
from gateway.messages import Trace
from gateway.middleware.idempotency import OTHER_REQUEST, Idempotency, KeyUse, check_key
from models import IdempotencyKey

# idempotency: ``Idempotency-Key`` on a request: checked; and, where a view asks for it, the first answer given again.


def idempotency_key() -> str | None:
    """The header, if it was sent.

    :raises InvalidParams: it is no key.
    """
    text = current_request().environ.get("HTTP_IDEMPOTENCY_KEY")
    return None if text is None else check_key(text)


def run_once_by_store(asked: object, lease: float, do: Callable[[], Response]) -> Response:
    """What ``do`` answers, data and ETag, the first time; under the same key, the same again.

    :param asked: what JSON can say of the request; another one under the same key is refused.
    :param lease: seconds that ``do`` may take.
    :param do: must be safe to be run again where nobody knows how it ended.
    :raises GatewayError: as ``do`` did, and as ``Idempotency.run``.
    """
    key = idempotency_key()
    if key is None:
        return do()
    g.repeatable = True
    trace = g.trace = Trace()  # ``add_attempt_headers`` tells of the one there is in the end

    def run() -> dict[str, object]:
        try:
            response = do()
        finally:
            trace.attempts = g.trace.attempts
        return {"data": response.get_json()["data"], "etag": response.get_etag()[0]}

    kept = Idempotency(app_state().store).run(
        KeyUse(g.caller.id, key, digest(asked), lease, True, trace), run
    )
    return etag_response(kept["data"], kept["etag"])


# claims: POSTs that are done once under an ``Idempotency-Key``, whatever happens between our commit and the caller.

HEADERS = ("ETag", "Location", "Cache-Control")
UNREADABLE = "The request under this Idempotency-Key was done; its answer can no longer be read."


@dataclass
class Claim:
    """What one request does under its key.

    :param view: the name of the view, which is part of what is asked.
    :param asked: a digest of what is asked, to tell another request under the same key.
    """

    key_hash: str
    view: str
    asked: str = ""
    response: Response | None = None

    def ask(self, asked: object) -> None:
        self.asked = digest((self.view, asked))

    def begin(self, session: Session | Connection) -> None:
        """:raises UnderWay: another transaction works under the key.
        :raises AlreadyDone: one has.
        """
        if not IdempotencyKey.try_lock(session, self.key_hash):
            raise UnderWay(retry_after=1)
        if record := IdempotencyKey.find_record(session, self.key_hash, auth_services().now()):
            raise AlreadyDone(record)

    def keep(self, session: Session | Connection) -> None:
        """:raises RuntimeError: the view makes its answer only after its transaction."""
        if self.response is None:
            raise RuntimeError(f"{self.view} has made no answer that could be kept")
        kept = {
            "asked": self.asked,
            "status": self.response.status_code,
            "data": self.response.get_json()["data"],
            "headers": {
                name: self.response.headers[name]
                for name in HEADERS
                if name in self.response.headers
            },
        }
        record = auth_services().app_secrets.seal(Secret(dump_json(kept).decode()))
        IdempotencyKey.store(session, self.key_hash, record, auth_services().now())

    def replay(self, record: str) -> Response:
        """The first answer again, as this request's.

        :raises Conflict: it was to another request, or is sealed with a key that is gone.
        """
        opened = auth_services().app_secrets.unseal(record)
        if opened is None:
            raise Conflict(UNREADABLE)
        kept = load_json(opened.reveal().encode())
        if kept["asked"] != self.asked:
            raise Conflict(OTHER_REQUEST)
        response = success_response(kept["data"], kept["status"])
        response.headers.update(kept["headers"])
        response.headers["Idempotency-Replayed"] = "true"
        return response


class AlreadyDone(Exception):
    """There is a record under the key; the transaction in which it was found ends here."""

    def __init__(self, record: str) -> None:
        super().__init__()
        self.record = record


def idempotent_by_database(asked: Callable[[], object] | None = None) -> Callable[[View], View]:
    """Do what the view does once under an Idempotency-Key, and replay its answer. Stands next to the view.

    The view writes in one transaction, by ``write_session`` or ``write_connection``, and makes its answer within it.

    :param asked: reads the body and gives what it asks, for a view that gives the same to ``ask`` once it has read
        it; otherwise that is what the view is given.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def run(*args: Any, **kwargs: Any) -> Any:
            key = idempotency_key()
            if key is None:
                return view(*args, **kwargs)
            claim = Claim(digest((g.caller.id, key)), view.__name__)
            claim.ask((args, kwargs))
            with app_state().database.read_session() as session:
                record = IdempotencyKey.find_record(session, claim.key_hash, auth_services().now())
            if record:
                if asked:
                    claim.ask(asked())
                return claim.replay(record)
            g.claim = claim
            g.repeatable = True
            try:
                return view(*args, **kwargs)
            except AlreadyDone as done:
                return claim.replay(done.record)

        run.idempotent = True  # type: ignore[attr-defined] # the OpenAPI file says so
        return run  # type: ignore[return-value]

    return decorate


def set_fingerprint(asked: object) -> None:
    """Say what the request asks, of a view whose arguments do not."""
    if claim := g.claim:
        claim.ask(asked)


@contextmanager
def claimed(session: Session | Connection) -> Iterator[None]:
    """Within a transaction: what is done in it is done under the request's key, if it has one."""
    claim: Claim | None = g.claim
    if claim is None:
        yield
        return
    claim.begin(session)
    yield
    claim.keep(session)
