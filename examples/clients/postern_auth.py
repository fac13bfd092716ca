"""Sign requests to Postern as an app, with ``requests``. Copy this file; it needs nothing else.

::

    import requests
    from postern_auth import PosternAuth

    auth = PosternAuth("shop", "the secret that `flask app create shop` printed")
    answer = requests.post(
        "http://127.0.0.1:5000/api/v1/call/wechat/send_msg",
        json={"touser": "o6_bmjrPTlm6", "text": "hello"},
        auth=auth,
    )
    print(answer.json())
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from requests import PreparedRequest
from requests.auth import AuthBase


class PosternAuth(AuthBase):
    """Each request gets a timestamp, a nonce and the signature over itself; it can be sent once.

    A streamed body is not read for its hash: give it yourself, in the header X-Content-SHA256.
    """

    def __init__(self, app_id: str, secret: str) -> None:
        self.app_id = app_id
        self.secret = secret

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        declared = request.headers.get("X-Content-SHA256")
        body = b"" if declared else request.body or b""
        if isinstance(body, str):
            request.body = body = body.encode()
        if not isinstance(body, bytes):
            raise TypeError(
                "a streamed body cannot be signed; read it first, or give its hash in "
                "X-Content-SHA256"
            )
        timestamp = str(int(time.time()))
        nonce = secrets.token_hex(16)
        hashed = declared or hashlib.sha256(body).hexdigest()
        signed = "\n".join((request.method or "", request.path_url, timestamp, nonce, hashed))
        request.headers["X-App-Id"] = self.app_id
        request.headers["X-Timestamp"] = timestamp
        request.headers["X-Nonce"] = nonce
        request.headers["X-Signature"] = hmac.new(
            self.secret.encode(), signed.encode(), hashlib.sha256
        ).hexdigest()
        return request
