"""What gunicorn and the flask command load: ``gunicorn wsgi:app``."""

from app import create_app
from config import SettingsError
from gateway.loader import CatalogError

try:
    app = create_app()
except (SettingsError, CatalogError) as error:
    raise SystemExit(f"Postern does not start:\n{error}") from error
