"""What a catalog may say: its fields, and the parameters and answers that its methods declare.

schema = params_schema({"city": {"type": "string", "required": True}})
"""
