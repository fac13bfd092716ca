"""SQLAlchemy tables, and the few queries that are worth a name."""

from models.callers import App, User
from models.database import Base, Database, UtcDateTime
from models.logins import RefreshToken, RevokedToken, forget_expired

__all__ = ["App", "Base", "Database", "RefreshToken", "RevokedToken", "User", "UtcDateTime", "forget_expired"]
