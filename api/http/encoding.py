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
    names = [*_path_names(path), *_query_names(query.encode("latin-1"))]
    if names:
        raise InvalidParams(fields={name: [PROBLEM] for name in names})


def _path_names(path: str) -> list[str]:
    if _is_utf8(path.encode("latin-1")):
        return []
    return ["path"]


def _query_names(query: bytes) -> list[str]:
    """Return the names of the parameters that are not UTF-8, in name or value."""
    if _is_utf8(unquote_to_bytes(query)):
        return []
    wrong = [pair for pair in query.split(b"&") if not _is_utf8(unquote_to_bytes(pair))]
    return [_name(pair) for pair in wrong]


def _name(pair: bytes) -> str:
    name = pair.partition(b"=")[0].replace(b"+", b" ")
    return unquote_to_bytes(name).decode(errors="backslashreplace")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
