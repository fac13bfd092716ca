"""Settings from the environment and ``.env``: the only reader of ``os.environ``. All that is wrong is said at once.

A little long, because each setting stands here whole: its name, its default, and what it may be.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, cast
from urllib.parse import unquote, urlsplit

import dotenv
import environs
from marshmallow import ValidationError, validate
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from gateway.masking import Secret
from gateway.sources import Address, AddressError

ROOT = Path(__file__).parent
INSTANCE = ROOT / "instance"
SHORTEST_SECRET = 32  # bytes, RFC 7518 section 3.2 for HS256
_REDIS = re.compile(
    r"""(?:redis|(?P<tls>rediss)) :// (?:[^@/?#\s]*@)?             # a user, a password
        (?:[\w-]{1,63} (?:\.[\w-]{1,63})* | \[[0-9A-Fa-f:.]+\])   # a name or an address
        (?::(?P<port>[0-9]{1,5}))? (?:/[0-9]{0,4})?
        (?(tls) (?: [?&] ssl_(?:ca_certs|certfile|keyfile) = [^&#\s]+ )* )
      | unix :// (?:[^@/?#\s]*@)? /[^?#\s]+ (?:\?db=[0-9]{1,4})?""",
    re.ASCII | re.VERBOSE,
)


class SettingsError(ValueError):
    """One line for each setting that is wrong: its name and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """Everything the service can be told from outside. Durations in seconds, sizes in bytes."""

    env: str = "development"
    host: str = "127.0.0.1"
    port: int = 5000
    catalog: str = field(default="services.yaml", repr=False)  # it may hold a token
    catalog_copy: str = str(INSTANCE / "catalog.last.yaml")
    database_url: str = field(default="", repr=False)  # it may hold a password
    database_pool_size: int = 10
    redis_url: str = field(default="", repr=False)
    redis_down: str = "closed"
    jwt_algorithm: str = "HS256"
    jwt_secret: Secret = field(default_factory=lambda: Secret(""))
    jwt_previous_secrets: tuple[Secret, ...] = ()
    jwt_private_key_file: str = ""
    jwt_public_key_files: tuple[str, ...] = ()
    jwt_issuer: str = "postern"
    jwt_audience: str = "postern"
    access_token_ttl: int = 900
    refresh_token_ttl: int = 14 * 86400
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: int = 0
    max_body: int = 1024 * 1024
    max_upload: int = 64 * 1024 * 1024
    files_dir: str = str(INSTANCE / "files")
    files_allow: tuple[str, ...] = ("*",)
    files_quota: int = 1024**3
    files_accel: str = ""
    metrics_allow: tuple[str, ...] = ()
    default_rate_limit: str = "600/minute"
    log_level: str = "info"
    otlp_endpoint: str = field(default="", repr=False)  # it may hold a password
    web_concurrency: int = 1
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)  # for the catalog's ${NAME}

    @property
    def development(self) -> bool:
        return self.env == "development"

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What no log line may show."""
        return self.jwt_secret, *self.jwt_previous_secrets, *self._database_passwords(), *self._redis_password()

    @classmethod
    def from_env(cls) -> Settings:
        """Read and check every setting; in development a missing JWT secret is made and kept in ``instance/``.

        :raises SettingsError: naming each wrong setting and what is allowed.
        """
        env = _Reader()
        environ = Environ(ROOT / ".env")
        env.read_env(str(ROOT / ".env"), recurse=False)
        settings = _read(env)
        problems = env.problems()
        right = {name: value for name, value in settings.items() if value is not None}
        made = cls(**right, environ=environ)
        told = {problem.partition(":")[0] for problem in problems}
        problems += [each for each in made._conflicts() if each.partition(":")[0] not in told]
        if problems:
            raise SettingsError("\n".join(problems))
        if made.jwt_algorithm == "HS256" and not made.jwt_secret.reveal():
            return replace(made, jwt_secret=kept_secret(INSTANCE / "jwt_secret"))
        return made

    def _database_passwords(self) -> list[Secret]:
        """The database URL's, as it is and as it is written there."""
        if not self.database_url:
            return []
        url = make_url(self.database_url)
        written = self.database_url.partition("://")[2].partition("@")[0].partition(":")[2]
        asked = [value for name, value in url.query.items() if "password" in name and isinstance(value, str)]
        return [Secret(each) for each in (url.password, written, *asked) if each]

    def _redis_password(self) -> list[Secret]:
        """As it is and as it is written in the URL."""
        written = urlsplit(self.redis_url).password or ""
        return [Secret(each) for each in (written, unquote(written)) if each]

    def _conflicts(self) -> list[str]:
        """What no single setting shows."""
        problems = []
        if self.jwt_algorithm == "HS256" and not self.jwt_secret.reveal() and not self.development:
            problems.append(f"JWT_SECRET: is not set; in production give it at least {SHORTEST_SECRET} bytes")
        if self.jwt_algorithm != "HS256" and not self.jwt_private_key_file:
            problems.append(f"JWT_PRIVATE_KEY_FILE: is not set; {self.jwt_algorithm} signs with a PEM private key")
        if self.web_concurrency > 1 and not self.redis_url:
            problems.append("WEB_CONCURRENCY: state is in memory, so exactly 1 worker is allowed")
        if not self.development and "*" in self.cors_origins:
            problems.append("CORS_ORIGINS: * is refused in production; name the origins")
        return problems


class Environ(Mapping[str, str]):
    """The environment as it is when this is made, and beneath it what a ``.env`` says now.

    So a catalog that is changed while the service runs finds the ``${NAME}`` that was written into ``.env`` for it.
    """

    _taken: ClassVar[dict[str, str]] = {}  # what a .env, and not the environment, gave ``os.environ``; forks keep it

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: tuple[int, int, int] | None = None
        self._told: dict[str, str] = {}
        self._look()
        self._taken.update((name, value) for name, value in self._told.items() if name not in os.environ)
        self._outer = {name: value for name, value in os.environ.items() if self._taken.get(name) != value}

    def __getitem__(self, name: str) -> str:
        self._look()
        return self._outer[name] if name in self._outer else self._told[name]

    def __iter__(self) -> Iterator[str]:
        self._look()
        return iter({**self._told, **self._outer})

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _look(self) -> None:
        """What cannot be read says what it said before."""
        try:
            found = self._file.stat()
            stamp = found.st_ino, found.st_size, found.st_mtime_ns
            if stamp != self._stamp:
                told = dotenv.dotenv_values(self._file)
                self._told, self._stamp = {name: value for name, value in told.items() if value is not None}, stamp
        except FileNotFoundError:
            self._told, self._stamp = {}, None
        except (OSError, UnicodeDecodeError):
            return


class _Reader(environs.Env):
    """environs, with each problem as one line that names the setting."""

    def __init__(self) -> None:
        super().__init__(eager=False)

    def comma_separated(self, name: str, check: Callable[[str], None]) -> tuple[str, ...] | None:
        """A comma-separated list, each item checked."""

        def every(values: list[str]) -> None:
            for value in values:
                check(value)

        values: list[str] | None = self.list(name, [], validate=every)
        return None if values is None else tuple(values)

    def problems(self) -> list[str]:
        try:
            self.seal()
        except environs.EnvValidationError as error:
            messages = cast(Mapping[str, list[str]], error.error_messages)
            return [f"{name}: {' '.join(map(str, each))}" for name, each in messages.items()]
        return []


def _read(env: _Reader) -> dict[str, Any]:
    """Every setting by its field's name; None where it is wrong."""
    return {
        "env": env.str("ENV", "development", validate=_one_of("development", "production")),
        "host": env.str("HOST", "127.0.0.1"),
        "port": env.int("PORT", 5000, validate=_range(0, 65535)),
        "catalog": env.str("CATALOG", "services.yaml", validate=_catalog),
        "catalog_copy": env.str("CATALOG_COPY", "") or str(INSTANCE / "catalog.last.yaml"),
        "database_url": env.str("DATABASE_URL", "", validate=_database) or f"sqlite:///{INSTANCE / 'postern.db'}",
        "database_pool_size": env.int("DATABASE_POOL_SIZE", 10, validate=_range(1, 100)),
        "redis_url": env.str("REDIS_URL", "", validate=_redis),
        "redis_down": env.str("REDIS_DOWN", "closed", validate=_one_of("closed", "open")),
        "jwt_algorithm": env.str("JWT_ALGORITHM", "HS256", validate=_one_of("HS256", "RS256", "EdDSA")),
        "jwt_secret": Secret(env.str("JWT_SECRET", "", validate=_secret) or ""),
        "jwt_previous_secrets": tuple(map(Secret, env.comma_separated("JWT_PREVIOUS_SECRETS", _secret) or ())),
        "jwt_private_key_file": env.str("JWT_PRIVATE_KEY_FILE", "", validate=_file),
        "jwt_public_key_files": env.comma_separated("JWT_PUBLIC_KEY_FILES", _file),
        "jwt_issuer": env.str("JWT_ISSUER", "postern"),
        "jwt_audience": env.str("JWT_AUDIENCE", "postern"),
        "access_token_ttl": env.int("ACCESS_TOKEN_TTL", 900, validate=_range(1, 86400)),
        "refresh_token_ttl": env.int("REFRESH_TOKEN_TTL", 14 * 86400, validate=_range(1, 366 * 86400)),
        "cors_origins": env.comma_separated("CORS_ORIGINS", _origin),
        "trusted_proxies": env.int("TRUSTED_PROXIES", 0, validate=_range(0, 10)),
        "max_body": env.int("MAX_BODY", 1024 * 1024, validate=_range(1, 2**31)),
        "max_upload": env.int("MAX_UPLOAD", 64 * 1024 * 1024, validate=_range(1, 2**40)),
        "files_dir": env.str("FILES_DIR", "", validate=_folder) or str(INSTANCE / "files"),
        "files_allow": env.comma_separated("FILES_ALLOW", _media_type) or ("*",),
        "files_quota": env.int("FILES_QUOTA", 1024**3, validate=_range(1, 2**60)),
        "files_accel": env.str("FILES_ACCEL", "", validate=_location),
        "metrics_allow": env.comma_separated("METRICS_ALLOW", _network),
        "default_rate_limit": env.str("DEFAULT_RATE_LIMIT", "600/minute", validate=_rate),
        "log_level": env.str("LOG_LEVEL", "info", validate=_one_of("debug", "info", "warning", "error")),
        "otlp_endpoint": env.str("OTEL_EXPORTER_OTLP_ENDPOINT", "", validate=_collector),
        "web_concurrency": env.int("WEB_CONCURRENCY", 1, validate=_range(1, 256)),
    }


def kept_secret(file: Path) -> Secret:
    """The secret in a file, made on first use, readable by its owner only."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # another process was first
            return kept_secret(file)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_urlsafe(48))
    return Secret(file.read_text().strip())


def _one_of(*allowed: str) -> Any:
    def check(value: str) -> None:
        if value not in allowed:
            raise ValidationError(f"must be one of {', '.join(allowed)}")

    return check


def _range(low: int, high: int) -> validate.Range:
    return validate.Range(low, high, error=f"must be a whole number from {low} to {high}")


def _secret(value: str) -> None:
    if value and len(value.encode()) < SHORTEST_SECRET:
        raise ValidationError(f"must be at least {SHORTEST_SECRET} bytes")


def _file(value: str) -> None:
    if value and not Path(value).is_file():
        raise ValidationError("must name a file that can be read")


def _folder(value: str) -> None:
    if value and Path(value).exists() and not Path(value).is_dir():
        raise ValidationError("must name a folder")


def _media_type(value: str) -> None:
    if value != "*" and not re.fullmatch(r"[\w.+-]+/([\w.+-]+|\*)", value, re.ASCII):
        raise ValidationError("must be a comma-separated list of content types such as image/*, application/pdf, or *")


def _location(value: str) -> None:
    if value and not re.fullmatch(r"/([\w.-]+/)+", value, re.ASCII):
        raise ValidationError("must be a path of nginx that begins and ends with a slash, such as /_files/")


def _catalog(value: str) -> None:
    """The message never quotes the value, which may hold a token."""
    try:
        address = Address.read(value)
    except AddressError as error:
        raise ValidationError(str(error)) from None
    if address and address.tls and address.tls.ca:
        _file(address.tls.ca)


def _database(value: str) -> None:
    """The message never quotes the value, which may hold a password."""
    allowed = "must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME, special characters %-quoted"
    if not value or value.startswith("sqlite:///"):
        return
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValidationError(allowed) from None
    if url.drivername != "postgresql" or not url.database or "@" in (url.host or ""):
        raise ValidationError(allowed)


def _redis(value: str) -> None:
    """The message never quotes the value, which may hold a password."""
    fits = _REDIS.fullmatch(value)
    if value and not (fits and int(fits["port"] or 1) in range(1, 65536)):
        raise ValidationError(
            "must be redis://:PASSWORD@HOST:PORT/DATABASE, the same as rediss:// with TLS (?ssl_ca_certs=FILE, too),"
            " or unix://:PASSWORD@/PATH?db=DATABASE, special characters %-quoted"
        )


def _origin(value: str) -> None:
    if value != "*" and not validate_origin(value):
        raise ValidationError("must be a comma-separated list of origins such as https://tools.example.com, or *")


def validate_origin(value: str) -> bool:
    return re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", value) is not None


def _collector(value: str) -> None:
    if value and not re.fullmatch(r"https?://[^\s?#]+", value):
        raise ValidationError("must be a collector's OTLP/HTTP address such as http://localhost:4318")
    if value and not _installed("opentelemetry.exporter.otlp.proto.http"):
        raise ValidationError("spans need an extra that is not installed: pip install -r requirements-otel.txt")


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of a package it is in
        return False


def _network(value: str) -> None:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise ValidationError("must be a comma-separated list of networks such as 10.0.0.0/8") from error


def _rate(value: str) -> None:
    amount, _, unit = value.partition("/")
    if not (amount.isdecimal() and int(amount) > 0 and unit in ("second", "minute", "hour", "day")):
        raise ValidationError("must be a number per second, minute, hour or day, such as 600/minute")
