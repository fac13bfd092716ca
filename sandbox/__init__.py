"""A downstream that plays vendors and misbehaves on request: for the demo, the tests and the benchmarks."""

from sandbox.box import Sandbox
from sandbox.messages import Reply, Request

__all__ = ["Reply", "Request", "Sandbox"]
