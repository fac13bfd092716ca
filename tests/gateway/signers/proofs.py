"""What proves us in a request, as the other side checks it: each auth type has its ``PROOF`` in ``vectors/``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from sandbox.keys import MERCHANT_PRIVATE_KEY, VENDOR_PUBLIC_KEY
from tests.gateway.fakes import answer
from tests.gateway.signers.signing import KEYS

SECRET = "s3cret/key+of=us ü"
#: What ``example`` of a signer may have as ``${...}``.
SECRETS = {
    "SECRET": SECRET,
    "OTHER": "oth€r/secret 2",
    "THIRD": "third-secret",
    "TOKEN": "s3cret-of-us",
    "ED25519_KEY": KEYS["ed25519"][1]["private_key"],
    "RSA_KEY": MERCHANT_PRIVATE_KEY,
}
ENV = {**SECRETS, "RSA_PUBLIC_KEY": VENDOR_PUBLIC_KEY}
GRANT = answer(b'{"access_token": "a-token", "expires_in": 7200}')


@dataclass
class SentRequest:
    """A request as it came out of the socket."""

    verb: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    @property
    def values(self) -> list[tuple[str, str]]:
        """All parameters, those of the query and of the body."""
        content_type = self.headers.get("content-type", "")
        if content_type.startswith("application/xml"):
            elements = ElementTree.fromstring(self.body)
            return self.query + [(element.tag, element.text or "") for element in elements]
        if content_type == "application/json":
            members = json.loads(self.body).items()
            return self.query + [(name, json_text(value)) for name, value in members]
        return self.query + parse_qsl(self.body.decode(), keep_blank_values=True)


def json_text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def parse_request(raw: bytes) -> SentRequest:
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    pairs = (header_line.partition(":") for header_line in fields)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    verb, target, _ = line.split(" ")
    return SentRequest(verb, target, headers, body)


Check = Callable[[SentRequest], str | None]


@dataclass
class Proof:
    """How the other side checks an auth type's ``example``.

    :param check: what of a request proves us; None if it is not right for these very bytes.
    :param signs: whether the proof is about the request, and good for one use only.
    :param nonce: whether two attempts within one second have different proofs.
    :param first: what the service answers to requests that come before ours, such as for a token.
    """

    check: Check
    signs: bool = True
    nonce: bool = True
    first: list[bytes] = field(default_factory=list)


def if_equal(value: str | None, expected: str) -> str | None:
    return value if value == expected else None


def header(name: str, expected: str) -> Check:
    return lambda request: if_equal(request.headers.get(name), expected)


def query(name: str, expected: str) -> Check:
    return lambda request: if_equal(dict(request.query).get(name), expected)
