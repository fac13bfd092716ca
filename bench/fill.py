"""Many products, made by the database itself."""

COLUMNS = "name, price, description, stock, category, created_at, version"
FILL = {
    "sqlite": f"""INSERT INTO products ({COLUMNS})
        WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < :rows)
        SELECT 'Product ' || n, n * 7919 % 100000, 'The product with number ' || n, n % 50,
               'category ' || n % 20, datetime('now'), 1 FROM series""",  # noqa: S608 - of constants
    "postgresql": f"""INSERT INTO products ({COLUMNS})
        SELECT 'Product ' || n, n * 7919::bigint % 100000 / 100.0,
               'The product with number ' || n, n % 50, 'category ' || n % 20, now(), 1
               FROM generate_series(1, :rows) AS n""",  # noqa: S608 - of constants
}  # fmt: skip
