"""Texts per second of one core, by CPU time, start-up apart: the commands themselves on standard input."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.judgement import Row, measure
from benchmarks.judgement.sentiment import rows

TEXTS = 8000
TURNS = 3


def cpu(command: str, folder: str, lines: bytes) -> float:
    """CPU seconds of one run of `earmark COMMAND`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    asked = [sys.executable, "-m", "console.cli.main", command, "--config", folder]
    subprocess.run(asked, input=lines, stdout=subprocess.DEVNULL, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rate(command: str, folder: str, lines: list[bytes]) -> tuple[float, float]:
    """(texts a second, seconds to start): the second half of the texts by the difference of two runs."""
    few = lines[: len(lines) // 10]
    pairs = sorted((cpu(command, folder, b"".join(lines)), cpu(command, folder, b"".join(few))) for _ in range(TURNS))
    whole, part = pairs[len(pairs) // 2]
    each = (whole - part) / (len(lines) - len(few))
    return 1 / each, max(0.0, part - each * len(few))


@measure("speed")
def speed(data: Path) -> Iterator[Row]:
    texts = [row["text"] for row in rows(data / "tweeteval_val.csv") + rows(data / "umsab_val.csv")]
    texts = (texts * (TEXTS // len(texts) + 1))[:TEXTS]
    lines = [json.dumps({"id": n, "text": text}).encode() + b"\n" for n, text in enumerate(texts)]
    for command, ask in (("score", "2000"), ("triage", "1500")):
        found, start = rate(command, "config", lines)
        yield Row(
            f"`earmark {command}`, texts/s of one core, as shipped", found, ask=ask, note=f"start-up {start:.2f} s"
        )
    english = [
        json.dumps({"id": row["id"], "text": row["text"]}).encode() + b"\n"
        for row in rows(data / "semeval.csv")[:TEXTS]
    ]
    with tempfile.TemporaryDirectory() as folder:
        for path in Path("config").glob("*.yaml"):
            if path.name != "settings.yaml":
                Path(folder, path.name).write_bytes(path.read_bytes())
        Path(folder, "settings.yaml").write_text("settings: {scorer: vader, language: en}\n")
        found, start = rate("score", folder, english)
    yield Row("`earmark score`, scorer vader, language en", found, ask="15000", note=f"start-up {start:.2f} s")
