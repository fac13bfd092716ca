"""Several calls at once, each with its own outcome: what a batch and an aggregate are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from queue import SimpleQueue

from gateway.catalog.aggregates import Aggregate, AggregatePart, RequestSources
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.messages import NO_EXTRAS, Call, Extras, Result
from gateway.middleware.idempotency import part_key
from gateway.runtime import Log
from gateway.values import value
from gateway.worker_pool import WorkerPool

#: Calls of batches and aggregates that run at the same time in one process; more wait their turn.
MAX_CONCURRENT_CALLS = 100


@value
class Outcome:
    """How one call ended: ``error``, or ``data`` and ``extras``, and the seconds it took.

    :param optional: its failure does not count.
    :param replayed: it is the stored answer to an earlier call with this Idempotency-Key.
    """

    data: object = None
    error: GatewayError | None = None
    elapsed: float = 0.0
    optional: bool = False
    extras: Extras = NO_EXTRAS
    replayed: bool = False


Outcomes = Mapping[str, Outcome]
Run = Callable[[Call], Result]
Report = Callable[[Outcome], object]


@value
class Step:
    """One call to make.

    :param build_call: returns the call by the outcomes so far, or raises a ``GatewayError``.
    :param needs: the names of the steps that must have ended before.
    """

    build_call: Callable[[Outcomes], Call]
    needs: frozenset[str] = frozenset()
    optional: bool = False


class BatchRunner:
    """Runs calls side by side in one bounded pool; one that waits for another holds no place."""

    def __init__(
        self, clock: Clock, log: Log, max_concurrent_calls: int = MAX_CONCURRENT_CALLS
    ) -> None:
        self._clock = clock
        self._log = log
        self._pool = WorkerPool(max_concurrent_calls, "postern-together")

    def run(self, steps: Mapping[str, Step], run_call: Run) -> dict[str, Outcome]:
        """Return every step's outcome, in the order of ``steps``; raise nothing for a failure."""
        outcomes: dict[str, Outcome] = {}
        wake: SimpleQueue[None] = SimpleQueue()
        waiting = dict(steps)

        def end(name: str, outcome: Outcome) -> None:
            outcomes[name] = outcome
            if waiting or len(outcomes) == len(steps):
                wake.put(None)

        while len(outcomes) < len(steps):
            for name in [name for name, step in waiting.items() if step.needs <= outcomes.keys()]:
                job = partial(self._run_step, waiting.pop(name), outcomes, run_call)
                self._pool.submit(partial(job, partial(end, name)))
            wake.get()
        return {name: outcomes[name] for name in steps}

    def close(self) -> None:
        self._pool.close()

    def _run_step(self, step: Step, outcomes: Outcomes, run_call: Run, end: Report) -> None:
        started_at = self._clock.now()
        data: object = None
        extras = NO_EXTRAS
        failure: GatewayError | None = None
        call: Call | None = None
        try:
            call = step.build_call(outcomes)
            result = run_call(call)
            data = result.data
            extras = result.extras
        except GatewayError as error:
            failure = error.copy()
        except BaseException as error:  # noqa: BLE001 # ``run`` waits for it whatever happens
            self._log.error("unforeseen", exc_info=error)
            failure = GatewayError()
        elapsed = self._clock.now() - started_at
        replayed = call is not None and call.trace.replayed
        end(Outcome(data, failure, elapsed, step.optional, extras, replayed))


def independent_step(call: Call, *, optional: bool) -> Step:
    """Return a step that needs no other."""
    return Step(lambda _: call, optional=optional)


def part_call(
    template: Call,
    name: str,
    target: tuple[str, str],
    params: Mapping[str, object],
    *,
    from_text: bool = False,
    all_pages: bool = False,
) -> Call:
    """Return one call of several, with a trace of its own and a key of its own under the request's.

    :param template: what the calls have in common: caller, request id, time, key.
    :param target: service and method.
    """
    service, method = target
    return Call(
        service,
        method,
        params,
        template.caller,
        template.request_id,
        template.timeout,
        part_key(template.idempotency_key, name),
        from_text=from_text,
        deadline=template.deadline,
        context=template.context,
        all_pages=all_pages,
    )


def aggregate_steps(
    aggregate: Aggregate, request_data: RequestSources, template: Call
) -> dict[str, Step]:
    """Return an aggregate's parts as steps; one that needs a part which failed ends alike."""
    return {
        part.name: Step(
            partial(_build_dependent_call, part, request_data, template), part.needs, part.optional
        )
        for part in aggregate.parts
    }


def _build_dependent_call(
    part: AggregatePart, request_data: RequestSources, template: Call, outcomes: Outcomes
) -> Call:
    return build_part_call(part, {**request_data, **_answers(part, outcomes)}, template)


def build_part_call(part: AggregatePart, sources: Mapping[str, object], template: Call) -> Call:
    """Return the call of one part.

    :raises BadResponse: the answer of a part it needs has nothing where a reference points.
    """
    return part_call(
        template,
        part.name,
        (part.service, part.method),
        part.resolve_params(sources),
        from_text=any(reference.source == "query" for reference in part.references),
    )


def _answers(part: AggregatePart, outcomes: Outcomes) -> dict[str, object]:
    for name in sorted(part.needs):
        error = outcomes[name].error
        if error:
            raise error.copy()
    return {name: outcomes[name].data for name in part.needs}
