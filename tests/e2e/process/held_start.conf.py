"""gunicorn.conf.py, with workers after the first that do not start while the file ``hold`` is there."""

import os
import time
from pathlib import Path

exec(Path("gunicorn.conf.py").read_text(encoding="utf-8"))

_post_fork = post_fork  # noqa: F821
_hold = Path(os.environ["CATALOG"]).with_name("hold")


def post_fork(server, worker):
    while _hold.exists():
        time.sleep(0.02)
    _post_fork(server, worker)
