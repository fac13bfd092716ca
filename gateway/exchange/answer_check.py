"""Whether an answer has the shape that its method declares, where it says ``check_returns``."""

from __future__ import annotations

from collections.abc import Callable

from gateway.catalog.model import Method
from gateway.errors import BadResponse
from gateway.messages import Call
from gateway.runtime import Runtime
from schemas.catalog.returns import compile_check

MAX_PROBLEM_CHARACTERS = 300
#: Tells of an answer of another shape, or raises ``BadResponse``.
AnswerCheck = Callable[[object, Call], None]


def make_answer_check(method: Method, runtime: Runtime) -> AnswerCheck | None:
    """Return what checks a method's answers, None where it does not ask for that.

    What is told names the place, by names of the catalog and positions, and never a value.
    """
    if method.check_returns is None or method.returns is None:
        return None
    find_problem = compile_check(method.returns)
    fails = method.check_returns == "fail"
    labels = (method.service.name, method.name)
    now = runtime.clock.now

    def check(data: object, call: Call) -> None:
        problem = find_problem(data)
        if not problem:
            return
        problem = f"data{problem}"[:MAX_PROBLEM_CHARACTERS]
        runtime.metrics.unexpected_answers.labels(*labels).inc()
        if fails:
            raise BadResponse(f"The service answered another shape: {problem}", detail=problem)
        call.trace.note(now(), "unexpected answer", problem)
        runtime.log.warning(
            "unexpected_answer",
            request_id=call.request_id,
            service=labels[0],
            method=labels[1],
            why=problem,
        )

    return check
