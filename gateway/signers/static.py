"""Credentials that are sent as they are: none, an API key, Basic (RFC 7617), Bearer (RFC 6750)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from marshmallow import ValidationError, validate, validates_schema

from gateway.http_messages import HttpRequest
from gateway.masking import STARS, Secret
from gateway.signers.base import Auth, AuthSettings, SettingPath, Signer, plain
from schemas.catalog.fields import HEADER_NAME, HEADER_TEXT, MESSAGES, one_of, text

PLACES = ("query", "header", "body", "path")


class NoAuth(Signer):
    """Adds nothing."""

    reads_body = reads_query = False

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request


class ApiKey(Signer):
    """Sends a key in the query, in a header, as a field of the body, or before the path."""

    class Settings(AuthSettings):
        in_ = text(required=True, data_key="in", validate=one_of(*PLACES), public=True)
        name = text(public=True)
        value = text(required=True)

        @validates_schema
        def check_place(self, data: Mapping[str, Any], **kwargs: Any) -> None:
            place = data["in_"]
            if place == "path" and "name" in data:
                raise ValidationError("a key in the path has no name; leave this out", "name")
            if place != "path" and "name" not in data:
                raise ValidationError(MESSAGES["required"], "name")
            for key, check in _KEY_CHECKS.get(place, {}).items():
                try:
                    check(data[key])
                except ValidationError as error:
                    raise ValidationError(error.messages, key) from error

    example: ClassVar[Auth] = {"in": "query", "name": "key", "value": "${SECRET}"}
    reads_body = reads_query = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._place = auth["in"]
        self._name = plain(auth.get("name", ""))
        self._value = plain(auth["value"])
        if self._place == "path" and self._value == STARS:  # a dry run's
            self._value = f"/{STARS}"

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        if self._place == "header":
            return request.with_header(self._name, self._value)
        if self._place == "body":
            return request.with_fields({self._name: self._value})
        if self._place == "path":
            return replace(request, path=self._value + request.path)
        return request.with_query((self._name, self._value))


_KEY_CHECKS: Mapping[str, Mapping[str, validate.Validator]] = {
    "header": {"name": HEADER_NAME, "value": HEADER_TEXT},
    "path": {
        "value": validate.Regexp(
            r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+\Z", error="must be a path, such as /bot12:token"
        )
    },
}


class Basic(Signer):
    """Sends a user's name and password."""

    class Settings(AuthSettings):
        username = text(required=True, public=True)
        password = text(required=True)

        @classmethod
        def conceal(cls, settings: Auth, injected: Collection[SettingPath]) -> dict[str, Any]:
            """Hold the username secret, too, where it alone comes from outside: it is the key then,
            as of vendors who take ``key:x``.
            """
            concealed = super().conceal(settings, injected)
            if ("username",) in injected and ("password",) not in injected:
                concealed["username"] = Secret(settings["username"])
            return concealed

    proof_header = "Authorization"
    example: ClassVar[Auth] = {"username": "ann", "password": "${SECRET}"}
    reads_body = reads_query = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        username = plain(auth["username"])
        password = plain(auth["password"])
        encoded = b64encode(f"{username}:{password}".encode()).decode()
        self.secrets = (Secret(encoded),)
        if STARS in (username, password):  # a dry run shows stars, and not their base64
            encoded = STARS
        self._value = "Basic " + encoded

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_header("Authorization", self._value)


def _without_scheme(token: str) -> None:
    if token.lower().startswith("bearer "):
        raise ValidationError('"Bearer " is written before it anyway; leave it out here')


class Bearer(Signer):
    """Sends a token that does not expire."""

    class Settings(AuthSettings):
        token = text(required=True, validate=[HEADER_TEXT, _without_scheme])

    proof_header = "Authorization"
    example: ClassVar[Auth] = {"token": "${TOKEN}"}
    reads_body = reads_query = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._value = "Bearer " + plain(auth["token"])

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_header("Authorization", self._value)
