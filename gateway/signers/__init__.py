"""Auth types: what adds our proof to one request. A new one is a file here and a line in ``SIGNERS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeGuard

from gateway.masking import Secret
from gateway.messages import HttpRequest, HttpResponse
from gateway.signers.alipay import Alipay
from gateway.signers.aws_sigv4 import AwsSigV4
from gateway.signers.digest import Digest
from gateway.signers.hmac_template import Hmac
from gateway.signers.http_signature import HttpSignature
from gateway.signers.oauth2 import AppSecret, OAuth2ClientCredentials
from gateway.signers.static import ApiKey, Basic, Bearer, NoAuth
from gateway.signers.wechatpay_v3 import WeChatPayV3

Auth = Mapping[str, Any]


class Signer(Protocol):
    """Adds a service's proof to one attempt.

    ``secrets`` are forms of the settings' secrets that only the signer knows, such as Basic's base64, to be masked.
    """

    secrets: tuple[Secret, ...]

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        """The request with its proof.

        Runs once per attempt, so that times and nonces are fresh, on exactly what will be sent.

        :param token: the fetched credential for a ``TokenSigner``; any other signer ignores it.
        """
        ...


class TokenSigner(Signer, Protocol):
    """A signer whose credential must be fetched first; ``gateway.signers.tokens`` keeps and renews it."""

    def token_request(self) -> HttpRequest: ...

    def read_token(self, response: HttpResponse) -> tuple[Secret, float]:
        """The token and the seconds it lives.

        :raises CredentialError: the answer holds none.
        """
        ...


def reads_body(signer: Signer) -> bool:
    """Whether the proof depends on the request's body. ``reads_body = False`` on a signer says that it does not, so
    that a body can be streamed past it; else it is read whole first.
    """
    return bool(getattr(signer, "reads_body", True))


def reads_query(signer: Signer) -> bool:
    """Whether the proof depends on the query. ``reads_query = False`` on a signer says that it does not, so that a
    proxied one goes on byte for byte; else it is read and quoted anew.
    """
    return bool(getattr(signer, "reads_query", True))


class HashingSigner(Signer, Protocol):
    """A signer that needs no more of a body than its hash, and that knows what a caller's own SDK does to it."""

    def take_over(self, request: HttpRequest) -> HttpRequest:
        """A caller's request without the proof and the framing by which its own SDK has signed it.

        :raises InvalidParams: the framing is not to be undone.
        """
        ...

    def spools(self, request: HttpRequest) -> bool:
        """Whether an upload is to be read, hashed and kept before it is sent."""
        ...


def hashes(signer: Signer) -> TypeGuard[HashingSigner]:
    """Whether it is a ``HashingSigner``."""
    return hasattr(signer, "take_over")


class VerifyingSigner(Signer, Protocol):
    """A signer whose service signs its answers."""

    def verify(self, request: HttpRequest, response: HttpResponse) -> None:
        """Runs once per attempt, on the bytes that came, before anything is read from them.

        :param request: as it was sent, signed.
        :raises SignatureRejected: the answer is not the service's own.
        """
        ...


def verifies(signer: Signer) -> TypeGuard[VerifyingSigner]:
    """Whether it is a ``VerifyingSigner``."""
    return hasattr(signer, "verify")


def fetches(signer: Signer) -> TypeGuard[TokenSigner]:
    """Whether it is a ``TokenSigner``; asking a protocol would be half of what it costs to fold a method."""
    return hasattr(signer, "token_request")


#: ``auth.type`` -> made from the service's ``auth`` settings and base URL.
SIGNERS: Mapping[str, Callable[[Auth, str], Signer]] = {
    "none": NoAuth,
    "api_key": ApiKey,
    "basic": Basic,
    "bearer": Bearer,
    "app_secret": AppSecret,
    "oauth2_client_credentials": OAuth2ClientCredentials,
    "alipay": Alipay,
    "wechatpay_v3": WeChatPayV3,
    "digest": Digest,
    "hmac": Hmac,
    "aws_sigv4": AwsSigV4,
    "http_signature": HttpSignature,
}
