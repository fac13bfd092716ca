"""Products: anybody with a token reads, users write, admins delete."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Response, request
from sqlalchemy.orm import Session

from api.audit import record_act
from api.auth import role_required, token_required
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.cache import cached_response, write_connection, write_session
from api.http.etags import check_match, etag_of, etag_response
from api.http.idempotency import idempotent_by_database
from api.http.lists import RowList, cached_list_response, search
from gateway.errors import Conflict, NotFound
from models import PRODUCTS, Act, Product
from schemas.dump import entity_dumper, row_dumper
from schemas.shop import ProductArgs, ProductIn, ProductListOut, ProductOut, QuantityIn

blueprint = Blueprint("products", __name__, description="Things that can be ordered.")
_schema = ProductOut()
_dump_product = entity_dumper(_schema)
_columns = PRODUCTS.c
# Reads select columns, and a new product is inserted as columns: an entity, which changes need,
# costs twice as much.
_in_stock = _columns.stock > 0
_expressions = {**_columns, "in_stock": _in_stock.label("in_stock")}
_select_rows = sa.select(*(_expressions[name] for name in _schema.fields), _columns.version)
_select_row = _select_rows.where(_columns.id == sa.bindparam("id"))
_products = RowList(
    Product,
    _select_rows,
    row_dumper(_schema),
    {
        "q": lambda text: search(text, _columns.name, _columns.description),
        "category": lambda name: _columns.category == name,
        "price_min": lambda price: _columns.price >= price,
        "price_max": lambda price: _columns.price <= price,
        "in_stock": lambda value: _in_stock if value else ~_in_stock,
        "only_in_stock": lambda _: _in_stock,
    },
)

_EXAMPLE = {"name": "Teapot", "price": "12.50", "stock": 20, "category": "kitchen"}


@blueprint.get("/products")
@token_required
@blueprint.arguments(ProductArgs, location="query")
@blueprint.response(200, ProductListOut)
def list_products(args: dict[str, Any]) -> Response:
    """Products, filtered and sorted."""
    return cached_list_response("products", _products, _schema, args)


@blueprint.get("/products/in_stock")
@token_required
@blueprint.arguments(ProductArgs, location="query")
@blueprint.response(200, ProductListOut)
def list_products_in_stock(args: dict[str, Any]) -> Response:
    """Products of which there are any."""
    args = {**args, "only_in_stock": True}
    return cached_list_response("products", _products, _schema, args)


@blueprint.post("/products")
@role_required("user", "admin")
@blueprint.arguments(ProductIn, example=_EXAMPLE)
@blueprint.response(201, ProductOut)
@idempotent_by_database()
def create_product(data: dict[str, Any]) -> Response:
    """A new product, whose name no other has."""
    with write_connection("products") as connection:
        product = Product.insert(connection, data)
        return etag_response(_dump_product(product), etag_of(product), 201)


@blueprint.get("/products/<id:product_id>")
@token_required
@blueprint.response(200, ProductOut)
def get_product(product_id: int) -> Response:
    """One product."""

    def read() -> tuple[Any, str]:
        with app_state().database.read_connection() as connection:
            product = connection.execute(_select_row, {"id": product_id}).first()
        if product is None:
            raise _missing(product_id)
        return _dump_product(product), etag_of(product)

    return cached_response("products", read)


@blueprint.put("/products/<id:product_id>")
@role_required("user", "admin")
@blueprint.arguments(ProductIn, example={**_EXAMPLE, "price": "13.00"})
@blueprint.response(200, ProductOut)
def replace_product(data: dict[str, Any], product_id: int) -> Response:
    """All of a product; what is left out becomes its default."""
    return _update(product_id, data)


@blueprint.patch("/products/<id:product_id>")
@role_required("user", "admin")
@blueprint.arguments(ProductIn(partial=True), example={"price": "11.90"})
@blueprint.response(200, ProductOut)
def change_product(data: dict[str, Any], product_id: int) -> Response:
    """Some of a product."""
    return _update(product_id, data)


@blueprint.delete("/products/<id:product_id>")
@role_required("admin")
@blueprint.response(200)
def delete_product(product_id: int) -> None:
    """A product that nobody ordered."""
    with write_session("products") as session:
        product = _get_product(session, product_id)
        check_match(product)
        session.delete(product)
        session.flush()
        record_act(session, Act("product.delete", f"product:{product_id}", product.name))


@blueprint.post("/products/<id:product_id>/reduce_stock")
@role_required("user", "admin")
@blueprint.arguments(QuantityIn, example={"quantity": 1})
@blueprint.response(200, ProductOut)
@idempotent_by_database()
def reduce_stock(data: dict[str, int], product_id: int) -> Response:
    """Take some out of stock; 409, and nothing taken, if there are not so many."""
    with write_session("products") as session:
        if "If-Match" in request.headers:
            check_match(_get_product(session, product_id))
        is_available = Product.take_stock(session, product_id, data["quantity"])
        product = _get_product(session, product_id)
        if not is_available:
            raise Conflict(f"There are only {product.stock} in stock; ask for no more.")
        return _changed_response(session, product)


def _get_product(session: Session, product_id: int) -> Product:
    product = session.get(Product, product_id, populate_existing=True)
    if product is None:
        raise _missing(product_id)
    return product


def _missing(product_id: int) -> NotFound:
    return NotFound(
        f"There is no product {product_id}; GET /api/v1/products lists those that there are."
    )


def _update(product_id: int, data: dict[str, Any]) -> Response:
    with write_session("products") as session:
        product = _get_product(session, product_id)
        check_match(product)
        for name, value in data.items():
            setattr(product, name, value)
        return _changed_response(session, product)


def _changed_response(session: Session, product: Product) -> Response:
    session.flush()
    return etag_response(_dump_product(product), etag_of(product))
