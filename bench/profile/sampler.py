"""gunicorn's settings as the tree has them, and a sampler in the worker: where it spends its CPU.

gunicorn reads this file in any tree, so nothing of this one is imported. The stacks are written
when the worker ends, as JSON, to the file that ``PROFILE_FILE`` names: ``[[[file, name], ...],
samples]`` from the outermost function in.
"""

import json
import os
import runpy
import signal
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

INTERVAL_SECONDS = 0.001  # of CPU
_shipped = runpy.run_path("gunicorn.conf.py")
globals().update(_shipped)
_stacks: Counter[tuple[CodeType, ...]] = Counter()


def post_worker_init(worker: Any) -> None:
    _shipped["post_worker_init"](worker)
    signal.signal(signal.SIGPROF, _sample)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)


def worker_exit(server: Any, worker: Any) -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    stacks = [
        [[[code.co_filename, code.co_qualname] for code in stack], samples]
        for stack, samples in _stacks.items()
    ]
    Path(os.environ["PROFILE_FILE"]).write_text(json.dumps(stacks))
    if "worker_exit" in _shipped:
        _shipped["worker_exit"](server, worker)


def _sample(number: int, frame: FrameType | None) -> None:
    stack = []
    while frame is not None:
        stack.append(frame.f_code)
        frame = frame.f_back
    _stacks[tuple(reversed(stack))] += 1
