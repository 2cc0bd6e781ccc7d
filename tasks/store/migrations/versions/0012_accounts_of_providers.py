"""Accounts of identity providers

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user_account", sa.Column("issuer", sa.String(length=255), nullable=True))
    op.add_column("user_account", sa.Column("subject", sa.String(length=255), nullable=True))
    op.create_index("user_account_of_provider", "user_account", ["issuer", "subject"], unique=True)


def downgrade() -> None:
    op.drop_index("user_account_of_provider", "user_account")
    with op.batch_alter_table("user_account") as table:
        table.drop_column("subject")
        table.drop_column("issuer")
