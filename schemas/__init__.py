"""Marshmallow schemas: the JSON that goes in and out of ``api/``, and the fields of the catalog.

data = ProductIn().load({"name": "Teapot", "price": "12.50"})
"""
