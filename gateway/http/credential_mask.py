"""A service's credentials in its own answers become stars before a caller sees them.

An answer that repeats none costs a look for a few short texts. A credential of fewer than
``MIN_CHARACTERS`` is not looked for, nor are user names and ids: what else happens to read the same
would go with it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gateway.bodies.json import leaves
from gateway.catalog.model import Method, kind_of
from gateway.clock import Pause, SystemClock
from gateway.errors import GatewayError
from gateway.http.credential_forms import CredentialForms, StreamMask
from gateway.http_messages import HttpResponse
from gateway.masking import Secret
from gateway.streams import Pairs

_KEY_NAME = re.compile(
    r"(?:auth|authorization|cookie|credentials?|key|passphrase|passw(?:or)?d|pwd|secret|session|sig|sign(?:ature)?|token)\Z",
    re.I,
)
#: A scheme such as Bearer, before what it introduces.
_SCHEME = re.compile(r"[A-Za-z-]+[ =](?=\S*[0-9])(\S+)")
_ESCAPES = {"json": b"\\u00", "xml": b"&#"}  # by which a plain letter may be written otherwise
_NONE = Secret("")


class CredentialMask:
    """Takes the credentials that a method's calls are sent with out of its answers.

    Safe under threads: their forms are made at the first answer, and once more for every fetched
    token.

    :param signer_secrets: forms of them that only the signer knows.
    """

    def __init__(self, method: Method, signer_secrets: Iterable[Secret]) -> None:
        self._method = method
        self._signer_secrets = tuple(signer_secrets)
        self._kind = kind_of(method.response)
        self._escapes = _ESCAPES.get(self._kind, b"\0")
        self._cache: tuple[Secret, CredentialForms] | None = None

    def mask(self, data: Any, response: HttpResponse, token: Secret = _NONE) -> Any:
        """Return ``data``, which was read from ``response``, without them; it is changed in place.

        :param token: a fetched one, which the request had.
        """
        cache = self._cache
        forms = cache[1] if cache and cache[0] is token else self._forms(token)
        body = response.body
        if not forms.needles or not forms.may_be_in(body, self._escapes):
            return data
        if self._kind == "bytes":
            return {
                "content_type": forms.mask_text(data["content_type"]),
                "base64": b64encode(forms.mask_bytes(body)).decode(),
            }
        return forms.mask_data(data, Pause(SystemClock()))

    def mask_value(self, value: Any, token: Secret = _NONE) -> Any:
        """Return a JSON value without them; it is changed in place."""
        return self._forms(token).mask_data(value, Pause(SystemClock()))

    def mask_error(self, error: GatewayError, token: Secret = _NONE) -> None:
        """Take them out of the service's own words, in the answer and in the record."""
        if error.vendor_code:
            error.vendor_code = self.mask_text(error.vendor_code, token)
        if error.vendor_message:
            error.vendor_message = self.mask_text(error.vendor_message, token)
        if error.detail:
            error.detail = self.mask_text(error.detail, token)

    def mask_text(self, text: str, token: Secret = _NONE) -> str:
        return self._forms(token).mask_text(text)

    def mask_head(self, headers: Pairs, reason: str, token: Secret = _NONE) -> tuple[Pairs, str]:
        """Return header lines and the reason phrase, as they may be passed on."""
        forms = self._forms(token)
        if not forms.needles:
            return headers, reason
        joined = "\n".join([reason, *[value for _, value in headers]]).encode("latin-1", "replace")
        if not any(needle in joined for needle in forms.needles):
            return headers, reason
        masked = tuple((name, forms.mask_text(value)) for name, value in headers)
        return masked, forms.mask_text(reason)

    def mask_bytes(self, body: bytes, token: Secret = _NONE) -> bytes:
        """Return the body, as long as it was."""
        return self._forms(token).mask_bytes(body)

    def mask_stream(self, read: Callable[[], bytes], token: Secret = _NONE) -> Callable[[], bytes]:
        """Return what reads the next piece of a body; in all as long as what ``read`` returns.

        A piece's last bytes wait for the next only while they may begin a credential.
        """
        forms = self._forms(token)
        return StreamMask(forms, read).read if forms.needles else read

    def _forms(self, token: Secret) -> CredentialForms:
        cache = self._cache
        if cache is None or (cache[0] is not token and cache[0] != token):
            cache = (token, CredentialForms({*self._secrets(), token.reveal()}))
            self._cache = cache
        return cache[1]

    def _secrets(self) -> Iterator[str]:
        settings = [value for _, value in leaves(self._method.service.auth)]
        for secret in (*settings, *self._signer_secrets):
            if isinstance(secret, Secret):
                yield from _with_credential(secret.reveal())
        for declared in (self._method.headers, self._method.query):
            for name, text in declared.items():
                if _KEY_NAME.search(name):
                    yield from _with_credential(text)


def _with_credential(text: str) -> Iterator[str]:
    """Yield the text, and what follows a scheme's name in it."""
    yield text
    if match := _SCHEME.fullmatch(text):
        yield match[1]
