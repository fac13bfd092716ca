"""The targets' table: whatever Postern promises to cost, beside its peers, in one run."""

from bench import report
from bench.report import BenchError
from bench.rounds import Options, progress, temporary_yard
from bench.targets import in_flight, latency, starts, works

STAGES = (works, latency, starts, in_flight)
NAMES = tuple(name for stage in STAGES for name in stage.NAMES)
PACKAGES = (
    "flask",
    "gunicorn",
    "gevent",
    "sqlalchemy",
    "fastapi",
    "uvicorn",
    "uvloop",
    "httptools",
    "pydantic",
    "aiohttp",
    "httpx",
    "requests",
    "django",
    "djangorestframework",
)


def run(options: Options) -> str:
    rows = []
    names = options.only or NAMES
    for stage in STAGES:
        chosen = [name for name in stage.NAMES if name in names]
        if chosen:
            try:
                with temporary_yard() as yard:
                    rows += stage.rows(yard, options, chosen)
            except BenchError:
                progress(f"What was measured until then:\n{report.targets_table(rows)}")
                raise
    reached = [row.is_reached for row in rows if row.is_reached is not None]
    count = f"{sum(reached)} of {len(reached)} targets are reached."
    return f"{report.targets_table(rows)}\n\n{count} {facts(options)}"


def facts(options: Options) -> str:
    return (
        f"Medians (least-most) of {options.rounds} rounds in which the servers take turns; a ratio "
        "is of two figures of one round. One worker process each; sandbox and load on the same "
        f"{report.machine()}. {report.python_build()}; the images of Python that one deploys on "
        f"are built with both. {report.versions(*PACKAGES)}."
    )
