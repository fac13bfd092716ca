"""The middlewares around an attempt; ``gateway.chain`` has their order.

Each is a function that a handler is built with, once per method:

    def middleware(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
        def handle(call: Call) -> Result:
            return next_handler(call)

        return handle
"""
