"""Products: anybody with a token reads, users write, admins delete."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NoReturn

from flask import Response
from sqlalchemy import ColumnElement, Select, bindparam, select
from sqlalchemy.orm import Session

from api.auth import role_required, token_required
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.cache import cached_response, write_connection, write_session
from api.http.etags import check_match, etag_of, etag_response
from api.http.idempotency import idempotent_by_database
from api.http.lists import PAGING_PARAMS, csv_response, list_row_page, search, wants_csv
from gateway.errors import Conflict, NotFound
from models import PRODUCTS, Product
from schemas.fields import row_to_dict
from schemas.shop import ProductArgs, ProductIn, ProductListOut, ProductOut, QuantityIn

blueprint = Blueprint("products", __name__, description="Things that can be ordered.")
_schema = ProductOut()
_to_item = row_to_dict(ProductOut)
_columns = PRODUCTS.c
# Reads select columns, and a new product is inserted as columns: an entity, which changes need,
# costs twice as much.
_in_stock = _columns.stock > 0
_expressions = {**_columns, "in_stock": _in_stock.label("in_stock")}
_select_rows = select(*(_expressions[name] for name in _schema.fields), _columns.version)
_select_row = _select_rows.where(_columns.id == bindparam("id"))


_EXAMPLE = {"name": "Teapot", "price": "12.50", "stock": 20, "category": "kitchen"}


@blueprint.get("/products")
@token_required
@blueprint.arguments(ProductArgs, location="query")
@blueprint.response(200, ProductListOut)
def list_products(args: dict[str, Any]) -> Response:
    """Products, filtered and sorted."""
    return _list_products(args)


@blueprint.get("/products/in_stock")
@token_required
@blueprint.arguments(ProductArgs, location="query")
@blueprint.response(200, ProductListOut)
def list_products_in_stock(args: dict[str, Any]) -> Response:
    """Products of which there are any."""
    return _list_products(args, _in_stock)


@blueprint.post("/products")
@role_required("user", "admin")
@blueprint.arguments(ProductIn, example=_EXAMPLE)
@blueprint.response(201, ProductOut)
@idempotent_by_database()
def create_product(data: dict[str, Any]) -> Response:
    """A new product, whose name no other has."""
    with write_connection("products") as connection:
        product = Product.insert(connection, data)
        item = {name: getattr(product, name) for name in _schema.fields}
        return etag_response(item, etag_of(product), 201)


@blueprint.get("/products/<id:product_id>")
@token_required
@blueprint.response(200, ProductOut)
def get_product(product_id: int) -> Response:
    """One product."""

    def read() -> tuple[Any, str]:
        with app_state().database.read_connection() as connection:
            product = connection.execute(_select_row, {"id": product_id}).one_or_none() or _missing(
                product_id
            )
        return _to_item(product), etag_of(product)

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


@blueprint.post("/products/<id:product_id>/reduce_stock")
@role_required("user", "admin")
@blueprint.arguments(QuantityIn, example={"quantity": 1})
@blueprint.response(200, ProductOut)
@idempotent_by_database()
def reduce_stock(data: dict[str, int], product_id: int) -> Response:
    """Take some out of stock; 409, and nothing taken, if there are not so many."""
    with write_session("products") as session:
        was_taken = Product.take_stock(session, product_id, data["quantity"])
        product = _get_product(session, product_id)
        if not was_taken:
            raise Conflict(f"There are only {product.stock} in stock.")
        return _changed_response(session, product)


def _filtered(query: Select[Any], args: Mapping[str, Any]) -> Select[Any]:
    if "q" in args:
        query = query.where(search(args["q"], _columns.name, _columns.description))
    if "category" in args:
        query = query.where(_columns.category == args["category"])
    if "price_min" in args:
        query = query.where(_columns.price >= args["price_min"])
    if "price_max" in args:
        query = query.where(_columns.price <= args["price_max"])
    if "in_stock" in args:
        query = query.where(_in_stock if args["in_stock"] else ~_in_stock)
    return query


@lru_cache(maxsize=128)
def _filtered_rows(filters: frozenset[tuple[str, Any]], *only: ColumnElement[bool]) -> Select[Any]:
    """Return the same query object for the same filters, so that its statements are built once."""
    return _filtered(_select_rows.where(*only), dict(filters))


def _list_products(args: dict[str, Any], *only: ColumnElement[bool]) -> Response:
    if wants_csv():
        return csv_response(_filtered(select(Product).where(*only), args), Product, _schema, args)

    def read() -> tuple[Any, None]:
        filters = frozenset((name, args[name]) for name in args.keys() - PAGING_PARAMS)
        with app_state().database.read_connection() as connection:
            return list_row_page(connection, _filtered_rows(filters, *only), args, _to_item), None

    return cached_response("products", read)


def _get_product(session: Session, product_id: int) -> Product:
    product = session.get(Product, product_id, populate_existing=True)
    return product or _missing(product_id)


def _missing(product_id: int) -> NoReturn:
    raise NotFound(f"There is no product {product_id}.")


def _update(product_id: int, data: dict[str, Any]) -> Response:
    with write_session("products") as session:
        product = _get_product(session, product_id)
        check_match(product)
        for name, value in data.items():
            setattr(product, name, value)
        return _changed_response(session, product)


def _changed_response(session: Session, product: Product) -> Response:
    session.flush()
    return etag_response(_schema.dump(product), etag_of(product))
