"""Two Posterns behind nginx are restarted in every way, under load: nobody may notice."""

import itertools
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import psycopg

from bench.chaos.accounts import Account, Promise
from bench.chaos.callers import Kind, Load
from bench.chaos.ledger import disagreements
from bench.chaos.scene import CATALOG, DEADLINE_SECONDS, READ_SECONDS, SETTINGS, callers
from bench.report import BenchError, table
from models.database.revisions import head_revision
from sandbox import Sandbox
from tests.e2e.front.nginx import Nginx
from tests.e2e.live import AS_SHIPPED, BIN, ROOT, Live, wait_for
from tests.postgres import Server
from tests.redis_server import RedisServer

REQUESTS = 10_000
SECONDS_BETWEEN = 0.1  # two requests of one of the 16 callers
NOBODY_NOTICES = Promise({}, 10.0)
REQUESTS_PER_RESTART = 1000
POLL_SECONDS = 0.05
NOT_SERVED = (".*", "instance", "tests", "docs", "bench")
HEADS = {
    "en": ("restart", "restarts", "requests", "failed", "slowest, s"),
    "zh": ("重启方式", "重启次数", "请求数", "失败", "最慢（秒）"),
}
MIGRATION = '''\
"""A later version's: a column, a table and an index that this one knows nothing of."""

import sqlalchemy as sa
from alembic import op

revision = "later"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("products", sa.Column("colour", sa.String(20)))
    op.create_table("colours", sa.Column("id", sa.Integer(), primary_key=True))
    op.create_index("ix_products_colour", "products", ["colour"])
'''


class Pair:
    """Two instances that share Redis and PostgreSQL, and nginx before them."""

    def __init__(self, folder: Path, lives: list[Live], box: Sandbox) -> None:
        self.folder = folder
        self.lives = lives
        self.box = box

    def problems(self, kinds: list[Kind]) -> list[str]:
        """Return where what the callers were told and what is there do not agree."""
        url = self.lives[0].env["DATABASE_URL"]
        problems = [disagreements(kinds, live, self.box, url) for live in self.lives]
        return sorted(set(itertools.chain.from_iterable(problems)))

    def hang_up(self) -> None:
        """Tell one master after the other to replace its workers."""
        for live in self.lives:
            before = set(live.workers())
            live.process.send_signal(signal.SIGHUP)
            wait_for(partial(self._are_new, live, before))

    @staticmethod
    def _are_new(live: Live, before: set[int]) -> bool:
        now = set(live.workers())
        return len(now) == len(before) and not now & before

    def replace(self) -> None:
        """Stop one instance and start it again, then the other."""
        for live in self.lives:
            live.stop(signal.SIGTERM)
            live.restart()

    def migrate(self) -> None:
        """Upgrade the database to a later version's, and then one instance after the other."""
        later = self._later_version()
        command = [str(BIN / "flask"), "db", "upgrade"]
        upgraded = subprocess.run(  # noqa: S603 - our own command
            command, cwd=later, env=self.lives[0].env, capture_output=True, text=True, timeout=60
        )
        if upgraded.returncode:
            raise BenchError(f"flask db upgrade failed:\n{upgraded.stderr}")
        for live in self.lives:
            live.prefix = ("env", "-C", str(later))
        self.replace()

    def _later_version(self) -> Path:
        later = self.folder / "later"
        if not later.exists():
            shutil.copytree(ROOT, later, ignore=shutil.ignore_patterns(*NOT_SERVED))
            file = later / "migrations" / "versions" / "later.py"
            file.write_text(MIGRATION.format(head=head_revision()))
        return later


#: What a restart is, and how often at most.
WAYS: dict[str, tuple[Callable[[Pair], None], int]] = {
    "`kill -HUP`, one instance after the other": (Pair.hang_up, 1000),
    "stop and start, one instance after the other": (Pair.replace, 1000),
    "`flask db upgrade`, then the new version, one instance after the other": (Pair.migrate, 1),
}


@contextmanager
def pair() -> Iterator[tuple[Pair, Load]]:
    """Start everything; end it on leaving."""
    folder = Path(tempfile.mkdtemp(prefix="postern-restarts-"))
    folder.chmod(0o711)  # PostgreSQL runs as another user
    for name in ("postgres", "one", "two", "nginx"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = stack.enter_context(Server(folder / "postgres"))
        box = stack.enter_context(Sandbox())
        redis = RedisServer(folder).start()
        stack.callback(redis.stop)
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
            admin.execute("CREATE DATABASE postern")
        settings = {
            **SETTINGS,
            "DATABASE_URL": postgres.url("postern"),
            "REDIS_URL": redis.url,
            "FILES_DIR": str(folder / "files"),
            "TRUSTED_PROXIES": "1",
        }
        catalog = CATALOG.format(port=box.port, read=READ_SECONDS, deadline=DEADLINE_SECONDS)
        lives = [
            Live(folder / name, catalog, gunicorn=AS_SHIPPED, **settings) for name in ("one", "two")
        ]
        for live in lives:
            stack.callback(live.stop)
        lives[0].start()
        lives[1].restart()
        kinds, proof = callers(lives[0])
        nginx = Nginx(folder / "nginx", *(live.port for live in lives), files=str(folder)).start()
        stack.callback(nginx.stop)
        load = Load(nginx.url, lives[0].token(), proof, kinds, SECONDS_BETWEEN)
        yield Pair(folder, lives, box), load


def run(requests: int = REQUESTS) -> tuple[list[list[str]], list[str]]:
    """Restart in every way under so many requests each; return the rows and what failed."""
    rows: list[list[str]] = []
    problems: list[str] = []
    with pair() as (instances, load):
        with load.start(Account(NOBODY_NOTICES)):
            for name, (restart, max_count) in WAYS.items():
                account = load.account = Account(NOBODY_NOTICES)
                count = min(max_count, max(1, requests // REQUESTS_PER_RESTART))
                restarts = _restart_until(account, requests, count, partial(restart, instances))
                total = account.codes.total()
                failed = total - account.codes[0]
                slowest = f"{account.max_seconds:.1f}"
                rows.append([name, str(restarts), str(total), str(failed), slowest])
                problems += [f"{name}: {problem}" for problem in account.problems]
                print("  ".join(rows[-1]), flush=True)
        problems += instances.problems(load.kinds)
    return rows, problems


def _restart_until(account: Account, requests: int, count: int, restart: Callable[[], None]) -> int:
    """Restart so often while so many requests are answered, evenly; return how often."""
    done = 0
    while account.codes.total() < requests or not done:
        if done < count and account.codes.total() >= (done + 0.5) * requests / count:
            restart()
            done += 1
        time.sleep(POLL_SECONDS)
    return done


def restarts_table(rows: list[list[str]], language: str) -> str:
    return table(HEADS[language], rows)
