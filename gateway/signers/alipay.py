"""Alipay's open API (gateway.do): RSA2 over the sorted parameters and over replies' raw bytes.

Sources: opendocs.alipay.com/common/02kf5q (signing), 02mse7 (verifying), 02kg65 (certificate mode);
what replies are signed over, as Alipay's own SDK has it (alipay-sdk-python, DefaultAlipayClient).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from json import JSONDecodeError, JSONDecoder
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlencode

from cryptography import x509

from gateway.bodies import FORM_TYPE
from gateway.errors import BadResponse, SignatureRejected
from gateway.http_messages import HttpRequest, HttpResponse
from gateway.masking import Secret
from gateway.signers.base import Auth, Signer, plain
from gateway.signers.rsa import (
    ROOT_CERTIFICATES,
    RSA_CERTIFICATES,
    RSA_PRIVATE_KEY,
    RSA_PUBLIC_KEY,
    VerifyingSettings,
    load_certificates,
    load_certified_keys,
    load_public_key,
    load_rsa_signed_certificates,
    rsa_signer,
    verify_rsa,
)
from gateway.signers.templates import CHINA_TIME
from schemas.catalog.fields import text

ERROR_MEMBER = "error_response"
_DECODER = JSONDecoder()
#: Each member's value by its name, and where in the text the value begins and ends.
Members = dict[str, tuple[Any, int, int]]


class Alipay(Signer):
    """Signs the sorted parameters; verifies replies with a key or, in that mode, certificates.

    What a method has in its query are Alipay's own parameters: ``method``, ``notify_url``,
    ``app_auth_token``. Its body is ``biz_content``, unless it says ``body: form``; then its fields
    are Alipay's own parameters, too.
    """

    class Settings(VerifyingSettings):
        app_id = text(required=True, public=True)
        private_key = text(required=True, validate=RSA_PRIVATE_KEY)
        alipay_public_key = text(validate=RSA_PUBLIC_KEY, public=True)
        app_cert = text(validate=RSA_CERTIFICATES, public=True)
        alipay_cert = text(validate=RSA_CERTIFICATES, public=True)
        alipay_root_cert = text(validate=ROOT_CERTIFICATES, public=True)
        key_sets = (("alipay_public_key",), ("app_cert", "alipay_cert", "alipay_root_cert"))

    example: ClassVar[Auth] = {
        "app_id": "2021",
        "private_key": "${RSA_KEY}",
        "alipay_public_key": "${RSA_PUBLIC_KEY}",
    }
    verifies_answers = True
    signs_params = True

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._sign = rsa_signer(plain(auth["private_key"]))
        self._common_params = {
            "app_id": plain(auth["app_id"]),
            "charset": "utf-8",
            "format": "JSON",
            "sign_type": "RSA2",
            "version": "1.0",
        }
        self._cert_sn = ""
        if "app_cert" not in auth:
            self._public_key = load_public_key(plain(auth["alipay_public_key"]))
            return
        certificate, self._public_key = load_certified_keys(plain(auth["alipay_cert"]))[0]
        self._cert_sn = certificate_sn(certificate)
        app_certificate = load_certificates(plain(auth["app_cert"]))[0]
        self._common_params["app_cert_sn"] = certificate_sn(app_certificate)
        roots = load_rsa_signed_certificates(plain(auth["alipay_root_cert"]))
        self._common_params["alipay_root_cert_sn"] = "_".join(map(certificate_sn, roots))

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        """Return the signed request. Empty values are neither signed nor sent."""
        now = datetime.fromtimestamp(request.at, CHINA_TIME)
        added = {**self._common_params, "timestamp": f"{now:%Y-%m-%d %H:%M:%S}"}
        query = [pair for pair in request.query if pair[1] and pair[0] not in added]
        query += added.items()
        fields = _body_fields(request)
        content = "&".join("=".join(pair) for pair in sorted(query + fields))
        query.append(("sign", self._sign(content.encode())))
        body = urlencode(fields, quote_via=quote).encode()
        signed = replace(request, query=tuple(query), body=body)
        if not fields:
            return signed
        return signed.with_header("Content-Type", f"{FORM_TYPE};charset=utf-8")

    def verify(self, request: HttpRequest, response: HttpResponse) -> None:
        """Check the answer to the request's method, or the ``error_response``, of a success.

        :raises SignatureRejected: it is not signed by Alipay.
        :raises BadResponse: an HTTP success that is no JSON object; nothing in it could be signed.
        """
        if not 200 <= response.status < 300:
            return
        text, members = _parse_members(response.body)
        wrappers = [name for name in members if name.endswith("_response")]
        expected = dict(request.query).get("method", "").replace(".", "_") + "_response"
        if len(wrappers) != 1 or wrappers[0] not in (expected, ERROR_MEMBER):
            raise SignatureRejected(detail=f"the reply has {wrappers!s:.200}, not {expected} alone")
        self._check_certificate(members)
        [wrapper] = wrappers
        answer, start, end = members[wrapper]
        signature = _text_of(members, "sign")
        if not verify_rsa(self._public_key, signature, text[start:end].encode()):
            codes = []
            if isinstance(answer, dict):
                codes = [answer.get("code"), answer.get("sub_code")]
            problem = "is not signed"
            if signature:
                problem = "signature does not verify"
            raise SignatureRejected(
                detail=f"the reply's {wrapper:.80} {problem}; it says {codes!s:.120}"
            )

    def _check_certificate(self, members: Members) -> None:
        reply_sn = _text_of(members, "alipay_cert_sn")
        if self._cert_sn and reply_sn and reply_sn != self._cert_sn:
            raise SignatureRejected(
                detail=f"the reply is signed with certificate {reply_sn:.64}, not with alipay_cert"
            )


def certificate_sn(certificate: x509.Certificate) -> str:
    """Return what Alipay calls a serial number: MD5 of issuer (RFC 4514) and number in decimal."""
    text = f"{certificate.issuer.rfc4514_string()}{certificate.serial_number}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _body_fields(request: HttpRequest) -> list[tuple[str, str]]:
    """Return what goes into the body: the form as it is, or JSON as ``biz_content``."""
    if not request.body:
        return []
    body = request.body.decode()
    if (request.header("Content-Type") or "").startswith(FORM_TYPE):
        return parse_qsl(body)
    return [("biz_content", body)]


def _text_of(members: Members, name: str) -> str:
    value, _, _ = members.get(name, ("", 0, 0))
    return str(value)


def _parse_members(body: bytes) -> tuple[str, Members]:
    """Return the text of a JSON object, and its members.

    :raises BadResponse: the body is something else.
    :raises SignatureRejected: a name occurs twice: what was signed need not be what is read.
    """
    members: Members = {}
    try:
        text = body.decode("utf-8-sig")
        position = _skip_space(text, 0, "{")
        while True:
            name, after = _DECODER.raw_decode(text, _skip_space(text, position))
            start = _skip_space(text, _skip_space(text, after, ":"))
            value, end = _DECODER.raw_decode(text, start)
            if not isinstance(name, str):
                raise ValueError("a name must be a text")
            if name in members:
                raise SignatureRejected(detail="the reply has a member twice")
            members[name] = (value, start, end)
            position = _skip_space(text, end) + 1
            if text[position - 1] == "}":
                return text, members
            _skip_space(text, position - 1, ",")
    except (ValueError, IndexError, TypeError, RecursionError) as error:
        raise BadResponse(
            detail=f"HTTP success, but not a JSON object: {type(error).__name__}"
        ) from error


def _skip_space(text: str, position: int, mark: str = "") -> int:
    """Return the position behind white space, and behind the ``mark`` that must follow it.

    :raises JSONDecodeError: something else follows.
    """
    while text[position] in " \t\r\n":
        position += 1
    if mark and text[position] != mark:
        raise JSONDecodeError(f"no {mark}", text, position)
    return position + len(mark)
