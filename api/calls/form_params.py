"""A call's parameters out of ``multipart/form-data``, as ``curl -F`` and browsers send it.

curl -F media=@cat.png -F type=image $POSTERN/api/v1/call/wechat/upload_media
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from api.errors import MalformedBody
from api.http.bodies import read_body
from api.http.bodies.multipart import PartHead, form_boundary, read_form
from gateway.catalog.model import Method, kind_of
from gateway.errors import fields_error
from gateway.http.request_builder import binary_params

MAX_PARTS = 1000  # of one form: each costs, however small it is


def takes_form(method: Method) -> bool:
    """Return whether the method's parameters may come as a form: it sends one itself."""
    return kind_of(method.body) == "multipart" and not method.stream


def read_form_params(method: Method) -> dict[str, Any]:
    """Return this request's fields as text, and its files as the method's JSON has them.

    A name that is given more than once is a list, and so is one file where several may be given.

    :raises TooLarge: the form is over ``MAX_BODY``.
    :raises MalformedBody: it is no form.
    """
    binary = binary_params(method)
    file_lists = {
        param.name
        for param in method.params
        if param.keywords.get("type") == "array" and is_file(param.keywords.get("items", {}))
    }
    lists: dict[str, list[Any]] = {}
    params: dict[str, Any] = {}
    for head, data in _parts():
        lists.setdefault(head.name, []).append(_value(head, data, head.name in binary))
    for name, values in lists.items():
        is_list = len(values) > 1 or (name in file_lists and isinstance(values[0], dict))
        params[name] = values if is_list else values[0]
    return params


def is_file(keywords: Mapping[str, Any]) -> bool:
    """Return whether a value may be a file as the method's JSON has it."""
    return keywords.get("type") == "object" and not keywords.get("properties")


def merge_params(query: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    """:raises InvalidParams: a parameter is in the query and in the form."""
    for name in query:
        if name in form:
            raise fields_error(name, ["Given in the query and in the form."])
    return {**query, **form}


def _parts() -> Iterator[tuple[PartHead, bytes]]:
    head = None
    count = 0
    data = bytearray()
    for piece in read_form([read_body()], form_boundary()):
        if isinstance(piece, bytes):
            data += piece
            continue
        count += 1
        if count > MAX_PARTS:
            raise MalformedBody(f"The form has more than {MAX_PARTS} parts.")
        if head is not None:
            yield head, bytes(data)
        head = piece
        data = bytearray()
    if head is not None:
        yield head, bytes(data)


def _value(head: PartHead, data: bytes, is_binary: bool) -> Any:
    if head.filename is not None or is_binary:
        base64 = b64encode(data).decode()
        if is_binary:
            return base64
        return {"filename": head.filename, "content_type": head.content_type, "base64": base64}
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise fields_error(head.name, ["Not UTF-8; a file needs a filename."]) from error
