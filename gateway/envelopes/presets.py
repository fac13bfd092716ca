"""Reply formats of vendors, in the words that ``envelope:`` in services.yaml takes.

Each names the page it follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html
    "wechat": {
        "code": "errcode",
        "ok": [0, None],  # an answer that only brings data has no errcode
        "message": "errmsg",
        "errors": {
            "-1": "downstream_error",
            "40001": "credential_expired",
            "40014": "credential_expired",
            "42001": "credential_expired",
            "40013": "credential_error",
            "40125": "credential_error",
            "40164": "credential_error",
            "41001": "credential_error",
            "45009": "downstream_quota",
            "45011": "downstream_quota",
        },
    },
    # pay.weixin.qq.com/wiki/doc/api/jsapi.php?chapter=9_1 (and 9_2 to 9_4, 9_10; micropay 9_10;
    # tools 13_4)
    "wechatpay_v2": {
        "code": ["err_code", "result_code", "return_code"],
        "ok": ["SUCCESS", "0"],
        "message": ["err_code_des", "return_msg"],
        "errors": {
            "SYSTEMERROR": "downstream_error",
            "BANKERROR": "downstream_error",
            "BIZERR_NEED_RETRY": "downstream_error",
            "FREQ*LIMIT*": "downstream_quota",
            "SIGNERROR": "invalid_signature",
            "SIGN_ERROR": "invalid_signature",
            "NOAUTH": "credential_error",
            "NO_AUTH": "credential_error",
            "CA_ERROR": "credential_error",
            "APPID_NOT_EXIST": "credential_error",
            "MCHID_NOT_EXIST": "credential_error",
            "APPID_MCHID_NOT_MATCH": "credential_error",
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
            "NO_AUTH": "credential_error",
            "MCH_NOT_EXISTS": "credential_error",
            "FREQUENCY_LIMITED": "downstream_quota",
            "RATELIMIT_EXCEEDED": "downstream_quota",
            "RATE_LIMITED": "downstream_quota",
        },
    },
    # lbs.amap.com/api/webservice/guide/tools/info
    "amap": {
        "code": ["infocode", "status"],
        "ok": ["10000", "1"],
        "message": "info",
        "errors": {
            **dict.fromkeys(
                ("10003", "10004", "10010", "10014", "10019", "10020", "10021"), "downstream_quota"
            ),
            **dict.fromkeys(("10029", "10044", "10045", "40000", "40003"), "downstream_quota"),
            **dict.fromkeys(
                ("10001", "10002", "10005", "10006", "10008", "10009"), "credential_error"
            ),
            **dict.fromkeys(("10012", "10013", "10041", "20011", "40002"), "credential_error"),
            "10007": "invalid_signature",
            **dict.fromkeys(("10015", "10016", "10017", "20003", "30*"), "downstream_error"),
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
            **dict.fromkeys(
                ("*Throttl*", "*TooManyRequests*", "*RequestLimitExceeded*"), "downstream_quota"
            ),
            **dict.fromkeys(("*SlowDown*", "*BandwidthLimitExceeded*"), "downstream_quota"),
            "*ProvisionedThroughputExceeded*": "downstream_quota",
            **dict.fromkeys(("*ExpiredToken*", "*TokenRefreshRequired*"), "credential_expired"),
            **dict.fromkeys(("*SignatureDoesNotMatch*", "*InvalidSignature*"), "invalid_signature"),
            **dict.fromkeys(
                ("*IncompleteSignature*", "*RequestTimeTooSkewed*"), "invalid_signature"
            ),
            "*RequestExpired*": "invalid_signature",
            **dict.fromkeys(
                ("*AccessDenied*", "*InvalidAccessKeyId*", "*NotAuthorized*"), "credential_error"
            ),
            **dict.fromkeys(("*InvalidClientTokenId*", "*UnrecognizedClient*"), "credential_error"),
            **dict.fromkeys(
                ("*MissingAuthenticationToken*", "*OptInRequired*"), "credential_error"
            ),
            "*InternalFailure*": "downstream_error",
            "*ServiceUnavailable*": "downstream_error",
        },
    },
    # docs.stripe.com/api/errors, docs.stripe.com/error-codes
    "stripe": {
        "code": ["error.code", "error.type"],
        "ok": "http",
        "message": "error.message",
        "errors": {
            "rate_limit": "downstream_quota",
            "api_key_expired": "credential_error",
            "platform_api_key_expired": "credential_error",
            "secret_key_required": "credential_error",
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
            "slow_down": "downstream_quota",
            "rate_limit_exceeded": "downstream_quota",
            "insufficient_quota": "downstream_quota",
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
            "Server": "downstream_error",
            "Server.*": "downstream_error",
            "Receiver": "downstream_error",
            "FailedAuthentication": "credential_error",
            "InvalidSecurityToken": "credential_error",
            "SecurityTokenUnavailable": "credential_error",
            "Client.Authentication": "credential_error",
            "FailedCheck": "invalid_signature",
            "MessageExpired": "invalid_signature",
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
            **dict.fromkeys(
                ("THROTTLED", "RATE_LIMITED", "RATE_LIMIT_EXCEEDED", "TOO_MANY_REQUESTS"),
                "downstream_quota",
            ),
            **dict.fromkeys(("UNAUTHENTICATED", "invalid-jwt"), "credential_expired"),
            **dict.fromkeys(
                ("FORBIDDEN", "ACCESS_DENIED", "INSUFFICIENT_SCOPES", "access-denied"),
                "credential_error",
            ),
            **dict.fromkeys(("INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE"), "downstream_error"),
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
            **dict.fromkeys(("500", "502", "503", "504"), "downstream_error"),
        },
    },
}
