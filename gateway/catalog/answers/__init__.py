"""What a method says of its answers: ``returns``, ``response_headers``, ``paginate``.

    schema = ReturnsField(keywords).deserialize({"id": {"type": "integer"}})
    HeaderNames(fields.String()).deserialize(["X-Total-Count"])

``gateway.catalog.formats`` has how an answer is read.
"""
