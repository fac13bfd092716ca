"""The gateway: a catalog's methods, each with its chain, behind one ``call``."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from marshmallow import ValidationError

from gateway.background import Background
from gateway.call import Call, HttpRequest, Result
from gateway.catalog import Catalog, Method
from gateway.chain import fold_all
from gateway.client import Client
from gateway.clock import Clock
from gateway.errors import Forbidden, GatewayError, InvalidParams, NotFound
from gateway.exchange import dry_run
from gateway.masking import Masker
from gateway.parts import Handler, Log, Parts
from gateway.stores import Store
from gateway.tokens import Tokens

T = TypeVar("T")


@dataclass(frozen=True)
class _Loaded:
    """A catalog with its chains; swapped whole."""

    catalog: Catalog
    handlers: dict[tuple[str, str], tuple[Method, Handler]]


class Gateway:
    """Calls outside services by name.

    Safe under threads and greenlets; one per process.

    :param store: what all workers share.
    :param log: gets one line per attempt.
    :param masker: learns the catalog's secrets and every token that is fetched.
    :param jitter: evenly random, 0 up to 1; spreads the waits between attempts.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        store: Store,
        log: Log,
        masker: Masker,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._parts = Parts(Client(clock), Tokens(clock), store, clock, log, masker, jitter)
        self._background = Background()
        self.swap(catalog)

    @property
    def catalog(self) -> Catalog:
        return self._loaded.catalog

    def swap(self, catalog: Catalog) -> None:
        """Use another catalog from now on; calls in flight finish on the one they began with."""
        for secret in catalog.secrets:
            self._parts.masker.register(secret)
        self._loaded = _Loaded(catalog, fold_all(catalog, self._parts))
        self._parts.client.retain(catalog.services.values())

    def method(self, service: str, method: str) -> Method:
        """:raises NotFound: no such service or method."""
        return self._find(self._loaded, service, method)[0]

    def call(self, call: Call) -> Result:
        """Run one call through its method's chain.

        :raises GatewayError: every failure there is, with ``service`` and ``method`` filled in.
        """
        method, handler = self._find(self._loaded, call.service, call.method)
        return self._explained(method, lambda: handler(self._checked(method, call)))

    def dry_run(self, call: Call) -> HttpRequest:
        """The request that ``call`` would send first; nothing is sent, no token fetched.

        :raises GatewayError: as ``call`` does before it sends.
        """
        method, _ = self._find(self._loaded, call.service, call.method)
        return self._explained(method, lambda: dry_run(method, self._checked(method, call)))

    def start(self) -> None:
        """Begin what runs beside the calls. After the fork: threads do not survive one."""

    def close(self) -> None:
        """End what runs beside the calls, and close every connection."""
        self._background.stop()
        self._parts.client.retain(())

    @staticmethod
    def _find(loaded: _Loaded, service: str, method: str) -> tuple[Method, Handler]:
        found = loaded.handlers.get((service, method))
        if found:
            return found
        what = f"method {service}.{method}" if service in loaded.catalog.services else f"service {service}"
        raise NotFound(f"There is no {what[:200]}.")

    def _checked(self, method: Method, call: Call) -> Call:
        if not call.caller.may_call(call.service, call.method, method.service.roles):
            raise Forbidden(f"You may not call {method.full_name}.")
        schema = method.text_schema if call.from_text else method.json_schema
        deadline = call.deadline if call.timeout is None else self._parts.clock.now() + call.timeout
        try:
            return replace(call, params=schema.load(call.params), deadline=deadline)
        except ValidationError as error:
            raise InvalidParams(fields=error.messages_dict) from error

    @staticmethod
    def _explained(method: Method, run: Callable[[], T]) -> T:
        try:
            return run()
        except GatewayError as error:
            error.service, error.method = method.service.name, method.name
            error.expose_vendor_code = method.service.expose_vendor_code
            raise
