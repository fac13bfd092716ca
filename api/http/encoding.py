"""Paths and queries are UTF-8: others would be changed on their way, so they are refused."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from api.http.error_response import PROXY_PREFIX
from api.request_context import current_context
from gateway.errors import InvalidParams

PROBLEM = "Is not UTF-8 once it is unquoted."


def check_target() -> None:
    """Check that path and query are UTF-8, unless they are passed through to a vendor.

    :raises InvalidParams: naming ``path``, or the parameters of the query.
    """
    environ = current_context().request.environ
    path = environ["PATH_INFO"]
    query = environ.get("QUERY_STRING", "")
    is_ascii = path.isascii() and "%" not in query and query.isascii()
    if is_ascii or path.startswith(PROXY_PREFIX):
        return
    pairs = query.encode("latin-1").split(b"&")
    names = [_name(pair) for pair in pairs if not _is_utf8(unquote_to_bytes(pair))]
    if not _is_utf8(path.encode("latin-1")):
        names.insert(0, "path")
    if names:
        raise InvalidParams(fields={name: [PROBLEM] for name in names})


def _name(pair: bytes) -> str:
    name = pair.partition(b"=")[0].replace(b"+", b" ")
    return unquote_to_bytes(name).decode(errors="backslashreplace")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
