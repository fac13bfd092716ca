"""A downstream that plays vendors and misbehaves on request: for demo, tests and benchmarks.

>>> with Sandbox() as box:
...     box.fault("/v1/health", "status=503x2")
...     print(box.url)
"""

from sandbox.box import Sandbox as Sandbox
from sandbox.messages import Reply as Reply
from sandbox.messages import Request as Request
