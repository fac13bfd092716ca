"""Credentials that are sent as they are: none, an API key, Basic (RFC 7617), Bearer (RFC 6750)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, validates_schema

from gateway.masking import STARS, Secret
from gateway.messages import HttpRequest
from gateway.signers.base import Auth, AuthSettings, Signer, plain
from schemas.catalog_fields import HEADER_NAME, HEADER_TEXT, one_of, text

PLACES = ("query", "header", "body")


class NoAuth(Signer):
    """Adds nothing."""

    reads_body = reads_query = False

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request


class ApiKey(Signer):
    """Sends a key in the query, in a header or as a field of the body."""

    class Settings(AuthSettings):
        in_ = text(required=True, data_key="in", validate=one_of(*PLACES), public=True)
        name = text(required=True, public=True)
        value = text(required=True)

        @validates_schema
        def check_header(self, data: Mapping[str, Any], **kwargs: Any) -> None:
            if data["in_"] != "header":
                return
            for key, check in (("name", HEADER_NAME), ("value", HEADER_TEXT)):
                try:
                    check(data[key])
                except ValidationError as error:
                    raise ValidationError(error.messages, key) from error

    example: ClassVar[Auth] = {"in": "query", "name": "key", "value": "${SECRET}"}
    reads_body = reads_query = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._place = auth["in"]
        self._name = plain(auth["name"])
        self._value = plain(auth["value"])

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        if self._place == "header":
            return request.with_header(self._name, self._value)
        if self._place == "body":
            return request.with_fields({self._name: self._value})
        return request.with_query((self._name, self._value))


class Basic(Signer):
    """Sends a user's name and password."""

    class Settings(AuthSettings):
        username = text(required=True, public=True)
        password = text(required=True)

    example: ClassVar[Auth] = {"username": "ann", "password": "${SECRET}"}
    reads_body = reads_query = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        password = plain(auth["password"])
        pair = f"{plain(auth['username'])}:{password}"
        encoded = b64encode(pair.encode()).decode()
        self.secrets = (Secret(encoded),)
        if password == STARS:  # a dry run shows stars, and not their base64
            encoded = STARS
        self._value = "Basic " + encoded

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_header("Authorization", self._value)


class Bearer(Signer):
    """Sends a token that does not expire."""

    class Settings(AuthSettings):
        token = text(required=True, validate=HEADER_TEXT)

    example: ClassVar[Auth] = {"token": "${TOKEN}"}
    reads_body = reads_query = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._value = "Bearer " + plain(auth["token"])

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_header("Authorization", self._value)
