"""A keyed hash over a text that the catalog describes; where it and its ingredients go, the catalog says, too."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from gateway.call import HttpRequest
from gateway.errors import CredentialError
from gateway.masking import STARS, Secret
from gateway.signers.facts import Template, fact, template
from gateway.signers.fixed import key_of, plain
from schemas.templates import reach


class _Output(NamedTuple):
    """A header or query parameter that is added."""

    place: str
    name: str
    fill: Template


class Hmac:
    """``secret``, ``sign``, ``headers``, ``query`` and what else docs/catalog.md says."""

    secrets: tuple[Secret, ...] = ()

    def __init__(self, auth: Mapping[str, Any], base_url: str) -> None:
        values = {name: plain(text) for name, text in auth.get("values", {}).items()}
        self._plain = {"secret": key_of(auth), "key_id": plain(auth.get("key_id", "")).encode()}
        self._values = {name: template(text) for name, text in values.items()}
        self._signed_headers = tuple(auth.get("signed_headers", ()))
        self._derive = [template(plain(text)) for text in auth.get("derive", ["{secret}"])]
        self._sign, self._algorithm = template(plain(auth["sign"])), auth.get("algorithm", "sha256")
        self._base64 = auth.get("encoding") == "base64"
        self._before: list[_Output] = []
        self._after: list[_Output] = []
        for place in ("query", "headers"):
            for name, given in auth.get(place, {}).items():
                text = plain(given)
                late = "signature" in reach({**values, "": text}, "")
                (self._after if late else self._before).append(_Output(place, name, template(text)))

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        request = self._put(self._before, request, _Facts(self, request))
        facts = _Facts(self, request)
        facts["signature"] = self._signature(facts)
        return self._put(self._after, request, facts)

    def _signature(self, facts: _Facts) -> bytes:
        if self._plain["secret"] == STARS.encode():
            return self._plain["secret"]
        key = self._derive[0](facts)
        for step in self._derive[1:]:
            key = hmac.digest(key, step(facts), self._algorithm)
        made = hmac.digest(key, self._sign(facts), self._algorithm)
        return base64.b64encode(made) if self._base64 else made.hex().encode()

    def _put(self, outputs: list[_Output], request: HttpRequest, facts: _Facts) -> HttpRequest:
        for place, name, fill in outputs:
            text = fill(facts).decode("latin-1" if place == "headers" else "utf-8")
            if place == "headers" and not text.isprintable():
                raise CredentialError(detail=f"auth.headers.{name} would be more than one line of text")
            request = request.with_header(name, text) if place == "headers" else request.with_query((name, text))
        return request

    def fact(self, facts: _Facts, name: str) -> bytes:
        if name in self._values:
            return self._values[name](facts)
        if name in self._plain:
            return self._plain[name]
        if name in ("signed_headers", "canonical_headers"):
            headers = sorted(self._covered(facts.request).items())
            if name == "signed_headers":
                return ";".join(each for each, _ in headers).encode()
            return "".join(f"{each}:{text.strip()}\n" for each, text in headers).encode("latin-1")
        return fact(facts.request, name)

    def _covered(self, request: HttpRequest) -> dict[str, str]:
        headers = {"host": request.host} | {name.lower(): text for name, text in request.headers.items()}
        return {
            name: text
            for name, text in headers.items()
            if any(fnmatchcase(name, pattern) for pattern in self._signed_headers)
        }


class _Facts(dict[str, bytes]):
    """What is known while one request is signed, each thing worked out once."""

    def __init__(self, signer: Hmac, request: HttpRequest) -> None:
        super().__init__()
        self.signer, self.request = signer, request

    def __call__(self, name: str) -> bytes:
        return self[name]

    def __missing__(self, name: str) -> bytes:
        self[name] = value = self.signer.fact(self, name)
        return value
