"""The secrets that apps sign with, sealed in the database: checking needs them, not a hash."""

from __future__ import annotations

import base64
from functools import cached_property
from pathlib import Path
from secrets import token_urlsafe
from typing import Literal

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config import Settings
from gateway.masking import Secret

SealState = Literal["current", "old", "lost"]


class AppSecrets:
    """Makes, seals and opens the secrets.

    Keys are derived from SECRETS_KEY and SECRETS_PREVIOUS_KEYS, then from JWT_SECRET,
    JWT_PREVIOUS_SECRETS and the private key file, which seal where there is no SECRETS_KEY.
    """

    def __init__(self, settings: Settings) -> None:
        secrets = (
            settings.secrets_key,
            *settings.secrets_previous_keys,
            settings.jwt_secret,
            *settings.jwt_previous_secrets,
        )
        sources = [secret.reveal().encode() for secret in secrets if secret.reveal()]
        if settings.jwt_private_key_file:
            sources.append(Path(settings.jwt_private_key_file).read_bytes())
        self._sources = sources

    @cached_property
    def _keys(self) -> list[Fernet]:
        """The current one first. Derived for the first app that signs: that maps megabytes."""
        return [_fernet(source) for source in self._sources]

    @cached_property
    def _fernet(self) -> MultiFernet:
        return MultiFernet(self._keys)

    @staticmethod
    def make() -> Secret:
        return Secret(token_urlsafe(32))

    def seal(self, secret: Secret) -> str:
        return self._fernet.encrypt(secret.reveal().encode()).decode()

    def unseal(self, sealed: str) -> Secret | None:
        """Return the secret, or None if its key is gone."""
        try:
            return Secret(self._fernet.decrypt(sealed.encode()).decode())
        except InvalidToken:
            return None

    def state(self, sealed: str) -> SealState:
        """Return under which key a secret is sealed."""
        try:
            self._keys[0].decrypt(sealed.encode())
        except InvalidToken:
            return "old" if self.unseal(sealed) else "lost"
        return "current"

    def reseal(self, sealed: str) -> str:
        """Return the same secret under the current key; what cannot be opened stays as it is."""
        secret = self.unseal(sealed)
        if secret is None or self.state(sealed) == "current":
            return sealed
        return self.seal(secret)


def _fernet(source: bytes) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=b"postern app secrets").derive(source)
    return Fernet(base64.urlsafe_b64encode(derived))
