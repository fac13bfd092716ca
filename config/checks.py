"""Checks of one setting each. A message says what is allowed and never quotes a secret."""

from __future__ import annotations

import importlib.util
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from marshmallow import ValidationError, validate

from gateway.catalog.egress_proxy import NoProxy
from gateway.discovery.addresses import read_address
from gateway.sources import AddressError, SourceAddress
from gateway.system import MAX_BUNDLE_BYTES, MAX_SECRET_BYTES, read_regular
from schemas.catalog.urls import usable_proxy

MIN_SECRET_BYTES = 32  # RFC 7518 section 3.2 for HS256
_REDIS = re.compile(
    r"""(?:redis|(?P<tls>rediss)) :// (?:[^@/?#\s]*@)?             # a user, a password
        (?:[\w-]{1,63} (?:\.[\w-]{1,63})* | \[[0-9A-Fa-f:.]+\])   # a name or an address
        (?::(?P<port>[0-9]{1,5}))? (?:/[0-9]{0,4})?
        (?(tls) (?: [?&] ssl_(?:ca_certs|certfile|keyfile) = [^&#\s]+ )* )
      | unix :// (?:[^@/?#\s]*@)? /[^?#\s]+ (?:\?db=[0-9]{1,4})?""",
    re.ASCII | re.VERBOSE,
)

Check = Callable[[str], object]


def one_of(*allowed: str) -> Check:
    return validate.OneOf(allowed, error="must be one of {choices}")


def fits(pattern: str, message: str) -> Check:
    """Check a text against a pattern, of which it must be all."""

    def check(value: str) -> None:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValidationError(message)

    return check


def whole(low: int, high: int) -> Check:
    """Check a whole number from ``low`` to ``high``, as text."""

    def check(value: str) -> None:
        digits = re.fullmatch(r"[+-]?[0-9]{1,20}", value, re.ASCII)
        if not digits or not low <= int(value) <= high:
            raise ValidationError(f"must be a whole number from {low} to {high}")

    return check


def secret(value: str) -> None:
    if value and len(value.encode()) < MIN_SECRET_BYTES:
        raise ValidationError(f"must be at least {MIN_SECRET_BYTES} bytes")


def file(value: str) -> None:
    try:
        if value:
            read_regular(Path(value), MAX_SECRET_BYTES)  # to open a FIFO would wait for a writer
    except (OSError, ValueError) as error:
        raise ValidationError("must name a file that can be read") from error


def host(value: str) -> None:
    """Check an address, or a name that has one now."""
    try:
        filled(value)
        socket.getaddrinfo(value.strip("[]"), None, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        allowed = (
            "write 127.0.0.1 or ::1 for this machine only, 0.0.0.0 or :: for all of its networks"
        )
        if "conda" in value:
            allowed += "; conda sets HOST to a name of its own"
        raise ValidationError(f"{value!r} does not resolve; {allowed}") from error


def folder(value: str) -> None:
    if value and not Path(value).is_dir():
        raise ValidationError("must name a folder")


def certificates(value: str) -> None:
    try:
        if value:
            read_regular(Path(value), MAX_BUNDLE_BYTES)
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; a NUL in a name the other
        raise ValidationError("must name a PEM file of certificates that can be read") from error


def bundle(value: str) -> None:
    """Check what requests takes as REQUESTS_CA_BUNDLE: a file, or a folder."""
    if not Path(value).is_dir():
        certificates(value)


def proxy(value: str) -> None:
    if value:
        usable_proxy(value)


def no_proxy(value: str) -> None:
    for entry in NoProxy(value).entries:
        if entry != "*" and not _is_host_or_network(entry):
            raise ValidationError(
                "must be a comma-separated list such as .example.com (for all below it),"
                " 10.0.0.0/8, db:8080, or *"
            )


def _is_host_or_network(entry: str) -> bool:
    if "/" not in entry:
        return bool(re.fullmatch(r"[\w.:\[\]-]+", entry))
    try:
        ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
    return True


media_type = fits(
    r"\*|[\w.+-]+/([\w.+-]+|\*)",
    "must be a comma-separated list of content types such as image/*, application/pdf, or *",
)
location = fits(
    r"(/([\w.-]+/)+)?",
    "must be a path of nginx that begins and ends with a slash, such as /_files/",
)
service_name = fits(
    r"([A-Za-z0-9][A-Za-z0-9-]{0,62})?", "must be letters, digits and hyphens, such as postern"
)
host_and_port = fits(
    r"(([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4})?",
    "must be HOST:PORT by which others reach this one",
)
public_url = fits(
    r"(https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[\w.~-]+)*/?)?",
    "must be the URL that browsers know this service by, such as https://tools.example.com"
    " or https://example.com/postern",
)
origin = fits(
    r"\*|https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?",
    "must be a comma-separated list of origins such as https://tools.example.com, or *",
)
filled = validate.Length(min=1, error="is empty; give it a value, or leave it out")


def catalog(value: str) -> None:
    if not value:
        raise ValidationError(
            "is empty; write a file such as services.yaml, or an address of Consul or Nacos"
        )
    try:
        address = SourceAddress.read(value)
    except AddressError as error:
        raise ValidationError(str(error)) from None
    if address and address.tls and address.tls.ca:
        file(address.tls.ca)


def registry(kind: str) -> Check:
    """Check the address of a registry: consul, or nacos."""

    def check(value: str) -> None:
        try:
            if value:
                read_address(kind, value)
        except AddressError as error:
            raise ValidationError(str(error)) from None

    return check


def database(value: str) -> None:
    allowed = (
        "must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME, special characters "
        "%-quoted"
    )
    if not value or value.startswith("sqlite:///"):
        return
    if re.match(r"postgres(ql\+\w+)?://", value):
        raise ValidationError(
            f"{allowed}; write postgresql:// in place of {value.partition(':')[0]}://"
        )
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValidationError(allowed) from None
    if url.drivername != "postgresql" or not url.database or "@" in (url.host or ""):
        raise ValidationError(allowed)


def redis(value: str) -> None:
    fits = _REDIS.fullmatch(value)
    if value and not (fits and int(fits["port"] or 1) in range(1, 65536)):
        raise ValidationError(
            "must be redis://:PASSWORD@HOST:PORT/DATABASE, the same as rediss:// with TLS "
            "(?ssl_ca_certs=FILE, too),"
            " or unix://:PASSWORD@/PATH?db=DATABASE, special characters %-quoted"
        )


def collector(value: str) -> None:
    if value and not re.fullmatch(r"https?://[^\s?#]+", value):
        raise ValidationError(
            "must be a collector's OTLP/HTTP address such as http://localhost:4318"
        )
    if value and not _is_installed("opentelemetry.exporter.otlp.proto.http"):
        raise ValidationError(
            "spans need an extra that is not installed: pip install -r requirements/otel.txt"
        )


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of a package it is in
        return False


def network(value: str) -> None:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise ValidationError(
            "must be a comma-separated list of networks such as 10.0.0.0/8"
        ) from error


def rate(value: str) -> None:
    amount, _, unit = value.partition("/")
    if not (amount.isdecimal() and int(amount) > 0 and unit in ("second", "minute", "hour", "day")):
        raise ValidationError(
            "must be a number per second, minute, hour or day, such as 600/minute"
        )
