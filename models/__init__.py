"""SQLAlchemy tables, and the few queries that are worth a name.

with database.read_session() as session:
    document = Document.by_key(session, "greeting")
"""

from models.audit import Act, AuditEvent, Origin
from models.columns import UtcDateTime
from models.connections import AccountConnection, ConnectionRequest
from models.database import Base, CommitUnknown, Database, duplicate_column
from models.documents import Document, File
from models.idempotency import IdempotencyKey
from models.shop import PRODUCTS, Order, OrderLine, Product
from models.users import App, RefreshToken, RevokedToken, User, delete_expired

__all__ = [
    "PRODUCTS",
    "AccountConnection",
    "Act",
    "App",
    "AuditEvent",
    "Base",
    "CommitUnknown",
    "ConnectionRequest",
    "Database",
    "Document",
    "File",
    "IdempotencyKey",
    "Order",
    "OrderLine",
    "Origin",
    "Product",
    "RefreshToken",
    "RevokedToken",
    "User",
    "UtcDateTime",
    "delete_expired",
    "duplicate_column",
]
