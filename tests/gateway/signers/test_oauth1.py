"""OAuth 1.0 against the vectors of RFC 5849 and of the vendor that made it known."""

from __future__ import annotations

import pytest

from gateway.bodies import FORM_TYPE
from gateway.catalog.loader import CatalogError, load_catalog
from gateway.http_messages import HttpRequest
from gateway.masking import Secret
from gateway.signers.oauth1 import OAuth1, base_string

#: developer.x.com/en/docs/authentication/oauth-1-0a/creating-a-signature
VENDOR = {
    "consumer_key": "xvz1evFS4wEEPTGEFPHBog",
    "consumer_secret": Secret("kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw"),
    "token": Secret("370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb"),
    "token_secret": Secret("LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE"),
}


def test_the_signature_is_that_of_the_vendors_own_example() -> None:
    request = HttpRequest(
        "POST",
        "https://api.twitter.com",
        "/1.1/statuses/update.json",
        (("include_entities", "true"),),
        {"Content-Type": FORM_TYPE},
        b"status=Hello%20Ladies%20%2b%20Gentlemen%2c%20a%20signed%20OAuth%20request%21",
        at=1318622958,
        nonce="kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg",
    )
    signed = OAuth1(VENDOR, request.base_url).sign(request, Secret(""))
    assert 'oauth_signature="hCtSmYh%2BiHYCEqBWrE7C7hYmtUk%3D"' in signed.headers["Authorization"]


def test_the_base_string_is_that_of_rfc_5849() -> None:
    request = HttpRequest("POST", "http://EXAMPLE.COM:80", "/request")
    pairs = [
        ("b5", "=%3D"), ("a3", "a"), ("c@", ""), ("a2", "r b"), ("c2", ""), ("a3", "2 q"),
        ("oauth_consumer_key", "9djdj82h48djs9d2"), ("oauth_token", "kkk9d7dh3k39sjv7"),
        ("oauth_signature_method", "HMAC-SHA1"), ("oauth_timestamp", "137131201"),
        ("oauth_nonce", "7d8f3e4a"),
    ]  # fmt: skip
    assert base_string(request, pairs) == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D"
        "%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3"
        "e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk"
        "9d7dh3k39sjv7"
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("consumer_key: a", "consumer_secret: missing"),
        ("consumer_key: a, signature_method: RSA-SHA1", "private_key: missing"),
        ("consumer_key: a, signature_method: RSA-SHA1, private_key: x", "private_key: must be an unencrypted RSA private key"),
        ("consumer_key: a, consumer_secret: b, signature_method: MD5", "signature_method: must be one of"),
        ("consumer_key: a, consumer_secret: b, signature_method: PLAINTEXT, body_hash: true", "body_hash: needs a"),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_its_key(keys: str, message: str) -> None:
    text = (
        "version: 1\nservices: {s: {base_url: 'http://127.0.0.1:9', allow_private: true, "
        f"auth: {{type: oauth1, {keys}}}, methods: {{m: {{http: GET /}}}}}}}}"
    )
    with pytest.raises(CatalogError) as refused:
        load_catalog(text, "c.yaml", {})
    assert f"services.s.auth.{message}" in str(refused.value)
