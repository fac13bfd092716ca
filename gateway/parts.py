"""What a chain is made of: the parts all chains share, and what a handler and a middleware are."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.call import Call, Result
from gateway.catalog import Method
from gateway.client import Client
from gateway.clock import Clock
from gateway.masking import Masker
from gateway.policies.retry_budget import RetryBudget
from gateway.tokens import Tokens

#: Answers a call or raises a ``GatewayError``.
Handler = Callable[[Call], Result]


class Log(Protocol):
    """A structlog logger, as far as the gateway uses one."""

    def info(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...


@dataclass(frozen=True)
class Parts:
    """What all chains share, over reloads too."""

    client: Client
    tokens: Tokens
    clock: Clock
    log: Log
    masker: Masker
    jitter: Callable[[], float] = random.random
    _budgets: dict[str, RetryBudget] = field(default_factory=dict)

    def retry_budget(self, service: str) -> RetryBudget:
        """One per service."""
        return self._budgets.setdefault(service, RetryBudget(self.clock))


class Middleware(Protocol):
    """Made once per method when a catalog loads; answers ``following`` itself where the method does not use it."""

    def __call__(self, method: Method, parts: Parts, following: Handler) -> Handler: ...
