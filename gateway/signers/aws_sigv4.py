"""AWS Signature Version 4, in a header or in the query (presigned).

Source: AWS IAM user guide, "Create a signed AWS API request"
(docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote, unquote

from marshmallow import ValidationError, validate, validates_schema

from gateway.bodies.spool import Spool
from gateway.errors import fields_error
from gateway.http_messages import HttpRequest, without_headers
from gateway.masking import STARS, Secret
from gateway.signers.aws_chunked import (
    CHUNKED_PAYLOADS,
    CONTENT_SHA256,
    UNSIGNED_TRAILER,
    AwsChunked,
    unframe,
)
from gateway.signers.base import Auth, AuthSettings, Signer, plain
from gateway.signers.templates import sorted_query, utc_time
from schemas.catalog.fields import one_of, text, whole

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EXPIRES_SECONDS = 300  # that a presigned URL is good for
MAX_EXPIRES_SECONDS = 604800
WORD = validate.Regexp(r"[!-~]+\Z", error="must be one word of ASCII text")
# What proxies on the way may change, and what every request of ours has for itself.
UNSIGNED_HEADERS = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "expect", "traceparent",
     "tracestate", "transfer-encoding", "user-agent", "x-amzn-trace-id", "x-request-id"}
)  # fmt: skip
#: How an SDK that signs for itself says who it is, in a header or in the query.
SDK_PROOF = frozenset(
    {"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signedheaders",
     "x-amz-signature", "x-amz-security-token", "x-amz-s3session-token", "x-amz-region-set"}
)  # fmt: skip
#: Services that quote the path, as they have read it, once. All others quote it as it came, so
#: twice, and without ``..`` and ``//``.
SINGLE_QUOTING_SERVICES = frozenset({"s3", "s3express", "s3-object-lambda", "s3-outposts"})
_SHA256 = re.compile("[0-9a-f]{64}")


class AwsSigV4(Signer):
    """Signs method, path, query, headers and body; of a streamed body, its hash is enough."""

    class Settings(AuthSettings):
        access_key_id = text(required=True, validate=WORD, public=True)
        secret_access_key = text(required=True)
        session_token = text(validate=WORD)
        region = text(required=True, validate=WORD, public=True)
        service = text(required=True, validate=WORD, public=True)
        in_ = text(data_key="in", validate=one_of("header", "query"), public=True)
        expires = whole(1)
        payload = text(validate=one_of("signed", "unsigned"), public=True)

        @validates_schema
        def check_expires(self, data: Mapping[str, Any], **kwargs: Any) -> None:
            if "expires" in data and data.get("in_") != "query":
                raise ValidationError(
                    "only what is signed in the query expires; add in: query", "expires"
                )
            if data.get("expires", 1) > MAX_EXPIRES_SECONDS:
                raise ValidationError("must be at most 604800 (a week)", "expires")

    proof_header = "Authorization"
    example: ClassVar[Auth] = {
        "access_key_id": "AKID",
        "secret_access_key": "${SECRET}",
        "region": "eu-west-1",
        "service": "sqs",
    }
    reads_body = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._key_id = plain(auth["access_key_id"])
        self._secret = plain(auth["secret_access_key"])
        self._session_token = plain(auth.get("session_token", ""))
        self._region = auth["region"]
        self._service = auth["service"]
        self._in_query = auth.get("in") == "query"
        self._expires_seconds = auth.get("expires", EXPIRES_SECONDS)
        self._payload_unsigned = auth.get("payload") == "unsigned"
        self._quotes_once = self._service in SINGLE_QUOTING_SERVICES
        self._hashes_body = not (self._payload_unsigned or (self._in_query and self._quotes_once))
        # The scope of one day and its key, as one value: where two threads make it, it is the same.
        self._day_key: tuple[str, bytes] = ("", b"")

    def adopt(self, request: HttpRequest) -> HttpRequest:
        """Return, for us to sign, what an SDK signed with a credential of its own."""
        request = self._without_proof(request)
        declared = request.header(CONTENT_SHA256) or ""
        if declared in CHUNKED_PAYLOADS:
            if declared == UNSIGNED_TRAILER and self._payload_unsigned and not self._in_query:
                return request
            return unframe(request)
        if declared.startswith("STREAMING-"):
            raise fields_error(
                CONTENT_SHA256, ["Cannot be signed by another; send the body in one piece."]
            )
        if "aws-chunked" in (request.header("Content-Encoding") or "").lower():
            raise fields_error(
                "Content-Encoding",
                [f"aws-chunked is taken only where {CONTENT_SHA256} declares it, too."],
            )
        return request

    def needs_spool(self, request: HttpRequest) -> bool:
        """Also of what was in chunks: the checksums that came after the body go before it."""
        return self._hashes_body or isinstance(request.upload, AwsChunked)

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        timestamp = utc_time(request.at).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{timestamp[:8]}/{self._region}/{self._service}/aws4_request"
        if self._in_query:
            return self._sign_query(request, timestamp, scope)
        return self._sign_header(request, timestamp, scope)

    def _without_proof(self, request: HttpRequest) -> HttpRequest:
        content_sha256 = CONTENT_SHA256.lower()
        dropped_headers = set(SDK_PROOF)
        if self._in_query:
            dropped_headers |= {"authorization", content_sha256}
        headers = without_headers(request.headers, dropped_headers)
        dropped_params = SDK_PROOF | {content_sha256}
        query = tuple(pair for pair in request.query if pair[0].lower() not in dropped_params)
        return replace(request, headers=headers, query=query)

    def _sign_header(self, request: HttpRequest, timestamp: str, scope: str) -> HttpRequest:
        declared = request.header(CONTENT_SHA256) or ""
        payload = self._payload(request, declared)
        request = request.with_header("X-Amz-Date", timestamp)
        if self._session_token:
            request = request.with_header("X-Amz-Security-Token", self._session_token)
        if self._payload_unsigned or self._quotes_once or declared:
            request = request.with_header(CONTENT_SHA256, payload)
        headers = _signed_headers(request)
        signature = self._signature(request, headers, payload, timestamp, scope)
        authorization = (
            f"{ALGORITHM} Credential={self._key_id}/{scope}, "
            f"SignedHeaders={';'.join(headers)}, Signature={signature}"
        )
        return request.with_header("Authorization", authorization)

    def _sign_query(self, request: HttpRequest, timestamp: str, scope: str) -> HttpRequest:
        payload = UNSIGNED_PAYLOAD
        if self._hashes_body:
            payload = _hash_body(request)
        headers = _signed_headers(request)
        request = request.with_query(
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", f"{self._key_id}/{scope}"),
            ("X-Amz-Date", timestamp),
            ("X-Amz-Expires", str(self._expires_seconds)),
            ("X-Amz-SignedHeaders", ";".join(headers)),
        )
        if self._session_token:
            request = request.with_query(("X-Amz-Security-Token", self._session_token))
        signature = self._signature(request, headers, payload, timestamp, scope)
        return request.with_query(("X-Amz-Signature", signature))

    def _payload(self, request: HttpRequest, declared: str) -> str:
        """Return what is declared of the body.

        A hash that the caller declares is checked: here, or by the service where we sign no body.
        """
        is_hash = bool(_SHA256.fullmatch(declared))
        if self._payload_unsigned:
            if is_hash or declared == UNSIGNED_TRAILER:
                return declared
            return UNSIGNED_PAYLOAD
        payload = _hash_body(request)
        if is_hash and declared != payload:
            raise fields_error(CONTENT_SHA256, ["The body is not the one that this declares."])
        return payload

    def _signature(
        self,
        request: HttpRequest,
        headers: Mapping[str, str],
        payload: str,
        timestamp: str,
        scope: str,
    ) -> str:
        if self._secret == STARS:
            return STARS
        canonical_request = "\n".join(
            [
                request.verb,
                self._canonical_path(request.full_path),
                sorted_query(request.query),
                *(f"{name}:{value}" for name, value in headers.items()),
                "",
                ";".join(headers),
                payload,
            ]
        )
        hashed = hashlib.sha256(canonical_request.encode("latin-1")).hexdigest()
        string_to_sign = f"{ALGORITHM}\n{timestamp}\n{scope}\n{hashed}"
        return hmac.digest(self._signing_key(scope), string_to_sign.encode(), "sha256").hex()

    def _canonical_path(self, path: str) -> str:
        if self._quotes_once:
            return quote(unquote(path), safe="/~")
        return quote(_remove_dot_segments(path), safe="/~")

    def _signing_key(self, scope: str) -> bytes:
        day_scope, key = self._day_key
        if day_scope != scope:
            key = f"AWS4{self._secret}".encode()
            for step in scope.split("/"):
                key = hmac.digest(key, step.encode(), "sha256")
            self._day_key = (scope, key)
        return key


def _hash_body(request: HttpRequest) -> str:
    if isinstance(request.upload, Spool):
        return request.upload.sha256
    return hashlib.sha256(request.body).hexdigest()


def _signed_headers(request: HttpRequest) -> dict[str, str]:
    """Return the headers that are signed, by lower-case name, in order, runs of spaces as one."""
    headers = {"host": request.host}
    headers |= {name.lower(): value for name, value in request.headers.items()}
    return {
        name: re.sub(" +", " ", headers[name].strip())
        for name in sorted(headers.keys() - UNSIGNED_HEADERS)
    }


def _remove_dot_segments(path: str) -> str:
    """Return the path without empty, ``.`` and ``..`` segments (RFC 3986, section 5.2.4)."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in ("", "."):
            segments.append(segment)
    joined = "/" + "/".join(segments)
    if segments and path.endswith(("/", "/.", "/..")):
        return joined + "/"
    return joined
