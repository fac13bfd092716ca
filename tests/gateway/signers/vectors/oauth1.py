"""RFC 5849, 3.4, and OAuth Request Body Hash 1.0, as a server checks them."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from urllib.parse import parse_qsl, quote, unquote

from tests.gateway.signers.proofs import SECRETS, Proof, SentRequest, if_equal

KEY = "&".join(quote(SECRETS[name], safe="") for name in ("SECRET", "THIRD"))


def check(request: SentRequest) -> str | None:
    members = re.findall(r'(\w+)="([^"]*)"', request.headers["authorization"])
    proof = {name: unquote(value) for name, value in members}
    signature = proof.pop("oauth_signature")
    pairs = [*request.query, *proof.items()]
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        pairs += parse_qsl(request.body.decode(), keep_blank_values=True)
    else:
        digest = b64encode(hashlib.sha256(request.body).digest()).decode()
        if proof["oauth_body_hash"] != digest:
            return None
    path = request.target.partition("?")[0]
    params = "&".join(
        f"{name}={value}"
        for name, value in sorted((quote(n, safe=""), quote(v, safe="")) for n, v in pairs)
    )
    url = f"http://{request.headers['host']}{path}"
    base = "&".join(quote(part, safe="") for part in (request.verb, url, params))
    expected = hmac.new(KEY.encode(), base.encode(), "sha256").digest()
    return if_equal(signature, b64encode(expected).decode())


PROOF = Proof(check)
