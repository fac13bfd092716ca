"""``flask seed``."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import func, select

from app import create_app
from models import Order, OrderLine, Product, User


def counts(app) -> list[int]:
    with app.extensions["postern"].database.read_session() as session:
        return [
            session.scalar(select(func.count()).select_from(table))
            for table in (Product, User, Order)
        ]


def test_the_demo_is_made_once_and_its_users_can_log_in(app, client) -> None:
    first = app.test_cli_runner().invoke(args=["seed"])
    second = app.test_cli_runner().invoke(args=["seed"])

    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert counts(app) == [100, 20, 300]
    assert "postern-demo" in first.output
    assert "postern-demo" not in second.output
    body = {"username": "demo.mei", "password": "postern-demo"}
    assert client.post("/api/v1/login", json=body).status_code == 200


def test_the_demos_orders_add_up_and_no_stock_is_below_zero(app) -> None:
    app.test_cli_runner().invoke(args=["seed"])

    with app.extensions["postern"].database.read_session() as session:
        assert session.scalar(select(func.min(Product.stock))) >= 0
        assert len(set(session.scalars(select(Product.category)))) == 10
        for order in session.scalars(select(Order)):
            assert order.items
            assert order.total == sum(line.price * line.quantity for line in order.items)
        assert session.scalar(select(func.count()).select_from(OrderLine)) > 300


def test_the_demo_leaves_what_is_there_alone(app) -> None:
    with app.extensions["postern"].database.write_session() as session:
        session.add(Product(name="Momo", price=1, stock=4))
        session.add(User(username="demo.olga", password_hash="hers"))

    done = app.test_cli_runner().invoke(args=["seed"])

    assert done.exit_code == 0, done.output
    assert counts(app) == [100, 20, 300]
    with app.extensions["postern"].database.read_session() as session:
        assert session.scalar(select(Product.stock).where(Product.name == "Momo")) == 4
        assert (
            session.scalar(select(User.password_hash).where(User.username == "demo.olga")) == "hers"
        )


def test_in_production_there_is_no_demo(settings) -> None:
    done = create_app(replace(settings, env="production")).test_cli_runner().invoke(args=["seed"])
    assert done.exit_code == 1
    assert "development" in done.output
