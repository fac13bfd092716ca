"""Auth types: what adds our proof to one request.

A type is a ``Signer`` with its ``Settings`` in a file here, and a line in ``SIGNERS``::

    signer = make_signer(service.auth, service.base_urls[0])
    signed = signer.sign(request, token)
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from gateway.signers.alipay import Alipay
from gateway.signers.aws_sigv4 import AwsSigV4
from gateway.signers.base import Auth
from gateway.signers.base import Signer as Signer
from gateway.signers.digest import Digest
from gateway.signers.hmac_template import Hmac
from gateway.signers.http_signature import HttpSignature
from gateway.signers.oauth1 import OAuth1
from gateway.signers.static import ApiKey, Basic, Bearer, NoAuth
from gateway.signers.token_auth.described import AppSecret, TokenAuth
from gateway.signers.token_auth.github_app import GitHubApp
from gateway.signers.token_auth.oauth2 import OAuth2, OAuth2ClientCredentials
from gateway.signers.wechatpay_v3 import WeChatPayV3

#: By ``auth.type``.
SIGNERS: Mapping[str, type[Signer]] = {
    "none": NoAuth,
    "api_key": ApiKey,
    "basic": Basic,
    "bearer": Bearer,
    "token": TokenAuth,
    "app_secret": AppSecret,
    "oauth2": OAuth2,
    "oauth2_client_credentials": OAuth2ClientCredentials,
    "github_app": GitHubApp,
    "oauth1": OAuth1,
    "digest": Digest,
    "hmac": Hmac,
    "alipay": Alipay,
    "wechatpay_v3": WeChatPayV3,
    "aws_sigv4": AwsSigV4,
    "http_signature": HttpSignature,
}


def make_signer(auth: Auth, base_url: str) -> Signer:
    """Return the signer for a service's ``auth`` at a base URL."""
    return SIGNERS[auth["type"]](auth, base_url)


@lru_cache(maxsize=1024)  # of a large catalog, each line is asked about
def is_secret(key: str) -> bool:
    """Return whether any auth type holds this key of ``auth:`` secret, or none has it."""
    secrecies = [signer.Settings.secrecy() for signer in SIGNERS.values()]
    flags = [secrecy[key] for secrecy in secrecies if key in secrecy]
    return any(flags) or not flags
