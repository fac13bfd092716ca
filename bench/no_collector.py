"""The service as shipped, but without a worker's cyclic garbage collector."""

import gc
import runpy
from pathlib import Path
from typing import Any

_shipped = runpy.run_path(str(Path(__file__).parent.parent / "gunicorn.conf.py"))
globals().update(_shipped)


def post_worker_init(worker: Any) -> None:
    _shipped["post_worker_init"](worker)
    gc.disable()
