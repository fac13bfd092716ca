"""The HTTP server: a gunicorn worker class and how answers are written; ``gunicorn.conf.py`` sets it up."""
