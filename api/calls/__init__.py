"""Calls of outside APIs: single, in a batch or passed through; services, their state, call records.

POST /api/v1/call/wechat/send_msg  {"touser": "o6_bmjrPTlm6", "text": "hello"}
-> {"code": 0, "message": "success", "data": {"msgid": 7}, "request_id": "...", ...}
"""
