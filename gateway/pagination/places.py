"""What stands where in an answer: in its headers, in the reply, in the data that callers get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.bodies import Reader
from gateway.bodies.json import MISSING, find_value
from gateway.errors import BadResponse
from gateway.http_messages import HttpResponse

_HEADER = "header:"


class ReplyReader(Reader):
    """Reads one reply as another reader does, and has it beside the data of its envelope.

    :ivar reply: the whole of it, once it was read.
    """

    __slots__ = ("reply",)

    reply: Any

    @classmethod
    def of(cls, reader: Reader) -> ReplyReader:
        return cls(reader.structured, reader.read, reader.options)

    def __call__(self, body: bytes, content_type: str = "") -> Any:
        reply = self.read(body, content_type, self.options)
        object.__setattr__(self, "reply", reply)
        return reply


def look_up(response: HttpResponse, reply: Any, place: str) -> Any:
    """Return what stands at a place in the headers or in the reply; ``MISSING`` where nothing does.

    :param place: ``header:NAME``, or a dotted path; a key of the reply itself may have dots.
    """
    if place.startswith(_HEADER):
        return response.headers.get(place.removeprefix(_HEADER), MISSING)
    if isinstance(reply, Mapping) and place in reply:
        return reply[place]
    return find_value(reply, place.split("."))


def items_at(data: Any, place: str, *, is_xml: bool = False) -> list[Any]:
    """Return the items of a page; null is none.

    :param place: a dotted path in the data that callers get; empty where the data is the list.
    :param is_xml: one item is no list, and where there is none nothing stands.
    :raises BadResponse: there is no list.
    """
    value = find_value(data, place.split(".")) if place else data
    if isinstance(value, list):
        return value
    if value is None:
        return []
    if is_xml:
        return [] if value in (MISSING, "") else [value]
    raise BadResponse(detail=f"no list at {place}" if place else "the data is no list")
