"""``params`` of a method: what each may be, and how it is written into a request.

ParamSchema().load({"type": "array", "items": {"type": "string"}})
document.complain_of_all(check_styles(method), ("services", "maps", "methods", "find"))
"""
