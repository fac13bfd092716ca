"""Vendors of clouds."""

from __future__ import annotations

from sandbox.messages import Reply
from tests.catalogs.signatures import signed_for_alibaba, signed_for_aws, signed_for_tencent
from tests.catalogs.vendor import Vendor, bearer, refusal


def in_xml(text: str, status: int = 200) -> Reply:
    return Reply(status, text.encode(), (("Content-Type", "text/xml"),))


def aws_no(status: int, code: str) -> Reply:
    return refusal(status, {"__type": f"com.amazonaws.sqs#{code}", "message": "no"})


def s3_no(status: int, code: str) -> Reply:
    return in_xml(f"<Error><Code>{code}</Code><Message>no</Message></Error>", status)


def tencent_yes(**members: object) -> dict[str, object]:
    return {"Response": {**members, "RequestId": "a0aabda6-cf91-4f3e-a81f-9198114a2279"}}


def tencent_no(code: str) -> dict[str, object]:
    return {"Response": {"Error": {"Code": code, "Message": "no"}, "RequestId": "1"}}


def alibaba_no(status: int, code: str) -> Reply:
    return refusal(status, {"Code": code, "Message": "no", "RequestId": "1"})


#: developers.cloudflare.com/api/resources/dns/subresources/records
DNS_RECORD = {
    "id": "023e105f4ecef8ad9ca31a8372d0c353",
    "name": "example.com",
    "type": "A",
    "content": "198.51.100.4",
    "ttl": 3600,
    "proxied": True,
    "comment": "Domain verification record",
    "status": "active",
}


def cloudflare_page(total_pages: int) -> dict[str, object]:
    info = {"page": 1, "per_page": 20, "total_pages": total_pages}
    return {
        "success": True,
        "errors": [],
        "messages": [],
        "result": [DNS_RECORD],
        "result_info": info,
    }


def cloudflare_no(status: int, code: int) -> Reply:
    error = {"code": code, "message": "no"}
    return refusal(status, {"success": False, "errors": [error], "messages": [], "result": None})


VENDORS = {
    "aws": Vendor(
        proof=signed_for_aws,
        answers={
            "send_message": {
                "MD5OfMessageBody": "fafb00f5732ab283681e124bf8747ed1",
                "MessageId": "219f8380-5770-4cc2-8c3e-5c715e145f5e",
            },
            "receive_messages": {
                "Messages": [
                    {
                        "MessageId": "219f8380-5770-4cc2-8c3e-5c715e145f5e",
                        "ReceiptHandle": "AQEBaZ+j5qUoOAoxlmrCQPkBm9njMWXqemmIG6shMHCO",
                        "MD5OfBody": "fafb00f5732ab283681e124bf8747ed1",
                        "Body": "This is a test message",
                        "Attributes": {"ApproximateReceiveCount": "1"},
                    }
                ]
            },
            "get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}},
            "send_email": {"MessageId": "010b0184-0000"},
            "get_account": {
                "SendingEnabled": True,
                "ProductionAccessEnabled": False,
                "SendQuota": {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 0.0},
            },
            "publish": in_xml(
                "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult>"
                "</PublishResponse>"
            ),
            "get_caller_identity": in_xml(
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1</Account>"
                "</GetCallerIdentityResult></GetCallerIdentityResponse>"
            ),
        },
        failures={
            "downstream_rejected": aws_no(400, "QueueDoesNotExist"),
            "downstream_quota": aws_no(400, "RequestThrottled"),
            "credential_error": aws_no(400, "InvalidClientTokenId"),
            "invalid_signature": aws_no(403, "InvalidSignatureException"),
        },
    ),
    "aws_s3": Vendor(
        proof=signed_for_aws,
        answer=in_xml(""),
        answers={"get_object": Reply(200, b"%PDF", (("Content-Type", "application/pdf"),))},
        pages={
            "list_objects": (
                in_xml(
                    "<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated>"
                    "<NextContinuationToken>1ueG</NextContinuationToken>"
                    "<Contents><Key>a</Key><Size>7</Size><StorageClass>STANDARD</StorageClass>"
                    "</Contents></ListBucketResult>"
                ),
                {"continuation-token": "1ueG"},
            )
        },
        params={"put_object": {"content": "aGk="}},
        failures={
            "downstream_rejected": s3_no(404, "NoSuchBucket"),
            "downstream_quota": s3_no(503, "SlowDown"),
            "credential_error": s3_no(403, "AccessDenied"),
            "invalid_signature": s3_no(403, "SignatureDoesNotMatch"),
        },
    ),
    "tencent_cloud": Vendor(
        proof=signed_for_tencent,
        answer=tencent_yes(),
        answers={
            "send_sms": tencent_yes(
                SendStatusSet=[
                    {
                        "SerialNo": "5000:1045710669157053657849499619",
                        "PhoneNumber": "+8618511122233",
                        "Fee": 1,
                        "SessionContext": "test",
                        "Code": "Ok",
                        "Message": "send success",
                        "IsoCode": "CN",
                    }
                ]
            ),
            "translate": tencent_yes(TargetText="你好", Source="en", Target="zh"),
            "read_text": tencent_yes(TextDetections=[{"DetectedText": "你好", "Confidence": 99}]),
        },
        pages={
            "describe_instances": (
                tencent_yes(
                    TotalCount=3,
                    InstanceSet=[{"InstanceId": "ins-1", "CPU": 1, "Memory": 1}] * 2,
                ),
                {"Offset": 2},
            )
        },
        failures={
            "downstream_rejected": tencent_no("InvalidParameterValue.IncorrectPhoneNumber"),
            "downstream_quota": tencent_no("LimitExceeded.PhoneNumberDailyLimit"),
            "credential_error": tencent_no("AuthFailure.SecretIdNotFound"),
            "invalid_signature": tencent_no("AuthFailure.SignatureFailure"),
            "downstream_error": tencent_no("InternalError.Timeout"),
        },
    ),
    "alibaba_cloud": Vendor(
        proof=signed_for_alibaba,
        answer={"RequestId": "1"},
        params={"send_sms": {"PhoneNumbers": ["13700000000"], "TemplateParam": "text"}},
        answers={
            "send_sms": {"Code": "OK", "Message": "OK", "BizId": "9006199^4528", "RequestId": "1"},
            "translate": {
                "RequestId": "1",
                "Data": {"WordCount": "5", "Translated": "Hello"},
                "Code": "200",
            },
            "get_caller_identity": {
                "IdentityType": "RAMUser",
                "AccountId": "196813200012****",
                "UserId": "216959339000****",
                "Arn": "acs:ram::196813200012****:user/admin",
                "RequestId": "1",
            },
        },
        pages={
            "sms_status": (
                {"Code": "OK", "TotalCount": 1, "SmsSendDetailDTOs": {"SmsSendDetailDTO": [{}]}},
                None,
            ),
            "describe_instances": (
                {"NextToken": "caeba0bbb2be", "Instances": {"Instance": [{}]}},
                {"NextToken": "caeba0bbb2be"},
            ),
        },
        failures={
            "downstream_rejected": alibaba_no(200, "isv.MOBILE_NUMBER_ILLEGAL"),
            "downstream_quota": alibaba_no(200, "isv.BUSINESS_LIMIT_CONTROL"),
            "credential_error": alibaba_no(404, "InvalidAccessKeyId.NotFound"),
            "invalid_signature": alibaba_no(400, "SignatureDoesNotMatch"),
            "downstream_error": alibaba_no(503, "ServiceUnavailable"),
        },
    ),
    "cloudflare": Vendor(
        proof=bearer("${CLOUDFLARE_API_TOKEN}"),
        answer={"success": True, "errors": [], "messages": [], "result": {}},
        pages={
            "list_zones": (cloudflare_page(3), {"page": 2}),
            "list_dns_records": (cloudflare_page(1), None),
        },
        failures={
            "downstream_rejected": cloudflare_no(400, 1004),
            "downstream_quota": cloudflare_no(429, 971),
            "credential_error": cloudflare_no(403, 10000),
        },
    ),
}
