"""One attempt at a service: which of its URLs, the request, its signature, and what came back.

    handle = exchange(runtime, method, method.service.base_urls)
    handle(call).data

``attempt`` is the innermost handler of a chain; ``sender`` is what an attempt of
``gateway.passthrough`` sends by, too; ``dry_run`` sends nothing.
"""
