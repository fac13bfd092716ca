"""Settings: all that is wrong is said at once, with its name and what is allowed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from certifi import where
from redis import ConnectionPool

import config
from config import Settings, SettingsError
from config.environ import PROXY_VARIABLES, Reader
from config.fields import read_fields
from gateway.http.connect.certificates import Trust

ROOT = Path(__file__).parents[1]
SECRET = "x" * 32


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of this machine, no .env, and an instance folder of the test's own."""
    for name in _example():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(config, "ROOT", tmp_path)
    monkeypatch.setattr(config, "INSTANCE", tmp_path / "instance")


def _example() -> dict[str, str]:
    text = (ROOT / ".env.example").read_text()
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.M))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENV", "staging"), ("PORT", "70000"), ("PORT", "five"), ("WEB_CONCURRENCY", "0"), ("LOG_LEVEL", "loud"),
        ("TRUSTED_PROXIES", "-1"), ("MAX_BODY", "1MB"), ("MAX_UPLOAD", "-5"), ("FILES_DIR", "/etc/passwd"), ("FILES_ALLOW", "pdf"), ("FILES_QUOTA", "0"), ("FILES_ACCEL", "_files"), ("METRICS_ALLOW", "everyone"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
        ("CORS_ORIGINS", "tools.example.com"), ("CORS_ORIGINS", "https://*.example.com"), ("JWT_SECRET", "short"), ("JWT_ALGORITHM", "none"),
        ("JWT_PREVIOUS_SECRETS", "short"), ("JWT_PRIVATE_KEY_FILE", "/no/such/file"), ("ACCESS_TOKEN_TTL", "0"),
        ("DEFAULT_RATE_LIMIT", "lots"), ("CATALOG", "consul://x"), ("CATALOG", "consul://u:p@x/y"), ("CATALOG", "nacos://x:y/z"), ("CATALOG", "nacos://x/y?grp=z"), ("CATALOG", "consul://x/y?tls=yes"), ("CATALOG", "consul://x/y?ca=/no/such"), ("CATALOG", "etcd://x/y"), ("DATABASE_URL", "mysql://x"), ("DATABASE_POOL_SIZE", "0"), ("REDIS_DOWN", "maybe"),
    ],
)  # fmt: skip
def test_a_wrong_setting_stops_the_start_with_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f"^{name}: ") as caught:
        Settings.from_env()

    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["JWT_PRIVATE_KEY_FILE", "JWT_PUBLIC_KEY_FILES", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"]
)
def test_a_start_does_not_wait_for_a_writer_of_a_setting_s_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    monkeypatch.setenv(name, str(fifo))

    with pytest.raises(SettingsError, match=f"^{name}: must name a .*file .*that can be read"):
        Settings.from_env()


def test_all_wrong_settings_are_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "five")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    monkeypatch.setenv("WEB_CONCURRENCY", "4")

    with pytest.raises(SettingsError) as caught:
        Settings.from_env()

    assert {line.split(":")[0] for line in str(caught.value).splitlines()} == {
        "PORT",
        "LOG_LEVEL",
        "WEB_CONCURRENCY",
    }


def test_in_production_a_missing_secret_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV", "production")

    with pytest.raises(SettingsError, match="JWT_SECRET: is not set"):
        Settings.from_env()


def test_blanks_beside_the_commas_of_a_list_are_no_part_of_its_items_but_of_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    older = ("a" * 32, " " + "b" * 32)
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example, http://localhost:3000")
    monkeypatch.setenv("FILES_ALLOW", "image/*, application/pdf")
    monkeypatch.setenv("METRICS_ALLOW", "10.0.0.0/8 , 192.168.7.1")
    monkeypatch.setenv("JWT_PREVIOUS_SECRETS", ",".join(older))

    settings = Settings.from_env()

    assert settings.cors_origins == ("https://a.example", "http://localhost:3000")
    assert settings.files_allow == ("image/*", "application/pdf")
    assert settings.metrics_allow == ("10.0.0.0/8", "192.168.7.1")
    assert tuple(secret.reveal() for secret in settings.jwt_previous_secrets) == older


def test_in_production_any_origin_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV", "production")
    monkeypatch.setenv("JWT_SECRET", SECRET)
    monkeypatch.setenv("CORS_ORIGINS", "*")

    with pytest.raises(SettingsError, match="CORS_ORIGINS: "):
        Settings.from_env()


def test_in_development_a_missing_secret_is_made_once_and_kept_for_its_owner_only(
    tmp_path: Path,
) -> None:
    first, second = Settings.from_env(), Settings.from_env()

    assert len(first.jwt_secret.reveal()) >= 32
    assert first.jwt_secret == second.jwt_secret
    assert (tmp_path / "instance" / "jwt_secret").stat().st_mode & 0o777 == 0o600


def test_the_dotenv_file_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=6001\nLOG_LEVEL=error\n")
    monkeypatch.setenv("PORT", "6002")
    monkeypatch.setenv("LOG_LEVEL", "x")  # so that monkeypatch also restores what read_env sets
    monkeypatch.delenv("LOG_LEVEL")

    settings = Settings.from_env()

    assert (settings.port, settings.log_level) == (6002, "error")


def test_a_name_written_into_the_dotenv_file_later_is_found_for_the_catalog(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("VENDOR_KEY=old\nOUTER_KEY=from the file\n")
    monkeypatch.setenv("OUTER_KEY", "outer")
    monkeypatch.setenv("VENDOR_KEY", "x")  # so that monkeypatch also restores what read_env sets
    monkeypatch.delenv("VENDOR_KEY")
    Settings.from_env()  # as gunicorn's master does, whose environment the worker has
    environ = Settings.from_env().environ
    assert (environ["VENDOR_KEY"], environ["OUTER_KEY"]) == ("old", "outer")

    file.write_text("VENDOR_KEY=changed\nOUTER_KEY=changed\nNEW_KEY=new\n")

    assert (environ["VENDOR_KEY"], environ["OUTER_KEY"], environ["NEW_KEY"]) == (
        "changed",
        "outer",
        "new",
    )
    assert {"VENDOR_KEY", "NEW_KEY", "OUTER_KEY"} <= set(environ)
    assert len(environ) == len(set(environ))

    file.unlink()

    assert "NEW_KEY" not in environ
    assert "VENDOR_KEY" not in environ


def test_env_example_names_every_setting_with_its_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader = Reader()
    read_fields(Settings, reader)
    assert set(_example()) == set(reader.names)

    bare = Settings.from_env()
    for name, value in _example().items():
        monkeypatch.setenv(name, value)

    filled = Settings.from_env()

    assert {**vars(filled), "environ": {}} == {**vars(bare), "environ": {}}


def test_no_secret_is_in_the_settings_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", SECRET)

    assert SECRET not in repr(Settings.from_env())


@pytest.mark.parametrize(
    "url",
    ["mysql://u:hunter2@h/d", "postgres://u:hunter2@h/d", "postgresql://u:hunter2@h", "postgresql://u:hunter2@h:x/d",
     "postgresql://u:p@hunter2@h/d", "postgresql+psycopg2://u:hunter2@h/d", "sqlite://", "hunter2"],
)  # fmt: skip
def test_a_database_url_that_is_none_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)

    with pytest.raises(
        SettingsError, match=r"^DATABASE_URL: must be sqlite:///FILE or postgresql://"
    ) as caught:
        Settings.from_env()

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "secrets"),
    [("postgresql://u:hun%2Fter2@h/d", {"hun/ter2", "hun%2Fter2"}), ("postgresql://u@h:5432/d?password=hunter2", {"hunter2"}),
     ("postgresql:///d?host=/run/postgresql", set())],
)  # fmt: skip
def test_the_databases_password_is_a_secret(
    monkeypatch: pytest.MonkeyPatch, url: str, secrets: set[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)

    settings = Settings.from_env()

    assert settings.database_url == url
    assert secrets <= {secret.reveal() for secret in settings.secrets}
    assert not any(secret in repr(settings) for secret in secrets)


@pytest.mark.parametrize("command", [["gunicorn"], ["flask", "catalog", "check"]])
def test_a_wrong_setting_or_catalog_is_said_without_a_traceback(
    command: list[str], tmp_path: Path
) -> None:
    catalog = tmp_path / "broken.yaml"
    catalog.write_text("version: 1\nservices:\n  x:\n    base_ur: http://x\n")
    bin_folder = Path(sys.executable).parent
    for settings, expected in (
        ({"PORT": "five"}, "PORT: "),
        ({"CATALOG": str(catalog)}, "broken.yaml:4: services.x.base_ur"),
    ):
        env = {
            "PATH": str(bin_folder),
            "JWT_SECRET": SECRET,
            "DATABASE_URL": f"sqlite:///{tmp_path}/x.db",
            **settings,
        }
        done = subprocess.run(
            [bin_folder / command[0], *command[1:]],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode != 0
        assert expected in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost", "redis://:pa%2Fss@cache.example.com:6379/3", "rediss://me:pass@10.0.0.5:6380", "redis://[::1]:6379",
        "rediss://cache/1?ssl_ca_certs=/etc/ca.pem&ssl_certfile=/etc/me.pem", "unix:///run/redis.sock", "unix://:pass@/run/redis.sock?db=2",
    ],
)  # fmt: skip
def test_state_may_be_on_redis_and_then_there_may_be_several_workers(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    monkeypatch.setenv("WEB_CONCURRENCY", "4")

    settings = Settings.from_env()

    assert (settings.redis_url, settings.redis_down, settings.web_concurrency) == (url, "closed", 4)
    ConnectionPool.from_url(url).make_connection()


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379", "http://hunter2@x", "redis://", "redis://:hunter2@", "redis://:hunter2/@x", "redis://x:99999", "redis://x:port", "redis://x/name",
        "redis://x?socket_timeout=5", "redis://x?ssl_ca_certs=/ca.pem", "redis://a..b", f"redis://{'a' * 64}", "unix://", "unix:///s?x=1", "redis://x y",
    ],
)  # fmt: skip
def test_a_wrong_redis_url_is_not_quoted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)

    with pytest.raises(SettingsError, match=r"^REDIS_URL: must be redis://:PASSWORD@") as caught:
        Settings.from_env()

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    ["consul://x/y?token=hunter2&other=1", "nacos://ann:hunter2@x/y", "consul://?token=hunter2"],
)
def test_a_catalog_address_that_is_none_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CATALOG", value)

    with pytest.raises(
        SettingsError, match=r"^CATALOG: must be (consul|nacos)://HOST:PORT/"
    ) as caught:
        Settings.from_env()

    assert "hunter2" not in str(caught.value)


def test_the_password_of_redis_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:hunter%2F2@x")

    settings = Settings.from_env()

    assert {"hunter/2", "hunter%2F2"} <= {secret.reveal() for secret in settings.secrets}
    assert "hunter" not in repr(settings)


@pytest.mark.parametrize(
    "value",
    ["consul://h/k?token=hunter2&dc=a", "nacos://[::1]:8848/a.yaml?group=g&password=hunter2"],
)
def test_a_catalog_address_is_accepted_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CATALOG", value)

    settings = Settings.from_env()

    assert settings.catalog == value
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "say"),
    [
        ("HOST", "x86_64-conda-linux-gnu", r"'x86_64-conda-linux-gnu' does not resolve; write 127\.0\.0\.1 .*conda"),
        ("HOST", "", "is empty"), ("HOST", "http://127.0.0.1", "does not resolve"), ("HOST", '"::1"', "quotes"),
        ("CATALOG", "", "is empty; write a file such as services.yaml"), ("PORT", "", "a whole number from 0 to 65535"),
        ("WEB_CONCURRENCY", "auto", "a whole number from 1 to 256"), ("WEB_CONCURRENCY", "4", "set REDIS_URL=redis://"),
        ("DATABASE_URL", "postgres://u:hunter2@h/d", "write postgresql:// in place of postgres://"),
        ("DATABASE_URL", "postgresql+psycopg://u:hunter2@h/d", "write postgresql:// in place of"),
        ("DATABASE_URL", "sqlite:////proc/x/y.db", "/proc/x cannot be written"), ("DATABASE_URL", "sqlite:////tmp", "is a folder"), ("DATABASE_URL", f"sqlite:///{__file__}", "is not a SQLite database"),
        ("FILES_DIR", "/proc/x", "/proc/x cannot be written"), ("CATALOG_COPY", "/proc/x", "cannot be written"),
        ("TRUSTED_PROXIES", "true", "a whole number from 0 to 10"), ("JWT_PUBLIC_KEY_FILES", "/tmp", "a file that can be read"),
        ("JWT_ISSUER", " ", "is empty"),
    ],
)  # fmt: skip
def test_a_slip_of_a_first_run_is_told_what_to_write(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, say: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f"^{name}: .*{say}") as caught:
        Settings.from_env()

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "bind", "url"),
    [("::1", "[::1]:5000", "http://[::1]:5000"), ("[::1]", "[::1]:5000", "http://[::1]:5000"), ("::", "[::]:5000", "http://[::1]:5000"),
     (" 127.0.0.1 ", "127.0.0.1:5000", "http://127.0.0.1:5000"), ("0.0.0.0", "0.0.0.0:5000", "http://127.0.0.1:5000")],
)  # fmt: skip
def test_an_address_of_either_kind_may_be_listened_on(
    monkeypatch: pytest.MonkeyPatch, host: str, bind: str, url: str
) -> None:
    monkeypatch.setenv("HOST", host)

    settings = Settings.from_env()

    assert (settings.bind, settings.url) == (bind, url)


@pytest.mark.parametrize("blocked", ["instance", "instance/jwt_secret"])
def test_an_instance_folder_that_cannot_be_written_is_told_by_the_settings_that_name_another(
    tmp_path: Path, blocked: str
) -> None:
    """A file stands in the folder's place, or a folder in the file's: root may write anywhere else."""
    if blocked == "instance":
        (tmp_path / blocked).touch()
    else:
        (tmp_path / blocked).mkdir(parents=True)

    with pytest.raises(SettingsError) as caught:
        Settings.from_env()

    names = {line.split(":")[0] for line in str(caught.value).splitlines()}
    assert names == ({"FILES_DIR", "DATABASE_URL"} if blocked == "instance" else {"JWT_SECRET"})


def test_an_empty_secret_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "instance").mkdir()
    (tmp_path / "instance" / "jwt_secret").touch()

    with pytest.raises(
        SettingsError, match=r"^JWT_SECRET: .*jwt_secret holds fewer than 32 bytes; delete it"
    ):
        Settings.from_env()


def test_a_dotenv_file_that_begins_with_a_byte_order_mark_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes("LOG_LEVEL=error\n# 端口\n".encode("utf-8-sig"))
    monkeypatch.setenv("LOG_LEVEL", "x")  # so that monkeypatch also restores what is set
    monkeypatch.delenv("LOG_LEVEL")

    assert Settings.from_env().log_level == "error"


@pytest.mark.parametrize(
    ("content", "say"),
    [("PORT=1\n# 端口号\n".encode("gbk"), "line 2 is not UTF-8"), ("PORT=1".encode("utf-16"), "is not UTF-8"),
     ("PORT=1".encode("utf-16-le"), "is not UTF-8"), (None, "is a folder"),
     (b"ENV=development\nPORT 23114\n", "line 2 is not NAME=VALUE")],
)  # fmt: skip
def test_a_dotenv_file_that_cannot_be_read_as_one_stops_the_start(
    tmp_path: Path, content: bytes | None, say: str
) -> None:
    file = tmp_path / ".env"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)

    with pytest.raises(SettingsError, match=rf"^\.env: .*{say}"):
        Settings.from_env()


def test_a_name_that_is_near_to_a_settings_is_warned_of_without_its_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("JWT_SECERT=hunter2\nWECHAT_SECRET=x\nPROT=7\n")
    for name in ("JWT_SECERT", "WECHAT_SECRET", "PROT"):
        monkeypatch.setenv(name, "x")  # so that monkeypatch also restores what is set
        monkeypatch.delenv(name)
    for name in (
        "REDIS_URI",
        "HOSTNAME",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "LOGNAME",
        "POSTERN_PORT",
        "no_proxy",
    ):
        monkeypatch.setenv(name, "hunter2")

    warnings = Settings.from_env().warnings

    assert [warning for warning in warnings if "is no setting" in warning] == [
        "JWT_SECERT: is no setting; did you mean JWT_SECRET?",
        "PROT: is no setting; did you mean PORT?",
        "REDIS_URI: is no setting; did you mean REDIS_URL?",
    ]


def test_an_egress_proxys_password_is_a_secret_and_a_wrong_one_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EGRESS_PROXY", "http://ann:hun%2Fter2@proxy:3128")
    monkeypatch.setenv("EGRESS_NO_PROXY", ".example.com, 10.0.0.0/8")
    settings = Settings.from_env()
    assert {"hun/ter2", "hun%2Fter2"} <= {secret.reveal() for secret in settings.secrets}
    assert "ter2" not in repr(settings)
    assert settings.outbound.proxy and (
        settings.outbound.proxy.host,
        settings.outbound.proxy.port,
    ) == ("proxy", 3128)
    assert ("a.example.com", 443) in settings.outbound.no_proxy

    monkeypatch.setenv("EGRESS_PROXY", "https://ann:hunter2@proxy")
    monkeypatch.setenv("EGRESS_NO_PROXY", "http://proxy")
    with pytest.raises(SettingsError, match=r"EGRESS_PROXY: must be http://HOST:PORT") as caught:
        Settings.from_env()
    assert "EGRESS_NO_PROXY: must be a comma-separated list" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("entry", ["*.example.com", "10.0.*", "10.0.0.0/99", "example.com/8"])
def test_a_host_without_proxy_that_would_match_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    monkeypatch.setenv("EGRESS_NO_PROXY", f"db:8080, {entry}")
    with pytest.raises(SettingsError, match="EGRESS_NO_PROXY: must be a comma-separated list"):
        Settings.from_env()


def test_a_proxy_that_the_environment_names_for_others_is_noted_unless_the_setting_says_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert not [warning for warning in Settings.from_env().warnings if "PROXY" in warning]
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:hunter2@proxy:3128")
    [note] = [warning for warning in Settings.from_env().warnings if "PROXY" in warning]
    assert note.startswith("HTTPS_PROXY: is not used; calls to services go by EGRESS_PROXY")
    assert "hunter2" not in note
    monkeypatch.setenv("EGRESS_PROXY", "none")
    assert not [warning for warning in Settings.from_env().warnings if "PROXY" in warning]


def test_who_is_trusted_is_read_as_openssl_and_requests_read_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle, mine, folder = where(), tmp_path / "mine.pem", str(tmp_path)
    mine.write_bytes(Path(bundle).read_bytes())
    assert Settings.from_env().outbound.trust == Trust(bundle, None)
    for settings, trust in (
        ({"REQUESTS_CA_BUNDLE": str(mine)}, Trust(str(mine), None)),
        ({"REQUESTS_CA_BUNDLE": folder}, Trust(None, folder)),
        ({"REQUESTS_CA_BUNDLE": folder, "SSL_CERT_FILE": str(mine)}, Trust(str(mine), None)),
        ({"SSL_CERT_DIR": folder}, Trust(bundle, folder)),
    ):
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            assert Settings.from_env().outbound.trust == trust
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "/no/such.pem")
            with pytest.raises(SettingsError, match=f"^{name}: must name a PEM file"):
                Settings.from_env()
