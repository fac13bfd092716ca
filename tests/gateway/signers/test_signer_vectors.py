"""Every signer against what its vendor or its RFC publishes; ``vectors/`` names the sources."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.bodies import make_writer
from gateway.http_messages import HttpRequest
from gateway.signers.http_signature import HttpSignature
from tests.gateway.signers.signing import NO_TOKEN, signer


def vectors(name: str) -> Any:
    return json.loads(
        (Path(__file__).parent / "vectors" / f"{name}.json").read_text(encoding="utf-8")
    )


AWS, DIGEST, HMAC, HTTP = (
    vectors(name) for name in ("aws_sigv4", "digest", "hmac", "http_signature")
)


@pytest.mark.parametrize("vector", AWS["vectors"], ids=lambda vector: vector["name"])
def test_aws_sigv4_gives_the_signatures_that_aws_publishes(vector: Any) -> None:
    request = HttpRequest(
        vector["verb"], vector["url"], vector["path"], tuple(map(tuple, vector["query"])), vector["headers"],
        vector["body"].encode(), at=vector["at"],
    )  # fmt: skip
    signed = signer("aws_sigv4", vector["auth"]).sign(request, NO_TOKEN)
    proof = signed.headers.get("Authorization") or dict(signed.query)["X-Amz-Signature"]
    assert proof.endswith(vector["signature"])


@pytest.mark.parametrize(
    "vector", DIGEST["vectors"], ids=lambda vector: vector["auth"].get("algorithm", "md5")
)
@pytest.mark.parametrize("body", ["json", "form", "xml"])
def test_digest_gives_the_signatures_that_wechat_pay_publishes(vector: Any, body: str) -> None:
    request = HttpRequest(
        "POST",
        "https://e",
        "/",
        fields=DIGEST["fields"],
        writer=make_writer(body),
        nonce=DIGEST["nonce"],
    )
    signed = signer("digest", vector["auth"]).sign(request, NO_TOKEN)
    assert signed.fields["sign"] == vector["signature"]
    assert signed.body == make_writer(body)[1](signed.fields)


@pytest.mark.parametrize(
    "vector", HMAC["vectors"], ids=lambda vector: vector["source"].split(",")[0]
)
def test_hmac_gives_the_signatures_that_vendors_publish(vector: Any) -> None:
    request = HttpRequest(
        "POST", vector["url"], "/", tuple(map(tuple, vector["query"])), vector["headers"], vector["body"].encode(),
        at=vector["at"], nonce=vector["nonce"],
    )  # fmt: skip
    signed = signer("hmac", vector["auth"]).sign(request, NO_TOKEN)
    assert vector["adds"].items() <= signed.headers.items()


@pytest.mark.parametrize("vector", HTTP["vectors"], ids=lambda vector: vector["name"])
def test_http_signature_signs_what_rfc_9421_signs(vector: Any) -> None:
    request = HttpRequest(
        HTTP["verb"], HTTP["url"], HTTP["path"], tuple(map(tuple, HTTP["query"])), HTTP["headers"],
        HTTP["body"].encode(), at=HTTP["at"], nonce=vector["nonce"],
    )  # fmt: skip
    http_signer = signer("http_signature", {**vector["auth"], "label": vector["name"]})
    signed = http_signer.sign(request, NO_TOKEN)
    if "private_key" in vector["auth"] and "rsa" in vector["auth"]["algorithm"]:
        check_pss(vector, http_signer, signed, vector["signature"])
        check_pss(vector, http_signer, signed, signed.headers["Signature"].split(":")[1])
    else:
        assert signed.headers["Signature"] == f"{vector['name']}=:{vector['signature']}:"


def check_pss(vector: Any, http_signer: HttpSignature, signed: HttpRequest, signature: str) -> None:
    """RSA-PSS is salted: what is compared is what was signed."""
    key = serialization.load_pem_private_key(vector["auth"]["private_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    pad = padding.PSS(padding.MGF1(hashes.SHA512()), 64)
    key.public_key().verify(
        b64decode(signature), http_signer.signature_base(signed)[1].encode(), pad, hashes.SHA512()
    )


def test_aws_sigv4_signs_each_day_with_that_days_key() -> None:
    one, request = (
        signer("aws_sigv4", AWS["vectors"][0]["auth"]),
        HttpRequest("GET", "https://example.com", "/"),
    )
    for at in (0, 86399, 86400, 1_700_000_000):
        other = signer("aws_sigv4", AWS["vectors"][0]["auth"])
        dated = replace(request, at=at)
        assert one.sign(dated, NO_TOKEN) == other.sign(dated, NO_TOKEN)


@pytest.mark.parametrize(
    ("url", "authority"),
    [("https://WWW.example.com:443/v1", "www.example.com"), ("http://example.com:80", "example.com"),
     ("https://example.com:80", "example.com:80")],
)  # fmt: skip
def test_http_signature_has_the_authority_as_rfc_9421_writes_it(url: str, authority: str) -> None:
    http_signer = signer(
        "http_signature",
        {"key_id": "k", "algorithm": "hmac-sha256", "secret": "s", "components": ["@authority"]},
    )
    assert http_signer.signature_base(HttpRequest("GET", url, "/"))[1].startswith(
        f'"@authority": {authority}\n'
    )


def test_every_vector_file_names_its_source() -> None:
    folder = Path(__file__).parent / "vectors"
    for file in (*folder.glob("*.json"), *folder.glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        assert re.search(r'"sources?": |^# Source', text, re.M), file.name
