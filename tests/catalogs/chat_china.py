"""Vendors of chat in China."""

from __future__ import annotations

from tests.catalogs.vendor import TOKEN, Token, Vendor, bearer, carries, refusal

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
        answers={
            "user_info": {
                "subscribe": 1,
                "openid": "o6_bmjrPTlm6_2sgVt7hMZOPfL2M",
                "language": "zh_CN",
                "subscribe_time": 1382694957,
                "unionid": "o6_b",
                "remark": "",
                "groupid": 0,
                "tagid_list": [128, 2],
            },
            "upload_media": {"type": "image", "media_id": "m", "created_at": 123456789},
        },
        pages={
            "followers": (
                {"total": 2, "count": 2, "data": {"openid": ["o1", "o2"]}, "next_openid": "o2"},
                {"next_openid": "o2"},
            )
        },
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
        answers={
            "send_message": {
                "errcode": 0,
                "errmsg": "ok",
                "invaliduser": "userid1|userid2",
                "msgid": "xxxx",
            },
            "get_user": {
                "errcode": 0,
                "errmsg": "ok",
                "userid": "zhangsan",
                "name": "张三",
                "department": [1, 2],
                "position": "后台工程师",
                "status": 1,
            },
            "find_user_by_mobile": {"errcode": 0, "errmsg": "ok", "userid": "zhangsan"},
            "list_departments": {
                "errcode": 0,
                "errmsg": "ok",
                "department": [{"id": 2, "name": "广州研发中心", "parentid": 1, "order": 10}],
            },
            "upload_media": {
                "errcode": 0,
                "errmsg": "",
                "type": "image",
                "media_id": "m",
                "created_at": "1380000000",
            },
        },
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
        answers={
            "send_message": {
                "code": 0,
                "msg": "success",
                "data": {
                    "message_id": "om_1",
                    "msg_type": "text",
                    "create_time": "1615380573411",
                    "chat_id": "oc_1",
                    "sender": {"id": "cli_1"},
                    "body": {"content": "{}"},
                },
            },
            "find_users": {
                "code": 0,
                "msg": "success",
                "data": {"user_list": [{"user_id": "ou_1", "mobile": "13812345678"}]},
            },
            "get_user": {
                "code": 0,
                "msg": "success",
                "data": {"user": {"open_id": "ou_1", "name": "张三"}},
            },
            "upload_image": {"code": 0, "msg": "success", "data": {"image_key": "img_1"}},
        },
        pages={
            "list_messages": (
                {
                    "code": 0,
                    "msg": "success",
                    "data": {
                        "has_more": True,
                        "page_token": "p2",
                        "items": [{"message_id": "om_1"}],
                    },
                },
                {"page_token": "p2"},
            ),
            "list_chats": (
                {
                    "code": 0,
                    "msg": "success",
                    "data": {
                        "has_more": False,
                        "page_token": "",
                        "items": [{"chat_id": "oc_1", "name": "a"}],
                    },
                },
                None,
            ),
        },
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
        answers={
            "send_to_users": {
                "processQueryKey": "k",
                "invalidStaffIdList": [],
                "flowControlledStaffIdList": [],
            },
            "send_to_group": {"processQueryKey": "k"},
            "create_todo": {"id": "t", "subject": "a"},
        },
        pages={
            "find_users": ({"hasMore": True, "totalCount": 2, "list": ["user1"]}, {"offset": 1})
        },
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
}
