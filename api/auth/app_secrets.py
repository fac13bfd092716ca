"""The secrets that apps sign with, sealed in the database: checking needs them, not a hash."""

from __future__ import annotations

import base64
from pathlib import Path
from secrets import token_urlsafe

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config import Settings
from gateway.masking import Secret


class AppSecrets:
    """Makes, seals and opens the secrets.

    The keys are derived from JWT_SECRET and JWT_PREVIOUS_SECRETS, whatever signs the access tokens;
    the private key file counts as the oldest. So whoever has only a key file sets JWT_SECRET before
    changing the file, and rotates the apps' secrets, or those can no longer be opened.
    """

    def __init__(self, settings: Settings) -> None:
        secrets = (settings.jwt_secret, *settings.jwt_previous_secrets)
        sources = [secret.reveal().encode() for secret in secrets if secret.reveal()]
        if settings.jwt_private_key_file:
            sources.append(Path(settings.jwt_private_key_file).read_bytes())
        self._fernet = MultiFernet([_fernet(source) for source in sources])

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


def _fernet(source: bytes) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=b"postern app secrets").derive(source)
    return Fernet(base64.urlsafe_b64encode(derived))
