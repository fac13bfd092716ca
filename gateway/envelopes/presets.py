"""Reply formats of vendors, in the words that ``envelope:`` in services.yaml takes.

Each names the page it follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _codes(kind: str, codes: str) -> dict[str, str]:
    """Return what several codes mean, which are written as one text."""
    return dict.fromkeys(codes.split(), kind)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html
    "wechat": {
        "code": "errcode",
        "ok": [0, None],  # an answer that only brings data has no errcode
        "message": "errmsg",
        "errors": {
            "-1": "downstream_error",
            **_codes("credential_expired", "40001 40014 42001"),
            **_codes("credential_error", "40013 40125 40164 41001"),
            **_codes("downstream_quota", "45009 45011"),
        },
    },
    # pay.weixin.qq.com/wiki/doc/api/jsapi.php?chapter=9_1 (and 9_2 to 9_4, 9_10; micropay 9_10;
    # tools 13_4)
    "wechatpay_v2": {
        "code": ["err_code", "result_code", "return_code"],
        "ok": ["SUCCESS", "0"],
        "message": ["err_code_des", "return_msg"],
        "errors": {
            **_codes("downstream_error", "SYSTEMERROR BANKERROR BIZERR_NEED_RETRY"),
            "FREQ*LIMIT*": "downstream_quota",
            **_codes("invalid_signature", "SIGNERROR SIGN_ERROR"),
            **_codes(
                "credential_error",
                "NOAUTH NO_AUTH CA_ERROR APPID_NOT_EXIST MCHID_NOT_EXIST APPID_MCHID_NOT_MATCH",
            ),
        },
        "messages": {"*签名*": "invalid_signature"},  # with return_code FAIL there is no err_code
    },
    # pay.weixin.qq.com/doc/v3/merchant/4012081670 (status and error codes); 204 has no body and is
    # null
    "wechatpay_v3": {
        "code": "code",
        "ok": "http",
        "message": "message",
        "errors": {
            "SIGN_ERROR": "invalid_signature",
            **_codes("credential_error", "NO_AUTH MCH_NOT_EXISTS"),
            **_codes("downstream_quota", "FREQUENCY_LIMITED RATELIMIT_EXCEEDED RATE_LIMITED"),
        },
    },
    # lbs.amap.com/api/webservice/guide/tools/info
    "amap": {
        "code": ["infocode", "status"],
        "ok": ["10000", "1"],
        "message": "info",
        "errors": {
            **_codes(
                "downstream_quota",
                "10003 10004 10010 10014 10019 10020 10021 10029 10044 10045 40000 40003",
            ),
            **_codes(
                "credential_error",
                "10001 10002 10005 10006 10008 10009 10012 10013 10041 20011 40002",
            ),
            "10007": "invalid_signature",
            **_codes("downstream_error", "10015 10016 10017 20003 30*"),
        },
    },
    # docs.aws.amazon.com/awsconsolehelpdocs/latest/gsg/common-errors.html,
    # AmazonS3/latest/API/ErrorResponses.html; where the code stands: smithy.io/2.0/aws/protocols
    # (restJson1, restXml, awsQuery, ec2Query, awsJson1_1)
    "aws": {
        "code": [
            "header:x-amzn-errortype",
            "Code",
            "Error.Code",
            "Errors.Error.Code",
            "__type",
            "code",
        ],
        "ok": "http",
        "message": ["Message", "message", "Error.Message", "Errors.Error.Message"],
        "errors": {
            **_codes(
                "downstream_quota",
                "*Throttl* *TooManyRequests* *RequestLimitExceeded* *SlowDown* "
                "*BandwidthLimitExceeded* *ProvisionedThroughputExceeded*",
            ),
            **_codes("credential_expired", "*ExpiredToken* *TokenRefreshRequired*"),
            **_codes(
                "invalid_signature",
                "*SignatureDoesNotMatch* *InvalidSignature* *IncompleteSignature* "
                "*RequestTimeTooSkewed* *RequestExpired*",
            ),
            **_codes(
                "credential_error",
                "*AccessDenied* *InvalidAccessKeyId* *NotAuthorized* *InvalidClientTokenId* "
                "*UnrecognizedClient* *MissingAuthenticationToken* *OptInRequired*",
            ),
            **_codes("downstream_error", "*InternalFailure* *ServiceUnavailable*"),
        },
    },
    # docs.stripe.com/api/errors, docs.stripe.com/error-codes
    "stripe": {
        "code": ["error.code", "error.type"],
        "ok": "http",
        "message": "error.message",
        "errors": {
            "rate_limit": "downstream_quota",
            **_codes(
                "credential_error", "api_key_expired platform_api_key_expired secret_key_required"
            ),
            "api_error": "downstream_error",
            "HTTP 403": "credential_error",
            "HTTP 424": "downstream_error",
        },
    },
    # docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api; validation errors are
    # in a list
    "github": {
        "code": "errors.0.code",
        "ok": "http",
        "message": "message",
        "messages": {
            "*rate limit*": "downstream_quota",
            "Resource not accessible by *": "credential_error",
        },
        "retry_after": "x-ratelimit-reset",
    },
    # developers.openai.com/docs/guides/error-codes
    "openai": {
        "code": ["error.code", "error.type"],
        "ok": "http",
        "message": "error.message",
        "errors": {
            **_codes("downstream_quota", "slow_down rate_limit_exceeded insufficient_quota"),
            "invalid_api_key": "credential_error",
            "server_error": "downstream_error",
            "HTTP 403": "credential_error",
        },
    },
    # w3.org/TR/2000/NOTE-SOAP-20000508 (1.1, section 4.4), w3.org/TR/soap12-part1 (5.4),
    # docs.oasis-open.org/wss/v1.1/wss-v1.1-spec-os-SOAPMessageSecurity.pdf (12)
    "soap": {
        "code": [
            "Body.Fault.Code.Subcode.Value",
            "Body.Fault.Code.Value",
            "Body.Fault.faultcode",
            "Body.Fault",
        ],
        "ok": [None],
        "message": [
            "Body.Fault.faultstring",
            "Body.Fault.faultstring.#text",
            "Body.Fault.Reason.Text",
            "Body.Fault.Reason.Text.#text",
            "Body.Fault.Reason.Text.0.#text",
        ],
        "data": "Body",
        "errors": {
            **_codes("downstream_error", "Server Server.* Receiver"),
            **_codes(
                "credential_error",
                "FailedAuthentication InvalidSecurityToken SecurityTokenUnavailable "
                "Client.Authentication",
            ),
            **_codes("invalid_signature", "FailedCheck MessageExpired"),
        },
    },
    # spec.graphql.org/October2021/#sec-Errors; the codes: apollographql.com/docs/apollo-server
    # (data/errors), shopify.dev/docs/api/admin-graphql, docs.github.com/en/graphql,
    # hasura.io/docs (errors with code in extensions)
    "graphql": {
        "code": ["errors.0.extensions.code", "errors.0.type", "errors.0"],
        "ok": [None],
        "message": ["errors.0.message", "errors", "message"],
        "data": "data",
        "errors": {
            **_codes(
                "downstream_quota", "THROTTLED RATE_LIMITED RATE_LIMIT_EXCEEDED TOO_MANY_REQUESTS"
            ),
            **_codes("credential_expired", "UNAUTHENTICATED invalid-jwt"),
            **_codes(
                "credential_error", "FORBIDDEN ACCESS_DENIED INSUFFICIENT_SCOPES access-denied"
            ),
            **_codes("downstream_error", "INTERNAL_SERVER_ERROR SERVICE_UNAVAILABLE"),
        },
    },
    # jsonapi.org/format/#error-objects; an error's status is the HTTP status as text
    "jsonapi": {
        "code": ["errors.0.code", "errors.0.status", "errors.0"],
        "ok": [None],
        "message": ["errors.0.detail", "errors.0.title"],
        "data": "data",
        "errors": {
            "429": "downstream_quota",
            "401": "credential_expired",
            **_codes("downstream_error", "500 502 503 504"),
        },
    },
}
