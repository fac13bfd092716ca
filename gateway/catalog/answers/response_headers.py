"""``response_headers:`` of a method: which headers of a service its callers may get.

None that frames a message, that browsers or proxies act on, or that is one of our own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, fields

MAX_HEADERS = 32
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "via",
})  # fmt: skip
_SECURITY = frozenset({
    "alt-svc", "clear-site-data", "nel", "permissions-policy", "public-key-pins", "referrer-policy",
    "refresh", "report-to", "reporting-endpoints", "service-worker-allowed", "set-cookie",
    "set-cookie2", "sourcemap", "strict-transport-security", "timing-allow-origin",
    "www-authenticate", "x-content-type-options", "x-frame-options", "x-sendfile",
    "x-xss-protection",
})  # fmt: skip
_OWN = frozenset({
    "age", "allow", "cache-control", "date", "deprecation", "expires", "idempotency-replayed",
    "pragma", "ratelimit-limit", "ratelimit-policy", "ratelimit-remaining", "ratelimit-reset",
    "retry-after", "server", "server-timing", "sunset", "traceparent", "tracestate", "vary",
    "x-attempts", "x-cache", "x-fallback", "x-request-id", "x-should-retry",
})  # fmt: skip
#: Why no name that begins so may be passed on.
_BEGINNINGS: Mapping[str, str] = {
    "access-control-": "says which web pages may read an answer, which is Postern's to say",
    "content-security-policy": "binds whoever shows the page it came with",
    "content-": "speaks of the service's body, and callers get another one",
    "cross-origin-": "says which web pages may read an answer, which is Postern's to say",
    "proxy-": "is meant for the next machine on the way",
    "sec-": "is for browsers alone",
    "x-accel-": "is an order to a proxy before Postern",
    "x-postern-": "is Postern's own",
}


def check_header_name(name: str) -> None:
    """:raises ValidationError: callers may not get a service's header of this name."""
    if not _NAME.fullmatch(name):
        raise ValidationError("must be a header's name, such as Link or X-Total-Count")
    lower = name.lower().replace("_", "-")  # as some servers read it
    reason = next((why for start, why in _BEGINNINGS.items() if lower.startswith(start)), "")
    if lower in _HOP_BY_HOP:
        reason = "is meant for the next machine on the way"
    elif lower in _SECURITY:
        reason = "is for the service and whoever speaks with it directly"
    elif lower in _OWN:
        reason = "is Postern's own in its answers"
    if reason:
        raise ValidationError(f"{name} {reason}; callers cannot be given it, drop it")


class HeaderNames(fields.List[Any]):
    """Names of headers, each once."""

    default_error_messages: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "invalid": "must be a list of headers' names, such as [Link, X-Total-Count]"
    }

    def _deserialize(self, *args: Any, **kwargs: Any) -> Any:
        names: list[Any] = super()._deserialize(*args, **kwargs)
        lower_names: set[str] = set()
        for place, name in enumerate(names):
            if name.lower() in lower_names:
                raise ValidationError({place: [f"{name} stands here twice; drop one"]})
            lower_names.add(name.lower())
        return tuple(names)
