"""FastAPI, SQLAlchemy and pydantic: products, in the same table as Postern's.

Sessions are synchronous, in coroutines: SQLite answers faster than a thread is found to wait for
it, and Postern's worker waits for it just so. In FastAPI's threads the same costs 1.6 to 2 times as
much, with aiosqlite over 2 times.
"""

import os
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from fastapi import FastAPI, HTTPException, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    String,
    Text,
    TypeDecorator,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from bench.peers.fastapi_common import Claims, RequestId


class Cents(TypeDecorator[Decimal]):
    """Money, as a whole number of cents in the database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return value if value is None else int(value * 100)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return value if value is None else Decimal(value).scaleb(-2)


class Base(DeclarativeBase): ...


class Product(Base):
    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    price: Mapped[Decimal] = mapped_column(Cents)
    description: Mapped[str] = mapped_column(Text, default="")
    stock: Mapped[int] = mapped_column(BigInteger, default=0)
    category: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(
        DateTime, default=lambda: datetime.now(UTC).replace(tzinfo=None)
    )
    version: Mapped[int] = mapped_column(default=1)

    @property
    def in_stock(self) -> bool:
        return self.stock > 0


class ProductIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    price: Decimal = Field(ge=0, max_digits=12, decimal_places=2)
    description: str = Field("", max_length=10_000)
    stock: int = Field(0, ge=0, strict=True)
    category: str | None = Field(None, min_length=1, max_length=100)


class ProductOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    price: Decimal
    description: str
    stock: int
    in_stock: bool
    category: str | None
    created_at: Annotated[datetime, AfterValidator(lambda value: value.replace(tzinfo=UTC))]


Data = TypeVar("Data")


class Page(BaseModel):
    items: list[ProductOut]
    total: int
    skip: int
    limit: int


class Answer(BaseModel, Generic[Data]):
    code: int = 0
    message: str = "success"
    data: Data
    request_id: str
    timestamp: datetime


engine = create_engine(f"sqlite:///{os.environ['DATABASE']}")
sessions = sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


@event.listens_for(engine, "connect")
def prepare(connection: Any, record: object) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")


@app.get("/api/v1/products")
async def list_products(
    caller: Claims,
    skip: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    x_request_id: RequestId = None,
) -> Answer[Page]:
    with sessions() as session:
        items = session.scalars(
            select(Product).order_by(Product.id).offset(skip).limit(limit)
        ).all()
        total = session.scalar(select(func.count()).select_from(Product))
    return answered({"items": items, "total": total, "skip": skip, "limit": limit}, x_request_id)


@app.get("/api/v1/products/{product_id}")
async def get_product(
    product_id: int, caller: Claims, x_request_id: RequestId = None
) -> Answer[ProductOut]:
    with sessions() as session:
        product = session.get(Product, product_id)
    if product is None:
        raise HTTPException(404, "There is no such product.")
    return answered(product, x_request_id)


@app.post("/api/v1/products", status_code=201)
async def create_product(
    body: ProductIn, caller: Claims, x_request_id: RequestId = None
) -> Answer[ProductOut]:
    if caller["role"] not in ("user", "admin"):
        raise HTTPException(403, "Your role may not do this.")
    product = Product(**body.model_dump())
    try:
        with sessions.begin() as session:
            session.add(product)
    except IntegrityError as error:
        raise HTTPException(409, "There is such a product already.") from error
    return answered(product, x_request_id)


def answered(data: Any, request_id: str | None) -> Any:
    """What the response model reads: it makes the pydantic objects, once."""
    return {
        "data": data,
        "request_id": request_id or uuid.uuid4().hex,
        "timestamp": datetime.now(UTC),
    }
