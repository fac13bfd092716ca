"""``params`` of a method: what each may be, and how it is written into a request.

ParamSchema().load({"type": "array", "items": {"type": "string"}})
check_styles(document, ("services", "maps", "methods", "find"), method)
"""
