"""The same service on gunicorn's thread worker: the code may not depend on greenlets."""

from config import Settings

_settings = Settings.from_env()
wsgi_app = "wsgi:app"
bind = _settings.bind
worker_class = "gthread"
threads = 16
keepalive = (
    75  # as shipped: after its two seconds it resets a request that came while it stood still
)
control_socket_disable = True
loglevel = "warning"
