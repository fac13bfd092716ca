"""Settings from the environment and ``.env``: the only reader of ``os.environ``.

    app = create_app(Settings.from_env())

All mistakes are reported at once. Each setting stands here whole: its name, its default, and what
it may be. ``fields`` reads it, ``checks`` checks one value, ``places`` folders and ports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import dotenv

from config import checks, places
from config.environ import ENCODING, Environ, Reader, dotenv_problem, near_misses, unused_proxies
from config.environ import SettingsError as SettingsError
from config.fields import (
    comma_separated,
    host_name,
    one_of,
    place,
    read_fields,
    secret,
    secret_list,
    text,
    whole,
)
from config.secret_file import load_or_create_secret
from gateway.catalog.egress_proxy import NoProxy, Proxy
from gateway.catalog.registry_names import EXAMPLES, registry_address
from gateway.discovery.registration import Announcement
from gateway.http.connect.certificates import Trust
from gateway.http.outbound import Outbound
from gateway.http_messages import DEFAULT_PORTS, authority
from gateway.masking import Secret

ROOT = Path(__file__).parents[1]
INSTANCE = ROOT / "instance"


@dataclass(frozen=True)
class Settings:
    """Everything that is set from outside. Durations in seconds, sizes in bytes."""

    env: str = one_of("development", "production")
    host: str = host_name("127.0.0.1")
    port: int = whole(5000, 0, 65535)
    sandbox_port: int = whole(5099, 1, 65535)
    catalog: str = text("services.yaml", checks.catalog, secret=True)
    catalog_copy: str = place(lambda: str(INSTANCE / "catalog.last.yaml"))
    database_url: str = place(
        lambda: f"sqlite:///{INSTANCE / 'postern.db'}", checks.database, secret=True
    )
    database_pool_size: int = whole(10, 1, 100)
    redis_url: str = text("", checks.redis, secret=True)
    redis_down: str = one_of("closed", "open")
    jwt_algorithm: str = one_of("HS256", "RS256", "EdDSA")
    jwt_secret: Secret = secret()
    jwt_previous_secrets: tuple[Secret, ...] = secret_list()
    secrets_key: Secret = secret()
    secrets_previous_keys: tuple[Secret, ...] = secret_list()
    jwt_private_key_file: str = text("", checks.file)
    jwt_public_key_files: tuple[str, ...] = comma_separated(checks.file)
    jwt_issuer: str = text("postern", checks.filled)
    jwt_audience: str = text("postern", checks.filled)
    access_token_ttl: int = whole(900, 1, 86400)
    refresh_token_ttl: int = whole(14 * 86400, 1, 366 * 86400)
    audit_keep_days: int = whole(365, 1, 36500)
    cors_origins: tuple[str, ...] = comma_separated(checks.origin)
    trusted_proxies: int = whole(0, 0, 10)
    public_url: str = text("", checks.public_url)
    max_body: int = whole(1024 * 1024, 1, 2**31)
    max_upload: int = whole(64 * 1024 * 1024, 1, 2**40)
    files_dir: str = place(lambda: str(INSTANCE / "files"))
    files_allow: tuple[str, ...] = comma_separated(checks.media_type, "*")
    files_quota: int = whole(1024**3, 1, 2**60)
    files_accel: str = text("", checks.location)
    metrics_allow: tuple[str, ...] = comma_separated(checks.network)
    default_rate_limit: str = text("600/minute", checks.rate)
    consul_http_addr: str = text("", checks.registry("consul"))
    nacos_addr: str = text("", checks.registry("nacos"))
    consul_register: str = text("", checks.service_name)
    consul_register_address: str = text("", checks.host_and_port)
    consul_register_tags: tuple[str, ...] = comma_separated(checks.filled)
    egress_proxy: str = text("", checks.proxy, secret=True)
    egress_no_proxy: str = text("", checks.no_proxy)
    ssl_cert_file: str = text("", checks.certificates)
    ssl_cert_dir: str = text("", checks.folder)
    requests_ca_bundle: str = text("", checks.bundle)
    log_level: str = text("info", checks.one_of("debug", "info", "warning", "error"))
    otlp_endpoint: str = text(
        "", checks.collector, secret=True, variable="OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    web_concurrency: int = whole(1, 1, 256)
    drain_seconds: int = whole(5, 0, 300)
    #: For the catalog's ``${NAME}``.
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()  # of what is likely a slip

    @property
    def development(self) -> bool:
        return self.env == "development"

    @property
    def bind(self) -> str:
        """Host and port to listen on."""
        return authority(self.host, self.port)

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
        values = read_fields(cls, env)
        problems = env.problems()
        valid = {name: value for name, value in values.items() if value is not None}
        warnings = near_misses(environ, env.names)
        warnings += unused_proxies(environ, valid.get("egress_proxy", ""))
        settings = cls(**valid, environ=environ, warnings=tuple(warnings))
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
            proxy = Proxy.read(self.egress_proxy)
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
        return Proxy.read(self.egress_proxy).secrets

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
        return problems + list(self._write_problems())

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
        port = url.port or DEFAULT_PORTS[url.scheme]
        return Announcement(
            self.consul_register, str(url.hostname), port, url.scheme, self.consul_register_tags
        )

    def _write_problems(self) -> Iterator[str]:
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
