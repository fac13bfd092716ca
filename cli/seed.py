"""``flask seed``: a demo to look at, in development."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from api.parts import parts
from api.passwords import hash_password
from cli.accounts import told
from cli.demo import PRODUCTS, USERS
from cli.progress import shown
from models import Order, OrderLine, Product, User

PASSWORD = "postern-demo"  # noqa: S105 - of every demo user, and in development only
ORDERS = 300
DAYS = 90  # the demo's past


@click.command("seed")
@with_appcontext
def seed() -> None:
    """Development only: 100 products, 20 users and 300 orders; what is there already stays as it is."""
    if not parts().settings.development:
        raise click.ClickException("flask seed is for development; its users share one known password")
    password_hash = hash_password(PASSWORD)
    chance = random.Random(2026)  # noqa: S311 - the same demo everywhere
    with told("somebody else is seeding this database"), parts().database.session() as session:
        if session.scalar(select(User.id).where(User.username == USERS[0][0])):
            click.echo("the demo is there already; nothing was changed")
            return
        users = _add_users(session, password_hash)
        products = _add_products(session, chance)
        _add_orders(session, chance, users, products)
    click.echo(f"made {len(PRODUCTS) * 10} products, {len(USERS)} users and {ORDERS} orders, where they were missing")
    click.echo(f"users: {', '.join(f'{name} ({role})' for name, _, role in USERS)}")
    click.echo(f"password of each: {PASSWORD}")


def _add_users(session: Session, password_hash: str) -> list[int]:
    """The ids of the users who may order."""
    there = set(session.scalars(select(User.username)))
    rows = [
        {"username": name, "name": full, "role": role, "email": f"{name}@example.com", "password_hash": password_hash}
        for name, full, role in USERS
        if name not in there
    ]
    session.execute(insert(User), rows)
    names = [name for name, _, role in USERS if role != "guest"]
    return list(session.scalars(select(User.id).where(User.username.in_(names)).order_by(User.id)))


def _add_products(session: Session, chance: random.Random) -> list[Product]:
    there = set(session.scalars(select(Product.name)))
    rows = [
        {
            "name": name,
            "price": Decimal(price),
            "category": category,
            "description": f"{category}: {name}",
            "stock": chance.choice((0, 5, 20, 60, 150)),
            "created_at": _earlier(chance, DAYS, 2 * DAYS),
        }
        for category, products in PRODUCTS.items()
        for name, price in products
        if name not in there
    ]
    if not rows:
        return []
    made = select(Product).where(Product.name.in_([row["name"] for row in rows])).order_by(Product.id)
    session.execute(insert(Product), rows)
    return list(session.scalars(made))


def _add_orders(session: Session, chance: random.Random, users: list[int], products: list[Product]) -> None:
    """Orders of the demo's own products, whose stock is what the orders left."""
    orders: list[dict[str, Any]] = []
    lines: list[list[dict[str, Any]]] = []
    for _ in shown(range(ORDERS), "orders"):
        buyable = [each for each in products if each.stock > 0]
        chosen = chance.sample(buyable, min(chance.randint(1, 4), len(buyable)))
        if not chosen:
            break
        lines.append([_line(chance, product) for product in chosen])
        orders.append(
            {
                "user_id": chance.choice(users),
                "status": chance.choice(("pending", "paid", "paid", "paid")),
                "total": sum(line["price"] * line["quantity"] for line in lines[-1]),
                "created_at": _earlier(chance, 0, DAYS),
            }
        )
    session.flush()  # the stock that is left
    if orders:
        ids = session.scalars(insert(Order).returning(Order.id, sort_by_parameter_order=True), orders)
        rows = [{**line, "order_id": order} for order, each in zip(ids, lines, strict=True) for line in each]
        session.execute(insert(OrderLine), rows)


def _line(chance: random.Random, product: Product) -> dict[str, Any]:
    quantity = chance.randint(1, min(3, product.stock))
    product.stock -= quantity
    return {"product_id": product.id, "quantity": quantity, "price": product.price}


def _earlier(chance: random.Random, least: int, most: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=chance.uniform(least, most))
