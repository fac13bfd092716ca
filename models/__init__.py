"""SQLAlchemy tables, and the few queries that are worth a name."""

from models.callers import App, User
from models.database import Base, CommitUnknown, Database, UtcDateTime, taken_column
from models.goods import PRODUCTS, Order, OrderLine, Product
from models.idempotency import IdempotencyKey
from models.logins import RefreshToken, RevokedToken, forget_expired
from models.things import Document, File

__all__ = [
    "PRODUCTS",
    "App",
    "Base",
    "CommitUnknown",
    "Database",
    "Document",
    "File",
    "IdempotencyKey",
    "Order",
    "OrderLine",
    "Product",
    "RefreshToken",
    "RevokedToken",
    "User",
    "UtcDateTime",
    "forget_expired",
    "taken_column",
]
