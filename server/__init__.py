"""The HTTP server: a gunicorn worker that reads requests; set up in ``gunicorn.conf.py``.

worker_class = Worker  # of ``server.worker``
bind = "0.0.0.0:8000"
"""
