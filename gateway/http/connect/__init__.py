"""From a name to a connected socket: look it up, try its addresses, speak TLS, trust or refuse.

    connector = Connector(origin, certificates.context, clock, resolver, allow_private=False)
    connection = connector.connect(timeout=5.0)

``connector`` is what a pool asks; ``resolver``, ``happy_eyeballs``, ``tunnel`` and
``certificates`` are its steps.
"""
