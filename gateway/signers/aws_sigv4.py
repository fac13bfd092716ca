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
from gateway.masking import STARS, Secret
from gateway.messages import HttpRequest
from gateway.signers.aws_chunked import (
    DECLARED,
    DECODED_LENGTH,
    FRAMED,
    UNSIGNED_TRAILER,
    AwsChunked,
)
from gateway.signers.base import Auth, AuthSettings, Signer, plain
from gateway.signers.templates import sorted_query, utc_time
from schemas.catalog_fields import one_of, text, whole

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EXPIRES = 300  # seconds a presigned URL is good for
MAX_EXPIRES = 604800
WORD = validate.Regexp(r"[!-~]+\Z", error="must be one word of ASCII text")
# What proxies on the way may change, and what every request of ours has for itself.
NOT_SIGNED = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "expect", "traceparent", "tracestate",
     "transfer-encoding", "user-agent", "x-amzn-trace-id", "x-request-id"}
)  # fmt: skip
#: How an SDK that signs for itself says who it is, in a header or in the query.
SDKS_PROOF = frozenset(
    {"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signedheaders", "x-amz-signature",
     "x-amz-security-token", "x-amz-s3session-token", "x-amz-region-set"}
)  # fmt: skip
_SHA256 = re.compile("[0-9a-f]{64}")
#: Services that quote the path they have read, once; all others quote it as it came, without ``..`` and ``//``.
SINGLE = frozenset({"s3", "s3express", "s3-object-lambda", "s3-outposts"})


class AwsSigV4(Signer):
    """Signs method, path, query, headers and the body's hash. Of a streamed body it needs no more than that."""

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
            if data.get("expires", 1) > MAX_EXPIRES:
                raise ValidationError("must be at most 604800 (a week)", "expires")

    example: ClassVar[Auth] = {
        "access_key_id": "AKID",
        "secret_access_key": "${SECRET}",
        "region": "eu-west-1",
        "service": "sqs",
    }
    reads_body = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._id, self._secret = plain(auth["access_key_id"]), plain(auth["secret_access_key"])
        self._token = plain(auth["session_token"]) if "session_token" in auth else None
        self._region, self._service = auth["region"], auth["service"]
        self._in_query, self._expires = auth.get("in") == "query", auth.get("expires", EXPIRES)
        self._unsigned = auth.get("payload") == "unsigned"
        self._single = self._service in SINGLE
        self._hashes_body = not (self._unsigned or (self._in_query and self._single))
        self._key: tuple[str, bytes] = ("", b"")  # of one day; a race makes it twice

    def adopt(self, request: HttpRequest) -> HttpRequest:
        """Return what an SDK has signed with a credential of its own, as are its chunks, for us to sign."""
        request = self._without_proof(request)
        declared = request.header(DECLARED) or ""
        if declared in FRAMED:
            as_it_is = declared == UNSIGNED_TRAILER and self._unsigned and not self._in_query
            return request if as_it_is else _unframed(request)
        if declared.startswith("STREAMING-"):
            raise fields_error(
                DECLARED, ["Cannot be signed by another; send the body in one piece."]
            )
        if "aws-chunked" in (request.header("Content-Encoding") or "").lower():
            raise fields_error(
                "Content-Encoding",
                [f"aws-chunked is taken only where {DECLARED} declares it, too."],
            )
        return request

    def needs_spool(self, request: HttpRequest) -> bool:
        """Also of what was taken out of chunks: the checksums that came after it go before it."""
        return self._hashes_body or isinstance(request.upload, AwsChunked)

    def _without_proof(self, request: HttpRequest) -> HttpRequest:
        dropped = SDKS_PROOF | ({"authorization", DECLARED.lower()} if self._in_query else set())
        headers = {
            name: text for name, text in request.headers.items() if name.lower() not in dropped
        }
        query = tuple(
            pair for pair in request.query if pair[0].lower() not in SDKS_PROOF | {DECLARED.lower()}
        )
        return replace(request, headers=headers, query=query)

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        at = utc_time(request.at).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{at[:8]}/{self._region}/{self._service}/aws4_request"
        return (
            self._presigned(request, at, scope)
            if self._in_query
            else self._with_header(request, at, scope)
        )

    def _with_header(self, request: HttpRequest, at: str, scope: str) -> HttpRequest:
        declared = request.header(DECLARED) or ""
        payload = self._payload(request, declared)
        request = request.with_header("X-Amz-Date", at)
        if self._token:
            request = request.with_header("X-Amz-Security-Token", self._token)
        if self._unsigned or self._single or declared:
            request = request.with_header(DECLARED, payload)
        headers = _covered(request)
        signature = self._signature(request, headers, payload, scope, at)
        said = f"{ALGORITHM} Credential={self._id}/{scope}, SignedHeaders={';'.join(headers)}, Signature={signature}"
        return request.with_header("Authorization", said)

    def _payload(self, request: HttpRequest, declared: str) -> str:
        """What is declared of the body; a hash that the caller declares is checked, by the service or here."""
        hashed = bool(_SHA256.fullmatch(declared))
        if self._unsigned:
            return declared if hashed or declared == UNSIGNED_TRAILER else UNSIGNED
        payload = _hash(request)
        if hashed and declared != payload:
            raise fields_error(DECLARED, ["The body is not the one that this declares."])
        return payload

    def _presigned(self, request: HttpRequest, at: str, scope: str) -> HttpRequest:
        payload = _hash(request) if self._hashes_body else UNSIGNED
        headers = _covered(request)
        request = request.with_query(
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", f"{self._id}/{scope}"),
            ("X-Amz-Date", at),
            ("X-Amz-Expires", str(self._expires)),
            ("X-Amz-SignedHeaders", ";".join(headers)),
            *((("X-Amz-Security-Token", self._token),) if self._token else ()),
        )
        return request.with_query(
            ("X-Amz-Signature", self._signature(request, headers, payload, scope, at))
        )

    def _signature(
        self, request: HttpRequest, headers: Mapping[str, str], payload: str, scope: str, at: str
    ) -> str:
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
        return hmac.digest(
            self._day_key(scope), f"{ALGORITHM}\n{at}\n{scope}\n{hashed}".encode(), "sha256"
        ).hex()

    def _day_key(self, scope: str) -> bytes:
        known, key = self._key
        if known != scope:
            key = f"AWS4{self._secret}".encode()
            for step in scope.split("/"):
                key = hmac.digest(key, step.encode(), "sha256")
            self._key = scope, key
        return key


def _hash(request: HttpRequest) -> str:
    upload = request.upload
    return upload.sha256 if isinstance(upload, Spool) else hashlib.sha256(request.body).hexdigest()


def _unframed(request: HttpRequest) -> HttpRequest:
    """The body out of its chunks; what follows the last one is in the upload's ``trailers``, or among the headers.

    :raises InvalidParams: it is no such body.
    """
    length = request.header(DECODED_LENGTH)
    if length is not None and not re.fullmatch("[0-9]{1,18}", length):
        raise fields_error(DECODED_LENGTH, ["Must be a number of bytes."])
    of_framing = {DECLARED.lower(), DECODED_LENGTH.lower(), "x-amz-trailer", "content-encoding"}
    headers = {
        name: text for name, text in request.headers.items() if name.lower() not in of_framing
    }
    encodings = [coding.strip() for coding in (request.header("Content-Encoding") or "").split(",")]
    if encodings := [coding for coding in encodings if coding and coding.lower() != "aws-chunked"]:
        headers["Content-Encoding"] = ", ".join(encodings)
    content = AwsChunked(request.upload or [request.body], None if length is None else int(length))
    if request.upload:
        return replace(request, headers=headers, upload=content)
    body = content.read_whole()
    return replace(request, headers={**headers, **dict(content.trailers)}, body=body)


def _covered(request: HttpRequest) -> dict[str, str]:
    """The headers that are signed, by lower-case name, in order, runs of spaces as one."""
    headers = {"host": request.host} | {
        name.lower(): text for name, text in request.headers.items()
    }
    return {
        name: re.sub(" +", " ", headers[name].strip())
        for name in sorted(headers.keys() - NOT_SIGNED)
    }


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
