"""The HTTP server: a gunicorn worker class that reads requests and writes answers; ``gunicorn.conf.py`` sets it up."""
