"""Vendors' token endpoints, described as a catalog would describe them.

``values`` of a preset are those that the catalog gives: an empty text has no default there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ACCESS_TOKEN: Mapping[str, Any] = {"token": "access_token", "expires_in": "expires_in"}
_IN_QUERY: Mapping[str, Any] = {
    **_ACCESS_TOKEN,
    "send": {"in": "query", "name": "access_token", "value": "{token}"},
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # developer.work.weixin.qq.com/document/path/91039
    "wecom": {
        "values": {"corpid": "", "corpsecret": ""},
        "request": {
            "http": "GET /cgi-bin/gettoken",
            "query": {"corpid": "{corpid}", "corpsecret": "{corpsecret}"},
        },
        "ok": {"errcode": [0]},
        **_IN_QUERY,
        "lifetime": 7200,
    },
    # open.feishu.cn/document/server-docs/authentication-management/access-token
    "lark": {
        "values": {"app_id": "", "app_secret": ""},
        "request": {
            "http": "POST /open-apis/auth/v3/tenant_access_token/internal",
            "body": {"app_id": "{app_id}", "app_secret": "{app_secret}"},
        },
        "ok": {"code": [0]},
        "token": "tenant_access_token",
        "expires_in": "expire",
    },
    # open.dingtalk.com/document/orgapp/obtain-the-access_token-of-an-internal-app
    "dingtalk": {
        "values": {"app_key": "", "app_secret": ""},
        "request": {
            "http": "POST /v1.0/oauth2/accessToken",
            "body": {"appKey": "{app_key}", "appSecret": "{app_secret}"},
        },
        "token": "accessToken",
        "expires_in": "expireIn",
        "send": {"in": "header", "name": "x-acs-dingtalk-access-token", "value": "{token}"},
    },
    # open.dingtalk.com/document/orgapp/obtain-orgapp-token: the older API, of oapi.dingtalk.com
    "dingtalk_oapi": {
        "values": {"app_key": "", "app_secret": ""},
        "request": {
            "http": "GET /gettoken",
            "query": {"appkey": "{app_key}", "appsecret": "{app_secret}"},
        },
        "ok": {"errcode": [0]},
        **_IN_QUERY,
        "lifetime": 7200,
    },
    # developers.weixin.qq.com/doc/offiaccount/Basic_Information/Get_access_token.html
    "wechat": {
        "values": {"app_id": "", "app_secret": ""},
        "request": {
            "http": "GET /cgi-bin/token",
            "query": {
                "grant_type": "client_credential",
                "appid": "{app_id}",
                "secret": "{app_secret}",
            },
        },
        **_IN_QUERY,
        "lifetime": 7200,
    },
    # developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html
    "wechat_stable": {
        "values": {"app_id": "", "app_secret": ""},
        "request": {
            "http": "POST /cgi-bin/stable_token",
            "body": {
                "grant_type": "client_credential",
                "appid": "{app_id}",
                "secret": "{app_secret}",
            },
        },
        **_IN_QUERY,
        "lifetime": 7200,
    },
    # ai.baidu.com/ai-doc/REFERENCE/Ck3dwjhhu
    "baidu": {
        "values": {"api_key": "", "secret_key": ""},
        "request": {
            "http": "POST /oauth/2.0/token",
            "query": {
                "grant_type": "client_credentials",
                "client_id": "{api_key}",
                "client_secret": "{secret_key}",
            },
        },
        **_IN_QUERY,
    },
    # help.salesforce.com: OAuth 2.0 client credentials flow; its answer has no expires_in
    "salesforce": {
        "values": {"client_id": "", "client_secret": ""},
        "request": {
            "http": "POST /services/oauth2/token",
            "body": {
                "grant_type": "client_credentials",
                "client_id": "{client_id}",
                "client_secret": "{client_secret}",
            },
            "body_format": "form",
        },
        "token": "access_token",
        "lifetime": 7200,
    },
    # bot.q.qq.com/wiki/develop/api-v2/dev-prepare/interface-framework/api-use.html
    "qq_bot": {
        "values": {"app_id": "", "client_secret": ""},
        "request": {
            "http": "POST https://bots.qq.com/app/getAppAccessToken",
            "body": {"appId": "{app_id}", "clientSecret": "{client_secret}"},
        },
        **_ACCESS_TOKEN,
        "send": {"in": "header", "name": "Authorization", "value": "QQBot {token}"},
    },
    # developer.open-douyin.com/docs: interface-request-credential/client-token
    "douyin": {
        "values": {"client_key": "", "client_secret": ""},
        "request": {
            "http": "POST /oauth/client_token/",
            "body": {
                "grant_type": "client_credential",
                "client_key": "{client_key}",
                "client_secret": "{client_secret}",
            },
        },
        "ok": {"data.error_code": [0]},
        "message": "data.description",
        "token": "data.access_token",
        "expires_in": "data.expires_in",
        "send": {"in": "header", "name": "access-token", "value": "{token}"},
    },
    # support.huaweicloud.com/api-iam/iam_30_0001.html
    "huawei_iam": {
        "values": {"domain": "", "user": "", "password": "", "project": ""},
        "request": {
            "http": "POST /v3/auth/tokens",
            "body": {
                "auth": {
                    "identity": {
                        "methods": ["password"],
                        "password": {
                            "user": {
                                "domain": {"name": "{domain}"},
                                "name": "{user}",
                                "password": "{password}",
                            }
                        },
                    },
                    "scope": {"project": {"name": "{project}"}},
                }
            },
        },
        "token": "header:X-Subject-Token",
        "expires_at": "token.expires_at",
        "message": "error.message",
        "send": {"in": "header", "name": "X-Auth-Token", "value": "{token}"},
    },
    # www.zoho.com/accounts/protocol/oauth/web-apps/access-token-expiry.html; a refresh token stays
    "zoho": {
        "values": {"client_id": "", "client_secret": "", "refresh_token": ""},
        "request": {
            "http": "POST https://accounts.zoho.com/oauth/v2/token",
            "body": {
                "grant_type": "refresh_token",
                "client_id": "{client_id}",
                "client_secret": "{client_secret}",
                "refresh_token": "{refresh_token}",
            },
            "body_format": "form",
        },
        **_ACCESS_TOKEN,
        "send": {"in": "header", "name": "Authorization", "value": "Zoho-oauthtoken {token}"},
    },
    # dev.twitch.tv/docs/authentication/getting-tokens-oauth: two headers
    "twitch": {
        "values": {"client_id": "", "client_secret": ""},
        "request": {
            "http": "POST https://id.twitch.tv/oauth2/token",
            "body": {
                "grant_type": "client_credentials",
                "client_id": "{client_id}",
                "client_secret": "{client_secret}",
            },
            "body_format": "form",
        },
        **_ACCESS_TOKEN,
        "send": [
            {"in": "header", "name": "Authorization", "value": "Bearer {token}"},
            {"in": "header", "name": "Client-Id", "value": "{client_id}"},
        ],
    },
    # developer.hashicorp.com/vault/api-docs/auth/approle
    "vault_approle": {
        "values": {"role_id": "", "secret_id": ""},
        "request": {
            "http": "POST /v1/auth/approle/login",
            "body": {"role_id": "{role_id}", "secret_id": "{secret_id}"},
        },
        "token": "auth.client_token",
        "expires_in": "auth.lease_duration",
        "send": {"in": "header", "name": "X-Vault-Token", "value": "{token}"},
    },
    # SAP Business One Service Layer, User Manual, 3.1: a session's cookie
    "sap_b1": {
        "values": {"company": "", "user": "", "password": ""},
        "request": {
            "http": "POST /b1s/v1/Login",
            "body": {"CompanyDB": "{company}", "UserName": "{user}", "Password": "{password}"},
        },
        "token": "SessionId",
        "message": "error.message.value",
        "lifetime": 1500,
        "send": {"in": "cookie", "name": "B1SESSION", "value": "{token}"},
    },
    # www.zabbix.com/documentation/current/en/manual/api/reference/user/login: JSON-RPC
    "zabbix": {
        "values": {"username": "", "password": ""},
        "request": {
            "http": "POST /api_jsonrpc.php",
            "headers": {"Content-Type": "application/json-rpc"},
            "body": {
                "jsonrpc": "2.0",
                "method": "user.login",
                "params": {"username": "{username}", "password": "{password}"},
                "id": 1,
            },
        },
        "token": "result",
        "message": "error.data",
        "lifetime": 900,
    },
    # www.metabase.com/docs/latest/api/session
    "metabase": {
        "values": {"username": "", "password": ""},
        "request": {
            "http": "POST /api/session",
            "body": {"username": "{username}", "password": "{password}"},
        },
        "token": "id",
        "lifetime": 86400,
        "send": {"in": "header", "name": "X-Metabase-Session", "value": "{token}"},
    },
}
