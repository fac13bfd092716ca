"""What the images of compose.yaml have, and what stands for their programs on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from tests import postgres
from tests.deploy import image

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOBODY = 65534
POSTERN_UID = 10001
#: What the entry point of the image does.
POSTGRES_SCRIPT = """\
set -e
chown postgres /var/lib/postgresql/data /var/run/postgresql
cat > /tmp/start <<'END'
set -e
cd /tmp
data=/var/lib/postgresql/data
printf '%s' "$POSTGRES_PASSWORD" > password
initdb -D $data --no-sync -E UTF8 --locale=C.UTF-8 -A scram-sha-256 -U "$POSTGRES_USER" --pwfile=password
echo 'host all all all scram-sha-256' >> $data/pg_hba.conf
echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D $data postgres
exec postgres -D $data -c listen_addresses='*' -c fsync=off -k /var/run/postgresql
END
exec setpriv --reuid=postgres --regid=postgres --clear-groups sh /tmp/start
"""


@dataclass(frozen=True)
class Image:
    """What an image has that this machine's program has not.

    :ivar command: what it runs where the file does not say.
    :ivar uid: whose processes are; that of root unless it says another.
    :ivar tmpfs: folders that are not as in this machine's package.
    """

    command: tuple[str, ...] = ()
    uid: int = 0
    path: str = SYSTEM_PATH
    workdir: str = "/"
    tmpfs: tuple[str, ...] = ()


def images() -> dict[str, Image]:
    return {
        "postern": Image(
            tuple(image.command()), POSTERN_UID, f"/opt/venv/bin:{SYSTEM_PATH}", "/opt/postern"
        ),
        "nginx": Image(tmpfs=("/etc/nginx/sites-enabled", "/var/lib/nginx", "/var/log/nginx")),
        "postgres": Image(
            ("sh", "-c", POSTGRES_SCRIPT),
            path=f"{postgres.programs()}:{SYSTEM_PATH}",
            tmpfs=("/tmp", "/var/run/postgresql"),
        ),
        "redis": Image(uid=NOBODY, workdir="/data"),
        "prom/prometheus": Image(uid=NOBODY, workdir="/prometheus"),
    }
