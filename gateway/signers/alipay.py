"""Alipay's open API (gateway.do): RSA2 over the sorted parameters, replies verified over their raw bytes.

Sources: opendocs.alipay.com/common/02kf5q (signing), 02mse7 (verifying), 02kg65 (certificate mode); what replies are
signed over, as Alipay's own SDK has it (alipay-sdk-python, DefaultAlipayClient).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from json import JSONDecodeError, JSONDecoder
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlencode

from cryptography import x509

from gateway.errors import BadResponse, SignatureRejected
from gateway.masking import Secret
from gateway.messages import HttpRequest, HttpResponse
from gateway.signers.base import Auth, Signer, plain
from gateway.signers.rsa import (
    ROOT_CERTIFICATES,
    RSA_CERTIFICATES,
    RSA_PRIVATE_KEY,
    RSA_PUBLIC_KEY,
    VerifyingSettings,
    certificates,
    certified_keys,
    rsa_public_key,
    rsa_signed,
    signing,
    verifies,
)
from schemas.catalog_fields import text

FORM = "application/x-www-form-urlencoded"
ERROR = "error_response"
_BEIJING = timezone(timedelta(hours=8))
_DECODER = JSONDecoder()


class Alipay(Signer):
    """Signs the sorted parameters; verifies replies with Alipay's key or, in certificate mode, its certificate.

    What a method has in its query are Alipay's own parameters: ``method``, ``notify_url``, ``app_auth_token``. Its
    body is ``biz_content``, unless it says ``body: form``; then its fields are Alipay's own parameters, too.
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
        self._sign = signing(plain(auth["private_key"]))
        self._fixed = {
            "app_id": plain(auth["app_id"]),
            "charset": "utf-8",
            "format": "JSON",
            "sign_type": "RSA2",
        }
        self._fixed["version"] = "1.0"
        self._cert_sn: str | None = None
        if "app_cert" not in auth:
            self._key = rsa_public_key(plain(auth["alipay_public_key"]))
            return
        certificate, self._key = certified_keys(plain(auth["alipay_cert"]))[0]
        self._cert_sn = certificate_sn(certificate)
        self._fixed["app_cert_sn"] = certificate_sn(certificates(plain(auth["app_cert"]))[0])
        roots = rsa_signed(plain(auth["alipay_root_cert"]))
        self._fixed["alipay_root_cert_sn"] = "_".join(certificate_sn(each) for each in roots)

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        """Empty values are neither signed nor sent."""
        now = datetime.fromtimestamp(request.at, _BEIJING)
        added = {**self._fixed, "timestamp": f"{now:%Y-%m-%d %H:%M:%S}"}
        query = [pair for pair in request.query if pair[1] and pair[0] not in added]
        query += added.items()
        fields = _fields(request)
        content = "&".join("=".join(pair) for pair in sorted(query + fields))
        query.append(("sign", self._sign(content.encode())))
        signed = replace(
            request, query=tuple(query), body=urlencode(fields, quote_via=quote).encode()
        )
        return signed.with_header("Content-Type", f"{FORM};charset=utf-8") if fields else signed

    def verify(self, request: HttpRequest, response: HttpResponse) -> None:
        """:raises SignatureRejected: the answer to this method, or the ``error_response``, is not signed by Alipay.
        :raises BadResponse: an HTTP success that is no JSON object; there is nothing in it that could be signed.
        """
        if not 200 <= response.status < 300:
            return
        text, members = _members(response.body)
        wrappers = [name for name in members if name.endswith("_response")]
        expected = dict(request.query).get("method", "").replace(".", "_") + "_response"
        if len(wrappers) != 1 or wrappers[0] not in (expected, ERROR):
            raise SignatureRejected(detail=f"the reply has {wrappers!s:.200}, not {expected} alone")
        answer, start, end = members[wrappers[0]]
        said, sn = (
            str(members[name][0]) if name in members else "" for name in ("sign", "alipay_cert_sn")
        )
        if self._cert_sn and sn and sn != self._cert_sn:
            raise SignatureRejected(
                detail=f"the reply is signed with certificate {sn:.64}, not with alipay_cert"
            )
        if not verifies(self._key, said, text[start:end].encode()):
            codes = (
                [answer.get(name) for name in ("code", "sub_code")]
                if isinstance(answer, dict)
                else []
            )
            kind = "signature does not verify" if said else "is not signed"
            raise SignatureRejected(
                detail=f"the reply's {wrappers[0]:.80} {kind}; it says {codes!s:.120}"
            )


def certificate_sn(certificate: x509.Certificate) -> str:
    """What Alipay calls a certificate's serial number: MD5 of its issuer (RFC 4514) and its number in decimal."""
    text = f"{certificate.issuer.rfc4514_string()}{certificate.serial_number}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _fields(request: HttpRequest) -> list[tuple[str, str]]:
    """What goes into the body: the form as it is, or JSON as ``biz_content``."""
    if not request.body:
        return []
    if (request.header("Content-Type") or "").startswith(FORM):
        return parse_qsl(request.body.decode())
    return [("biz_content", request.body.decode())]


def _members(body: bytes) -> tuple[str, dict[str, tuple[Any, int, int]]]:
    """The text of a JSON object, and each of its members' value, with where in the text it begins and ends.

    :raises BadResponse: it is something else.
    :raises SignatureRejected: a name is given twice, so that what was signed need not be what is read.
    """
    members: dict[str, tuple[Any, int, int]] = {}
    try:
        text = body.decode("utf-8-sig")
        at = _at(text, 0, "{")
        while True:
            name, after = _DECODER.raw_decode(text, _at(text, at))
            start = _at(text, _at(text, after, ":"))
            value, end = _DECODER.raw_decode(text, start)
            if not isinstance(name, str):
                raise ValueError("a name must be a text")
            if name in members:
                raise SignatureRejected(detail="the reply has a member twice")
            members[name] = (value, start, end)
            at = _at(text, end) + 1
            if text[at - 1] == "}":
                return text, members
            _at(text, at - 1, ",")
    except (ValueError, IndexError, TypeError, RecursionError) as error:
        raise BadResponse(
            detail=f"HTTP success, but not a JSON object: {type(error).__name__}"
        ) from error


def _at(text: str, at: int, mark: str = "") -> int:
    """Where something begins after white space; with ``mark``, that must be it, and the place is the one after it.

    :raises JSONDecodeError: it is something else.
    """
    while text[at] in " \t\r\n":
        at += 1
    if mark and text[at] != mark:
        raise JSONDecodeError(f"no {mark}", text, at)
    return at + len(mark)
