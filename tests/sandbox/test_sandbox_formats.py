"""WeChat Pay v2, GBK replies and S3's errors, as the sandbox plays them."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPConnection
from xml.etree import ElementTree

import pytest

from sandbox import Sandbox
from sandbox.vendors.formats import GBK_TEXT
from sandbox.vendors.wechatpay_v2 import APP_ID, MCH_ID, sign

Call = Callable[..., bytes]
ORDER = {
    "appid": APP_ID,
    "mch_id": MCH_ID,
    "nonce_str": "n",
    "body": "x",
    "out_trade_no": "7",
    "total_fee": "100",
}


def pay(box: Sandbox, path: str, fields: dict[str, str] | bytes) -> dict[str, str | None]:
    if isinstance(fields, dict):
        inside = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        fields = f"<xml>{inside}</xml>".encode()
    connection = HTTPConnection("127.0.0.1", box.port, timeout=30)
    connection.request("POST", path, fields)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Content-Type")) == (200, "text/plain")
    read = {element.tag: element.text for element in ElementTree.fromstring(answer.read())}
    connection.close()
    return read


def signed(**fields: str) -> dict[str, str]:
    order = {**ORDER, **fields}
    return {**order, "sign": sign(order)}


def test_the_signature_is_the_documented_one() -> None:
    # pay.weixin.qq.com/wiki/doc/api/jsapi.php?chapter=4_3 signs so, with a key of its own
    assert sign({"b": "2", "a": "1", "empty": "", "sign": "x"}) == sign({"a": "1", "b": "2"})
    assert len(sign({"a": "1"})) == 32
    assert len(sign({"a": "1", "sign_type": "HMAC-SHA256"})) == 64


@pytest.mark.parametrize("kind", ["MD5", "HMAC-SHA256"])
def test_a_signed_order_is_made_once_and_found(box: Sandbox, kind: str) -> None:
    first, second = (pay(box, "/pay/unifiedorder", signed(sign_type=kind)) for _ in range(2))
    assert (first["result_code"], second["result_code"]) == ("SUCCESS", "SUCCESS")
    assert pay(box, "/pay/orderquery", signed())["total_fee"] == "100"
    assert pay(box, "/pay/unifiedorder", signed(total_fee="1"))["err_code"] == "OUT_TRADE_NO_USED"
    box.reset()
    assert pay(box, "/pay/orderquery", signed())["err_code"] == "ORDERNOTEXIST"


@pytest.mark.parametrize("fields", [ORDER, {**signed(), "total_fee": "1"}, b"{}"])
def test_what_is_not_signed_is_refused(box: Sandbox, fields: dict[str, str] | bytes) -> None:
    assert pay(box, "/pay/unifiedorder", fields)["return_code"] == "FAIL"


@pytest.mark.parametrize("path", ["/gbk/text", "/gbk/bare", "/gbk/json", "/gbk/xml"])
def test_gbk_is_gbk(call: Call, path: str) -> None:
    assert GBK_TEXT in call(path).body.decode("gbk")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/bucket", 200), ("/bucket/cat.png", 200), ("/bucket/dog.png", 404), ("/bucket/denied", 403),
     ("/bucket/busy", 503), ("/gbk/other", 404)],
)  # fmt: skip
def test_the_bucket_answers_as_s3_does(call: Call, path: str, status: int) -> None:
    assert call(path).status == status  # type: ignore[attr-defined]
