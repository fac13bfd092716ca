"""WeChat Pay API v3: requests signed with the merchant's RSA key, verified replies.

Source: pay.weixin.qq.com/doc/v3/merchant/4012365342 (signing), 4013053249 (verifying with the
public key), 4013053420 (verifying with platform certificates).
"""

from __future__ import annotations

import math
from typing import ClassVar
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from marshmallow import validate

from gateway.errors import SignatureRejected
from gateway.http_messages import HttpRequest, HttpResponse
from gateway.masking import Secret
from gateway.signers.base import Auth, Signer, plain
from gateway.signers.rsa import (
    RSA_CERTIFICATES,
    RSA_PRIVATE_KEY,
    RSA_PUBLIC_KEY,
    VerifyingSettings,
    load_certified_keys,
    load_public_key,
    rsa_signer,
    verify_rsa,
)
from schemas.catalog.fields import text

SCHEME = "WECHATPAY2-SHA256-RSA2048"
# By which a reply's time may differ from our request's; an older one is a replay.
MAX_CLOCK_SKEW_SECONDS = 300
QUOTABLE = validate.Regexp(r"[A-Za-z0-9_-]+\Z", error="must be letters, digits, - and _")


class WeChatPayV3(Signer):
    """Signs with the merchant's key; verifies replies with a public key or platform certificates.

    A merchant has both while one takes the other's place.
    """

    class Settings(VerifyingSettings):
        mch_id = text(required=True, validate=QUOTABLE, public=True)
        serial_no = text(required=True, validate=QUOTABLE, public=True)
        private_key = text(required=True, validate=RSA_PRIVATE_KEY)
        public_key = text(validate=RSA_PUBLIC_KEY, public=True)
        public_key_id = text(validate=QUOTABLE, public=True)
        platform_certs = text(validate=RSA_CERTIFICATES, public=True)
        key_sets = (("public_key", "public_key_id"), ("platform_certs",))

    proof_header = "Authorization"
    example: ClassVar[Auth] = {
        "mch_id": "1900",
        "serial_no": "5157F0",
        "private_key": "${RSA_KEY}",
        "public_key": "${RSA_PUBLIC_KEY}",
        "public_key_id": "PUB_KEY_ID_1",
    }
    verifies_answers = True

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._mch_id = plain(auth["mch_id"])
        self._serial_no = plain(auth["serial_no"])
        self._sign = rsa_signer(plain(auth["private_key"]))
        self._public_keys: dict[str, RSAPublicKey] = {}
        if "platform_certs" in auth:
            for certificate, key in load_certified_keys(plain(auth["platform_certs"])):
                self._public_keys[f"{certificate.serial_number:X}"] = key
        self._public_key_id = plain(auth.get("public_key_id", ""))
        if self._public_key_id:
            self._public_keys[self._public_key_id] = load_public_key(plain(auth["public_key"]))

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        target = urlsplit(request.base_url).path + request.target
        timestamp = str(int(request.at))
        head = _lines(request.verb, target, timestamp, request.nonce)
        parameters = {
            "mchid": self._mch_id,
            "nonce_str": request.nonce,
            "signature": self._sign(head + request.body + b"\n"),
            "timestamp": timestamp,
            "serial_no": self._serial_no,
        }
        pairs = ",".join(f'{name}="{value}"' for name, value in parameters.items())
        signed = request.with_header("Authorization", f"{SCHEME} {pairs}")
        if not self._public_key_id:
            return signed
        return signed.with_header("Wechatpay-Serial", self._public_key_id)

    def verify(self, request: HttpRequest, response: HttpResponse) -> None:
        """Check a success. As in WeChat Pay's own SDKs, other answers are taken unverified.

        :raises SignatureRejected: not signed, not by a key we have, not for this body, or not now.
        """
        if not 200 <= response.status < 300:
            return
        timestamp, nonce, signature, serial = (
            response.headers.get(f"Wechatpay-{name}", "")
            for name in ("Timestamp", "Nonce", "Signature", "Serial")
        )
        # A certificate's number may come with leading zeros, and in lower case.
        key = self._public_keys.get(serial) or self._public_keys.get(serial.lstrip("0").upper())
        if key is None:
            raise SignatureRejected(
                detail=f"the reply is signed with {serial[:64] or 'nothing'}, which we do not have"
            )
        if not verify_rsa(key, signature, _lines(timestamp, nonce) + response.body + b"\n"):
            raise SignatureRejected(detail="the reply's signature does not verify")
        skew = math.inf
        if timestamp.isdecimal():
            skew = abs(request.at - float(timestamp))
        if skew > MAX_CLOCK_SKEW_SECONDS:
            raise SignatureRejected(
                detail=f"the reply was signed {skew:.0f} s away from the request"
            )


def _lines(*lines: str) -> bytes:
    """Return the lines, each with a line feed, the last one too."""
    return "".join(f"{line}\n" for line in lines).encode()
