"""The catalog: services and methods that somebody declared in YAML, checked and frozen.

``load_catalog(text)`` in ``loader`` gives a ``Catalog`` of ``model``; what a key may be stands in ``schema``.
"""
