"""What schemathesis asks that has no answer in the contract."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Not whether an unknown header is refused: whoever receives one ignores it (RFC 9110, 5.1)."""
    return not any("unknown-property" in name.lower() for name in case.headers or {})
