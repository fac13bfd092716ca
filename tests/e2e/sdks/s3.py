"""A stand-in for S3 that looks at signature, payload and checksums as S3's manual says, and stores what it was sent."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from dataclasses import dataclass, field

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.http_server import Answer, HttpServer, Received

KEY_ID = "AKIDPOSTERN"
SECRET = "postern/secret+key"
REGION = "eu-west-1"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class RefusedError(Exception):
    """What S3 would say no to."""


@dataclass
class S3(HttpServer):
    """:ivar objects: by path; ``headers`` are those of the last request, in lower case."""

    objects: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    requests: int = 0

    def answer(self, request: Received) -> Answer:
        self.requests += 1
        self.headers = dict(request.headers)
        try:
            self._put(request)
        except RefusedError as error:
            return Answer(403, f"<Error><Code>{error}</Code></Error>".encode())
        return Answer(200)

    def _put(self, request: Received) -> None:
        headers = request.headers
        body = request.body
        if "x-amz-security-token" in headers or "X-Amz-" in request.target:
            raise RefusedError("InvalidToken")
        self._check_signature(request)
        declared = headers.get("x-amz-content-sha256", "")
        checksum = headers.get("x-amz-checksum-crc32")
        if declared == UNSIGNED_TRAILER:
            body, checksum = self._strip_chunk_headers(body)
            if len(body) != int(headers["x-amz-decoded-content-length"]):
                raise RefusedError("IncompleteBody")
        elif declared != "UNSIGNED-PAYLOAD" and declared != hashlib.sha256(body).hexdigest():
            raise RefusedError("XAmzContentSHA256Mismatch")
        if checksum and checksum != base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode():
            raise RefusedError("BadDigest")
        self.objects[request.target] = body

    def _check_signature(self, received: Received) -> None:
        headers = received.headers
        proof = re.match(
            r"AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=(\S+), Signature=(\w+)",
            headers["authorization"],
        )
        if not proof or not proof[1].startswith(f"{KEY_ID}/"):
            raise RefusedError("InvalidAccessKeyId")
        signed = {name: headers[name] for name in proof[2].split(";")}
        if {name for name in headers if name.startswith("x-amz-")} - signed.keys():
            raise RefusedError("AccessDenied")
        request = AWSRequest(received.verb, f"http://{headers['host']}{received.target}", signed)
        request.context["timestamp"] = headers["x-amz-date"]
        auth = S3SigV4Auth(Credentials(KEY_ID, SECRET), "s3", REGION)
        text = auth.string_to_sign(request, auth.canonical_request(request))
        if auth.signature(text, request) != proof[3]:
            raise RefusedError("SignatureDoesNotMatch")

    @staticmethod
    def _strip_chunk_headers(body: bytes) -> tuple[bytes, str]:
        content = b""
        while True:
            line, _, body = body.partition(b"\r\n")
            if not (size := int(line, 16)):
                break
            content += body[:size]
            body = body[size + 2 :]
        name, _, checksum = body.decode().strip().partition(":")
        if name != "x-amz-checksum-crc32":
            raise RefusedError("MalformedTrailerError")
        return content, checksum
