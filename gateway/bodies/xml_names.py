"""What may be the name of an XML element or attribute, as patterns (``re``).

Apart from ``gateway.bodies.xml``, whose parsers a catalog without XML does not need.
"""

_LOCAL_NAME = r"[A-Za-z_\u4e00-\u9fff][\w.\u4e00-\u9fff-]*"
XML_NAME = rf"(?a:{_LOCAL_NAME}(:{_LOCAL_NAME})?)"  # with a prefix, perhaps
XML_MEMBER = f"@?{XML_NAME}"
