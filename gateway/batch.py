"""Several calls at once, each with its own outcome: what a batch and an aggregate are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from gateway.catalog.aggregates import Aggregate, AggregatePart, Given
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.messages import Call, Result, Trace
from gateway.middleware.idempotency import part_key
from gateway.runtime import Log

MOST_AT_ONCE = 100  # calls of batches and aggregates that run at the same time in one process; more wait their turn


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one call ended: ``error`` or ``data``, and the seconds it took.

    :param optional: its failure does not count.
    """

    data: object = None
    error: GatewayError | None = None
    elapsed: float = 0.0
    optional: bool = False


Outcomes = Mapping[str, Outcome]
Run = Callable[[Call], Result]


@dataclass(frozen=True, slots=True)
class Step:
    """One call to make.

    :param make: answers the call, given the outcomes so far; raises a ``GatewayError`` where they do not serve.
    :param needs: the names of the steps that must have ended before.
    """

    make: Callable[[Outcomes], Call]
    needs: frozenset[str] = frozenset()
    optional: bool = False


class Together:
    """Runs calls side by side in one bounded pool. A call that waits for another one holds no place in it."""

    def __init__(self, clock: Clock, log: Log, at_once: int = MOST_AT_ONCE) -> None:
        self._clock, self._log = clock, log
        self._pool = ThreadPoolExecutor(at_once, "postern-together")

    def all(self, steps: Mapping[str, Step], run: Run) -> dict[str, Outcome]:
        """Every step's outcome, in the order of ``steps``; nothing is raised for a call that fails."""
        done: dict[str, Outcome] = {}
        running: dict[Future[Outcome], str] = {}
        waiting = dict(steps)
        while waiting or running:
            for name in [each for each, step in waiting.items() if step.needs <= done.keys()]:
                running[self._pool.submit(self._one, waiting.pop(name), dict(done), run)] = name
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                done[running.pop(future)] = future.result()
        return {name: done[name] for name in steps}

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, step: Step, done: Outcomes, run: Run) -> Outcome:
        began = self._clock.now()
        try:
            data = run(step.make(done)).data
            return Outcome(data, None, self._clock.now() - began, step.optional)
        except GatewayError as error:
            return Outcome(None, error.copy(), self._clock.now() - began, step.optional)
        except Exception as error:  # noqa: BLE001 # one call's unforeseen trouble is not the others'
            self._log.error("unforeseen", exc_info=error)
            return Outcome(None, GatewayError(), self._clock.now() - began, step.optional)


def step_of(call: Call, optional: bool) -> Step:
    """A step that needs no other."""
    return Step(lambda _: call, optional=optional)


def steps_of(aggregate: Aggregate, given: Given, like: Call) -> dict[str, Step]:
    """An aggregate's parts as steps; one that needs a part which failed ends as that one did."""

    def step(part: AggregatePart) -> Step:
        return Step(
            lambda done: part_call(part, {**given, **_answers(part, done)}, like),
            part.needs,
            part.optional,
        )

    return {part.name: step(part) for part in aggregate.parts}


def part_call(part: AggregatePart, sources: Mapping[str, object], like: Call) -> Call:
    """The call of one part.

    :raises BadResponse: the answer of a part it needs has nothing where a reference points.
    """
    from_text = any(each.source == "query" for each in part.references)
    return replace(
        like,
        service=part.service,
        method=part.method,
        params=part.resolved(sources),
        idempotency_key=part_key(like.idempotency_key, part.name),
        from_text=from_text,
        trace=Trace(),
    )


def _answers(part: AggregatePart, done: Outcomes) -> dict[str, object]:
    for name in sorted(part.needs):
        if error := done[name].error:
            raise error.copy()
    return {name: done[name].data for name in part.needs}
