"""Settings from the environment and ``.env``: the only reader of ``os.environ``.

All mistakes are reported at once. Each setting stands here whole: its name, its default, and what
it may be. ``checks`` checks one value, ``places`` folders and ports, ``environ`` reads.

    settings = Settings.from_env()
    app = create_app(settings)
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import dotenv

from config import checks, places
from config.environ import ENCODING, Environ, Reader, dotenv_problem, near_misses, unused_proxies
from gateway.catalog.egress_proxy import NoProxy, read_proxy
from gateway.catalog.registry_names import EXAMPLES, registry_address
from gateway.discovery.registration import Announcement
from gateway.http.connect.certificates import Trust
from gateway.http.outbound import Outbound
from gateway.masking import Secret

ROOT = Path(__file__).parents[1]
INSTANCE = ROOT / "instance"
PORTS = {"http": 80, "https": 443}


class SettingsError(ValueError):
    """One line for each setting that is wrong: its name and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """Everything that is set from outside. Durations in seconds, sizes in bytes."""

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
    secrets_key: Secret = field(default_factory=lambda: Secret(""))
    secrets_previous_keys: tuple[Secret, ...] = ()
    jwt_private_key_file: str = ""
    jwt_public_key_files: tuple[str, ...] = ()
    jwt_issuer: str = "postern"
    jwt_audience: str = "postern"
    access_token_ttl: int = 900
    refresh_token_ttl: int = 14 * 86400
    audit_keep_days: int = 365
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: int = 0
    public_url: str = ""
    max_body: int = 1024 * 1024
    max_upload: int = 64 * 1024 * 1024
    files_dir: str = str(INSTANCE / "files")
    files_allow: tuple[str, ...] = ("*",)
    files_quota: int = 1024**3
    files_accel: str = ""
    metrics_allow: tuple[str, ...] = ()
    default_rate_limit: str = "600/minute"
    consul_http_addr: str = ""
    nacos_addr: str = ""
    consul_register: str = ""
    consul_register_address: str = ""
    consul_register_tags: tuple[str, ...] = ()
    egress_proxy: str = field(default="", repr=False)  # it may hold a password
    egress_no_proxy: str = ""
    ssl_cert_file: str = ""
    ssl_cert_dir: str = ""
    requests_ca_bundle: str = ""
    log_level: str = "info"
    otlp_endpoint: str = field(default="", repr=False)  # it may hold a password
    web_concurrency: int = 1
    drain_seconds: int = 5
    environ: Mapping[str, str] = field(
        default_factory=dict, repr=False
    )  # for the catalog's ${NAME}
    warnings: tuple[str, ...] = ()  # of what is likely a slip

    @property
    def development(self) -> bool:
        return self.env == "development"

    @property
    def bind(self) -> str:
        """Host and port to listen on."""
        if ":" in self.host:
            return f"[{self.host}]:{self.port}"
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL for programs on this machine."""
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
        return f"http://{replace(self, host=loopback.get(self.host, self.host)).bind}"

    @property
    def base_url(self) -> str:
        """The base URL for browsers, without a slash at its end."""
        return self.public_url.rstrip("/") or self.url

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets that no log line may show."""
        return (
            self.jwt_secret,
            *self.jwt_previous_secrets,
            self.secrets_key,
            *self.secrets_previous_keys,
            *self._database_passwords(),
            *self._redis_password(),
            *self._proxy_passwords(),
        )

    @classmethod
    def from_env(cls) -> Settings:
        """Read and check every setting; in development, store a missing JWT secret.

        :raises SettingsError: naming each wrong setting and what is allowed.
        """
        file = ROOT / ".env"
        if problem := dotenv_problem(file):
            raise SettingsError(problem)
        environ = Environ(file)
        dotenv.load_dotenv(file, encoding=ENCODING)
        env = Reader()
        values = _read(env)
        problems = env.problems()
        valid = {name: value for name, value in values.items() if value is not None}
        settings = cls(**valid, environ=environ, warnings=tuple(near_misses(environ, env.names)))
        settings = replace(
            settings, warnings=settings.warnings + unused_proxies(environ, settings.egress_proxy)
        )
        names = {problem.partition(":")[0] for problem in problems}
        conflicts = settings._conflicts()
        problems += [line for line in conflicts if line.partition(":")[0] not in names]
        if problems:
            raise SettingsError("\n".join(problems))
        if settings.jwt_algorithm == "HS256" and not settings.jwt_secret.reveal():
            return replace(settings, jwt_secret=load_or_create_secret(INSTANCE / "jwt_secret"))
        return settings

    @property
    def outbound(self) -> Outbound:
        """How calls leave for services."""
        proxy = None
        if self.egress_proxy:
            proxy = read_proxy(self.egress_proxy)
        return Outbound(self._trust(), proxy, NoProxy(self.egress_no_proxy))

    def _trust(self) -> Trust:
        """Return the certificates to trust; OpenSSL's settings come before that of requests."""
        trust = Trust()
        if self.ssl_cert_file or self.ssl_cert_dir:
            return Trust(self.ssl_cert_file or trust.file, self.ssl_cert_dir or None)
        bundle = self.requests_ca_bundle
        if bundle and Path(bundle).is_dir():
            return Trust(None, bundle)
        if bundle:
            return Trust(bundle)
        return trust

    def _proxy_passwords(self) -> Iterable[Secret]:
        if not self.egress_proxy:
            return ()
        return read_proxy(self.egress_proxy).secrets

    def _database_passwords(self) -> list[Secret]:
        """Return the database URL's passwords, as they are and as they are written there."""
        if not self.database_url:
            return []
        user, _, rest = self.database_url.partition("://")[2].partition("@")
        written = user.partition(":")[2]
        query = parse_qsl((rest or user).partition("?")[2])
        parameters = [value for name, value in query if "password" in name]
        return [Secret(text) for text in (unquote(written), written, *parameters) if text]

    def _redis_password(self) -> list[Secret]:
        """Return Redis' password, as it is and as it is written in the URL."""
        written = urlsplit(self.redis_url).password or ""
        return [Secret(text) for text in (written, unquote(written)) if text]

    def _conflicts(self) -> list[str]:
        """Return the problems that no single setting shows."""
        problems = []
        if self.jwt_algorithm == "HS256" and not self.jwt_secret.reveal() and not self.development:
            problems.append(
                f"JWT_SECRET: is not set; in production give it at least {checks.MIN_SECRET_BYTES} "
                "bytes"
            )
        if self.jwt_algorithm != "HS256" and not self.jwt_private_key_file:
            problems.append(
                f"JWT_PRIVATE_KEY_FILE: is not set; {self.jwt_algorithm} signs with a PEM private "
                "key"
            )
        if self.web_concurrency > 1 and not self.redis_url:
            problems.append(
                "WEB_CONCURRENCY: state is in memory, so exactly 1 worker is allowed;"
                " for more, set REDIS_URL=redis://localhost:6379/0"
            )
        if not self.development and "*" in self.cors_origins:
            problems.append("CORS_ORIGINS: * is refused in production; name the origins")
        if self.consul_register:
            problems += self._registration_problems()
        return problems + list(self._unwritable())

    def _registration_problems(self) -> Iterator[str]:
        if not registry_address("consul", self.environ):
            yield f"CONSUL_HTTP_ADDR: is not set, such as {EXAMPLES['consul']}"
        if not self.consul_register_address and not self.public_url:
            yield (
                "CONSUL_REGISTER_ADDRESS: is not set; write HOST:PORT by which others reach this"
                " instance, or set PUBLIC_URL"
            )

    @property
    def announcement(self) -> Announcement | None:
        """What Consul is told of this instance; None where it is told nothing."""
        if not self.consul_register:
            return None
        url = urlsplit(self.public_url)
        if self.consul_register_address:
            url = urlsplit(f"http://{self.consul_register_address}")
        port = url.port or PORTS[url.scheme]
        return Announcement(
            self.consul_register, str(url.hostname), port, url.scheme, self.consul_register_tags
        )

    def _unwritable(self) -> Iterator[str]:
        """Yield the folders and files that cannot be written, by the setting that moves them."""
        if problem := places.folder_problem(Path(self.files_dir)):
            yield f"FILES_DIR: {problem}"
        if problem := places.database_problem(self.database_url):
            yield f"DATABASE_URL: {problem}"
        copy = Path(self.catalog_copy)
        if copy.parent == INSTANCE:  # a service can do without that one
            return
        if problem := places.file_problem(copy):
            yield f"CATALOG_COPY: {problem}"


def _read(env: Reader) -> dict[str, Any]:
    """Read every setting, by its field's name; None where it is wrong."""
    return {
        "env": env.str("ENV", "development", validate=checks.one_of("development", "production")),
        "host": (env.str("HOST", "127.0.0.1", validate=checks.host) or "").strip("[]"),
        "port": env.whole("PORT", 5000, 0, 65535),
        "catalog": env.str("CATALOG", "services.yaml", validate=checks.catalog),
        "catalog_copy": env.str("CATALOG_COPY", "") or str(INSTANCE / "catalog.last.yaml"),
        "database_url": env.str("DATABASE_URL", "", validate=checks.database)
        or f"sqlite:///{INSTANCE / 'postern.db'}",
        "database_pool_size": env.whole("DATABASE_POOL_SIZE", 10, 1, 100),
        "redis_url": env.str("REDIS_URL", "", validate=checks.redis),
        "redis_down": env.str("REDIS_DOWN", "closed", validate=checks.one_of("closed", "open")),
        "jwt_algorithm": env.str(
            "JWT_ALGORITHM", "HS256", validate=checks.one_of("HS256", "RS256", "EdDSA")
        ),
        "jwt_secret": Secret(env.str("JWT_SECRET", "", validate=checks.secret) or ""),
        "jwt_previous_secrets": tuple(
            map(Secret, env.comma_separated("JWT_PREVIOUS_SECRETS", checks.secret) or ())
        ),
        "secrets_key": Secret(env.str("SECRETS_KEY", "", validate=checks.secret) or ""),
        "secrets_previous_keys": tuple(
            map(Secret, env.comma_separated("SECRETS_PREVIOUS_KEYS", checks.secret) or ())
        ),
        "jwt_private_key_file": env.str("JWT_PRIVATE_KEY_FILE", "", validate=checks.file),
        "jwt_public_key_files": env.comma_separated("JWT_PUBLIC_KEY_FILES", checks.file),
        "jwt_issuer": env.str("JWT_ISSUER", "postern", validate=checks.filled),
        "jwt_audience": env.str("JWT_AUDIENCE", "postern", validate=checks.filled),
        "access_token_ttl": env.whole("ACCESS_TOKEN_TTL", 900, 1, 86400),
        "refresh_token_ttl": env.whole("REFRESH_TOKEN_TTL", 14 * 86400, 1, 366 * 86400),
        "audit_keep_days": env.whole("AUDIT_KEEP_DAYS", 365, 1, 36500),
        "cors_origins": env.comma_separated("CORS_ORIGINS", checks.origin),
        "trusted_proxies": env.whole("TRUSTED_PROXIES", 0, 0, 10),
        "public_url": env.str("PUBLIC_URL", "", validate=checks.public_url),
        "max_body": env.whole("MAX_BODY", 1024 * 1024, 1, 2**31),
        "max_upload": env.whole("MAX_UPLOAD", 64 * 1024 * 1024, 1, 2**40),
        "files_dir": env.str("FILES_DIR", "") or str(INSTANCE / "files"),
        "files_allow": env.comma_separated("FILES_ALLOW", checks.media_type) or ("*",),
        "files_quota": env.whole("FILES_QUOTA", 1024**3, 1, 2**60),
        "files_accel": env.str("FILES_ACCEL", "", validate=checks.location),
        "metrics_allow": env.comma_separated("METRICS_ALLOW", checks.network),
        "default_rate_limit": env.str("DEFAULT_RATE_LIMIT", "600/minute", validate=checks.rate),
        "consul_http_addr": env.str("CONSUL_HTTP_ADDR", "", validate=checks.consul),
        "nacos_addr": env.str("NACOS_ADDR", "", validate=checks.nacos),
        "consul_register": env.str("CONSUL_REGISTER", "", validate=checks.service_name),
        "consul_register_address": env.str(
            "CONSUL_REGISTER_ADDRESS", "", validate=checks.host_and_port
        ),
        "consul_register_tags": env.comma_separated("CONSUL_REGISTER_TAGS", checks.filled),
        "egress_proxy": env.str("EGRESS_PROXY", "", validate=checks.proxy),
        "egress_no_proxy": env.str("EGRESS_NO_PROXY", "", validate=checks.no_proxy),
        "ssl_cert_file": env.str("SSL_CERT_FILE", "", validate=checks.certificates),
        "ssl_cert_dir": env.str("SSL_CERT_DIR", "", validate=checks.folder),
        "requests_ca_bundle": env.str("REQUESTS_CA_BUNDLE", "", validate=checks.bundle),
        "log_level": env.str(
            "LOG_LEVEL", "info", validate=checks.one_of("debug", "info", "warning", "error")
        ),
        "otlp_endpoint": env.str("OTEL_EXPORTER_OTLP_ENDPOINT", "", validate=checks.collector),
        "web_concurrency": env.whole("WEB_CONCURRENCY", 1, 1, 256),
        "drain_seconds": env.whole("DRAIN_SECONDS", 5, 0, 300),
    }


def load_or_create_secret(file: Path) -> Secret:
    """Return the secret in a file, which is made at first and readable by its owner only.

    :raises SettingsError: it cannot be read or made.
    """
    name = file.name.upper()
    try:
        if not file.exists():
            _make_secret(file)
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise SettingsError(
            f"{name}: is not set, and {file} cannot be read or made ({reason})"
        ) from error
    if len(text.encode()) < checks.MIN_SECRET_BYTES:
        raise SettingsError(
            f"{name}: {file} holds fewer than {checks.MIN_SECRET_BYTES} bytes; delete it, and a "
            "new one is made"
        )
    return Secret(text)


def _make_secret(file: Path) -> None:
    """Make the file whole before it has its name; the process that comes first makes it for all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent) as draft:  # readable by its owner only
        draft.write(secrets.token_urlsafe(48))
        draft.flush()
        with suppress(FileExistsError):
            os.link(draft.name, file)
