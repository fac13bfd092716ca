"""A stand-in for S3 that looks at signature, payload and checksums as S3's manual says, and keeps what it was sent."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY_ID, SECRET, REGION = "AKIDPOSTERN", "postern/secret+key", "eu-west-1"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class RefusedError(Exception):
    """What S3 would say no to."""


@dataclass
class S3:
    """:ivar objects: by path; ``headers`` are those of the last request, in lower case."""

    objects: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    requests: int = 0

    def __enter__(self) -> S3:
        s3 = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_PUT(self) -> None:
                s3.requests += 1
                body = self._body()
                try:
                    s3.put(self.command, self.path, dict(self.headers.items()), body)
                    status, said = 200, b""
                except RefusedError as error:
                    status, said = 403, f"<Error><Code>{error}</Code></Error>".encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def _body(self) -> bytes:
                if "Content-Length" in self.headers:
                    return self.rfile.read(int(self.headers["Content-Length"]))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, verb: str, target: str, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers = {name.lower(): text for name, text in headers.items()}
        if "x-amz-security-token" in headers or "X-Amz-" in target:
            raise RefusedError("InvalidToken")
        self._check_signature(verb, target, headers)
        declared = headers.get("x-amz-content-sha256", "")
        checksum = headers.get("x-amz-checksum-crc32")
        if declared == UNSIGNED_TRAILER:
            body, checksum = self._unframed(body)
            if len(body) != int(headers["x-amz-decoded-content-length"]):
                raise RefusedError("IncompleteBody")
        elif declared != "UNSIGNED-PAYLOAD" and declared != hashlib.sha256(body).hexdigest():
            raise RefusedError("XAmzContentSHA256Mismatch")
        if checksum and checksum != base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode():
            raise RefusedError("BadDigest")
        self.objects[target] = body

    def _check_signature(self, verb: str, target: str, headers: dict[str, str]) -> None:
        proof = re.match(
            r"AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=(\S+), Signature=(\w+)",
            headers["authorization"],
        )
        if not proof or not proof[1].startswith(f"{KEY_ID}/"):
            raise RefusedError("InvalidAccessKeyId")
        signed = {name: headers[name] for name in proof[2].split(";")}
        if {name for name in headers if name.startswith("x-amz-")} - signed.keys():
            raise RefusedError("AccessDenied")
        request = AWSRequest(verb, f"http://{headers['host']}{target}", signed)
        request.context["timestamp"] = headers["x-amz-date"]
        auth = S3SigV4Auth(Credentials(KEY_ID, SECRET), "s3", REGION)
        if (
            auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
            != proof[3]
        ):
            raise RefusedError("SignatureDoesNotMatch")

    @staticmethod
    def _unframed(body: bytes) -> tuple[bytes, str]:
        content = b""
        while True:
            line, _, body = body.partition(b"\r\n")
            if not (size := int(line, 16)):
                break
            content, body = content + body[:size], body[size + 2 :]
        name, _, checksum = body.decode().strip().partition(":")
        if name != "x-amz-checksum-crc32":
            raise RefusedError("MalformedTrailerError")
        return content, checksum
