"""gunicorn.conf.py, with a worker that asks itself for each kind of request and counts what that calls."""

from pathlib import Path

exec(Path("gunicorn.conf.py").read_text(encoding="utf-8"))

from tests.cost_worker import CostWorker  # noqa: E402

worker_class = CostWorker
