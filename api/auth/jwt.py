"""Access tokens (JWT, RFC 7519): issued, and verified without a query."""

from __future__ import annotations

import hashlib
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from api.errors import TokenExpired, TokenInvalid
from config import Settings, SettingsError
from gateway.clock import Clock
from gateway.messages import Caller
from gateway.system import MAX_SECRET_BYTES, read_regular
from schemas.fields import MAX_ID, ROLES

LEEWAY_SECONDS = 10  # that another machine's clock may be ahead of ours; a token's end is exact
MAX_REMEMBERED_TOKENS = 4096  # that were verified
MAX_UNIX_SECONDS = 253_402_300_799  # the last of the year 9999
_USER_ID = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_JTI = re.compile(r"[!-~]{1,64}")
_REQUIRED = ("sub", "role", "iat", "nbf", "exp", "jti", "iss", "aud")
# PyJWT reads the system's clock; ours is handed in, so times are checked here.
_CHECKS: Any = {
    "require": list(_REQUIRED),
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}
_KEY_TYPES: Mapping[str, tuple[type, type]] = {
    "RS256": (RSAPrivateKey, RSAPublicKey),
    "EdDSA": (Ed25519PrivateKey, Ed25519PublicKey),
}


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The claims of a token, and who calls with it. ``begins`` and ``expires`` are Unix seconds."""

    subject: str
    caller: Caller
    jti: str
    begins: float
    expires: float


class AccessTokens:
    """Issues tokens with one key; verifies with it and older ones, so that a key can be changed.

    :raises SettingsError: a key file is not what the algorithm needs.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._signing_key, verifying_keys = _keys(settings)
        self._keys = {_kid(key): key for key in verifying_keys}
        self._kid = next(iter(self._keys))
        self._remembered: dict[str, AccessToken] = {}
        self._lock = threading.Lock()

    def issue(self, subject: str, role: str) -> tuple[str, AccessToken]:
        """Return a new token as text, and its claims."""
        now = int(self._clock.wall())
        expires = now + self._settings.access_token_ttl
        caller = self._caller(subject, role)
        token = AccessToken(subject, caller, uuid.uuid4().hex, now, expires)
        claims = {
            "sub": subject,
            "role": role,
            "iat": now,
            "nbf": now,
            "exp": token.expires,
            "jti": token.jti,
            "iss": self._settings.jwt_issuer,
            "aud": self._settings.jwt_audience,
        }
        algorithm = self._settings.jwt_algorithm
        return jwt.encode(claims, self._signing_key, algorithm, {"kid": self._kid}), token

    def verify(self, text: str) -> AccessToken:
        """Return the claims of a token of ours that is valid now. Revocation is not checked here.

        :raises TokenExpired: it was valid until it expired.
        :raises TokenInvalid: it is not valid, for any other reason.
        """
        token = self._remembered.get(text)
        if token is None:
            token = self._decode_with_any(text)
            self._remember(text, token)
        now = self._clock.wall()
        if not now < token.expires:
            raise TokenExpired
        if not token.begins <= now + LEEWAY_SECONDS:
            raise TokenInvalid
        return token

    def _decode_with_any(self, text: str) -> AccessToken:
        for key in self._candidates(text):
            try:
                return self._token(self._decode(text, key))
            except jwt.InvalidSignatureError:
                continue
            except (jwt.InvalidTokenError, ValueError) as error:
                raise TokenInvalid from error
        raise TokenInvalid

    def _candidates(self, text: str) -> Iterable[Any]:
        """Return the keys that may have signed the token: the one it names, or all if none."""
        try:
            kid = jwt.get_unverified_header(text).get("kid")
        except jwt.InvalidTokenError as error:
            raise TokenInvalid from error
        if kid is None:
            return self._keys.values()
        return [key for name, key in self._keys.items() if name == kid]

    def _decode(self, text: str, key: Any) -> dict[str, Any]:
        settings = self._settings
        return jwt.decode(
            text,
            key,
            algorithms=[settings.jwt_algorithm],
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            options=_CHECKS,
        )

    def _token(self, claims: Mapping[str, Any]) -> AccessToken:
        """Return the token with these claims.

        :raises ValueError: somebody who has our key signed what we never would.
        """
        times = [claims[name] for name in ("iat", "nbf", "exp")]
        if not all(_is_instant(time) for time in times):
            raise ValueError("times are numbers")
        if claims["role"] not in ROLES or not _is_text(_JTI, claims["jti"]):
            raise ValueError("not a role, or not an identifier")
        if not _is_text(_USER_ID, claims["sub"]) or int(claims["sub"]) > MAX_ID:
            raise ValueError("not a user's id")
        caller = self._caller(claims["sub"], claims["role"])
        return AccessToken(claims["sub"], caller, claims["jti"], max(times[:2]), times[2])

    def _caller(self, subject: str, role: str) -> Caller:
        return Caller(f"user:{subject}", role, rate=self._settings.default_rate_limit)

    def _remember(self, text: str, token: AccessToken) -> None:
        with self._lock:
            if len(self._remembered) >= MAX_REMEMBERED_TOKENS:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[text] = token


def _is_instant(value: object) -> bool:
    """Return whether a value is Unix seconds; NaN is not."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value <= MAX_UNIX_SECONDS
    )


def _is_text(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _keys(settings: Settings) -> tuple[Any, list[Any]]:
    """Return the key to sign with, and those to verify with, its own first."""
    if settings.jwt_algorithm == "HS256":
        secrets = [
            secret.reveal() for secret in (settings.jwt_secret, *settings.jwt_previous_secrets)
        ]
        return secrets[0], secrets
    private_type, public_type = _KEY_TYPES[settings.jwt_algorithm]
    load_private = partial(serialization.load_pem_private_key, password=None)
    private_key = _load_key(
        "JWT_PRIVATE_KEY_FILE", settings.jwt_private_key_file, load_private, private_type
    )
    older_keys = [
        _load_key("JWT_PUBLIC_KEY_FILES", file, serialization.load_pem_public_key, public_type)
        for file in settings.jwt_public_key_files
    ]
    return private_key, [private_key.public_key(), *older_keys]


def _load_key(setting: str, file: str, load: Callable[[bytes], Any], key_type: type) -> Any:
    try:
        key = load(read_regular(Path(file), MAX_SECRET_BYTES))
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(
            f"{setting}: {file} is not a PEM key that can be read without a password"
        ) from error
    if not isinstance(key, key_type):
        raise SettingsError(
            f"{setting}: {file} is not an {key_type.__name__}, which JWT_ALGORITHM asks for"
        )
    return key


def _kid(key: Any) -> str:
    """Return the first 16 hex digits of the SHA-256 of a secret, or of a public key's DER."""
    if isinstance(key, str):
        encoded = key.encode()
    else:
        encoded = key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    return hashlib.sha256(encoded).hexdigest()[:16]
