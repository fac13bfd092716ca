"""The chain: which middlewares there are, and in which order."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

from gateway import middleware
from gateway.chain import CHAIN, PER_ATTEMPT, PER_CALL, STAND_IN
from gateway.clock import SystemClock
from tests.gateway.fakes import make_catalog, make_runtime, service

ONCE_PER_CALL = [
    "explain", "record", "admit", "idempotency", "cache", "fallback", "deadline", "paginate", "retry",
]  # fmt: skip
ONCE_PER_ATTEMPT = ["health", "breaker", "quota", "concurrency", "log"]
NEEDED_BY_SOME = {"cache", "fallback", "paginate", "health", "quota", "concurrency"}


def names(functions: tuple[Any, ...]) -> list[str]:
    return [function.__name__ for function in functions]


def all_middlewares() -> Iterator[Callable[..., Any]]:
    """Yield every public function of the package that is built with the next handler."""
    for module_info in pkgutil.iter_modules(middleware.__path__):
        module = import_module(f"{middleware.__name__}.{module_info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            parameters = list(inspect.signature(function).parameters)
            if parameters == ["next_handler", "method", "runtime"] and name[0] != "_":
                yield function


def test_their_order_is_this() -> None:
    assert names(PER_CALL) == ONCE_PER_CALL
    assert names(PER_ATTEMPT) == ONCE_PER_ATTEMPT
    assert CHAIN == PER_CALL + PER_ATTEMPT


def test_every_middleware_is_in_one_of_the_two() -> None:
    assert sorted(names(tuple(set(all_middlewares())))) == sorted(names(CHAIN))


def test_a_stand_in_skips_what_was_done_for_the_caller() -> None:
    assert names(CHAIN)[: -len(STAND_IN)] == ["explain", "record", "admit", "idempotency"]


@pytest.mark.parametrize("built", CHAIN, ids=lambda function: str(function.__name__))
def test_one_that_a_method_does_not_need_is_not_in_its_chain(built: Callable[..., Any]) -> None:
    catalog = make_catalog({"s": service("http://x", methods={"m": {"http": "GET /m"}})})
    method = catalog.services["s"].methods["m"]

    def next_handler(_: Any) -> Any:
        raise AssertionError

    handler = built(next_handler, method, make_runtime(clock=SystemClock()))
    assert (handler is next_handler) is (built.__name__ in NEEDED_BY_SOME)
