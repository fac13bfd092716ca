"""The clouds' signatures, each worked out once more from what arrived."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

from sandbox.messages import Request
from tests.catalogs.vendor import Env

MAX_CLOCK_SKEW_SECONDS = 300


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def hmac_chain(key: str, *texts: str) -> bytes:
    """Return the key hashed with each of the texts in turn."""
    digest = key.encode()
    for text in texts:
        digest = hmac.digest(digest, text.encode(), "sha256")
    return digest


def canonical_request(request: Request, path: str, signed_headers: str, body_sha256: str) -> str:
    """Return what all three clouds hash: verb, path, sorted query, headers, and the body's hash."""
    pairs = sorted(parse_qsl(request.target.partition("?")[2], keep_blank_values=True))
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    headers = "".join(f"{name}:{request.headers[name]}\n" for name in signed_headers.split(";"))
    return "\n".join([request.verb, path, query, headers, signed_headers, body_sha256])


def authorization(request: Request, scheme: str) -> dict[str, str]:
    """Return Credential, SignedHeaders and Signature of the header."""
    scheme_name, _, rest = request.headers["authorization"].partition(" ")
    assert scheme_name == scheme
    return dict(re.findall(r"(\w+)=([^, ]+)", rest))


def assert_now(unix: float) -> None:
    assert abs(time.time() - unix) < MAX_CLOCK_SKEW_SECONDS


def signed_for_aws(request: Request, env: Env) -> None:
    """docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html"""
    pairs = authorization(request, "AWS4-HMAC-SHA256")
    at = request.headers["x-amz-date"]
    assert_now(datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp())
    service = {"email": "ses"}.get(name := request.headers["host"].split(".")[-4], name)
    scope = f"{at[:8]}/{env['AWS_REGION']}/{service}/aws4_request"
    assert pairs["Credential"] == f"{env['AWS_ACCESS_KEY_ID']}/{scope}"
    signed = pairs["SignedHeaders"]
    body_sha256 = sha256(request.body)
    assert request.headers.get("x-amz-content-sha256", body_sha256) == body_sha256
    canonical = canonical_request(request, request.path, signed, body_sha256)
    text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{sha256(canonical.encode())}"
    signature = hmac_chain(f"AWS4{env['AWS_SECRET_ACCESS_KEY']}", *scope.split("/"), text).hex()
    assert pairs["Signature"] == signature, canonical
    assert {"host", "x-amz-date"} <= set(signed.split(";"))


def signed_for_tencent(request: Request, env: Env) -> None:
    """cloud.tencent.com/document/api/213/30654"""
    pairs = authorization(request, "TC3-HMAC-SHA256")
    at = request.headers["x-tc-timestamp"]
    assert_now(int(at))
    service = request.headers["host"].split(".")[0]
    scope = f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%d}/{service}/tc3_request"
    assert pairs["Credential"] == f"{env['TENCENT_SECRET_ID']}/{scope}"
    canonical = canonical_request(request, "/", pairs["SignedHeaders"], sha256(request.body))
    text = f"TC3-HMAC-SHA256\n{at}\n{scope}\n{sha256(canonical.encode())}"
    signature = hmac_chain(f"TC3{env['TENCENT_SECRET_KEY']}", *scope.split("/"), text).hex()
    assert pairs["Signature"] == signature, canonical
    assert pairs["SignedHeaders"] == "content-type;host"
    assert request.headers["x-tc-region"] == env["TENCENT_REGION"]
    assert re.fullmatch(r"[A-Za-z]+", request.headers["x-tc-action"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", request.headers["x-tc-version"])


def signed_for_alibaba(request: Request, env: Env) -> None:
    """help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature"""
    pairs = authorization(request, "ACS3-HMAC-SHA256")
    assert pairs["Credential"] == env["ALIBABA_CLOUD_ACCESS_KEY_ID"]
    at = datetime.strptime(request.headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ")
    assert_now(at.replace(tzinfo=UTC).timestamp())
    body_sha256 = sha256(request.body)
    assert request.headers["x-acs-content-sha256"] == body_sha256
    signed = pairs["SignedHeaders"].split(";")
    must = {name for name in request.headers if name.startswith("x-acs-") or name == "host"}
    assert must <= set(signed)
    assert {"x-acs-action", "x-acs-version", "x-acs-signature-nonce"} <= must
    canonical = canonical_request(request, "/", pairs["SignedHeaders"], body_sha256)
    text = f"ACS3-HMAC-SHA256\n{sha256(canonical.encode())}"
    signature = hmac_chain(env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], text).hex()
    assert pairs["Signature"] == signature, canonical
