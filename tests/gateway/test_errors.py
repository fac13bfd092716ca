"""A failure goes to another worker as JSON, and is the same failure there."""

from __future__ import annotations

import pytest

from gateway.bodies import dump_json, load_json
from gateway.errors import Failed, GatewayError, InvalidParams, RateLimited, fields_error


def carried(error: GatewayError) -> GatewayError:
    return GatewayError.from_dict(load_json(dump_json(error.to_dict())))


def test_a_failure_keeps_what_a_caller_sees_of_it() -> None:
    error = Failed("No.", status=507, retry_after=3, vendor_code="E1", detail="for the log")
    error.service = "pay"
    error.method = "charge"
    error.expose_vendor_code = True
    copy = carried(error)
    assert type(copy) is Failed
    assert vars(copy) == {**vars(error), "detail": None}
    assert str(copy) == "No."


def test_fields_and_limits_are_carried() -> None:
    limited = RateLimited(retry_after=1)
    limited.limit = 7
    assert carried(limited).limit == 7  # type: ignore[attr-defined]
    assert carried(fields_error("name", ["wrong"])).fields == {"name": ["wrong"]}


@pytest.mark.parametrize("kind", ["Unheard", "InvalidParams"])
def test_an_older_record_with_fewer_attributes_is_read(kind: str) -> None:
    error = GatewayError.from_dict({"kind": kind, "message": "m"})
    assert type(error) is (InvalidParams if kind == "InvalidParams" else GatewayError)
    assert (error.message, error.fields, error.retry_after) == ("m", None, None)


def test_a_failure_without_a_status_counts_as_503() -> None:
    error = GatewayError.from_dict({"kind": "Failed", "message": "m"})
    assert isinstance(error, Failed)
    assert error.status == 503
