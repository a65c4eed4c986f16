"""The console and the API: tokens, preferences, webhooks of events."""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = """
CREATE TABLE user_logins (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    linked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (issuer, subject),
    FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE TABLE invitations (
    user_id BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (user_id),
    UNIQUE (hash),
    FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
"""


def upgrade() -> None:
    if TABLES.strip():
        op.execute(TABLES)
