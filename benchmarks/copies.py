"""What a copy costs among how many: `python -m benchmarks.copies`. Rows are made up; the look-up is the one of storage/copies.py."""

import random
import statistics
import time

from sqlalchemy import text

from domain.copies import sketch
from storage import copies
from storage.ledger import Ledger

WORDS = [f"word{number}" for number in range(3000)]


def measure(ledger: Ledger, sizes: tuple[int, ...] = (1_000, 10_000, 100_000), seed: int = 1) -> list[dict[str, float]]:
    """Per size: microseconds for a sketch, milliseconds to add one and to find the copies of one; medians."""
    rng = random.Random(seed)
    there, lines = 0, []
    for size in sizes:
        texts = [" ".join(rng.choices(WORDS, k=20)) for _ in range(size - there)]
        _fill(ledger, there, texts)
        there = size
        again = [rng.choice(texts).replace("word1", "word2") for _ in range(200)]
        began = time.process_time()
        made = [sketch(one) for one in again]
        sketched = (time.process_time() - began) / len(again)
        found = []
        with ledger.begin() as connection:
            for one in made:
                if one is not None:
                    began = time.perf_counter()
                    copies.near(connection, one)
                    found.append(time.perf_counter() - began)
            began = time.perf_counter()
            copies.add(connection, {10**9 + n: one for n, one in enumerate(made) if one is not None})
            added = (time.perf_counter() - began) / len(made)
            connection.rollback()
        lines.append(
            {
                "rows": size,
                "sketch_us": sketched * 1e6,
                "add_ms": added * 1e3,
                "find_ms": statistics.median(found) * 1e3,
            }
        )
    return lines


def _fill(ledger: Ledger, first: int, texts: list[str]) -> None:
    for start in range(0, len(texts), 5000):
        part = {first + start + n + 1: one for n, one in enumerate(texts[start : start + 5000])}
        with ledger.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO mentions (id, platform, native_id, kind, published, content, content_hash, context, page_id) "
                    "OVERRIDING SYSTEM VALUE VALUES (:id, 'x', :native, 'Note', now(), :said, 0, '', 0)"
                ),
                [{"id": id_, "native": str(id_), "said": said} for id_, said in part.items()],
            )
            copies.add(connection, {id_: made for id_, said in part.items() if (made := sketch(said))})
    with ledger.begin() as connection:
        connection.execute(text("ANALYZE copy_bands, mentions"))


def main() -> None:
    import tempfile
    from pathlib import Path

    from storage.migrate import upgrade
    from storage.provision import create_database
    from workers import services

    with tempfile.TemporaryDirectory() as folder:
        place = services.start(Path(folder))
        try:
            url = create_database(place.database_url, "copies")
            upgrade(url)
            for line in measure(Ledger(url, name="benchmark", pool=1)):
                print("  ".join(f"{name} {value:,.2f}" for name, value in line.items()))
        finally:
            services.stop(Path(folder))


if __name__ == "__main__":
    main()
