"""HTTP Message Signatures (RFC 9421) of requests, and Content-Digest (RFC 9530).

The library http-message-signatures 3.0.0 always adds ``created`` and ``keyid``, has an order of its
own, takes 25 times as long and loads 60 modules more. So only tests compare with it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, cast
from urllib.parse import quote, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from marshmallow import ValidationError, fields, validate, validates_schema

from gateway.errors import CredentialError
from gateway.http_messages import DEFAULT_PORTS, HttpRequest
from gateway.masking import STARS, Secret
from gateway.signers.base import Auth, AuthSettings, Signer, check_base64_secret, key_of, plain
from schemas.catalog.fields import one_of, text, whole

Sign = Callable[[bytes], bytes]

HMAC = "hmac-sha256"
COMPONENTS = ("@method", "@target-uri", "content-digest")
PARAMETERS = ("created", "nonce", "keyid", "alg")
EXPIRES_SECONDS = 300  # where ``expires`` is among the parameters
# A catalog is read anew with every change, and reading an RSA key costs tens of ms.
MAX_CACHED_KEYS = 256
COMPONENT = validate.Regexp(
    r"(@(method|authority|scheme|target-uri|request-target|path|query)"
    r"|@query-param;name=\x22[!#-\[\]-~]+\x22"
    r"|[a-z0-9!#$%&'*+.^_`|~-]+)\Z",
    error="must be a header's name in lower case, @method, @authority, @scheme, @target-uri, "
    '@request-target, @path, @query or @query-param;name="..."',
)
QUOTABLE = validate.Regexp(r"[ !#-\[\]-~]+\Z", error="must be ASCII text without quotes")
LABEL = validate.Regexp(r"[a-z*][a-z0-9_.*-]*\Z", error="must be in lower case, such as sig1")


def _ecdsa(key: ec.EllipticCurvePrivateKey) -> Sign:
    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def _rsa_pss(key: rsa.RSAPrivateKey) -> Sign:
    pss = padding.PSS(padding.MGF1(hashes.SHA512()), salt_length=64)
    return lambda data: key.sign(data, pss, hashes.SHA512())


def _rsa_v1_5(key: rsa.RSAPrivateKey) -> Sign:
    return lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())


class _KeyAlgorithm(NamedTuple):
    """An algorithm with a private key: the key's class and name, and what signs with such a key."""

    key_class: type[Any]
    key_name: str
    make_sign: Callable[[Any], Sign]


#: By RFC 9421's names.
KEY_ALGORITHMS: Mapping[str, _KeyAlgorithm] = {
    "ed25519": _KeyAlgorithm(ed25519.Ed25519PrivateKey, "an Ed25519 key", lambda key: key.sign),
    "ecdsa-p256-sha256": _KeyAlgorithm(ec.EllipticCurvePrivateKey, "a P-256 key", _ecdsa),
    "rsa-pss-sha512": _KeyAlgorithm(rsa.RSAPrivateKey, "an RSA key", _rsa_pss),
    "rsa-v1_5-sha256": _KeyAlgorithm(rsa.RSAPrivateKey, "an RSA key", _rsa_v1_5),
}


@lru_cache(MAX_CACHED_KEYS)
def load_signer(algorithm: str, pem: str) -> Sign:
    """Return what signs with this key (PEM, unencrypted); ECDSA gives r and s, 32 bytes each.

    :raises ValueError: it is no such key; the message never has a part of it.
    """
    kind = KEY_ALGORITHMS[algorithm]
    try:
        key = cast(Any, load_pem_private_key(pem.encode(), password=None))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("must be a private key, PEM, without a password") from None
    fits = isinstance(key, kind.key_class)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        fits = fits and key.curve.name == "secp256r1"
    if not fits:
        raise ValueError(f"must be {kind.key_name} for {algorithm}")
    return kind.make_sign(key)


class HttpSignature(Signer):
    """Signs the components of a request that the catalog lists.

    A component that a request lacks is a ``CredentialError``: signing less than was declared would
    go unnoticed.
    """

    class Settings(AuthSettings):
        key_id = text(required=True, validate=QUOTABLE, public=True)
        algorithm = text(required=True, validate=one_of(HMAC, *KEY_ALGORITHMS), public=True)
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
            required = "secret" if algorithm == HMAC else "private_key"
            if required not in data:
                raise ValidationError(f"missing; {algorithm} needs it", required)
            check_base64_secret(data)
            if algorithm == HMAC:
                return
            try:
                load_signer(algorithm, data["private_key"])
            except ValueError as error:
                raise ValidationError(str(error), "private_key") from None

    example: ClassVar[Auth] = {
        "key_id": "k",
        "algorithm": "ed25519",
        "private_key": "${ED25519_KEY}",
    }

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._algorithm = auth["algorithm"]
        self._key_id = plain(auth["key_id"])
        self._sign_bytes = _signer_of(auth)
        self._components = tuple(auth.get("components", COMPONENTS))
        self._parameters = tuple(auth.get("parameters", PARAMETERS))
        self._label = auth.get("label", "sig1")
        self._tag = auth.get("tag", "")
        self._expires_seconds = auth.get("expires", EXPIRES_SECONDS)
        self._digest = auth.get("digest", "sha-256")

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        if "content-digest" in self._components:
            digest = hashlib.new(self._digest.replace("-", ""), request.body).digest()
            value = f"{self._digest}={_byte_sequence(digest)}"
            request = request.with_header("Content-Digest", value)
        params, base = self.signature_base(request)
        signature = self._sign_bytes(base.encode("latin-1"))
        request = request.with_header("Signature-Input", f"{self._label}={params}")
        return request.with_header("Signature", f"{self._label}={signature}")

    def signature_base(self, request: HttpRequest) -> tuple[str, str]:
        """Return ``@signature-params``, and the signature base that ends with it (section 2.5)."""
        created = int(request.at)
        values = {
            "created": str(created),
            "expires": str(created + self._expires_seconds),
            "nonce": f'"{request.nonce}"',
            "keyid": f'"{self._key_id}"',
            "alg": f'"{self._algorithm}"',
            "tag": f'"{self._tag}"',
        }
        components = [(_identifier(name), _value(request, name)) for name in self._components]
        params = f"({' '.join(identifier for identifier, _ in components)})"
        params += "".join(f";{name}={values[name]}" for name in self._parameters)
        lines = [f"{identifier}: {value}" for identifier, value in components]
        return params, "\n".join([*lines, f'"@signature-params": {params}'])


def _signer_of(auth: Auth) -> Callable[[bytes], str]:
    """Return what signs and writes the signature as a structured field; stars in a dry run."""
    is_hmac = auth["algorithm"] == HMAC
    if plain(auth["secret" if is_hmac else "private_key"]) == STARS:
        return lambda data: STARS
    if is_hmac:
        key = key_of(auth)
        return lambda data: _byte_sequence(hmac.digest(key, data, "sha256"))
    sign = load_signer(auth["algorithm"], plain(auth["private_key"]))
    return lambda data: _byte_sequence(sign(data))


def _byte_sequence(data: bytes) -> str:
    return f":{base64.b64encode(data).decode()}:"


def _identifier(component: str) -> str:
    name, semicolon, parameter = component.partition(";")
    return f'"{name}"{semicolon}{parameter}'


def _value(request: HttpRequest, component: str) -> str:
    if component.startswith("@query-param;"):
        return _query_param(request, component)
    if component.startswith("@"):
        return _DERIVED[component](request)
    if component == "content-length":  # the client adds it, after signing
        return str(len(request.body))
    value = request.header(component)
    if value is None:
        raise CredentialError(
            detail=f"the request has no {component}, which auth.components says to sign"
        )
    return value.strip()


def _query_param(request: HttpRequest, component: str) -> str:
    """Return a parameter's value, quoted as section 2.2.8 says; a repeated one cannot be signed."""
    param = component.partition('name="')[2].removesuffix('"')
    values = [_form_quote(value) for name, value in request.query if _form_quote(name) == param]
    if len(values) != 1:
        raise CredentialError(
            detail=f"the request has {len(values)} of the query parameter {param}, must have one"
        )
    return values[0]


def _form_quote(text: str) -> str:
    return quote(text, safe="*").replace("~", "%7E")


def _scheme(request: HttpRequest) -> str:
    return urlsplit(request.base_url).scheme


def _authority(request: HttpRequest) -> str:
    return request.host.lower().removesuffix(f":{DEFAULT_PORTS[_scheme(request)]}")


def _query(request: HttpRequest) -> str:
    return "?" + request.target.partition("?")[2]


def _request_target(request: HttpRequest) -> str:
    return request.full_path + (_query(request) if request.query else "")


_DERIVED: Mapping[str, Callable[[HttpRequest], str]] = {
    "@method": lambda request: request.verb,
    "@authority": _authority,
    "@scheme": _scheme,
    "@target-uri": lambda request: f"{_scheme(request)}://{request.host}{_request_target(request)}",
    "@request-target": _request_target,
    "@path": lambda request: request.full_path,
    "@query": _query,
}
