"""A request as ``--dry-run`` prints it."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from gateway.catalog.address_ranges import is_private_host
from gateway.catalog.model import Service
from gateway.http_messages import HttpRequest
from gateway.masking import STARS

CONTROL_CHARACTER = re.compile(r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def render_request(request: HttpRequest, service: Service) -> str:
    """Return the request as it would be sent, below where to, and whether that is refused."""
    base = urlsplit(request.base_url)
    target = base.path + _show_stars(request.target)
    host = base.hostname or ""
    lines = [f"# to {base.scheme}://{base.netloc}"]
    if not service.allow_private and is_private_host(host):
        lines.append(
            f"# would be refused: {host} is no public address; allow_private: true allows it"
        )
    lines += [f"{request.verb} {target} HTTP/1.1", f"Host: {base.netloc}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if request.body or request.verb in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body)}")
    if request.body:
        lines += ["", _render_body(request.body)]
    return "\n".join(lines)


def _render_body(body: bytes) -> str:
    """Return text as it is; what is no text, or what a terminal would act on, as ``\\x00``."""
    return escape_controls(_show_stars(body.decode("utf-8", "backslashreplace")))


def escape_controls(text: str) -> str:
    """Write the characters that a terminal would act on as ``\\x00``."""
    return CONTROL_CHARACTER.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _show_stars(text: str) -> str:
    """Undo the percent-encoding of masked values."""
    return text.replace(quote(STARS), STARS)
