"""OAuth 1.0 (RFC 5849): each request signed with a consumer's and a token's secret.

``body_hash`` also covers bodies that are no form (OAuth Request Body Hash 1.0, draft 4).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from marshmallow import ValidationError, validates_schema

from gateway.bodies import FORM_TYPE
from gateway.http_messages import DEFAULT_PORTS, HttpRequest
from gateway.masking import STARS, Secret
from gateway.signers.base import Auth, AuthSettings, Signer, plain
from gateway.signers.rsa import load_private_key
from schemas.catalog.fields import MESSAGES, flag, one_of, text

HMAC_HASHES = {"HMAC-SHA1": "sha1", "HMAC-SHA256": "sha256"}
RSA_HASHES = {"RSA-SHA1": SHA1, "RSA-SHA256": SHA256}
METHODS = (*HMAC_HASHES, *RSA_HASHES, "PLAINTEXT")


class OAuth1(Signer):
    """Signs verb, URL, query and a form's fields; the proof goes into ``Authorization``."""

    class Settings(AuthSettings):
        consumer_key = text(required=True, public=True)
        consumer_secret = text()
        token = text()
        token_secret = text()
        signature_method = text(validate=one_of(*METHODS), public=True)
        private_key = text()
        realm = text(public=True)
        body_hash = flag()

        @validates_schema
        def check_keys(self, data: Mapping[str, Any], **kwargs: Any) -> None:
            by_key = data.get("signature_method") in RSA_HASHES
            needed = "private_key" if by_key else "consumer_secret"
            if data.get("body_hash") and data.get("signature_method") == "PLAINTEXT":
                raise ValidationError("needs a signature_method that signs", "body_hash")
            if needed not in data:
                raise ValidationError(MESSAGES["required"], needed)
            try:
                if by_key:
                    load_private_key(data["private_key"])
            except ValueError as error:
                message = "must be an unencrypted RSA private key"
                raise ValidationError(message, "private_key") from error

    proof_header = "Authorization"
    example: ClassVar[Auth] = {
        "consumer_key": "app",
        "consumer_secret": "${SECRET}",
        "token": "${OTHER}",
        "token_secret": "${THIRD}",
        "signature_method": "HMAC-SHA256",
        "body_hash": True,
    }

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._method = str(auth.get("signature_method", "HMAC-SHA1"))
        self._realm = plain(auth["realm"]) if "realm" in auth else None
        self._constants = {
            "oauth_consumer_key": plain(auth["consumer_key"]),
            "oauth_signature_method": self._method,
            "oauth_version": "1.0",
        }
        if "token" in auth:
            self._constants["oauth_token"] = plain(auth["token"])
        secrets = [plain(auth.get(key, "")) for key in ("consumer_secret", "token_secret")]
        self._key = "&".join(_quote(secret) for secret in secrets)
        self._hashes_body = auth.get("body_hash", False)
        self._has_stars = STARS in (*secrets, plain(auth.get("private_key", "")))
        if self._method == "PLAINTEXT":
            self.secrets = (Secret(self._key),)
        if self._method in RSA_HASHES and not self._has_stars:
            self._private_key = load_private_key(plain(auth["private_key"]))

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        proof = {
            **self._constants,
            "oauth_timestamp": str(int(request.at)),
            "oauth_nonce": request.nonce,
        }
        if self._hashes_body and not _is_form(request):
            digest = hashlib.new(self._method.rpartition("-")[2].lower(), request.body).digest()
            proof["oauth_body_hash"] = b64encode(digest).decode()
        pairs = [*_params(request), *proof.items()]
        proof["oauth_signature"] = self._signature(base_string(request, pairs))
        members = [f'{_quote(name)}="{_quote(value)}"' for name, value in sorted(proof.items())]
        if self._realm is not None:
            members.insert(0, f'realm="{self._realm}"')
        return request.with_header("Authorization", "OAuth " + ", ".join(members))

    def _signature(self, text: str) -> str:
        """Return the signature (3.4.2 to 3.4.4); stars in a dry run."""
        if self._has_stars:
            return STARS
        if self._method == "PLAINTEXT":
            return self._key
        if self._method in HMAC_HASHES:
            digest = hmac.digest(self._key.encode(), text.encode(), HMAC_HASHES[self._method])
            return b64encode(digest).decode()
        hash_class = RSA_HASHES[self._method]
        signed = self._private_key.sign(text.encode(), PKCS1v15(), hash_class())
        return b64encode(signed).decode()


def base_string(request: HttpRequest, pairs: Iterable[tuple[str, str]]) -> str:
    """Return the signature base string (3.4.1)."""
    parts = urlsplit(request.base_url)
    host = (parts.hostname or "").lower()
    if parts.port and parts.port != DEFAULT_PORTS[parts.scheme]:
        host = f"{host}:{parts.port}"
    url = f"{parts.scheme}://{host}{request.full_path}"
    quoted = sorted((_quote(name), _quote(value)) for name, value in pairs)
    joined = "&".join(f"{name}={value}" for name, value in quoted)
    return "&".join(map(_quote, (request.verb.upper(), url, joined)))


def _params(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the parameters of the query and of a form (3.4.1.3)."""
    query = request.target.partition("?")[2]
    pairs = parse_qsl(query, keep_blank_values=True)
    if _is_form(request):
        pairs += parse_qsl(request.body.decode(), keep_blank_values=True)
    return pairs


def _is_form(request: HttpRequest) -> bool:
    return (request.header("Content-Type") or "").startswith(FORM_TYPE)


def _quote(text: str) -> str:
    return quote(text, safe="")  # unreserved characters stay (3.6)
