"""Vendors of chat."""

from __future__ import annotations

from tests.catalogs.vendor import TOKEN, Token, Vendor, carries

VENDORS = {
    # developers.weixin.qq.com/doc/offiaccount/Basic_Information/Get_access_token.html
    "wechat": Vendor(
        tokens=[
            Token(
                "GET https://api.weixin.qq.com/cgi-bin/token",
                query={
                    "grant_type": "client_credential",
                    "appid": "${WECHAT_APP_ID}",
                    "secret": "${WECHAT_APP_SECRET}",
                },
                answer={"access_token": TOKEN, "expires_in": 7200},
            )
        ],
        proof=carries(query={"access_token": TOKEN}),
        answer={"errcode": 0, "errmsg": "ok"},
        params={
            "upload_media": {
                "media": {"filename": "a.png", "content_type": "image/png", "base64": "aGk="}
            }
        },
        failures={
            "downstream_rejected": {"errcode": 45015, "errmsg": "response out of time limit"},
            "downstream_quota": {"errcode": 45009, "errmsg": "reach max api daily quota limit"},
            "credential_expired": {"errcode": 42001, "errmsg": "access_token expired"},
        },
    ),
}
