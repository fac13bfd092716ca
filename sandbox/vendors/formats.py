"""Replies in older and other formats: GBK with and without saying so, and Amazon S3's way with
objects and errors.

S3 follows https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: no signature is
asked for here.
"""

from sandbox.messages import Reply, Request, json_reply

GBK_TEXT = "短信余额:100条"


def formats(request: Request) -> Reply | None:
    """Return the answer, or None where nothing here stands under this path."""
    _, first, *rest = request.path.split("/")
    match first, rest:
        case "gbk", [kind] if kind in _GBK:
            content_type, text = _GBK[kind]
            return Reply(200, text.encode("gb18030"), (("Content-Type", content_type),))
        case "bucket", [key]:
            return _object(key)
        case "bucket", []:
            return _s3_xml(
                200,
                f'<ListBucketResult xmlns="{_S3}"><Name>bucket</Name>{_LISTING}</ListBucketResult>',
            )
    return None


_GBK = {
    "text": ("text/plain; charset=GBK", GBK_TEXT),
    "bare": ("text/plain", GBK_TEXT),
    "json": ("application/json; charset=gb2312", f'{{"余额": "{GBK_TEXT}"}}'),
    "xml": (
        "text/xml",
        f'<?xml version="1.0" encoding="GBK"?><回复><余额>{GBK_TEXT}</余额></回复>',
    ),
}
_S3 = "http://s3.amazonaws.com/doc/2006-03-01/"
_LISTING = "<Contents><Key>cat.png</Key><Size>12</Size></Contents>"
_ERRORS = {
    "denied": (403, "AccessDenied"),
    "unsigned": (403, "SignatureDoesNotMatch"),
    "busy": (503, "SlowDown"),
    "broken": (500, "InternalError"),
}


def _object(key: str) -> Reply:
    if key == "cat.png":
        return Reply(
            200,
            b"\x89PNG\r\n\x1a\n\x00\x01\x02\xff",
            (("Content-Type", "image/png"), ("ETag", '"1"')),
        )
    if key == "code.json":  # an object that looks like an error and is none
        return json_reply(200, {"code": "AccessDenied", "message": "a stored text"})
    status, code = _ERRORS.get(key, (404, "NoSuchKey"))
    details = (
        f"<Code>{code}</Code><Message>in words</Message><RequestId>4442587FB7D0A2F9</RequestId>"
    )
    return _s3_xml(status, f"<Error>{details}</Error>")


def _s3_xml(status: int, root: str) -> Reply:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{root}'
    return Reply(status, text.encode(), (("Content-Type", "application/xml"),))
