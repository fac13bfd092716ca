"""Vendors of chat."""

from __future__ import annotations

from sandbox.messages import Request
from tests.catalogs.account import REFRESH_TOKEN
from tests.catalogs.vendor import (
    TOKEN,
    Check,
    Env,
    Token,
    Vendor,
    bearer,
    carries,
    fill,
    refusal,
)


def begins(path: str) -> Check:
    """Return a check of how a request's path begins."""

    def check(request: Request, env: Env) -> None:
        assert request.target.startswith(fill(path, env)), request.target

    return check


#: What a multipart parameter takes.
PICTURE = {"filename": "a.png", "content_type": "image/png", "base64": "aGk="}

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
        params={"upload_media": {"media": PICTURE}},
        failures={
            "downstream_rejected": {"errcode": 45015, "errmsg": "response out of time limit"},
            "downstream_quota": {"errcode": 45009, "errmsg": "reach max api daily quota limit"},
            "credential_expired": {"errcode": 42001, "errmsg": "access_token expired"},
        },
    ),
    # developer.work.weixin.qq.com/document/path/91039, 90313
    "wecom": Vendor(
        tokens=[
            Token(
                "GET https://qyapi.weixin.qq.com/cgi-bin/gettoken",
                query={"corpid": "${WECOM_CORP_ID}", "corpsecret": "${WECOM_CORP_SECRET}"},
                answer={"errcode": 0, "errmsg": "ok", "access_token": TOKEN, "expires_in": 7200},
            )
        ],
        proof=carries(query={"access_token": TOKEN}),
        answer={"errcode": 0, "errmsg": "ok"},
        params={"upload_media": {"media": PICTURE}},
        failures={
            "downstream_rejected": {
                "errcode": 81013,
                "errmsg": "UserID, DepartID, TagID all invalid",
            },
            "downstream_quota": {"errcode": 45009, "errmsg": "api freq out of limit"},
            "credential_error": {"errcode": 60020, "errmsg": "not allow to access from your ip"},
            "credential_expired": {"errcode": 42001, "errmsg": "access_token expired"},
        },
    ),
    # open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal
    "lark": Vendor(
        tokens=[
            Token(
                "POST https://open.feishu.cn/open-apis/auth/v3/tenant_access_token/internal",
                json={"app_id": "${LARK_APP_ID}", "app_secret": "${LARK_APP_SECRET}"},
                answer={"code": 0, "msg": "ok", "tenant_access_token": TOKEN, "expire": 7200},
            )
        ],
        proof=bearer(),
        answer={"code": 0, "msg": "success", "data": {}},
        params={"upload_image": {"image": PICTURE}},
        failures={
            "downstream_rejected": refusal(400, {"code": 230002, "msg": "bot not in the chat"}),
            "downstream_quota": refusal(429, {"code": 99991400, "msg": "request frequency limit"}),
            "credential_error": refusal(400, {"code": 99991672, "msg": "scope required"}),
            "credential_expired": refusal(400, {"code": 99991663, "msg": "invalid access token"}),
        },
    ),
    # open.dingtalk.com/document/orgapp/obtain-the-access_token-of-an-internal-app
    "dingtalk": Vendor(
        tokens=[
            Token(
                "POST https://api.dingtalk.com/v1.0/oauth2/accessToken",
                json={"appKey": "${DINGTALK_APP_KEY}", "appSecret": "${DINGTALK_APP_SECRET}"},
                answer={"accessToken": TOKEN, "expireIn": 7200},
            )
        ],
        proof=carries(headers={"x-acs-dingtalk-access-token": TOKEN}),
        answers={"find_users": {"hasMore": False, "totalCount": 1, "list": ["user1"]}},
        failures={
            "downstream_rejected": refusal(400, {"code": "invalidParameter", "message": "no"}),
            "downstream_quota": refusal(
                403, {"code": "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", "message": "no"}
            ),
            "credential_error": refusal(
                403,
                {"code": "Forbidden.AccessDenied.AccessTokenPermissionDenied", "message": "no"},
            ),
            "credential_expired": refusal(400, {"code": "InvalidAuthentication", "message": "no"}),
        },
    ),
    # docs.slack.dev/apis/web-api/
    "slack": Vendor(
        proof=bearer("${SLACK_BOT_TOKEN}"),
        answer={"ok": True},
        failures={
            "downstream_rejected": {"ok": False, "error": "channel_not_found"},
            "downstream_quota": refusal(
                429, {"ok": False, "error": "ratelimited"}, ("Retry-After", "30")
            ),
            "credential_error": {"ok": False, "error": "invalid_auth"},
            "downstream_error": {"ok": False, "error": "internal_error"},
        },
    ),
    # core.telegram.org/bots/api#making-requests
    "telegram": Vendor(
        env={"TELEGRAM_BOT_TOKEN": "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"},
        proof=begins("/bot${TELEGRAM_BOT_TOKEN}/"),
        answer={"ok": True, "result": {}},
        params={"send_document": {"document": PICTURE}},
        failures={
            "downstream_rejected": refusal(
                400, {"ok": False, "error_code": 400, "description": "chat not found"}
            ),
            "downstream_quota": refusal(
                429, {"ok": False, "error_code": 429, "parameters": {"retry_after": 5}}
            ),
            "credential_error": refusal(401, {"ok": False, "error_code": 401}),
        },
    ),
    # discord.com/developers/docs/reference#authentication
    "discord": Vendor(
        proof=carries(headers={"authorization": "Bot ${DISCORD_BOT_TOKEN}"}),
        failures={
            "downstream_rejected": refusal(400, {"code": 50035, "message": "Invalid Form Body"}),
            "downstream_quota": refusal(
                429, {"message": "slow", "retry_after": 1.5, "global": False}
            ),
            "credential_error": refusal(403, {"code": 50001, "message": "Missing Access"}),
        },
    ),
    # learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow#refresh-the-access-token
    "teams": Vendor(
        tokens=[
            Token(
                "POST https://login.microsoftonline.com/ms-tenant-id/oauth2/v2.0/token",
                form={
                    "grant_type": "refresh_token",
                    "refresh_token": REFRESH_TOKEN,
                    "client_id": "${MS_CLIENT_ID}",
                    "client_secret": "${MS_CLIENT_SECRET}",
                },
                answer={"access_token": TOKEN, "expires_in": 3599, "refresh_token": "the-next"},
            )
        ],
        proof=bearer(),
        failures={
            "downstream_rejected": refusal(404, {"error": {"code": "NotFound"}}),
            "downstream_quota": refusal(429, {"error": {"code": "TooManyRequests"}}),
            "credential_error": refusal(403, {"error": {"code": "Forbidden"}}),
            "credential_expired": refusal(401, {"error": {"code": "InvalidAuthenticationToken"}}),
        },
    ),
}
