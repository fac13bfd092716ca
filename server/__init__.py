"""The HTTP server: a gunicorn worker that reads requests; set up in ``gunicorn.conf.py``."""
