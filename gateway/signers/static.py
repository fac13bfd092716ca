"""Credentials that are sent as they are: none, an API key, Basic (RFC 7617), Bearer (RFC 6750)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from gateway.masking import STARS, Secret
from gateway.messages import HttpRequest


def plain(value: str | Secret) -> str:
    """The text of a setting, secret or not."""
    return value.reveal() if isinstance(value, Secret) else value


def key_of(auth: Mapping[str, Any]) -> bytes:
    """``secret``, which ``secret_encoding`` may say is base64 of the key; in a dry run stars."""
    secret = plain(auth["secret"])
    coded = auth.get("secret_encoding") == "base64" and secret != STARS
    return b64decode(secret) if coded else secret.encode()


class NoAuth:
    secrets: tuple[Secret, ...] = ()
    reads_body = reads_query = False

    def __init__(self, auth: Mapping[str, str | Secret], base_url: str) -> None:
        pass

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request


class ApiKey:
    """``in: query|header``, ``name``, ``value``."""

    secrets: tuple[Secret, ...] = ()
    reads_body = reads_query = False

    def __init__(self, auth: Mapping[str, str | Secret], base_url: str) -> None:
        self._in_query = auth["in"] == "query"
        self._pair = (plain(auth["name"]), plain(auth["value"]))

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return (
            request.with_query(self._pair) if self._in_query else request.with_header(*self._pair)
        )


class Basic:
    """``username``, ``password``."""

    reads_body = reads_query = False

    def __init__(self, auth: Mapping[str, str | Secret], base_url: str) -> None:
        pair = f"{plain(auth['username'])}:{plain(auth['password'])}"
        coded = b64encode(pair.encode()).decode()
        self.secrets: tuple[Secret, ...] = (Secret(coded),)
        self._value = "Basic " + (STARS if plain(auth["password"]) == STARS else coded)

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_header("Authorization", self._value)


class Bearer:
    """``token``."""

    secrets: tuple[Secret, ...] = ()
    reads_body = reads_query = False

    def __init__(self, auth: Mapping[str, str | Secret], base_url: str) -> None:
        self._value = "Bearer " + plain(auth["token"])

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_header("Authorization", self._value)
