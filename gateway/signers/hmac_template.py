"""A keyed hash over a text that the catalog describes; where it and its ingredients go, the catalog says, too."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from gateway.errors import CredentialError
from gateway.masking import STARS, Secret
from gateway.messages import HttpRequest
from gateway.signers.static import key_of, plain
from gateway.signers.templates import Template, fact, reach, template

# hmac: A keyed hash over a text that the catalog describes; where it and its ingredients go, the catalog says, too.


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
                raise CredentialError(
                    detail=f"auth.headers.{name} would be more than one line of text"
                )
            request = (
                request.with_header(name, text)
                if place == "headers"
                else request.with_query((name, text))
            )
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
        headers = {"host": request.host} | {
            name.lower(): text for name, text in request.headers.items()
        }
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


# hmac_presets: Vendors' keyed signatures, described as a catalog would describe them; ``preset:`` names one.

CANONICAL = "{method}\n{path}\n%s\n{canonical_headers}\n{signed_headers}\n{body|sha256}"

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # cloud.tencent.com/document/api/213/30654; needs values.service, and X-TC-Action and X-TC-Version as headers
    "tencent_tc3": {
        "derive": ["TC3{secret}", "{date}", "{service}", "tc3_request"],
        "signed_headers": ["content-type", "host"],
        "values": {"canonical": CANONICAL % "{query}", "scope": "{date}/{service}/tc3_request"},
        "sign": "TC3-HMAC-SHA256\n{unix}\n{scope}\n{canonical|sha256}",
        "headers": {
            "X-TC-Timestamp": "{unix}",
            "Authorization": "TC3-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={signed_headers}, "
            "Signature={signature}",
        },
    },
    # help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature; needs x-acs-action and x-acs-version
    "alibaba_acs3": {
        "signed_headers": ["content-type", "host", "x-acs-*"],
        "values": {"canonical": CANONICAL % "{sorted_query}"},
        "sign": "ACS3-HMAC-SHA256\n{canonical|sha256}",
        "headers": {
            "x-acs-date": "{iso8601}",
            "x-acs-signature-nonce": "{nonce}",
            "x-acs-content-sha256": "{body|sha256}",
            "Authorization": "ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={signed_headers},"
            "Signature={signature}",
        },
    },
}


def filled(auth: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with those of their preset under them; of mappings, each entry."""
    given = {key: value for key, value in auth.items() if key != "preset"}
    below = PRESETS.get(auth.get("preset", ""), {})
    return {
        **below,
        **given,
        **{
            key: {**each, **given[key]}
            for key, each in below.items()
            if isinstance(each, Mapping) and key in given
        },
    }
