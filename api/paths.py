"""What stands in a path for a row."""

from __future__ import annotations

from werkzeug.routing import BaseConverter, IntegerConverter


class IdConverter(IntegerConverter):
    """``<id:product_id>``: a whole number that a database can hold; anything else is not found."""

    # Nine digits fit every database's integers. Not ``max=``: werkzeug answers 405 where only a converter says no.
    regex = "[0-9]{1,9}"


class KeyConverter(BaseConverter):
    """``<key:key>``: whatever follows, slashes and line ends too, wherever they stand."""

    part_isolating = False
    regex = r"[\s\S]+"


class RestConverter(BaseConverter):
    """All that is left of a path, slashes and nothing included."""

    part_isolating = False
    regex = r"[\s\S]*"


CONVERTERS = {"id": IdConverter, "key": KeyConverter, "rest": RestConverter}
