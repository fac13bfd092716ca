"""What ``postern doctor`` hears from the database and from Redis, and what their clocks say."""

from __future__ import annotations

import time
from collections.abc import Iterator

import redis
import sqlalchemy as sa
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from api.auth.app_secrets import AppSecrets
from cli.doctor.clocks import clock_finding
from cli.doctor.finding import OK, Finding, ok, problem, warning
from cli.secrets import SealStates
from config import Settings
from models.database import Database
from models.database.revisions import head_revision, revision_exists, revision_of

REDIS_SECONDS = 3.0


def database_findings(settings: Settings) -> Iterator[Finding]:
    try:
        database = Database(settings.database_url)
    except (SQLAlchemyError, ImportError) as error:
        yield _away(error)
        return
    try:
        revision = _revision_finding(database)
        yield revision
        if revision.level == OK:
            yield from _secret_findings(database, settings)
        if database.engine.url.get_backend_name() == "postgresql":
            yield _database_clock(database)
    except SQLAlchemyError as error:
        yield _away(error)
    finally:
        database.close()


def _revision_finding(database: Database) -> Finding:
    revision = revision_of(database)
    if revision is None:
        return problem("database", "has no tables", "run: postern db upgrade")
    if not revision_exists(revision):
        return warning(
            "database",
            f"is at revision {revision}, which a newer version made",
            "nothing, while that version takes over; else install it",
        )
    if revision != head_revision():
        return problem(
            "database",
            f"is at revision {revision}, this version needs {head_revision()}",
            "make a backup (postern backup FILE), then run: postern db upgrade",
        )
    if trouble := database.write_problem():
        return problem("database", trouble, "let this user write there, or make room")
    return ok("database", f"{database.engine.url.get_backend_name()} at revision {revision}")


def _secret_findings(database: Database, settings: Settings) -> Iterator[Finding]:
    """Say whose secrets and tokens no key opens."""
    with database.read_session() as session:
        states = SealStates.read(session, AppSecrets(settings))
    advice = "put the key that sealed them into SECRETS_PREVIOUS_KEYS, or "
    if states.lost_apps:
        yield problem(
            "secrets",
            f"no key opens those of these apps, so they cannot sign: {', '.join(states.lost_apps)}",
            f"{advice}give each a new secret: postern app rotate APPID",
        )
    if states.lost_services:
        yield problem(
            "secrets",
            f"no key opens the tokens of these services: {', '.join(states.lost_services)}",
            f"{advice}connect each again: postern connect SERVICE",
        )
    if states.counts and not states.counts["lost"]:
        yield ok("secrets", "a key opens every one that is sealed")


def _database_clock(database: Database) -> Finding:
    before = time.time()
    with database.engine.connect() as connection:
        other_time = float(
            connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
        )
    return clock_finding("the database", other_time, before, time.time())


def _away(error: Exception) -> Finding:
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()
    return problem(
        "database",
        f"does not answer: {reason[0] if reason else type(error).__name__}",
        "see that it runs, and that DATABASE_URL names its host, user and password",
    )


def redis_findings(settings: Settings) -> Iterator[Finding]:
    if not settings.redis_url:
        yield ok("Redis", "none: state is in memory, so one worker, and lost at a restart")
        return
    client = redis.Redis.from_url(
        settings.redis_url,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        driver_info=None,
    )
    try:
        before = time.time()
        seconds, micros = client.time()
        yield ok("Redis", f"answers in {(time.time() - before) * 1000:.0f} ms")
        yield clock_finding("Redis", seconds + micros / 1e6, before, time.time())
        yield from _eviction_findings(client)
    except (RedisError, OSError) as error:
        yield problem(
            "Redis",
            f"does not answer: {error}",
            "see that it runs, and that REDIS_URL names its host, password and TLS",
        )
    finally:
        client.close()


def _eviction_findings(client: redis.Redis) -> Iterator[Finding]:
    try:
        policy = client.info("memory").get("maxmemory_policy", "")
    except RedisError:  # not every user may ask
        return
    if policy not in ("", "noeviction"):
        yield warning(
            "Redis",
            f"forgets nonces and ended logins when it is full: maxmemory-policy {policy}",
            "set maxmemory-policy noeviction",
        )
