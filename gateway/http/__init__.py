"""HTTP/1.1 out: one exchange on a kept connection, within a deadline, by the rules of the catalog.

``HttpClient`` is what the rest of the gateway calls; the other modules are what it is made of.
"""
