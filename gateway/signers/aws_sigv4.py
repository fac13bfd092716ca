"""AWS Signature Version 4, in a header or in the query (presigned).

Source: AWS IAM user guide, "Create a signed AWS API request"
(docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from gateway.call import HttpRequest
from gateway.masking import STARS, Secret
from gateway.signers.facts import moment, sorted_query
from gateway.signers.fixed import plain

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EXPIRES = 300  # seconds a presigned URL is good for
# What proxies on the way may change, and what every request of ours has for itself.
NOT_SIGNED = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "expect", "traceparent", "tracestate",
     "transfer-encoding", "user-agent", "x-amzn-trace-id", "x-request-id"}
)  # fmt: skip
#: Services that quote the path they have read, once; all others quote it as it came, without ``..`` and ``//``.
SINGLE = frozenset({"s3", "s3express", "s3-object-lambda", "s3-outposts"})


class AwsSigV4:
    """``access_key_id``, ``secret_access_key``, ``region``, ``service``, and what docs/catalog.md says."""

    secrets: tuple[Secret, ...] = ()

    def __init__(self, auth: Mapping[str, Any], base_url: str) -> None:
        self._id, self._secret = plain(auth["access_key_id"]), plain(auth["secret_access_key"])
        self._token = plain(auth["session_token"]) if "session_token" in auth else None
        self._region, self._service = auth["region"], auth["service"]
        self._in_query, self._expires = auth.get("in") == "query", auth.get("expires", EXPIRES)
        self._unsigned = auth.get("payload") == "unsigned"
        self._single = self._service in SINGLE
        self.reads_body = not (self._unsigned or (self._in_query and self._single))
        self._key: tuple[str, bytes] = ("", b"")  # of one day; a race makes it twice

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        at = moment(request.at).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{at[:8]}/{self._region}/{self._service}/aws4_request"
        return self._presigned(request, at, scope) if self._in_query else self._with_header(request, at, scope)

    def _with_header(self, request: HttpRequest, at: str, scope: str) -> HttpRequest:
        payload = UNSIGNED if self._unsigned else hashlib.sha256(request.body).hexdigest()
        request = request.with_header("X-Amz-Date", at)
        if self._token:
            request = request.with_header("X-Amz-Security-Token", self._token)
        if self._unsigned or self._single:
            request = request.with_header("X-Amz-Content-SHA256", payload)
        headers = _covered(request)
        signature = self._signature(request, headers, payload, scope, at)
        said = f"{ALGORITHM} Credential={self._id}/{scope}, SignedHeaders={';'.join(headers)}, Signature={signature}"
        return request.with_header("Authorization", said)

    def _presigned(self, request: HttpRequest, at: str, scope: str) -> HttpRequest:
        payload = hashlib.sha256(request.body).hexdigest() if self.reads_body else UNSIGNED
        headers = _covered(request)
        request = request.with_query(
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", f"{self._id}/{scope}"),
            ("X-Amz-Date", at),
            ("X-Amz-Expires", str(self._expires)),
            ("X-Amz-SignedHeaders", ";".join(headers)),
            *((("X-Amz-Security-Token", self._token),) if self._token else ()),
        )
        return request.with_query(("X-Amz-Signature", self._signature(request, headers, payload, scope, at)))

    def _signature(self, request: HttpRequest, headers: Mapping[str, str], payload: str, scope: str, at: str) -> str:
        if self._secret == STARS:
            return STARS
        path = request.full_path
        canonical = "\n".join(
            [
                request.verb,
                quote(unquote(path) if self._single else _without_dots(path), safe="/~"),
                sorted_query(request.query),
                *(f"{name}:{text}" for name, text in headers.items()),
                "",
                ";".join(headers),
                payload,
            ]
        )
        hashed = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        return hmac.digest(self._day_key(scope), f"{ALGORITHM}\n{at}\n{scope}\n{hashed}".encode(), "sha256").hex()

    def _day_key(self, scope: str) -> bytes:
        known, key = self._key
        if known != scope:
            key = f"AWS4{self._secret}".encode()
            for step in scope.split("/"):
                key = hmac.digest(key, step.encode(), "sha256")
            self._key = scope, key
        return key


def _covered(request: HttpRequest) -> dict[str, str]:
    """The headers that are signed, by lower-case name, in order, runs of spaces as one."""
    headers = {"host": request.host} | {name.lower(): text for name, text in request.headers.items()}
    return {name: re.sub(" +", " ", headers[name].strip()) for name in sorted(headers.keys() - NOT_SIGNED)}


def _without_dots(path: str) -> str:
    """The path without empty, ``.`` and ``..`` segments (RFC 3986, section 5.2.4)."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    last = "/" if kept and path.rsplit("/", 1)[1] in ("", ".", "..") else ""
    return "/" + "/".join(kept) + last
