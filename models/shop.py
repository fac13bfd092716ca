"""Products, and the orders that take them out of stock."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from models.columns import Money, utc_now
from models.database import Base
from schemas.shop import ORDER_STATES


class Product(Base):
    """``version`` counts changes: the ETag holds it, and a write on an older version is refused."""

    __tablename__ = "products"
    __table_args__ = (
        sa.CheckConstraint("stock >= 0", name="stock"),
        sa.CheckConstraint("price >= 0", name="price"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    price: Mapped[Decimal] = mapped_column(Money, index=True)
    description: Mapped[str] = mapped_column(sa.Text, default="")
    stock: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    category: Mapped[str | None] = mapped_column(sa.String(100), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - how SQLAlchemy spells it

    @property
    def in_stock(self) -> bool:
        return self.stock > 0

    @classmethod
    def insert(cls, connection: sa.Connection, data: Mapping[str, Any]) -> Any:
        """Insert a product and return its row, with defaults; to SELECT it takes twice the time."""
        result = connection.execute(_INSERT, data)
        row: Any = result.last_inserted_params()
        primary_key: Any = result.inserted_primary_key
        return SimpleNamespace(**{**row, "id": primary_key[0], "in_stock": row["stock"] > 0})

    @classmethod
    def take_stock(cls, session: Session, product_id: int, quantity: int) -> bool:
        """Take ``quantity`` out of stock, if there is as much; no product that was read changes."""
        values = {"product_id": product_id, "quantity": quantity}
        return session.execute(_TAKE_STOCK, values).first() is not None


PRODUCTS = Base.metadata.tables["products"]
# Built once, and of columns: the ORM would look for rows of its own that they change.
_INSERT = sa.insert(PRODUCTS)
_QUANTITY = sa.bindparam("quantity", type_=sa.BigInteger)
_TAKE_STOCK = (
    sa.update(PRODUCTS)
    .where(PRODUCTS.c.id == sa.bindparam("product_id"), PRODUCTS.c.stock >= _QUANTITY)
    .values(stock=PRODUCTS.c.stock - _QUANTITY, version=PRODUCTS.c.version + 1)
    .returning(PRODUCTS.c.id)
)


class Order(Base):
    """A user's order and the state of its payment.

    pending -> paid | failed; unknown while the vendor has been asked and no answer says which.
    """

    __tablename__ = "orders"
    __table_args__ = (
        sa.CheckConstraint(f"status IN {ORDER_STATES!r}", name="status"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), index=True)
    status: Mapped[str] = mapped_column(sa.String(16), default="pending")
    total: Mapped[Decimal] = mapped_column(Money)
    # The service.method that charges, from the first try on.
    via: Mapped[str | None] = mapped_column(sa.String(130))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    version: Mapped[int] = mapped_column(default=1)

    items: Mapped[list[OrderLine]] = relationship(
        cascade="all, delete-orphan", order_by="OrderLine.id"
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

    @property
    def idempotency_key(self) -> str:
        """The key of every try to pay; another database's order of this id has another."""
        facts = f"{self.id} {self.user_id} {self.total} {self.created_at.isoformat()}"
        return f"order-{self.id}-{hashlib.sha256(facts.encode()).hexdigest()[:32]}"


class OrderLine(Base):
    """``price`` is the product's when it was ordered."""

    __tablename__ = "order_lines"
    __table_args__ = (sa.CheckConstraint("quantity > 0", name="quantity"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(
        sa.ForeignKey("orders.id", ondelete="CASCADE"), index=True
    )
    product_id: Mapped[int] = mapped_column(sa.ForeignKey("products.id"), index=True)
    quantity: Mapped[int]
    price: Mapped[Decimal] = mapped_column(Money)
