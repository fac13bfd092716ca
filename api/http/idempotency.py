"""``Idempotency-Key``: the answer is kept by the transaction that writes, or by the store.

Example::

    @blueprint.post("/products")
    @idempotent_by_database()
    def create_product(product: dict[str, Any]) -> Response: ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Response, g

from api.auth import View
from api.auth.wiring import auth_services
from api.context import app_state
from api.http.etags import etag_response
from api.http.responses import success_response
from api.request_context import current_context
from gateway.bodies import digest, dump_json, load_json
from gateway.errors import Conflict, UnderWay
from gateway.masking import Secret
from gateway.messages import Result, Trace
from gateway.middleware.idempotency import OTHER_REQUEST, Idempotency, KeyUse, check_key
from models import IdempotencyKey, Transaction


def idempotency_key() -> str | None:
    """:raises InvalidParams: the header is no valid key."""
    text = current_context().request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if text is None:
        return None
    return check_key(text)


# --- by the store


def run_once_by_store(
    content: object, lease_seconds: float, operation: Callable[[], Response]
) -> Response:
    """Return the response of ``operation``; under the same key, the first data and ETag again.

    :param content: of the request, as JSON; another one under the same key is refused.
    :param lease_seconds: that ``operation`` may take.
    :param operation: must be safe to run again where nobody knows how it ended.
    :raises GatewayError: as ``operation``, and as ``Idempotency.run``.
    """
    key = idempotency_key()
    if key is None:
        return operation()
    g.repeatable = True
    trace = Trace()
    g.trace = trace  # ``finish_response`` reads the one that is there in the end

    def run() -> Result:
        try:
            response = operation()
        finally:
            trace.attempts = g.trace.attempts
        return Result({"data": response.get_json()["data"], "etag": response.get_etag()[0]})

    use = KeyUse(g.caller.id, key, digest(content), lease_seconds, True, trace)
    record: Any = Idempotency(app_state().store).run(use, run).data
    return etag_response(record["data"], record["etag"])


# --- by the database: a POST is done once, whatever happens between the commit and the caller

KEPT_HEADERS = ("ETag", "Location", "Cache-Control")
UNREADABLE = "The request under this Idempotency-Key was done; its answer can no longer be read."


@dataclass
class Claim:
    """The claim of one request on its key.

    :param view: the name of the view, which is part of the fingerprint.
    :param fingerprint: a digest of the request, to tell another one under the same key.
    """

    key_hash: str
    view: str
    fingerprint: str = ""
    response: Response | None = None

    def set_fingerprint(self, content: object) -> None:
        self.fingerprint = digest((self.view, content))

    def begin(self, session: Transaction) -> None:
        """Claim the key for this transaction.

        :raises UnderWay: another transaction works under the key.
        :raises AlreadyDone: another has.
        """
        if not IdempotencyKey.try_lock(session, self.key_hash):
            raise UnderWay(retry_after=1)
        if record := IdempotencyKey.find_record(session, self.key_hash, auth_services().now()):
            raise AlreadyDone(record)

    def store_response(self, session: Transaction) -> None:
        """Store the response under the key.

        :raises RuntimeError: the view makes its response only after its transaction.
        """
        if self.response is None:
            raise RuntimeError(f"{self.view} has made no answer that could be kept")
        record = {
            "asked": self.fingerprint,
            "status": self.response.status_code,
            "data": self.response.get_json()["data"],
            "headers": {
                name: self.response.headers[name]
                for name in KEPT_HEADERS
                if name in self.response.headers
            },
        }
        services = auth_services()
        sealed = services.app_secrets.seal(Secret(dump_json(record).decode()))
        IdempotencyKey.store(session, self.key_hash, sealed, services.now())

    def replay(self, sealed: str) -> Response:
        """Return the first response again, as this request's.

        :raises Conflict: it answered another request, or is sealed with a key that is gone.
        """
        secret = auth_services().app_secrets.unseal(sealed)
        if secret is None:
            raise Conflict(UNREADABLE)
        record = load_json(secret.reveal().encode())
        if record["asked"] != self.fingerprint:
            raise Conflict(OTHER_REQUEST)
        response = success_response(record["data"], record["status"])
        response.headers.update(record["headers"])
        response.headers["Idempotency-Replayed"] = "true"
        return response


class AlreadyDone(Exception):
    """There is a record under the key: the transaction that read it ends here."""

    def __init__(self, record: str) -> None:
        super().__init__()
        self.record = record


def idempotent_by_database(read: Callable[[], object] | None = None) -> Callable[[View], View]:
    """Run the view once under an Idempotency-Key, and replay its response. Stands next to the view.

    The view writes in one transaction, by ``write_session`` or ``write_connection``, and makes its
    response within it.

    :param read: returns the body's content, for a view that passes the same to
        ``set_fingerprint``; otherwise the content is the view's arguments.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def run(*args: Any, **kwargs: Any) -> Any:
            key = idempotency_key()
            if key is None:
                return view(*args, **kwargs)
            claim = Claim(digest((g.caller.id, key)), view.__name__)
            claim.set_fingerprint((args, kwargs))
            with app_state().database.read_session() as session:
                record = IdempotencyKey.find_record(session, claim.key_hash, auth_services().now())
            if record:
                if read:
                    claim.set_fingerprint(read())
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


def set_fingerprint(content: object) -> None:
    """Set the content of the request, for a view whose arguments do not have it."""
    if claim := g.claim:
        claim.set_fingerprint(content)
