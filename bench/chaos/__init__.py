"""What callers see while Redis, PostgreSQL and a service cannot be reached: docs/reliability.md."""
