"""GitHub apps: a JWT fetches an installation's token, which is sent as Bearer.

Source: docs.github.com, "Generating an installation access token for a GitHub App".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import fields, validates_schema

from gateway.bodies import dump_json
from gateway.http_messages import HttpRequest
from gateway.masking import Secret
from gateway.signers.base import Auth, AuthSettings, Send, Signer, plain
from gateway.signers.token_auth.answer import DEFAULT_LIFE_SECONDS, TokenAnswer
from gateway.signers.token_auth.assertions import (
    assertion_signer,
    check_private_key,
    lifetime_claims,
)
from schemas.catalog.fields import NamedMap, text

ALGORITHM = "RS256"  # the one that GitHub takes


class GitHubApp(Signer):
    """Sends the token of one installation, of all its repositories and permissions unless less."""

    class Settings(AuthSettings):
        app_id = text(required=True, public=True)
        installation_id = text(required=True, public=True)
        private_key = text(required=True)
        repositories = fields.List(text())
        permissions = NamedMap(text())

        @validates_schema
        def check_key(self, data: Mapping[str, Any], **kwargs: Any) -> None:
            check_private_key(data["private_key"], ALGORITHM)

    proof_header = "Authorization"
    example: ClassVar[Auth] = {"app_id": "7", "installation_id": "42", "private_key": "${RSA_KEY}"}
    fetches_token = True
    reads_body = reads_query = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._app_id = plain(auth["app_id"])
        self._base_url = base_url
        self._path = f"/app/installations/{plain(auth['installation_id'])}/access_tokens"
        self._sign_claims = assertion_signer(plain(auth["private_key"]), ALGORITHM)
        narrowed = {key: auth[key] for key in ("repositories", "permissions") if key in auth}
        self._body = dump_json(narrowed)

    def fetch_token(self, send: Send, now: float) -> tuple[Secret, float]:
        assertion = self._sign_claims({"iss": self._app_id} | lifetime_claims(now))
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": "Bearer " + assertion,
            "Content-Type": "application/json",
            "User-Agent": "postern",
        }
        answer = TokenAnswer(
            send(HttpRequest("POST", self._base_url, self._path, (), headers, self._body))
        )
        answer.check()
        token = answer.token("token")
        if token is None:
            raise answer.refusal()
        life = answer.life(None, "expires_at", now)
        return token, DEFAULT_LIFE_SECONDS if life is None else life

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_header("Authorization", "Bearer " + token.reveal())
