"""``flask seed``: a shop that sells things from ten places, and its customers, to look at."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import click
import sqlalchemy as sa
from flask.cli import with_appcontext
from sqlalchemy.orm import Session

from api.auth.passwords import hash_password
from api.context import app_state
from cli.accounts import write_session
from cli.output import show_progress
from models import Order, OrderLine, Product, User

#: category -> (name, price) of ten products.
PRODUCTS: dict[str, tuple[tuple[str, str], ...]] = {
    "tea": (
        ("西湖龙井 Longjing, 100 g", "28.00"), ("铁观音 Tieguanyin, 150 g", "24.50"), ("普洱茶饼 Pu'er cake, 357 g", "39.90"),
        ("茉莉花茶 Jasmine tea, 200 g", "12.80"), ("大红袍 Da Hong Pao, 50 g", "45.00"), ("抹茶 Matcha, 30 g", "19.90"),
        ("玄米茶 Genmaicha, 200 g", "9.50"), ("Earl Grey, 50 bags", "6.40"), ("Ostfriesentee, 500 g", "11.20"),
        ("شاي بالنعناع Mint tea, 100 g", "5.90"),
    ),
    "coffee": (
        ("Espresso Napoli, 1 kg", "18.90"), ("Yirgacheffe, 250 g", "11.50"), ("Café de olla, 250 g", "9.80"),
        ("قهوة عربية Arabic coffee, 250 g", "8.75"), ("Türk kahvesi, 250 g", "6.30"), ("Cà phê phin, 500 g", "10.40"),
        ("Cold brew, 1 l", "7.20"), ("Decaf Colombia, 250 g", "10.90"), ("Filterpapier Größe 4, 100 Stück", "2.49"),
        ("Cafetière à piston, 1 l", "32.00"),
    ),
    "文具": (
        ("钢笔 Fountain pen", "36.00"), ("毛笔 Calligraphy brush", "14.00"), ("墨汁 Ink, 250 ml", "6.80"),
        ("宣纸 Rice paper, 50 sheets", "9.90"), ("印泥 Seal paste", "12.00"), ("笔记本 A5 notebook", "4.20"),
        ("便利贴 Sticky notes", "1.80"), ("剪刀 Scissors", "5.50"), ("胶带 Tape, 6 rolls", "4.90"), ("订书机 Stapler", "8.60"),
    ),
    "台所": (
        ("三徳包丁 Santoku knife", "89.00"), ("砥石 Whetstone 1000/6000", "34.00"), ("土鍋 Donabe, 2 l", "58.00"),
        ("弁当箱 Bento box", "17.50"), ("箸 Chopsticks, 5 pairs", "11.00"), ("おろし金 Grater", "13.20"),
        ("急須 Kyusu teapot", "42.00"), ("まな板 Cutting board", "26.00"), ("味噌こし Miso strainer", "7.70"),
        ("菜箸 Cooking chopsticks", "3.60"),
    ),
    "Bücher": (
        ("Der Zauberberg", "16.00"), ("Die Blechtrommel", "15.00"), ("Momo", "12.00"), ("Faust I", "3.00"),
        ("Effi Briest", "6.80"), ("Das Parfum", "14.00"), ("Krabat", "9.99"), ("Der Prozess", "8.00"),
        ("Tintenherz", "13.99"), ("Tschick", "11.00"),
    ),
    "épicerie": (
        ("Moutarde de Dijon, 370 g", "3.20"), ("Fleur de sel, 125 g", "7.90"), ("Confiture d'abricots, 340 g", "4.60"),
        ("Huile d'olive, 75 cl", "14.50"), ("Cornichons, 350 g", "3.95"), ("Miel de lavande, 500 g", "12.30"),
        ("Herbes de Provence, 60 g", "3.10"), ("Crème de marrons, 500 g", "5.40"), ("Vinaigre de cidre, 50 cl", "2.85"),
        ("Sardines à l'huile, 115 g", "4.25"),
    ),
    "música": (
        ("Guitarra clásica", "189.00"), ("Cuerdas de nylon", "9.90"), ("Castañuelas", "21.00"), ("Cajón flamenco", "129.00"),
        ("Cejilla", "14.50"), ("Maracas", "11.90"), ("Bandurria", "240.00"), ("Afinador", "16.00"), ("Atril", "24.00"),
        ("Púas, 12 uds.", "4.80"),
    ),
    "игрушки": (
        ("Матрёшка, 7 кукол", "29.00"), ("Шахматы", "35.00"), ("Неваляшка", "12.50"), ("Деревянный конструктор", "22.00"),
        ("Юла", "8.40"), ("Лото", "10.90"), ("Домино", "7.60"), ("Плюшевый мишка", "18.00"), ("Пазл, 1000 деталей", "14.20"),
        ("Кубики с азбукой", "11.30"),
    ),
    "화장품": (
        ("선크림 Sun cream SPF 50", "15.50"), ("시트 마스크 Sheet masks, 10", "12.00"), ("토너 Toner, 200 ml", "17.80"),
        ("립밤 Lip balm", "4.50"), ("클렌징 오일 Cleansing oil", "19.00"), ("쿠션 Cushion", "24.00"),
        ("핸드크림 Hand cream", "6.20"), ("에센스 Essence, 50 ml", "32.00"), ("샴푸 Shampoo, 500 ml", "11.40"),
        ("아이브로우 Eyebrow pencil", "7.30"),
    ),
    "मसाले": (
        ("हल्दी Turmeric, 200 g", "3.40"), ("गरम मसाला Garam masala, 100 g", "4.20"), ("जीरा Cumin, 200 g", "3.80"),
        ("इलायची Cardamom, 50 g", "6.90"), ("केसर Saffron, 1 g", "8.50"), ("धनिया Coriander, 200 g", "2.90"),
        ("हींग Asafoetida, 50 g", "3.60"), ("लाल मिर्च Red chilli, 200 g", "3.30"), ("सरसों Mustard seed, 200 g", "2.60"),
        ("दालचीनी Cinnamon, 100 g", "4.10"),
    ),
}  # fmt: skip

#: (username, name, role)
USERS: tuple[tuple[str, str, str], ...] = (
    ("demo.mei", "林美", "admin"), ("demo.jonas", "Jonas Weber", "admin"), ("demo.yuki", "佐藤 有希", "user"),
    ("demo.fatima", "فاطمة الزهراء", "user"), ("demo.olga", "Ольга Петрова", "user"), ("demo.minjun", "김민준", "user"),
    ("demo.priya", "प्रिया शर्मा", "user"), ("demo.claire", "Claire Dubois", "user"), ("demo.diego", "Diego Núñez", "user"),
    ("demo.wei", "王伟", "user"), ("demo.anna", "Anna Kowalska", "user"), ("demo.liam", "Liam O'Brien", "user"),
    ("demo.sofia", "Sofía García", "user"), ("demo.emre", "Emre Yıldız", "user"), ("demo.linh", "Nguyễn Thị Linh", "user"),
    ("demo.noa", "נועה לוי", "user"), ("demo.lars", "Lars Ångström", "guest"), ("demo.amina", "Amina Diallo", "guest"),
    ("demo.george", "Γιώργος Παππάς", "guest"), ("demo.somchai", "สมชาย ใจดี", "guest"),
)  # fmt: skip

PASSWORD = "postern-demo"  # noqa: S105 - of every demo user, and in development only
ORDER_COUNT = 300
ORDER_DAYS = 90  # the time over which the orders were made
MAX_ORDER_LINES = 4
MAX_LINE_QUANTITY = 3


@click.command("seed")
@with_appcontext
def seed() -> None:
    """Development only: 100 products, 20 users and 300 orders; what is there already stays as it
    is.
    """
    if not app_state().settings.development:
        raise click.ClickException(
            "flask seed is for development; its users share one known password"
        )
    password_hash = hash_password(PASSWORD)
    rng = random.Random(2026)  # noqa: S311 - the same demo everywhere
    with write_session("somebody else is seeding this database") as session:
        if session.scalar(sa.select(User.id).where(User.username == USERS[0][0])):
            click.echo("the demo is there already; nothing was changed")
            return
        users = _add_users(session, password_hash)
        products = _add_products(session, rng)
        _add_orders(session, rng, users, products)
    click.echo(
        f"made {len(PRODUCTS) * 10} products, {len(USERS)} users and {ORDER_COUNT} orders, where they were missing"
    )
    click.echo(f"users: {', '.join(f'{name} ({role})' for name, _, role in USERS)}")
    click.echo(f"password of each: {PASSWORD}")


def _add_users(session: Session, password_hash: str) -> list[int]:
    """Add the users and return the ids of those who may order."""
    existing = set(session.scalars(sa.select(User.username)))
    rows = [
        {
            "username": name,
            "name": full_name,
            "role": role,
            "email": f"{name}@example.com",
            "password_hash": password_hash,
        }
        for name, full_name, role in USERS
        if name not in existing
    ]
    session.execute(sa.insert(User), rows)
    names = [name for name, _, role in USERS if role != "guest"]
    return list(
        session.scalars(sa.select(User.id).where(User.username.in_(names)).order_by(User.id))
    )


def _add_products(session: Session, rng: random.Random) -> list[Product]:
    """Add the products that are missing and return them."""
    existing = set(session.scalars(sa.select(Product.name)))
    rows = [
        {
            "name": name,
            "price": Decimal(price),
            "category": category,
            "description": f"{category}: {name}",
            "stock": rng.choice((0, 5, 20, 60, 150)),
            "created_at": _random_moment(rng, ORDER_DAYS, 2 * ORDER_DAYS),
        }
        for category, products in PRODUCTS.items()
        for name, price in products
        if name not in existing
    ]
    if not rows:
        return []
    session.execute(sa.insert(Product), rows)
    names = [row["name"] for row in rows]
    return list(
        session.scalars(sa.select(Product).where(Product.name.in_(names)).order_by(Product.id))
    )


def _add_orders(
    session: Session, rng: random.Random, users: list[int], products: list[Product]
) -> None:
    """Add orders of the demo's own products and take their lines out of stock."""
    orders: list[dict[str, Any]] = []
    lines: list[list[dict[str, Any]]] = []
    for _ in show_progress(range(ORDER_COUNT), "orders"):
        buyable = [product for product in products if product.stock > 0]
        chosen = rng.sample(buyable, min(rng.randint(1, MAX_ORDER_LINES), len(buyable)))
        if not chosen:
            break
        lines.append([_order_line(rng, product) for product in chosen])
        orders.append(
            {
                "user_id": rng.choice(users),
                "status": rng.choice(("pending", "paid", "paid", "paid")),
                "total": sum(line["price"] * line["quantity"] for line in lines[-1]),
                "created_at": _random_moment(rng, 0, ORDER_DAYS),
            }
        )
    session.flush()  # the reduced stock
    if orders:
        ids = session.scalars(
            sa.insert(Order).returning(Order.id, sort_by_parameter_order=True), orders
        )
        rows = [
            {**line, "order_id": order}
            for order, order_lines in zip(ids, lines, strict=True)
            for line in order_lines
        ]
        session.execute(sa.insert(OrderLine), rows)


def _order_line(rng: random.Random, product: Product) -> dict[str, Any]:
    quantity = rng.randint(1, min(MAX_LINE_QUANTITY, product.stock))
    product.stock -= quantity
    return {"product_id": product.id, "quantity": quantity, "price": product.price}


def _random_moment(rng: random.Random, min_days_ago: int, max_days_ago: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=rng.uniform(min_days_ago, max_days_ago))
