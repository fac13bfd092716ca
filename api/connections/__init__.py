"""Accounts that admins connect services to, by OAuth 2's authorization code.

request = begin("crm", "user:1", "ann")  # request.authorization_url is for her browser
complete({"state": ..., "code": ...})  # what it comes back with
"""
