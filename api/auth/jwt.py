"""Access tokens (JWT, RFC 7519): issued, and verified without asking anybody."""

from __future__ import annotations

import hashlib
import re
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from api.errors import TokenExpired, TokenInvalid
from config import Settings, SettingsError
from gateway.clock import Clock
from gateway.errors import StoreUnavailable
from gateway.stores import Store
from gateway.system import MAX_SECRET_BYTES, read_regular
from models import Database, RevokedToken
from schemas.fields import MOST_ID, ROLES

# tokens: Access tokens (JWT, RFC 7519): issued, and verified without asking anybody.

LEEWAY = 10  # seconds another machine's clock may be ahead of ours; a token's end is exact
REMEMBERED = 4096  # verified tokens
LAST_SECOND = 253_402_300_799  # of the year 9999, in Unix seconds
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
    """What a token says. ``begins`` and ``expires`` are Unix seconds."""

    subject: str
    role: str
    jti: str
    begins: float
    expires: float


class AccessTokens:
    """Issues with one key; verifies with that and with the older ones, so that a key can be changed.

    :raises SettingsError: a key file is not what the algorithm needs.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._signing_key, verifying = _keys(settings)
        self._kid, *_ = self._keys = {_kid(key): key for key in verifying}
        self._remembered: dict[str, AccessToken] = {}
        self._lock = threading.Lock()

    def issue(self, subject: str, role: str) -> tuple[str, AccessToken]:
        """A new token, as text and as what it says."""
        now = int(self._clock.wall())
        made = AccessToken(
            subject, role, uuid.uuid4().hex, now, now + self._settings.access_token_ttl
        )
        claims = {
            "sub": subject,
            "role": role,
            "iat": now,
            "nbf": now,
            "exp": made.expires,
            "jti": made.jti,
            "iss": self._settings.jwt_issuer,
            "aud": self._settings.jwt_audience,
        }
        return jwt.encode(
            claims, self._signing_key, self._settings.jwt_algorithm, {"kid": self._kid}
        ), made

    def verify(self, text: str) -> AccessToken:
        """What the token says, if it is ours and of now. Whether it was revoked is not known here.

        :raises TokenExpired: it was good once.
        :raises TokenInvalid: it is not, for any other reason.
        """
        token = self._remembered.get(text)
        if token is None:
            token = self._read(text)
            self._remember(text, token)
        now = self._clock.wall()
        if not now < token.expires:
            raise TokenExpired
        if not token.begins <= now + LEEWAY:
            raise TokenInvalid
        return token

    def _read(self, text: str) -> AccessToken:
        for key in self._candidates(text):
            try:
                return _token(self._decode(text, key))
            except jwt.InvalidSignatureError:
                continue
            except (jwt.InvalidTokenError, ValueError) as error:
                raise TokenInvalid from error
        raise TokenInvalid

    def _candidates(self, text: str) -> Iterable[Any]:
        """The key that the token names, or all when it names none."""
        try:
            kid = jwt.get_unverified_header(text).get("kid")
        except jwt.InvalidTokenError as error:
            raise TokenInvalid from error
        return (
            self._keys.values()
            if kid is None
            else [key for name, key in self._keys.items() if name == kid]
        )

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

    def _remember(self, text: str, token: AccessToken) -> None:
        with self._lock:
            if len(self._remembered) >= REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[text] = token


def _token(claims: Mapping[str, Any]) -> AccessToken:
    """:raises ValueError: somebody with our key says what we never would."""
    times = [claims[name] for name in ("iat", "nbf", "exp")]
    if not all(_is_instant(time) for time in times):
        raise ValueError("times are numbers")
    if claims["role"] not in ROLES or not _is_text(_JTI, claims["jti"]):
        raise ValueError("not a role, or not an identifier")
    if not _is_text(_USER_ID, claims["sub"]) or int(claims["sub"]) > MOST_ID:
        raise ValueError("not a user's id")
    return AccessToken(claims["sub"], claims["role"], claims["jti"], max(times[:2]), times[2])


def _is_instant(value: object) -> bool:
    """False for NaN, too."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LAST_SECOND
    )


def _is_text(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _keys(settings: Settings) -> tuple[Any, list[Any]]:
    """The key to sign with, and those to verify with, its own first."""
    if settings.jwt_algorithm == "HS256":
        secrets = [
            secret.reveal() for secret in (settings.jwt_secret, *settings.jwt_previous_secrets)
        ]
        return secrets[0], secrets
    private_type, public_type = _KEY_TYPES[settings.jwt_algorithm]
    private = _load("JWT_PRIVATE_KEY_FILE", settings.jwt_private_key_file, private_type)
    older = [
        _load("JWT_PUBLIC_KEY_FILES", file, public_type) for file in settings.jwt_public_key_files
    ]
    return private, [private.public_key(), *older]


def _load(setting: str, file: str, wanted: type) -> Any:
    try:
        pem = read_regular(Path(file), MAX_SECRET_BYTES)
        key = (
            load_pem_private_key(pem, None)
            if setting == "JWT_PRIVATE_KEY_FILE"
            else load_pem_public_key(pem)
        )
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(
            f"{setting}: {file} is not a PEM key that can be read without a password"
        ) from error
    if not isinstance(key, wanted):
        raise SettingsError(
            f"{setting}: {file} is not an {wanted.__name__}, which JWT_ALGORITHM asks for"
        )
    return key


def _kid(key: Any) -> str:
    """The first 16 hex digits of the SHA-256 of a secret, or of a public key's DER."""
    text = (
        key.encode()
        if isinstance(key, str)
        else key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    return hashlib.sha256(text).hexdigest()[:16]


# revocations: Access tokens that were ended early: asked about on every request, and remembered over any restart.

COMPLETE = "revocations"  # the mark: when everything was put there, Unix seconds
KEPT = 30 * 86400  # seconds
# Seconds, after which everything is put there again: a worker may have died between its commit and the store.
LOOK_AGAIN = 60
LOADING = 5  # seconds until another worker tries, should the one that puts it there fail
AT_ONCE = 500


class Revocations:
    """Whether a token was ended early.

    :param closed: while the store is away it cannot be told; otherwise the database is asked.
    """

    def __init__(self, database: Database, store: Store, clock: Clock, *, closed: bool) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._closed = closed

    def __contains__(self, jti: str) -> bool:
        """:raises StoreUnavailable: it cannot be told now."""
        try:
            complete, found = self._store.get_many(COMPLETE, _key(jti))
            if found is not None:
                return True
            if complete is None or self._clock.wall() - float(complete) > LOOK_AGAIN:
                self._load()
        except StoreUnavailable:
            if self._closed:
                raise
            complete = None
        return complete is None and self._recorded(jti)

    def add(self, tokens: Sequence[RevokedToken]) -> None:
        """Refuse these from now on. They are rows already: the caller's transaction wrote them."""
        try:
            self._put(tokens)
        except StoreUnavailable:
            self._store.forget(COMPLETE)

    def _recorded(self, jti: str) -> bool:
        with self._database.reading() as session:
            return session.get(RevokedToken, jti) is not None

    def _load(self) -> None:
        """Put everything there, unless another worker does."""
        fence = self._store.acquire(COMPLETE, LOADING)
        if fence is None:
            return
        began = self._clock.wall()
        running = RevokedToken.expires_at > datetime.fromtimestamp(began, UTC)
        with suppress(SQLAlchemyError):  # the lock is kept then: not every request shall try
            with self._database.reading() as session:
                rows = session.scalars(select(RevokedToken).where(running)).all()
            for first in range(0, len(rows), AT_ONCE):
                self._put(rows[first : first + AT_ONCE])
            self._store.set(COMPLETE, str(began).encode(), KEPT)
            self._store.release(COMPLETE, fence)

    def _put(self, tokens: Sequence[RevokedToken]) -> None:
        if tokens:
            last = max(token.expires_at.timestamp() for token in tokens)
            self._store.set_many(
                {_key(token.jti): b"1" for token in tokens}, last - self._clock.wall()
            )


def _key(jti: str) -> str:
    return f"revoked:{jti}"
