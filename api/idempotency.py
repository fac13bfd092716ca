"""``Idempotency-Key`` on a request: checked; and, where a view asks for it, the first answer given again."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, g, request

from api.conditional import answer
from api.parts import parts
from gateway.bodies import digest
from gateway.call import Trace
from gateway.idempotency import Idempotency, Use, checked_key


def idempotency_key() -> str | None:
    """The header, if it was sent.

    :raises InvalidParams: it is no key.
    """
    text = request.headers.get("Idempotency-Key")
    return None if text is None else checked_key(text)


def once(asked: object, lease: float, do: Callable[[], Response]) -> Response:
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
    trace = g.trace = Trace()  # ``tell_attempts`` tells of the one there is in the end

    def run() -> dict[str, object]:
        try:
            response = do()
        finally:
            trace.attempts = g.trace.attempts
        return {"data": response.get_json()["data"], "etag": response.get_etag()[0]}

    kept = Idempotency(parts().store).run(Use(g.caller.id, key, digest(asked), lease, True, trace), run)
    return answer(kept["data"], kept["etag"])
