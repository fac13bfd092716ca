"""SQLAlchemy tables, and the few queries that are worth a name.

with database.read_session() as session:
    document = Document.by_key(session, "greeting")
"""

from models.audit import Act as Act
from models.audit import AuditEvent as AuditEvent
from models.audit import Origin as Origin
from models.columns import UtcDateTime as UtcDateTime
from models.connections import AccountConnection as AccountConnection
from models.connections import ConnectionRequest as ConnectionRequest
from models.database import Base as Base
from models.database import CommitUnknown as CommitUnknown
from models.database import Database as Database
from models.database import Transaction as Transaction
from models.database import duplicate_column as duplicate_column
from models.documents import Document as Document
from models.documents import File as File
from models.idempotency import IdempotencyKey as IdempotencyKey
from models.shop import PRODUCTS as PRODUCTS
from models.shop import Order as Order
from models.shop import OrderLine as OrderLine
from models.shop import Product as Product
from models.users import App as App
from models.users import RefreshToken as RefreshToken
from models.users import RevokedToken as RevokedToken
from models.users import User as User
from models.users import delete_expired as delete_expired
