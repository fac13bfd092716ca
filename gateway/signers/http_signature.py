"""HTTP Message Signatures (RFC 9421) of requests, and Content-Digest (RFC 9530)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from gateway.call import HttpRequest
from gateway.errors import CredentialError
from gateway.masking import STARS, Secret
from gateway.signers.fixed import key_of, plain
from schemas.signing_keys import signing

COMPONENTS = ("@method", "@target-uri", "content-digest")
PARAMETERS = ("created", "nonce", "keyid", "alg")
EXPIRES = 300  # seconds, where ``expires`` is among the parameters
_DEFAULT_PORT = {"http": ":80", "https": ":443"}


class HttpSignature:
    """``key_id``, ``algorithm``, ``secret`` or ``private_key``, and what docs/catalog.md says.

    A component that a request lacks is a ``CredentialError``: signing less than was declared would go unnoticed.
    """

    secrets: tuple[Secret, ...] = ()

    def __init__(self, auth: Mapping[str, Any], base_url: str) -> None:
        self._algorithm, self._key_id = auth["algorithm"], plain(auth["key_id"])
        self._made = _signing(auth)
        self._components = tuple(auth.get("components", COMPONENTS))
        self._parameters = tuple(auth.get("parameters", PARAMETERS))
        self._label, self._tag = auth.get("label", "sig1"), auth.get("tag", "")
        self._expires, self._digest = auth.get("expires", EXPIRES), auth.get("digest", "sha-256")

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        if "content-digest" in self._components:
            digest = hashlib.new(self._digest.replace("-", ""), request.body).digest()
            request = request.with_header("Content-Digest", f"{self._digest}={_coded(digest)}")
        declared, base = self.base(request)
        request = request.with_header("Signature-Input", f"{self._label}={declared}")
        return request.with_header("Signature", f"{self._label}={self._made(base.encode('latin-1'))}")

    def base(self, request: HttpRequest) -> tuple[str, str]:
        """``@signature-params``, and the signature base that ends with it (section 2.5)."""
        given = {
            "created": str(int(request.at)),
            "expires": str(int(request.at) + self._expires),
            "nonce": f'"{request.nonce}"',
            "keyid": f'"{self._key_id}"',
            "alg": f'"{self._algorithm}"',
            "tag": f'"{self._tag}"',
        }
        names = [_identifier(each) for each in self._components]
        declared = f"({' '.join(names)})" + "".join(f";{name}={given[name]}" for name in self._parameters)
        lines = [f"{name}: {_value(request, each)}" for name, each in zip(names, self._components, strict=True)]
        return declared, "\n".join([*lines, f'"@signature-params": {declared}'])


def _signing(auth: Mapping[str, Any]) -> Callable[[bytes], str]:
    """Signs, and writes it as a structured field's byte sequence; stars where the key is."""
    keyed = auth["algorithm"] == "hmac-sha256"
    if plain(auth["secret" if keyed else "private_key"]) == STARS:
        return lambda data: STARS
    if keyed:
        key = key_of(auth)
        return lambda data: _coded(hmac.digest(key, data, "sha256"))
    sign = signing(auth["algorithm"], plain(auth["private_key"]))
    return lambda data: _coded(sign(data))


def _coded(data: bytes) -> str:
    return f":{base64.b64encode(data).decode()}:"


def _identifier(component: str) -> str:
    name, semicolon, parameter = component.partition(";")
    return f'"{name}"{semicolon}{parameter}'


def _value(request: HttpRequest, component: str) -> str:
    if component.startswith("@query-param;"):
        return _query_param(request, component)
    if component.startswith("@"):
        return _DERIVED[component](request)
    if component == "content-length":
        return str(len(request.body))
    value = request.header(component)
    if value is None:
        raise CredentialError(detail=f"the request has no {component}, which auth.components says to sign")
    return value.strip()


def _query_param(request: HttpRequest, component: str) -> str:
    """Its value, quoted as section 2.2.8 says; a repeated one cannot be signed."""
    wanted = component.partition('name="')[2].removesuffix('"')
    values = [_form_quoted(value) for name, value in request.query if _form_quoted(name) == wanted]
    if len(values) != 1:
        raise CredentialError(detail=f"the request has {len(values)} of the query parameter {wanted}, must have one")
    return values[0]


def _form_quoted(text: str) -> str:
    return quote(text, safe="*").replace("~", "%7E")


def _authority(request: HttpRequest) -> str:
    return request.host.lower().removesuffix(_DEFAULT_PORT[urlsplit(request.base_url).scheme])


def _query(request: HttpRequest) -> str:
    return "?" + request.target.partition("?")[2]


def _request_target(request: HttpRequest) -> str:
    return request.full_path + (_query(request) if request.query else "")


_DERIVED: Mapping[str, Callable[[HttpRequest], str]] = {
    "@method": lambda request: request.verb,
    "@authority": _authority,
    "@scheme": lambda request: urlsplit(request.base_url).scheme,
    "@target-uri": lambda request: f"{urlsplit(request.base_url).scheme}://{request.host}{_request_target(request)}",
    "@request-target": _request_target,
    "@path": lambda request: request.full_path,
    "@query": _query,
}
