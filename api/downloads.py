"""One file as an answer: whole, a range of it, or a word to nginx to send it (RFC 9110, 13 and 14)."""

from __future__ import annotations

import re
from typing import Any, cast
from urllib.parse import quote

from flask import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import parse_date
from werkzeug.utils import send_file

from api.conditional import check_etag
from api.errors import RangeNotSatisfiable
from api.parts import parts
from gateway.errors import NotFound
from models import File
from schemas.files import base_name

_ONE_RANGE = re.compile(r"\s*bytes\s*=\s*(?:([0-9]{1,300})-([0-9]{0,300})|-([0-9]{1,300}))\s*", re.IGNORECASE)


def download(file: File) -> Response:
    """The bytes for keeping, never for showing: a browser must not run what somebody uploaded."""
    check_file_match(file)
    response = _streamed(file)
    if parts().settings.files_accel and _is_plain(response):
        response = _accelerated(file, response)
    response.headers["Content-Type"] = file.content_type
    response.headers["Cache-Control"] = "private, no-cache, no-transform"  # compressed, it would have no ranges
    return response


def check_file_match(file: File) -> None:
    """:raises PreconditionFailed: ``If-Match`` is there and names other bytes."""
    check_etag(file.sha256)


def _streamed(file: File) -> Response:
    try:
        response = send_file(
            parts().files.path(file.stored_as),
            _conditions(file),
            as_attachment=True,
            download_name=base_name(file.name),
            conditional=True,
            etag=file.sha256,
            last_modified=file.created_at,
            response_class=Response,
        )
    except RequestedRangeNotSatisfiable as error:
        raise RangeNotSatisfiable(file.size) from error
    except FileNotFoundError as error:  # deleted since its row was read
        raise NotFound from error
    response.headers["Accept-Ranges"] = "bytes"
    return cast(Response, response)


def _is_plain(response: Response) -> bool:
    """Whether nginx, asked for the whole file, would answer the request as we do.

    It would not where it has no word for it (an envelope), reads a range otherwise, or compares with a time or an ETag
    of its own.
    """
    ranged = response.status_code == 206 or (response.status_code == 200 and "Range" not in request.headers)
    return ranged and not any(name in request.headers for name in ("If-Match", "If-Unmodified-Since"))


def _accelerated(file: File, streamed: Response) -> Response:
    """No body: nginx sends it, or the range of it, under the ETag and the time that are told here."""
    streamed.close()
    response = Response()
    for name in ("Content-Disposition", "ETag", "Last-Modified", "Accept-Ranges"):
        response.headers[name] = streamed.headers[name]
    response.headers["X-Accel-Redirect"] = quote(parts().settings.files_accel + parts().files.place(file.stored_as))
    return response


def _conditions(file: File) -> dict[str, Any]:
    """The request with the one range that counts: werkzeug refuses others, where they are to be ignored."""
    environ = dict(request.environ)
    for name in ("HTTP_RANGE", "HTTP_IF_RANGE", "HTTP_IF_MATCH"):
        environ.pop(name, None)
    if asked := _range(file):
        environ["HTTP_RANGE"] = asked
    return environ


def _range(file: File) -> str | None:
    asked = request.headers.get("Range", "") if request.method == "GET" else ""  # RFC 9110, 14.2
    found = _ONE_RANGE.fullmatch(asked)
    if not found or request.if_none_match.contains_weak(file.sha256) or not _if_range_holds(file):
        return None
    first, last, suffix = (int(digits) if digits else None for digits in found.groups())
    if suffix is not None:
        return f"bytes=-{min(suffix, file.size)}"
    if first is not None and last is not None and last < first:
        return None
    return f"bytes={first}-{'' if last is None else last}"


def _if_range_holds(file: File) -> bool:
    """By the strong comparison: a weak ETag never holds, a date only exactly."""
    condition = request.headers.get("If-Range")
    if condition is None or condition == f'"{file.sha256}"':
        return True
    return parse_date(condition) == file.created_at.replace(microsecond=0)
