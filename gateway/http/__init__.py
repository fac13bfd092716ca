"""HTTP/1.1 out: one exchange on a kept connection, within a deadline, by the rules of the catalog.

    channel = Client(clock, resolver).channel(service)
    response = channel.send(request, service.timeout, deadline)

``client`` is what the rest of the gateway asks; the other modules are what it is made of.
"""
