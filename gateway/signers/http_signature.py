"""HTTP Message Signatures (RFC 9421) of requests, and Content-Digest (RFC 9530)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, cast
from urllib.parse import quote, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from marshmallow import ValidationError, fields, validate, validates_schema

from gateway.errors import CredentialError
from gateway.masking import STARS, Secret
from gateway.messages import HttpRequest
from gateway.signers.base import Auth, AuthSettings, Signer, check_base64_secret, key_of, plain
from schemas.catalog_fields import one_of, text, whole

# signing_keys: Private keys, read once: what signs bytes with one.

Sign = Callable[[bytes], bytes]


def _ed25519(key: ed25519.Ed25519PrivateKey) -> Sign:
    return key.sign


def _ecdsa(key: ec.EllipticCurvePrivateKey) -> Sign:
    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def _rsa_pss(key: rsa.RSAPrivateKey) -> Sign:
    pad = padding.PSS(padding.MGF1(hashes.SHA512()), salt_length=64)
    return lambda data: key.sign(data, pad, hashes.SHA512())


def _rsa_v1_5(key: rsa.RSAPrivateKey) -> Sign:
    return lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())


#: By RFC 9421's names: what the key must be, how a person calls that, and what makes a signature with it.
ALGORITHMS: Mapping[str, tuple[type[Any], str, Callable[[Any], Sign]]] = {
    "ed25519": (ed25519.Ed25519PrivateKey, "an Ed25519 key", _ed25519),
    "ecdsa-p256-sha256": (ec.EllipticCurvePrivateKey, "a P-256 key", _ecdsa),
    "rsa-pss-sha512": (rsa.RSAPrivateKey, "an RSA key", _rsa_pss),
    "rsa-v1_5-sha256": (rsa.RSAPrivateKey, "an RSA key", _rsa_v1_5),
}


@lru_cache(
    256
)  # texts; a catalog is read anew with every change, and reading an RSA key costs tens of ms
def signing(algorithm: str, pem: str) -> Sign:
    """What signs with this key (PEM, unencrypted); ECDSA gives r and s, 32 bytes each.

    :raises ValueError: it is no such key; never with a part of it.
    """
    kind, called, make = ALGORITHMS[algorithm]
    try:
        key = cast(Any, load_pem_private_key(pem.encode(), password=None))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("must be a private key, PEM, without a password") from None
    if not isinstance(key, kind) or (
        kind is ec.EllipticCurvePrivateKey and key.curve.name != "secp256r1"
    ):
        raise ValueError(f"must be {called} for {algorithm}")
    return make(key)


# http_signature: HTTP Message Signatures (RFC 9421) of requests, and Content-Digest (RFC 9530).

COMPONENTS = ("@method", "@target-uri", "content-digest")
PARAMETERS = ("created", "nonce", "keyid", "alg")
EXPIRES = 300  # seconds, where ``expires`` is among the parameters
_DEFAULT_PORT = {"http": ":80", "https": ":443"}


COMPONENT = validate.Regexp(
    r"(@(method|authority|scheme|target-uri|request-target|path|query)|@query-param;name=\x22[!#-\[\]-~]+\x22"
    r"|[a-z0-9!#$%&'*+.^_`|~-]+)\Z",
    error="must be a header's name in lower case, @method, @authority, @scheme, @target-uri, @request-target, @path, "
    '@query or @query-param;name="..."',
)
QUOTABLE = validate.Regexp(r"[ !#-\[\]-~]+\Z", error="must be ASCII text without quotes")
LABEL = validate.Regexp(r"[a-z*][a-z0-9_.*-]*\Z", error="must be in lower case, such as sig1")


class HttpSignature(Signer):
    """Signs the components of a request that the catalog lists.

    A component that a request lacks is a ``CredentialError``: signing less than was declared would go unnoticed.
    """

    class Settings(AuthSettings):
        key_id = text(required=True, validate=QUOTABLE, public=True)
        algorithm = text(required=True, validate=one_of("hmac-sha256", *ALGORITHMS), public=True)
        secret = text()
        secret_encoding = text(validate=one_of("text", "base64"), public=True)
        private_key = text()
        components = fields.List(text(validate=COMPONENT))
        parameters = fields.List(
            text(validate=one_of("created", "expires", "nonce", "keyid", "alg", "tag")),
            validate=validate.Length(min=1),
        )
        label = text(validate=LABEL, public=True)
        tag = text(validate=QUOTABLE, public=True)
        expires = whole(1)
        digest = text(validate=one_of("sha-256", "sha-512"), public=True)

        @validates_schema
        def check_key(self, data: Mapping[str, Any], **kwargs: Any) -> None:
            algorithm = data["algorithm"]
            needed = "private_key" if algorithm in ALGORITHMS else "secret"
            if needed not in data:
                raise ValidationError(f"missing; {algorithm} needs it", needed)
            check_base64_secret(data)
            if needed == "private_key":
                try:
                    signing(algorithm, data["private_key"])
                except ValueError as error:
                    raise ValidationError(str(error), needed) from None

    example: ClassVar[Auth] = {
        "key_id": "k",
        "algorithm": "ed25519",
        "private_key": "${ED25519_KEY}",
    }

    def __init__(self, auth: Auth, base_url: str) -> None:
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
        return request.with_header(
            "Signature", f"{self._label}={self._made(base.encode('latin-1'))}"
        )

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
        declared = f"({' '.join(names)})" + "".join(
            f";{name}={given[name]}" for name in self._parameters
        )
        lines = [
            f"{name}: {_value(request, each)}"
            for name, each in zip(names, self._components, strict=True)
        ]
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
        raise CredentialError(
            detail=f"the request has no {component}, which auth.components says to sign"
        )
    return value.strip()


def _query_param(request: HttpRequest, component: str) -> str:
    """Its value, quoted as section 2.2.8 says; a repeated one cannot be signed."""
    wanted = component.partition('name="')[2].removesuffix('"')
    values = [_form_quoted(value) for name, value in request.query if _form_quoted(name) == wanted]
    if len(values) != 1:
        raise CredentialError(
            detail=f"the request has {len(values)} of the query parameter {wanted}, must have one"
        )
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
    "@target-uri": lambda request: (
        f"{urlsplit(request.base_url).scheme}://{request.host}{_request_target(request)}"
    ),
    "@request-target": _request_target,
    "@path": lambda request: request.full_path,
    "@query": _query,
}
