"""Signatures against the vendors' own packages: ours verified by theirs, theirs by ours, a thousand requests each."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import quote, unquote, urlsplit

import pytest
from alibabacloud_tea_openapi.utils import Utils as Alibaba
from botocore import auth as botocore_auth
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from http_message_signatures import HTTPMessageSigner
from slack_sdk.signature import SignatureVerifier
from stripe import WebhookSignature
from tencentcloud.common.abstract_client import AbstractClient
from tencentcloud.common.credential import Credential
from wechatpy.pay.utils import calculate_signature, calculate_signature_hmac

from gateway.bodies import make_writer
from gateway.http_messages import HttpRequest
from tests.gateway.signers.signing import KEYS, NO_TOKEN, signer, verifier_of

pytestmark = pytest.mark.slow

REQUEST_COUNT = 1000
WORDS = (
    "",
    " ",
    "a b",
    "中文",
    "重复",
    "A",
    "a",
    "~*'()!",
    "+",
    "%2F",
    "x/y",
    "=",
    "&",
    "é",
    "😀",
    "0",
    "-._~",
    "a-b",
)
NAMES = ("a", "a-b", "A", "b", "b1", "中", "a b", "Param", "repeat", "repeat")
PATHS = ("", "/", "/v1/items", "/a%20b", "/%E4%B8%AD", "/x/", "/a/b-c_d.e~f", "/a:b", "/a@b,c=d")


def requests(
    seed: int, host: str = "api.example.com", names: tuple[str, ...] = NAMES
) -> Iterator[HttpRequest]:
    """Random ones, the same in every run: Chinese text, spaces, empty values, repeated keys."""
    chance = random.Random(seed)
    for _ in range(REQUEST_COUNT):
        query = tuple(
            (chance.choice(names), chance.choice(WORDS)) for _ in range(chance.randrange(5))
        )
        body = "".join(chance.choices(WORDS, k=4)).encode() if chance.random() < 0.5 else b""
        at = chance.randrange(1_500_000_000, 1_900_000_000)
        nonce = f"{chance.getrandbits(128):032x}"
        headers = {"Content-Type": "application/json", "X-Amz-Meta-Word": chance.choice(("x", "a  b", "", "y ")),
                   "User-Agent": "postern", "X-Other": "1"}  # fmt: skip
        base = f"https://{host}" + chance.choice(("", "/v2"))
        path = chance.choice(PATHS)
        yield HttpRequest(
            chance.choice(("GET", "POST", "PUT")),
            base,
            path,
            query,
            headers,
            body,
            at=at,
            nonce=nonce,
        )


def url_of(request: HttpRequest) -> str:
    query = request.target.partition("?")[2]
    return f"https://{request.host}{request.full_path}" + (f"?{query}" if query else "")


AWS = {"access_key_id": "AKID", "secret_access_key": "secret/+key", "region": "eu-west-1"}


@pytest.mark.parametrize(
    "settings", [{}, {"in": "query"}, {"payload": "unsigned"}, {"session_token": "ours"}]
)
def test_nothing_of_an_sdks_own_proof_survives_beside_ours(settings: dict[str, Any]) -> None:
    headers = {
        "authorization": "AWS4-HMAC-SHA256 theirs", "x-amz-date": "theirs", "X-Amz-Security-Token": "theirs",
        "X-Amz-S3session-Token": "theirs", "x-amz-meta-a": "b",
    }  # fmt: skip
    query = [
        (f"X-Amz-{name}", "theirs")
        for name in ("Algorithm", "Credential", "Date", "Security-Token", "Signature")
    ]
    request = HttpRequest(
        "PUT", "https://b.example", "/k", (*query, ("x-id", "1")), headers, b"hello"
    )
    our_signer = signer("aws_sigv4", {**AWS, "service": "s3", **settings})
    signed = our_signer.sign(our_signer.adopt(request), NO_TOKEN)
    assert "theirs" not in f"{signed.headers} {signed.target}"
    assert (signed.header("x-amz-meta-a"), dict(signed.query)["x-id"]) == ("b", "1")


@pytest.mark.parametrize("token", [None, "session/token=="])
@pytest.mark.parametrize(
    ("service", "place", "theirs"),
    [("sqs", "header", SigV4Auth), ("s3", "header", S3SigV4Auth), ("sqs", "query", SigV4QueryAuth),
     ("s3", "query", S3SigV4QueryAuth)],
)  # fmt: skip
def test_botocore_gives_the_same_signature_for_every_request(
    service: str, place: str, theirs: Any, token: str | None
) -> None:
    settings: dict[str, Any] = {**AWS, "service": service, "in": place}
    settings |= ({"session_token": token} if token else {}) | (
        {"expires": 3600} if place == "query" else {}
    )
    our_signer = signer("aws_sigv4", settings)
    botocore = theirs(Credentials("AKID", "secret/+key", token), service, "eu-west-1")
    for sample in requests(1):
        if service == "s3":  # theirs sends paths only as they are signed
            sample = replace(sample, path=quote(unquote(sample.path), safe="/~"))  # noqa: PLW2901
        alone = replace(sample, body=b"", query=tuple(dict(sample.query).items()))
        # Theirs moves a body into the query, and drops repeated keys.
        request = alone if place == "query" else sample
        signed = our_signer.sign(request, NO_TOKEN)
        covered = {name: text for name, text in request.headers.items() if name != "User-Agent"}
        sent = AWSRequest(request.verb, url_of(request), covered, request.body)
        now = datetime.fromtimestamp(request.at, UTC)
        with patch.object(botocore_auth, "get_current_datetime", return_value=now):
            botocore.add_auth(sent)
        if place == "header":
            assert signed.headers["Authorization"] == sent.headers["Authorization"]
            for name in ("X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-SHA256"):
                assert signed.headers.get(name) == sent.headers.get(name)
        else:
            assert last_query(url_of(signed)) == last_query(sent.url)


def last_query(url: str) -> list[str]:
    return sorted(pair for pair in urlsplit(url).query.split("&") if pair.startswith("X-Amz-"))


@pytest.mark.parametrize(
    ("path", "key"), [("/b/dir%2Ffile", "/b/dir/file"), ("/b/a:b", "/b/a%3Ab")]
)
def test_a_path_is_signed_as_s3_reads_it(path: str, key: str) -> None:
    our_signer = signer("aws_sigv4", {**AWS, "service": "s3"})
    sent, read = (
        HttpRequest("GET", "https://h.example", target, at=1_700_000_000) for target in (path, key)
    )
    assert our_signer.sign(sent, NO_TOKEN).headers == our_signer.sign(read, NO_TOKEN).headers


def test_botocore_leaves_a_body_unsigned_as_we_do() -> None:
    our_signer = signer("aws_sigv4", {**AWS, "service": "s3", "payload": "unsigned"})
    botocore = S3SigV4Auth(Credentials("AKID", "secret/+key"), "s3", "eu-west-1")
    request = HttpRequest("PUT", "https://b.example.com", "/k", (), {}, b"much", at=1_700_000_000)
    sent = AWSRequest("PUT", url_of(request), {}, b"much")
    sent.context["client_config"] = SimpleNamespace(s3={"payload_signing_enabled": False})
    now = datetime.fromtimestamp(request.at, UTC)
    with patch.object(botocore_auth, "get_current_datetime", return_value=now):
        botocore.add_auth(sent)
    signed = our_signer.sign(request, NO_TOKEN)
    assert (
        signed.headers["X-Amz-Content-SHA256"]
        == sent.headers["X-Amz-Content-SHA256"]
        == "UNSIGNED-PAYLOAD"
    )
    assert signed.headers["Authorization"] == sent.headers["Authorization"]


def test_tencents_sdk_gives_the_same_signature_for_every_request() -> None:
    our_signer = signer(
        "hmac",
        {"preset": "tencent_tc3", "key_id": "id", "secret": "ke y", "values": {"service": "cvm"}},
    )
    client = AbstractClient(Credential("id", "ke y"), "ap-guangzhou")
    client._service = "cvm"
    for sample in requests(2, "cvm.tencentcloudapi.com"):
        # Their API knows a query in GET and a body elsewhere only.
        request = replace(sample, body=b"") if sample.verb == "GET" else replace(sample, query=())
        signed = our_signer.sign(request, NO_TOKEN)
        query = request.target.partition("?")[2]
        header = {
            "Content-Type": "application/json",
            "Host": request.host,
            "X-TC-Timestamp": str(int(request.at)),
        }
        theirs = SimpleNamespace(
            method=request.verb,
            uri=request.full_path,
            header=header,
            data=query if request.verb == "GET" else request.body,
        )
        date = datetime.fromtimestamp(request.at, UTC).strftime("%Y-%m-%d")
        signature = client._get_tc3_signature({}, theirs, date, "cvm", "ke y")
        assert signed.headers["Authorization"].endswith(f"Signature={signature}")


def test_alibabas_sdk_gives_the_same_signature_for_every_request() -> None:
    our_signer = signer("hmac", {"preset": "alibaba_acs3", "key_id": "id", "secret": "ke y"})
    names = (
        "Action",
        "ImageId",
        "Name",
        "Z-z",
        "a.b",
    )  # theirs quotes no names, and has none twice
    for sample in requests(3, "ecs.aliyuncs.com", names):
        request = replace(sample, query=tuple(dict(sample.query).items()))
        signed = our_signer.sign(request, NO_TOKEN)
        covered = {"host": request.host, **signed.headers}
        covered = {
            n: t
            for n, t in covered.items()
            if n.lower() in ("host", "content-type") or n.startswith("x-acs")
        }
        theirs = SimpleNamespace(
            method=request.verb,
            pathname=request.full_path,
            query=dict(request.query),
            headers=covered,
        )
        authorization = Alibaba.get_authorization(
            theirs, "ACS3-HMAC-SHA256", covered["x-acs-content-sha256"], "id", "ke y"
        )
        assert signed.headers["Authorization"] == authorization


@pytest.mark.parametrize(
    ("algorithm", "theirs"),
    [("md5", calculate_signature), ("hmac-sha256", calculate_signature_hmac)],
)
def test_wechatpy_gives_the_same_signature_for_every_request(algorithm: str, theirs: Any) -> None:
    settings = {"secret": "ke y", "algorithm": algorithm, "sign": "{params}&key={secret}",
                "case": "upper", "name": "sign", "add": {"mch_id": "1900", "nonce_str": "{nonce}"}}  # fmt: skip
    our_signer = signer("digest", settings)
    for sample in requests(6):
        fields = dict(sample.query)  # theirs has no name twice
        request = replace(
            sample, verb="POST", query=(), body=b"", fields=fields, writer=make_writer("form")
        )
        signed_fields = dict(our_signer.sign(request, NO_TOKEN).fields)
        assert signed_fields.pop("sign") == theirs(signed_fields, "ke y")


def test_slacks_verifier_accepts_what_hmac_signs() -> None:
    our_signer = signer("hmac", {"secret": "ke y", "sign": "v0:{unix}:{body}",
                           "headers": {"X-Slack-Request-Timestamp": "{unix}", "X-Slack-Signature": "v0={signature}"}})  # fmt: skip
    for request in requests(4):
        signed = our_signer.sign(request, NO_TOKEN)
        verifier = SignatureVerifier(
            "ke y", SimpleNamespace(now=lambda request=request: request.at)
        )  # type: ignore[arg-type]
        assert verifier.is_valid_request(signed.body, dict(signed.headers))
        assert not verifier.is_valid_request(signed.body + b"!", dict(signed.headers))


def test_stripes_verifier_accepts_what_hmac_signs() -> None:
    header = {"Stripe-Signature": "t={unix},v1={signature}"}
    our_signer = signer("hmac", {"secret": "ke y", "sign": "{unix}.{body}", "headers": header})
    for request in requests(5):
        signed = our_signer.sign(request, NO_TOKEN)
        assert WebhookSignature.verify_header(
            signed.body.decode(), signed.headers["Stripe-Signature"], "ke y"
        )


COMPONENTS = ("@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query", "content-type",
              "content-digest")  # fmt: skip


@pytest.mark.parametrize("algorithm", KEYS)
def test_http_message_signatures_accepts_ours_and_signs_the_same(algorithm: str) -> None:
    theirs, key = KEYS[algorithm]
    our_signer = signer(
        "http_signature",
        {"key_id": "k 1", "algorithm": algorithm, "components": list(COMPONENTS), **key},
    )
    verifier = verifier_of(theirs, key)
    other = HTTPMessageSigner(signature_algorithm=theirs)
    for request in requests(6):
        signed = our_signer.sign(request, NO_TOKEN)
        message = SimpleNamespace(
            method=request.verb, url=url_of(request), headers=dict(signed.headers)
        )
        at = datetime.fromtimestamp(request.at, UTC)
        verifier.verify(message)
        prepared = other.prepare(
            message, key_id="k 1", created=at, nonce=request.nonce, covered_component_ids=COMPONENTS,
            use_existing_digest=True,
        )  # fmt: skip
        assert lines(prepared.signature_base) == lines(
            our_signer.signature_base(signed)[1].encode()
        )


def lines(base: bytes) -> tuple[list[bytes], set[bytes]]:
    """A signature base; the order of its parameters is the signer's to choose."""
    *covered, last = base.split(b"\n")
    return covered, set(re.split(rb"(?<=[)\"0-9]);", last))


def test_a_query_parameter_is_signed_as_http_message_signatures_does() -> None:
    components = ("@method", '@query-param;name="a%20b"')
    theirs, key = KEYS["hmac-sha256"]
    our_signer = signer(
        "http_signature",
        {"key_id": "k", "algorithm": "hmac-sha256", "components": list(components), **key},
    )
    verifier = verifier_of(theirs, key)
    for word in WORDS:
        request = HttpRequest(
            "GET",
            "https://h.example",
            "/",
            (("a b", word), ("c", "d")),
            at=1_700_000_000,
            nonce="n",
        )
        signed = our_signer.sign(request, NO_TOKEN)
        message = SimpleNamespace(method="GET", url=url_of(request), headers=dict(signed.headers))
        assert verifier.verify(message)
