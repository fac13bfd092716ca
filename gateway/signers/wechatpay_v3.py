"""WeChat Pay API v3: requests signed with the merchant's RSA key, replies verified with WeChat Pay's.

Source: pay.weixin.qq.com/doc/v3/merchant/4012365342 (signing), 4013053249 (verifying with the public key), 4013053420
(verifying with platform certificates); earlier at pay.weixin.qq.com/wiki/doc/apiv3/wechatpay/wechatpay4_0.shtml.
"""

from __future__ import annotations

import math
from typing import ClassVar
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from marshmallow import validate

from gateway.errors import SignatureRejected
from gateway.masking import Secret
from gateway.messages import HttpRequest, HttpResponse
from gateway.signers.base import Auth, Signer, plain
from gateway.signers.rsa import (
    RSA_CERTIFICATES,
    RSA_PRIVATE_KEY,
    RSA_PUBLIC_KEY,
    VerifyingSettings,
    certified_keys,
    rsa_public_key,
    signing,
    verifies,
)
from schemas.catalog_fields import text

SCHEME = "WECHATPAY2-SHA256-RSA2048"
WINDOW = (
    300  # seconds by which a reply's time may differ from our request's; an older one is a replay
)


QUOTABLE = validate.Regexp(r"[A-Za-z0-9_-]+\Z", error="must be letters, digits, - and _")


class WeChatPayV3(Signer):
    """Signs with the merchant's key; verifies replies with WeChat Pay's public key or platform certificates.

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

    example: ClassVar[Auth] = {
        "mch_id": "1900",
        "serial_no": "5157F0",
        "private_key": "${RSA_KEY}",
        "public_key": "${RSA_PUBLIC_KEY}",
        "public_key_id": "PUB_KEY_ID_1",
    }
    verifies_answers = True

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._mch_id, self._serial_no = plain(auth["mch_id"]), plain(auth["serial_no"])
        self._sign = signing(plain(auth["private_key"]))
        self._keys: dict[str, RSAPublicKey] = {}
        if "platform_certs" in auth:
            pairs = certified_keys(plain(auth["platform_certs"]))
            self._keys = {f"{certificate.serial_number:X}": key for certificate, key in pairs}
        self._key_id = plain(auth["public_key_id"]) if "public_key_id" in auth else None
        if self._key_id:
            self._keys[self._key_id] = rsa_public_key(plain(auth["public_key"]))

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        target, timestamp = urlsplit(request.base_url).path + request.target, str(int(request.at))
        signature = self._sign(
            _lines(request.verb, target, timestamp, request.nonce) + request.body + b"\n"
        )
        proof = {
            "mchid": self._mch_id,
            "nonce_str": request.nonce,
            "signature": signature,
            "timestamp": timestamp,
            "serial_no": self._serial_no,
        }
        value = ",".join(f'{name}="{each}"' for name, each in proof.items())
        signed = request.with_header("Authorization", f"{SCHEME} {value}")
        return signed.with_header("Wechatpay-Serial", self._key_id) if self._key_id else signed

    def verify(self, request: HttpRequest, response: HttpResponse) -> None:
        """Only successes are signed for certain: as in WeChat Pay's own SDKs, other answers are taken unverified.

        :raises SignatureRejected: not signed, not by a key we have, not for this body, or not now.
        """
        if not 200 <= response.status < 300:
            return
        said = {
            name: response.headers.get(f"Wechatpay-{name}", "")
            for name in ("Timestamp", "Nonce", "Signature")
        }
        serial = response.headers.get("Wechatpay-Serial", "")
        key = self._keys.get(serial) or self._keys.get(serial.lstrip("0").upper())
        if key is None:
            raise SignatureRejected(
                detail=f"the reply is signed with {serial[:64] or 'nothing'}, which we do not have"
            )
        message = _lines(said["Timestamp"], said["Nonce"]) + response.body + b"\n"
        if not verifies(key, said["Signature"], message):
            raise SignatureRejected(detail="the reply's signature does not verify")
        at = said["Timestamp"]
        off = abs(request.at - float(at)) if at.isdecimal() else math.inf
        if off > WINDOW:
            raise SignatureRejected(
                detail=f"the reply was signed {off:.0f} s away from the request"
            )


def _lines(*lines: str) -> bytes:
    """Each ends with a line feed, the last one too."""
    return "".join(f"{line}\n" for line in lines).encode()
