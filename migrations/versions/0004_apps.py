"""Apps count their versions, and say when they last signed a request."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("apps") as apps:
        apps.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
        apps.add_column(sa.Column("last_used_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    with op.batch_alter_table("apps") as apps:
        apps.drop_column("last_used_at")
        apps.drop_column("version")
