"""What each vendor's pages say that it answers: a good reply, and each failure that we tell apart.

An envelope that is added to ``gateway.catalog.formats.ENVELOPE_NAMES`` gets its samples here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import (
    CredentialError,
    Failed,
    GatewayError,
    QuotaExceeded,
    Rejected,
    SignatureRejected,
)

WORDS = "the vendor's own words, 10.0.0.7"


@dataclass(frozen=True)
class Failure:
    """``code`` is the vendor code that a service may opt in to show; None where there is none."""

    kind: type[GatewayError]
    body: bytes
    status: str = "200 OK"
    code: str | None = None
    headers: tuple[str, ...] = ()
    wait: float | None = None


@dataclass(frozen=True)
class Samples:
    good: bytes
    data: Any
    failures: tuple[Failure, ...]
    unknown: Failure
    response: str = "json"
    headers: tuple[str, ...] = field(default=())


def dump(value: object) -> bytes:
    return json.dumps(value).encode()


def wechat(code: int) -> bytes:
    return dump({"errcode": code, "errmsg": WORDS})


def pay(**fields: str) -> bytes:
    inside = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in fields.items())
    return f"<xml>{inside}</xml>".encode()


def pay_failed(code: str) -> bytes:
    return pay(
        return_code="SUCCESS",
        return_msg="OK",
        result_code="FAIL",
        err_code=code,
        err_code_des=WORDS,
    )


def pay_v3(code: str) -> bytes:
    return dump({"code": code, "message": WORDS})


def alipay(code: str, sub_code: str, name: str = "alipay_trade_query_response") -> bytes:
    fields = {"code": code, "msg": "Business Failed", "sub_code": sub_code, "sub_msg": WORDS}
    return dump({name: fields, "sign": "not looked at here"})


def amap(code: str) -> bytes:
    return dump({"status": "0", "info": WORDS, "infocode": code})


def s3(code: str) -> bytes:
    elements = f"<Code>{code}</Code><Message>{WORDS}</Message>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}<RequestId>4442587FB7D0A2F9</RequestId></Error>'.encode()


def query(code: str) -> bytes:
    elements = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{WORDS}</Message></Error>"
    return f'<ErrorResponse xmlns="http://sts.amazonaws.com/doc/2011-06-15/">{elements}<RequestId>1</RequestId></ErrorResponse>'.encode()


def ec2(code: str) -> bytes:
    elements = f"<Errors><Error><Code>{code}</Code><Message>{WORDS}</Message></Error></Errors>"
    return f"<Response>{elements}<RequestID>1</RequestID></Response>".encode()


def soap(code: str, namespace: str = "http://schemas.xmlsoap.org/soap/envelope/") -> bytes:
    fault = f"<faultcode>{code}</faultcode><faultstring>{WORDS}</faultstring>"
    return (
        f'<s:Envelope xmlns:s="{namespace}"><s:Body><s:Fault>{fault}</s:Fault></s:Body></s:Envelope>'
    ).encode()


def soap_12(code: str, subcode: str) -> bytes:
    inner = f"<s:Subcode><s:Value>{subcode}</s:Value></s:Subcode>"
    fault = (
        f"<s:Code><s:Value>{code}</s:Value>{inner}</s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{WORDS}</s:Text></s:Reason>'
    )
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
        f"<s:Body><s:Fault>{fault}</s:Fault></s:Body></s:Envelope>"
    ).encode()


def graphql(code: str, data: object = None) -> bytes:
    return dump({"data": data, "errors": [{"message": WORDS, "extensions": {"code": code}}]})


def jsonapi(**error: str) -> bytes:
    return dump({"errors": [{"title": "No", "detail": WORDS, **error}]})


def nested(**error: object) -> bytes:
    return dump({"error": {"message": WORDS, **error}})


def github(message: str = WORDS, **more: object) -> bytes:
    return dump({"message": message, "documentation_url": "https://docs.github.com/rest", **more})


DYNAMO = "com.amazonaws.dynamodb.v20120810#"
LIMITED = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
)

SAMPLES: Mapping[str, Samples] = {
    "plain": Samples(
        dump({"a": 1}), {"a": 1},
        (
            Failure(Rejected, b"{}", "400 Bad Request", "400"),
            Failure(CredentialError, b"{}", "401 Unauthorized"),
            Failure(QuotaExceeded, b"{}", "429 Slow", None, ("Retry-After: 7",), 7),
            Failure(Failed, b"{}", "500 Oops"),
        ),
        Failure(Rejected, b"{}", "418 Teapot", "418"),
    ),
    "wechat": Samples(
        dump({"errcode": 0, "errmsg": "ok", "msgid": 5}), {"msgid": 5},
        (
            Failure(Failed, wechat(-1), code="-1"),
            *(Failure(CredentialError, wechat(code), code=str(code))
              for code in (40001, 40014, 42001, 40013, 40125, 40164, 41001)),
            *(Failure(QuotaExceeded, wechat(code), code=str(code)) for code in (45009, 45011)),
            Failure(Rejected, wechat(40003), code="40003"),
        ),
        Failure(Rejected, wechat(99999), code="99999"),
    ),
    "wechatpay_v2": Samples(
        pay(return_code="SUCCESS", return_msg="OK", result_code="SUCCESS", prepay_id="wx20", sign="C380"),
        {"prepay_id": "wx20", "sign": "C380"},
        (
            Failure(SignatureRejected, pay(return_code="FAIL", return_msg="签名失败"), code="FAIL"),
            Failure(Rejected, pay(return_code="FAIL", return_msg=WORDS), code="FAIL"),
            *(Failure(Failed, pay_failed(code), code=code) for code in ("SYSTEMERROR", "BANKERROR", "BIZERR_NEED_RETRY")),
            *(Failure(QuotaExceeded, pay_failed(code), code=code) for code in ("FREQUENCY_LIMITED", "FREQ_LIMIT")),
            *(Failure(SignatureRejected, pay_failed(code), code=code) for code in ("SIGNERROR", "SIGN_ERROR")),
            *(Failure(CredentialError, pay_failed(code), code=code)
              for code in ("NOAUTH", "NO_AUTH", "CA_ERROR", "APPID_NOT_EXIST", "MCHID_NOT_EXIST",
                           "APPID_MCHID_NOT_MATCH")),
            *(Failure(Rejected, pay_failed(code), code=code) for code in ("ORDERPAID", "NOTENOUGH", "LACK_PARAMS")),
            Failure(Rejected, pay(return_code="SUCCESS", result_code="FAIL"), code="FAIL"),
        ),
        Failure(Rejected, pay_failed("NEVER_SEEN"), code="NEVER_SEEN"),
        "xml", ("Content-Type: text/plain",),
    ),
    "amap": Samples(
        dump({"status": "1", "info": "OK", "infocode": "10000", "count": "1", "geocodes": [{}]}),
        {"count": "1", "geocodes": [{}]},
        (
            *(Failure(QuotaExceeded, amap(code), code=code)
              for code in ("10003", "10004", "10010", "10014", "10019", "10020", "10021", "10029", "10044", "10045",
                           "40000", "40003")),
            *(Failure(CredentialError, amap(code), code=code)
              for code in ("10001", "10002", "10005", "10006", "10008", "10009", "10012", "10013", "10041", "20011",
                           "40002")),
            Failure(SignatureRejected, amap("10007"), code="10007"),
            *(Failure(Failed, amap(code), code=code)
              for code in ("10015", "10016", "10017", "20003", "30000", "30001")),
            *(Failure(Rejected, amap(code), code=code) for code in ("20000", "20001", "20801", "20802")),
        ),
        Failure(Rejected, amap("98765"), code="98765"),
    ),
    "aws": Samples(
        b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name></ListBucketResult>',
        {"Name": "b"},
        (
            Failure(CredentialError, s3("AccessDenied"), "403 Forbidden", "AccessDenied"),
            Failure(CredentialError, s3("InvalidAccessKeyId"), "403 Forbidden", "InvalidAccessKeyId"),
            Failure(CredentialError, s3("ExpiredToken"), "400 Bad Request", "ExpiredToken"),
            Failure(SignatureRejected, s3("SignatureDoesNotMatch"), "403 Forbidden", "SignatureDoesNotMatch"),
            Failure(SignatureRejected, s3("RequestTimeTooSkewed"), "403 Forbidden", "RequestTimeTooSkewed"),
            Failure(QuotaExceeded, s3("SlowDown"), "503 Slow Down", "SlowDown"),
            Failure(Failed, s3("InternalError"), "500 Internal Server Error"),
            Failure(Rejected, s3("NoSuchKey"), "404 Not Found", "NoSuchKey"),
            Failure(QuotaExceeded, query("Throttling"), "400 Bad Request", "Throttling"),
            Failure(CredentialError, query("InvalidClientTokenId"), "403 Forbidden", "InvalidClientTokenId"),
            Failure(SignatureRejected, query("IncompleteSignature"), "400 Bad Request", "IncompleteSignature"),
            Failure(QuotaExceeded, ec2("RequestLimitExceeded"), "503 Service Unavailable", "RequestLimitExceeded"),
            Failure(Rejected, ec2("InvalidInstanceID.NotFound"), "400 Bad Request", "InvalidInstanceID.NotFound"),
            Failure(QuotaExceeded, dump({"__type": DYNAMO + "ProvisionedThroughputExceededException", "message": WORDS}),
                    "400 Bad Request", DYNAMO + "ProvisionedThroughputExceededException"),
            Failure(CredentialError, dump({"__type": "com.amazon.coral.service#UnrecognizedClientException"}),
                    "400 Bad Request", "com.amazon.coral.service#UnrecognizedClientException"),
            Failure(QuotaExceeded, dump({"Message": WORDS}), "429 Too Many Requests", "TooManyRequestsException:",
                    ("X-Amzn-ErrorType: TooManyRequestsException:", "Retry-After: 2"), 2),
            Failure(Rejected, dump({"message": WORDS}), "404 Not Found", "ResourceNotFoundException",
                    ("x-amzn-ErrorType: ResourceNotFoundException",)),
        ),
        Failure(Rejected, s3("NeverSeen"), "400 Bad Request", "NeverSeen"),
        "xml",
    ),
    "stripe": Samples(
        dump({"id": "ch_1", "object": "charge"}), {"id": "ch_1", "object": "charge"},
        (
            Failure(Rejected, nested(type="card_error", code="card_declined", decline_code="generic_decline"),
                    "402 Payment Required", "card_declined"),
            Failure(Rejected, nested(type="invalid_request_error", param="amount"), "400 Bad Request",
                    "invalid_request_error"),
            Failure(Rejected, nested(type="idempotency_error"), "409 Conflict", "idempotency_error"),
            Failure(CredentialError, nested(type="invalid_request_error"), "401 Unauthorized"),
            Failure(CredentialError, nested(type="invalid_request_error", code="api_key_expired"), "401 Unauthorized",
                    "api_key_expired"),
            Failure(CredentialError, nested(type="invalid_request_error"), "403 Forbidden", "invalid_request_error"),
            Failure(QuotaExceeded, nested(type="invalid_request_error", code="rate_limit"), "429 Slow", "rate_limit"),
            Failure(QuotaExceeded, nested(type="invalid_request_error", code="lock_timeout"), "429 Slow", None,
                    ("Retry-After: 1",), 1),
            Failure(Failed, nested(type="invalid_request_error"), "424 Failed Dependency", "invalid_request_error"),
            Failure(Failed, nested(type="api_error"), "500 Oops"),
        ),
        Failure(Rejected, nested(type="never_seen"), "400 Bad Request", "never_seen"),
    ),
    "github": Samples(
        dump([{"id": 1}]), [{"id": 1}],
        (
            Failure(CredentialError, github("Bad credentials"), "401 Unauthorized"),
            Failure(CredentialError, github("Resource not accessible by personal access token"), "403 Forbidden", "403"),
            Failure(Rejected, github("Not Found"), "404 Not Found", "404"),
            Failure(Rejected, github("Validation Failed", errors=[{"resource": "Issue", "field": "title",
                    "code": "missing_field"}]), "422 Unprocessable Entity", "missing_field"),
            Failure(QuotaExceeded, github(LIMITED), "403 Forbidden", "403", ("Retry-After: 60",), 60),
            Failure(QuotaExceeded, github("API rate limit exceeded for user ID 1."), "403 Forbidden", "403",
                    ("X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 1400000000"), 0),
            Failure(QuotaExceeded, github("API rate limit exceeded for 10.0.0.7."), "429 Too Many Requests", "429",
                    ("X-RateLimit-Reset: 9999999999",), 86400),
            Failure(Failed, github("Server Error"), "502 Bad Gateway"),
        ),
        Failure(Rejected, github(), "451 Unavailable For Legal Reasons", "451"),
    ),
    "openai": Samples(
        dump({"id": "chatcmpl-1", "choices": []}), {"id": "chatcmpl-1", "choices": []},
        (
            Failure(Rejected, nested(type="invalid_request_error", param="model", code="model_not_found"),
                    "404 Not Found", "model_not_found"),
            Failure(CredentialError, nested(type="invalid_request_error", code="invalid_api_key"), "401 Unauthorized",
                    "invalid_api_key"),
            Failure(CredentialError, nested(type="request_forbidden", code="unsupported_country_region_territory"),
                    "403 Forbidden", "unsupported_country_region_territory"),
            Failure(QuotaExceeded, nested(type="tokens", code="rate_limit_exceeded"), "429 Slow",
                    "rate_limit_exceeded", ("Retry-After: 20",), 20),
            Failure(QuotaExceeded, nested(type="insufficient_quota", code="insufficient_quota"), "429 Slow",
                    "insufficient_quota"),
            Failure(QuotaExceeded, nested(type="rate_limit_error", code="slow_down"), "503 Slow", "slow_down"),
            Failure(Failed, nested(type="server_error", code=None), "500 Oops"),
        ),
        Failure(Rejected, nested(type="never_seen", code=None), "400 Bad Request", "never_seen"),
    ),
    "wechatpay_v3": Samples(
        dump({"prepay_id": "wx1"}), {"prepay_id": "wx1"},
        (
            Failure(SignatureRejected, pay_v3("SIGN_ERROR"), "401 Unauthorized", "SIGN_ERROR"),
            Failure(CredentialError, pay_v3("NO_AUTH"), "403 Forbidden", "NO_AUTH"),
            Failure(CredentialError, pay_v3("MCH_NOT_EXISTS"), "404 Not Found", "MCH_NOT_EXISTS"),
            *(Failure(QuotaExceeded, pay_v3(code), "429 Slow", code, ("Retry-After: 7",), 7)
              for code in ("FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED", "RATE_LIMITED")),
            Failure(Failed, pay_v3("SYSTEM_ERROR"), "500 Oops"),
        ),
        Failure(Rejected, pay_v3("ORDER_CLOSED"), "400 Bad Request", "ORDER_CLOSED"),
    ),
    "alipay": Samples(
        dump({"alipay_trade_query_response": {"code": "10000", "msg": "Success", "trade_no": "2"}}), {"trade_no": "2"},
        (
            Failure(Failed, alipay("20000", "isp.unknow-error"), code="isp.unknow-error"),
            Failure(Failed, alipay("40004", "ACQ.SYSTEM_ERROR"), code="ACQ.SYSTEM_ERROR"),
            Failure(CredentialError, alipay("20001", "aop.invalid-auth-token"), code="aop.invalid-auth-token"),
            Failure(CredentialError, alipay("40006", "isv.insufficient-isv-permissions"),
                    code="isv.insufficient-isv-permissions"),
            Failure(QuotaExceeded, alipay("40005", "isv.call-limited"), code="isv.call-limited"),
            Failure(SignatureRejected, alipay("40002", "isv.invalid-signature", "error_response"),
                    code="isv.invalid-signature"),
            Failure(Failed, b"{}", "502 Bad Gateway"),
        ),
        Failure(Rejected, alipay("40004", "ACQ.TRADE_NOT_EXIST"), code="ACQ.TRADE_NOT_EXIST"),
    ),
    "soap": Samples(
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header/><s:Body Id="b">'
        b'<AddResponse xmlns="http://tempuri.org/"><AddResult>5</AddResult></AddResponse></s:Body></s:Envelope>',
        {"AddResponse": {"AddResult": "5"}},
        (
            Failure(Rejected, soap("s:Client"), "500 Oops", "Client"),
            Failure(Rejected, soap(" SOAP-ENV:MustUnderstand\n"), "500 Oops", "MustUnderstand"),
            Failure(Rejected, soap("ns0:NoSuchCustomer"), "500 Oops", "NoSuchCustomer"),
            Failure(Failed, soap("s:Server"), "500 Oops", "Server"),
            Failure(Failed, soap("s:Server.Database"), "200 OK", "Server.Database"),
            Failure(CredentialError, soap("wsse:FailedAuthentication"), "500 Oops", "FailedAuthentication"),
            Failure(CredentialError, soap("s:Client.Authentication"), "500 Oops", "Client.Authentication"),
            Failure(SignatureRejected, soap("wsse:FailedCheck"), "500 Oops", "FailedCheck"),
            Failure(CredentialError, soap("s:Client"), "401 Unauthorized", "Client"),
            Failure(QuotaExceeded, soap("s:Client"), "429 Slow", "Client", ("Retry-After: 7",), 7),
            Failure(Rejected, soap_12("s:Sender", "m:NoSuchCustomer"), "400 Bad Request", "NoSuchCustomer"),
            Failure(Rejected, soap_12("s:Sender", "m:NoSuchCustomer"), "200 OK", "NoSuchCustomer"),
            Failure(Failed, soap_12("s:Receiver", "m:Busy"), "500 Oops", "Busy"),
            Failure(Rejected, b"<E><Body><Fault><x>1</x></Fault></Body></E>", "200 OK", "object"),
            Failure(Failed, b"<html>Oops</html>", "500 Oops"),
        ),
        Failure(Rejected, soap("s:NeverSeen"), "500 Oops", "NeverSeen"),
        "xml",
    ),
    "graphql": Samples(
        dump({"data": {"user": {"name": "Ann"}}, "extensions": {"cost": 1}}), {"user": {"name": "Ann"}},
        (
            Failure(Rejected, graphql("BAD_USER_INPUT"), code="BAD_USER_INPUT"),
            Failure(Rejected, graphql("NOT_FOUND", {"user": None}), code="NOT_FOUND"),
            Failure(Rejected, graphql("GRAPHQL_VALIDATION_FAILED"), "400 Bad Request", "GRAPHQL_VALIDATION_FAILED"),
            Failure(Rejected, dump({"errors": [{"message": WORDS, "type": "NOT_FOUND"}]}), code="NOT_FOUND"),
            Failure(Rejected, dump({"data": {"a": 1}, "errors": [{"message": WORDS}]}), code="object"),
            Failure(CredentialError, graphql("UNAUTHENTICATED"), code="UNAUTHENTICATED"),
            Failure(CredentialError, graphql("FORBIDDEN", {"user": {"name": "Ann"}}), code="FORBIDDEN"),
            Failure(QuotaExceeded, graphql("THROTTLED"), code="THROTTLED"),
            Failure(Failed, graphql("INTERNAL_SERVER_ERROR"), code="INTERNAL_SERVER_ERROR"),
            Failure(Failed, graphql("BAD_USER_INPUT"), "502 Bad Gateway", "BAD_USER_INPUT"),
        ),
        Failure(Rejected, graphql("NEVER_SEEN"), code="NEVER_SEEN"),
    ),
    "jsonapi": Samples(
        dump({"data": [{"type": "articles", "id": "1"}], "meta": {"total": 1}}), [{"type": "articles", "id": "1"}],
        (
            Failure(Rejected, jsonapi(status="422", code="TITLE_TAKEN"), "422 Unprocessable", "TITLE_TAKEN"),
            Failure(Rejected, jsonapi(status="404"), "404 Not Found", "404"),
            Failure(Rejected, dump({"errors": [{"title": WORDS}]}), "200 OK", "object"),
            Failure(CredentialError, jsonapi(status="401"), "401 Unauthorized", "401"),
            Failure(QuotaExceeded, jsonapi(status="429", code="SLOW"), "200 OK", "SLOW"),
            Failure(Failed, jsonapi(status="503", code="AWAY"), "200 OK", "AWAY"),
            Failure(Failed, jsonapi(status="500"), "500 Oops", "500"),
        ),
        Failure(Rejected, jsonapi(code="NEVER_SEEN"), "418 Teapot", "NEVER_SEEN"),
    ),
}  # fmt: skip
