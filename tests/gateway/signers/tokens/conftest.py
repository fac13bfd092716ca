"""A lease that outlasts a machine which stands still for seconds: Redis goes by its own clock."""

from __future__ import annotations

import pytest

from gateway.signers.tokens import shared, token_cache

LEASE_SECONDS = 30.0


@pytest.fixture(autouse=True)
def long_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "LOCK_SECONDS", LEASE_SECONDS)
    monkeypatch.setattr(token_cache, "RETRY_SECONDS", LEASE_SECONDS)
