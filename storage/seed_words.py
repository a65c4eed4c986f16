"""What the made-up people of storage/seed.py say, and the statements that write it. Ids only ever come from the plan's ranges."""

# fmt: off
PLATFORMS = ("reddit", "x", "mastodon", "feeds", "appstore", "discourse")
LANGUAGES = ("en", "de", "es")
TOPICS = ("northbank", "larkmobile", "volta")
TEAMS = ("cards", "fraud", "care", "network")
INTENTS = ("complaint", "question", "service", "cancel", "praise", "feedback", "risk", "purchase")
LABELS = ("negative", "neutral", "positive", "unscored")
AGENTS = ("Ada Lund", "Ben Okoro", "Chloé Martin", "Deniz Kaya", "Elif Demir", "Femi Adeyemi", "Greta Holm", "Hugo Prado", "Ines Costa", "Jun Sato", "Kofi Mensah", "Lena Vogt")
NAMES = ("Ann", "Bora", "Carla", "Dmitri", "Eun-ji", "Fatima", "Gabriel", "Hannah", "Ivo", "Jana", "Karim", "Lucía", "Mateo", "Nadia", "Oluwaseun", "Priya", "Quentin", "Rosa", "Sven", "Thandiwe", "Umut", "Vera", "Wiktor", "Xin", "Yusuf", "Zoë")
SURNAMES = ("Abbott", "Bauer", "Castillo", "Dubois", "Eriksen", "Fischer", "García", "Haddad", "Ivanova", "Jansen", "Kowalski", "Lindqvist", "Moreau", "Nakamura", "O’Brien", "Petrov", "Quispe", "Rossi", "Schmidt", "Tanaka", "Ueda", "Varga", "Weber", "Xu", "Yilmaz", "Zimmermann")
PLACES = ("Ulm", "Leeds", "Sevilla", "Graz", "Porto", "Bergen", "Gdańsk", "Nantes", "Kraków", "Utrecht", "Bilbao", "Turku", "Bern", "Cork", "Brno", "Ghent")
NOTES = ("Called the processor; they look into it.", "Same trouble as yesterday’s incident, linked.", "Asked for the order number by e-mail.", "Waiting for the second line.", "Customer is right, refund approved.", "Known issue, fix is out with 4.2.")
ANSWERS = ("We are sorry, and your card works again: try it now.", "Thank you for telling us; a refund of the fee is on its way.", "Could you send us the order number in a private message?", "The outage is over since noon. We are sorry for the trouble.", "Your new card leaves today.")
WORDS = {  # per language as many of each, so that a number chooses one
    "openings": {
        "en": ("Hello,", "Third time this week:", "Seriously,", "Anyone else?", "I need help,", "Not again:", "Quick question:", "After an hour on the phone"),
        "de": ("Hallo,", "Zum dritten Mal diese Woche:", "Ernsthaft,", "Geht es noch jemandem so?", "Ich brauche Hilfe,", "Schon wieder:", "Kurze Frage:", "Nach einer Stunde am Telefon"),
        "es": ("Hola,", "Tercera vez esta semana:", "En serio,", "¿Le pasa a alguien más?", "Necesito ayuda,", "Otra vez:", "Una pregunta:", "Después de una hora al teléfono"),
    },
    "things": {
        "en": ("my card", "the app", "my account", "the transfer", "your website", "my contract", "the signal", "the invoice", "my password", "the parcel", "the refund", "the support line"),
        "de": ("meine Karte", "die App", "mein Konto", "die Überweisung", "eure Webseite", "mein Vertrag", "der Empfang", "die Rechnung", "mein Passwort", "das Paket", "die Erstattung", "die Hotline"),
        "es": ("mi tarjeta", "la aplicación", "mi cuenta", "la transferencia", "vuestra web", "mi contrato", "la señal", "la factura", "mi contraseña", "el paquete", "el reembolso", "la línea de ayuda"),
    },
    "troubles": {
        "en": ("was declined again", "keeps crashing", "is locked for no reason", "never arrived", "is down", "was charged twice", "does not load", "is wrong", "gives an error", "takes forever"),
        "de": ("wurde wieder abgelehnt", "stürzt dauernd ab", "ist grundlos gesperrt", "kam nie an", "ist weg", "wurde doppelt abgebucht", "lädt nicht", "ist falsch", "zeigt einen Fehler", "dauert ewig"),
        "es": ("fue rechazada otra vez", "se cierra sola", "está bloqueada sin motivo", "nunca llegó", "no funciona", "se cobró dos veces", "no carga", "está mal", "da un error", "tarda una eternidad"),
    },
    "wishes": {
        "en": ("Can somebody look?", "Fix it please.", "I want my money back.", "I am leaving for good.", "What is going on?", "Please call me."),
        "de": ("Kann das jemand prüfen?", "Bitte repariert das.", "Ich will mein Geld zurück.", "Ich kündige.", "Was ist da los?", "Bitte ruft mich an."),
        "es": ("¿Puede alguien mirarlo?", "Arregladlo, por favor.", "Quiero mi dinero.", "Me doy de baja.", "¿Qué está pasando?", "Llamadme, por favor."),
    },
    "praises": {
        "en": ("works like a charm, thank you", "is better than ever", "was sorted in minutes, great team", "looks fine today"),
        "de": ("läuft wunderbar, danke", "ist besser als je zuvor", "war in Minuten erledigt, tolles Team", "sieht heute gut aus"),
        "es": ("funciona de maravilla, gracias", "está mejor que nunca", "se arregló en minutos, gran equipo", "hoy va bien"),
    },
}
# fmt: on
WIDE = 16  # texts a language has room for in a flat list


def flat(name: str) -> list[str]:
    """Of each language WIDE in a row, repeated as often as it takes: language l, choice n stands at l * WIDE + n."""
    return [words[n % len(words)] for words in (WORDS[name][tongue] for tongue in LANGUAGES) for n in range(WIDE)]


def _dice(what: str, salt: int, sides: str) -> str:
    """0 to sides - 1, by the row's number and the seed (hashint8extended gives 64 bits of either sign)."""
    return f"CAST((hashint8extended({what}, :seed + {salt}) & 1073741823) % ({sides}) AS int)"


CHANNELS = """INSERT INTO channels (name, kind, platform, schedule, enabled, since, last_success_at, last_item_at, last_poll_at)
    SELECT 'seed-' || p, 'file', p, 'every 60', false, now() - interval '90 days', now(), now(), now() FROM unnest(CAST(:platforms AS text[])) p
    ON CONFLICT (name) DO NOTHING"""
USERS = """INSERT INTO users (id, email, name, role, password, disabled_at) OVERRIDING SYSTEM VALUE
    SELECT :first + n, 'agent' || n || '-' || :first || '@seed.invalid', name, 'agent', '', now()
    FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS u(name, n)"""

CUSTOMERS = f"""INSERT INTO customers (id, name, tier, vip, source, created_at) OVERRIDING SYSTEM VALUE
    SELECT :customers_0 + c + 1, (CAST(:names AS text[]))[1 + {_dice("c", 1, "26")}] || ' ' || (CAST(:surnames AS text[]))[1 + {_dice("c", 2, "26")}],
        (ARRAY['', '', 'basic', 'gold'])[1 + {_dice("c", 3, "4")}], {_dice("c", 4, "100")} = 0, 'seed', :since
    FROM generate_series(CAST(:a AS bigint), CAST(:b AS bigint) - 1) c"""  # noqa: S608 our own words

# person n writes on platform n modulo their number; customers come first, strangers after
IDENTITIES = f"""WITH made AS (
        INSERT INTO identities (id, kind, platform, native_id, handle, name, followers, source, first_seen) OVERRIDING SYSTEM VALUE
        SELECT :identities_0 + n + 1, 'account', (CAST(:platforms AS text[]))[1 + n % :kinds], 'seed' || :identities_0 + n + 1, 'user' || n,
            CASE WHEN n < :people THEN (CAST(:names AS text[]))[1 + {_dice("n", 1, "26")}] ELSE '' END,
            CAST(exp(11.0 * power({_dice("n", 5, "1000")} / 1000.0, 2)) AS int), 'author', :since
        FROM generate_series(CAST(:a AS bigint), CAST(:b AS bigint) - 1) n RETURNING id)
    INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source)
    SELECT id, :customers_0 + id - :identities_0, 'author of a post', 1, 'author' FROM made WHERE id - :identities_0 <= :people"""  # noqa: S608 our own words

# i is a mention's number, w its window, p its place among the `each` of its ticket g; day runs evenly and hours are busiest at noon
_TEXT = f"""(CAST(:openings AS text[]))[l + {_dice("i", 11, ":wide")}] || ' ' || (CAST(:things AS text[]))[l + least({_dice("i", 12, "12")}, {_dice("i", 13, "12")})] || ' '
    || CASE WHEN mood = 2 THEN (CAST(:praises AS text[]))[l + {_dice("i", 14, ":wide")}] || '.'
        ELSE (CAST(:troubles AS text[]))[l + least({_dice("i", 14, "10")}, {_dice("i", 15, "10")})] || '. ' || (CAST(:wishes AS text[]))[l + {_dice("i", 16, ":wide")}] END
    || CASE {_dice("i", 17, "4")} WHEN 0 THEN ' (' || (CAST(:places AS text[]))[1 + {_dice("i", 18, "16")}] || ')' WHEN 1 THEN ' #' || 10000 + {_dice("i", 19, "80000")} ELSE '' END"""
DRAFT = f"""CREATE TEMP TABLE seed_posts AS
    WITH numbered AS (
        SELECT i, i / :window AS w, i % :each AS p, i / :each AS g, CAST(:days AS float8) * (i + 0.5) / :whole AS day
        FROM generate_series(CAST(:a AS bigint) * :window, CAST(:b AS bigint) * :window - 1) i
    ), rolled AS (
        SELECT *, w % :kinds AS k, 1 + :wide * (CASE WHEN {_dice("i", 21, "10")} < 7 THEN 0 ELSE 1 + {_dice("i", 22, "2")} END) AS l,
            p = 0 OR (p = 1 AND {_dice("g", 23, "10")} < 4) OR (p = 2 AND {_dice("g", 23, "10")} < 1) AS ticketed,
            CASE WHEN {_dice("i", 24, "50")} = 0 THEN 3 WHEN p <= 2 THEN CASE WHEN {_dice("i", 25, "10")} < 8 THEN 0 ELSE 1 END
                WHEN {_dice("i", 25, "10")} < 2 THEN 0 WHEN {_dice("i", 25, "10")} < 6 THEN 1 ELSE 2 END AS mood,
            CAST(:since AS timestamptz) + (floor(day) + (day - floor(day)) + 0.11 * sin(2 * pi() * (day - floor(day)))) * interval '1 day' AS at
        FROM numbered
    )
    SELECT i, :mentions_0 + i + 1 AS id, w, g, k, p, ticketed, mood, at, CASE l WHEN 1 THEN 'en' WHEN 1 + :wide THEN 'de' ELSE 'es' END AS tongue,
        k + :kinds * CASE WHEN ticketed THEN least({_dice("g", 26, ":people / :kinds")}, {_dice("g", 27, ":people / :kinds")})
            ELSE (:people + :kinds - 1) / :kinds + {_dice("i", 28, "greatest(:strangers / :kinds - 2, 1)")} END AS who,
        (CAST(:topics AS text[]))[1 + {_dice("CASE WHEN ticketed THEN g ELSE i END", 29, "3")}] AS topic,
        CASE WHEN mood = 2 THEN 'praise' ELSE (CAST(:intents AS text[]))[1 + least({_dice("i", 30, "8")}, {_dice("i", 31, "8")})] END AS intent,
        CASE WHEN ticketed THEN 'ticket' WHEN {_dice("i", 32, "2000")} = 0 AND at > :until - interval '14 days' THEN 'review' ELSE 'ignore' END AS outcome,
        {_TEXT} AS said
    FROM rolled"""  # noqa: S608 our own words

_STATE = f"{_dice('g', 41, '1000')}"
TICKETS = f"""CREATE TEMP TABLE seed_tickets AS
    SELECT g, :tickets_0 + g + 1 AS id, :ticket_number_0 + g + 1 AS number, min(i) AS i, min(w) AS w, min(at) AS at, max(at) AS last, min(k) AS k,
        :customers_0 + min(who) + 1 AS customer, (array_agg(said ORDER BY i))[1] AS said, (array_agg(topic ORDER BY i))[1] AS topic,
        (array_agg(intent ORDER BY i))[1] AS intent, (array_agg((CAST(:labels AS text[]))[1 + mood] ORDER BY i))[1] AS label,
        CASE WHEN min(at) > :until - interval '36 hours' AND {_STATE} < 700 OR {_STATE} < 4 THEN (ARRAY['new', 'new', 'open', 'open', 'pending'])[1 + {_dice("g", 42, "5")}]
            WHEN {_STATE} < 400 THEN 'resolved' ELSE 'closed' END AS status,
        (ARRAY['urgent', 'high', 'high', 'normal', 'normal', 'normal', 'normal', 'low'])[1 + {_dice("g", 43, "8")}] AS priority,
        (CAST(:teams AS text[]))[1 + {_dice("g", 44, "4")}] AS team, CASE WHEN {_dice("g", 45, "3")} > 0 THEN :users_0 + 1 + {_dice("g", 46, ":agents")} END AS agent,
        min(at) + interval '1 minute' * exp({_dice("g", 47, "1000")} / 150.0) AS answered,
        min(at) + interval '1 minute' * (10 + exp({_dice("g", 47, "1000")} / 150.0 + {_dice("g", 48, "1000")} / 400.0)) AS done
    FROM seed_posts WHERE ticketed GROUP BY g"""  # noqa: S608 our own words

_DONE = "status IN ('resolved', 'closed')"
BLOCK = (
    TICKETS,
    """INSERT INTO mentions (id, platform, native_id, kind, url, name, content, published, context, author_id, author_handle, followers,
        content_hash, page_id, first_seen) OVERRIDING SYSTEM VALUE
    SELECT s.id, (CAST(:platforms AS text[]))[1 + k], 'seed-' || s.id, 'Note', 'https://seed.invalid/' || s.id, '', said, at,
        'seed-' || CASE WHEN ticketed THEN :mentions_0 + 1 + g * :each ELSE s.id END, 'seed' || :identities_0 + who + 1, 'user' || who,
        n.followers, hashtextextended(said, 0), :page_counters_0 + w + 1, at + interval '20 seconds'
    FROM seed_posts s JOIN identities n ON n.id = :identities_0 + who + 1 ORDER BY s.id""",
    """INSERT INTO sightings (mention_id, channel_id, topics, page_id, first_seen)
    SELECT s.id, c.id, ARRAY[topic], :page_counters_0 + w + 1, at FROM seed_posts s
    JOIN channels c ON c.name = 'seed-' || (CAST(:platforms AS text[]))[1 + k] ORDER BY s.id""",
    """INSERT INTO verdicts (mention_id, version, outcome, reason, intent, priority, team, topic, language, label, compound, scorer,
        identity_id, run_id, decided_at)
    SELECT id, 1, outcome, CASE outcome WHEN 'ticket' THEN 'rule:angry' WHEN 'review' THEN 'rule:unsure' ELSE 'below-threshold' END, intent,
        'normal', '', topic, tongue, (CAST(:labels AS text[]))[1 + mood], (ARRAY[-0.6, 0, 0.6, NULL])[1 + mood], 'seed', :identities_0 + who + 1,
        :runs_0 + w + 1, at + interval '21 seconds' FROM seed_posts ORDER BY id""",
    """INSERT INTO receipts (mention_id, version, body, counted)
    SELECT id, 1, '{"rule": "' || CASE outcome WHEN 'ticket' THEN 'angry' ELSE outcome END || '", "reasons": ["Made up by earmark seed."], '
        || '"sentiment": {"words": []}, "versions": {"seed": "1"}}', NULL FROM seed_posts ORDER BY id""",
    f"""INSERT INTO tickets (id, number, customer_id, subject, status, priority, team, assignee_id, intent, topic, platform, label, opened_at,
        updated_at, first_due, resolve_due, first_at, resolved_at, breached_first, breached_resolve, run_id, sla_at) OVERRIDING SYSTEM VALUE
    SELECT id, number, customer, left(said, 120), status, priority, team, CASE WHEN status <> 'new' THEN agent END, intent, topic,
        (CAST(:platforms AS text[]))[1 + k], label, at, least(done, :until), at + interval '1 hour', at + interval '1 day',
        CASE WHEN answered < :until AND status <> 'new' THEN answered END, CASE WHEN {_DONE} THEN least(done, :until) END,
        CASE WHEN answered > at + interval '1 hour' AND status <> 'new' THEN at + interval '1 hour' END,
        CASE WHEN done > at + interval '1 day' AND {_DONE} THEN at + interval '1 day' END, :runs_0 + w + 1, NULL
    FROM seed_tickets ORDER BY id""",  # noqa: S608 our own words
    f"""INSERT INTO ticket_conversations (ticket_id, customer_id, conversation, open, linked_at)
    SELECT id, customer, (CAST(:platforms AS text[]))[1 + k] || '||seed-' || :mentions_0 + 1 + g * :each, NOT {_DONE}, at FROM seed_tickets
    ORDER BY id""",  # noqa: S608 our own words
    """INSERT INTO ticket_mentions (mention_id, ticket_id, run_id)
    SELECT id, :tickets_0 + g + 1, :runs_0 + w + 1 FROM seed_posts WHERE ticketed ORDER BY id""",
    f"""INSERT INTO entries (ticket_id, kind, mention_id, version, user_id, body, run_id, at, detail)
    SELECT * FROM (
        SELECT :tickets_0 + g + 1 AS ticket, 'mention', id, 1, NULL::bigint, '', :runs_0 + w + 1, at + interval '22 seconds' AS at, NULL::jsonb
        FROM seed_posts WHERE ticketed
        UNION ALL SELECT id, 'note', NULL, NULL, agent, (CAST(:notes AS text[]))[1 + {_dice("g", 51, "6")}], :runs_0 + w + 1, at + (answered - at) / 2, NULL
        FROM seed_tickets WHERE agent IS NOT NULL AND {_dice("g", 52, "3")} = 0
        UNION ALL SELECT id, 'reply', NULL, NULL, agent, (CAST(:answers AS text[]))[1 + {_dice("g", 53, "5")}], :runs_0 + w + 1, answered, NULL
        FROM seed_tickets WHERE agent IS NOT NULL AND answered < :until AND status <> 'new' AND {_dice("g", 54, "5")} > 0
        UNION ALL SELECT id, 'status', NULL, NULL, agent, '', :runs_0 + w + 1, least(done, :until), jsonb_build_object('status', jsonb_build_array('open', 'resolved'))
        FROM seed_tickets WHERE {_DONE}) e ORDER BY ticket, at""",  # noqa: S608 our own words
    """INSERT INTO interactions (source, external_id, kind, customer_id, happened_at, subject, body)
    SELECT 'seed', id::text, (ARRAY['call', 'email', 'chat'])[1 + g % 3], customer, at - interval '2 days', 'About ' || topic, '' FROM seed_tickets
    WHERE g % 5 = 0 ORDER BY id""",
    """INSERT INTO counts (topic, platform, measure, minute, n)
    SELECT topic, (CAST(:platforms AS text[]))[1 + k], x.measure, date_trunc('minute', at), count(*) FROM seed_posts
    CROSS JOIN LATERAL (SELECT unnest(CASE WHEN mood = 0 THEN ARRAY['all', 'negative'] ELSE ARRAY['all'] END) AS measure) x
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 ON CONFLICT (topic, platform, measure, minute) DO UPDATE SET n = counts.n + EXCLUDED.n""",
    """INSERT INTO talk (hour, topic, platform, label, intent, n)
    SELECT date_trunc('hour', at), topic, (CAST(:platforms AS text[]))[1 + k], (CAST(:labels AS text[]))[1 + mood], intent, count(*)
    FROM seed_posts GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (hour, topic, platform, label, intent) DO UPDATE SET n = talk.n + EXCLUDED.n""",
)

PAGES = """INSERT INTO page_counters (id, channel_id, seq, at, returned, new, sightings, mention_sum, sighting_sum, bytes, ms)
        OVERRIDING SYSTEM VALUE
    SELECT t.page_id, s.channel_id, c.seq + 1 + (t.page_id - :page_counters_0 - 1) / :kinds, max(t.first_seen), count(*), count(*), count(*),
        sum({mentions}), sum(t.id), 400 * count(*), 200
    FROM mentions t JOIN sightings s ON s.mention_id = t.id JOIN channels c ON c.id = s.channel_id
    WHERE t.id > :mentions_0 + CAST(:a AS bigint) * :window AND t.id <= :mentions_0 + CAST(:b AS bigint) * :window GROUP BY t.page_id, s.channel_id, c.seq ORDER BY 1"""
RUNS = """INSERT INTO runs (id, kind, worker, at, verdicts, ticketed, in_review, ignored, tickets, links, entries, verdict_sum, ticket_sum, link_sum,
        entry_sum, tallied) OVERRIDING SYSTEM VALUE
    SELECT v.*, coalesce(k.n, 0), coalesce(l.n, 0), coalesce(e.n, 0), v_sum, coalesce(k.s, 0), coalesce(l.s, 0), coalesce(e.s, 0), true FROM (
        SELECT t.run_id, 'digest' AS kind, 'seed', max(t.decided_at), count(*), count(*) FILTER (WHERE t.outcome = 'ticket'),
            count(*) FILTER (WHERE t.outcome = 'review'), count(*) FILTER (WHERE t.outcome = 'ignore')
        FROM verdicts t WHERE t.mention_id > :mentions_0 + CAST(:a AS bigint) * :window AND t.mention_id <= :mentions_0 + CAST(:b AS bigint) * :window GROUP BY 1) v
    JOIN (SELECT t.run_id, sum({verdicts}) AS v_sum FROM verdicts t WHERE t.mention_id > :mentions_0 + CAST(:a AS bigint) * :window
        AND t.mention_id <= :mentions_0 + CAST(:b AS bigint) * :window GROUP BY 1) vs USING (run_id)
    LEFT JOIN (SELECT t.run_id, count(*) AS n, sum({tickets}) AS s FROM tickets t JOIN seed_tickets x ON x.id = t.id GROUP BY 1) k USING (run_id)
    LEFT JOIN (SELECT t.run_id, count(*) AS n, sum({ticket_mentions}) AS s FROM ticket_mentions t JOIN seed_posts x ON x.id = t.mention_id GROUP BY 1) l USING (run_id)
    LEFT JOIN (SELECT t.run_id, count(*) AS n, sum({entries}) AS s FROM entries t JOIN seed_tickets x ON x.id = t.ticket_id GROUP BY 1) e USING (run_id)
    ORDER BY 1"""
HUSH = "DELETE FROM events WHERE xid = CAST(CAST(pg_current_xact_id() AS text) AS bigint)"

AFTER = (
    """INSERT INTO facets SELECT 'talk.topic', unnest(CAST(:topics AS text[])) UNION ALL SELECT 'talk.platform', unnest(CAST(:platforms AS text[]))
    ON CONFLICT DO NOTHING""",
    """UPDATE channels c SET seq = p.n, page_sum = p.s FROM (SELECT channel_id, count(*) AS n, sum(id) AS s FROM page_counters GROUP BY 1) p
    WHERE p.channel_id = c.id AND c.name LIKE 'seed-%'""",
    """INSERT INTO escalations (rule, series, window_start, kind, state, severity, peak, opened_at, closed_at, run_id)
    SELECT 'spike', (CAST(:topics AS text[]))[1 + n % 3] || '/negative', :until - n * interval '2 days', 'spike', CASE WHEN n < 2 THEN 'open' ELSE 'closed' END,
        1 + n % 4, 4 + n, :until - n * interval '2 days', CASE WHEN n >= 2 THEN :until - n * interval '2 days' + interval '2 hours' END, :runs_0 + 1
    FROM generate_series(0, 39) n ON CONFLICT (rule, series, window_start) DO NOTHING""",
)
