"""Find customers by any part of a name, and what is old or was published when by where it lies.

Each pair of letters beside each other is indexed: pg_trgm knows ASCII letters alone in a database of locale C. Payloads and mentions lie in the
order of their time, so an index of blocks finds them. An identity is looked for by its key, which begins with what tells rows apart.
Repeat contacts are told by one walk through contacts.
"""

from alembic import op

from storage.migrations.metrics_views import REPEATS

revision = "0009"
down_revision = "0008"

NAMES = r"""
CREATE TABLE customer_names (
    source TEXT NOT NULL,
    source_id BIGINT NOT NULL,
    customer_id BIGINT NOT NULL,
    said TEXT NOT NULL,
    PRIMARY KEY (source, source_id)
);

CREATE FUNCTION search_pairs(said text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    letters text[] := string_to_array(said, NULL);
    pairs text[] := '{}';
BEGIN
    FOR i IN 1 .. cardinality(letters) - 1 LOOP pairs[i] := letters[i] || letters[i + 1]; END LOOP;
    RETURN pairs;
END $$;

CREATE INDEX customer_names_said ON customer_names USING gin (search_pairs(said));

CREATE FUNCTION name_customers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO customer_names SELECT 'customer', id, id, lower(name) FROM made WHERE name <> '' ORDER BY id;
    RETURN NULL;
END $$;
CREATE TRIGGER customers_named AFTER INSERT ON customers REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION name_customers();
CREATE FUNCTION name_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO customer_names VALUES ('customer', NEW.id, NEW.id, lower(NEW.name))
    ON CONFLICT (source, source_id) DO UPDATE SET said = EXCLUDED.said;
    RETURN NULL;
END $$;
CREATE TRIGGER customers_renamed AFTER UPDATE OF name ON customers FOR EACH ROW
    WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION name_customer();
CREATE FUNCTION unname_customers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM customer_names n USING gone WHERE n.source = 'customer' AND n.source_id = gone.id;
    RETURN NULL;
END $$;
CREATE TRIGGER customers_unnamed AFTER DELETE ON customers REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION unname_customers();

CREATE FUNCTION name_links() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO customer_names SELECT 'identity', i.id, l.customer_id, lower(concat_ws(E'\n', nullif(i.handle, ''), nullif(i.name, ''), i.native_id))
    FROM made l JOIN identities i ON i.id = l.identity_id ORDER BY i.id;
    RETURN NULL;
END $$;
CREATE TRIGGER links_named AFTER INSERT ON customer_identities REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION name_links();
CREATE FUNCTION name_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE customer_names n SET customer_id = made.customer_id FROM made
    WHERE n.source = 'identity' AND n.source_id = made.identity_id AND n.customer_id <> made.customer_id;
    RETURN NULL;
END $$;
CREATE TRIGGER links_moved AFTER UPDATE ON customer_identities REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION name_moved();
CREATE FUNCTION unname_links() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM customer_names n USING gone WHERE n.source = 'identity' AND n.source_id = gone.identity_id;
    RETURN NULL;
END $$;
CREATE TRIGGER links_unnamed AFTER DELETE ON customer_identities REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION unname_links();

CREATE FUNCTION name_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE customer_names SET said = lower(concat_ws(E'\n', nullif(NEW.handle, ''), nullif(NEW.name, ''), NEW.native_id))
    WHERE source = 'identity' AND source_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER identities_renamed AFTER UPDATE OF handle, name, native_id ON identities FOR EACH ROW
    WHEN ((OLD.handle, OLD.name, OLD.native_id) IS DISTINCT FROM (NEW.handle, NEW.name, NEW.native_id)) EXECUTE FUNCTION name_identity();
"""

NAMED = """
INSERT INTO customer_names SELECT 'customer', id, id, lower(name) FROM customers WHERE name <> '' ORDER BY id;
INSERT INTO customer_names
    SELECT 'identity', i.id, l.customer_id, lower(concat_ws(E'\\n', nullif(i.handle, ''), nullif(i.name, ''), i.native_id))
    FROM customer_identities l JOIN identities i ON i.id = l.identity_id ORDER BY i.id;
"""

FOUND = """
CREATE INDEX payloads_age ON payloads USING brin (stored_at) WITH (autosummarize = on);
CREATE INDEX mentions_published ON mentions USING brin (published) WITH (pages_per_range = 32, autosummarize = on);
ALTER TABLE identities DROP CONSTRAINT identities_key;
ALTER TABLE identities ADD CONSTRAINT identities_key UNIQUE (native_id, kind, platform, origin);
DROP INDEX identities_value;
"""


def upgrade() -> None:
    op.execute(NAMES)
    op.execute(NAMED)
    op.execute(FOUND)
    op.execute(REPEATS)
