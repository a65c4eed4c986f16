"""Named places where a test may kill the real process. Without EARMARK_FAILPOINTS=1 they do nothing.

EARMARK_FAIL="name:action[:nth]" with action kill, exit, raise (ends the step, not the process) or sleep=SECONDS; EARMARK_FAIL_LOG names a file that gets a line when
a point is hit, and a point that stands there already is not acted on again (unless the spec ends in ":always").
"""

import os
import signal
import sys
import time
from pathlib import Path

_ON = os.environ.get("EARMARK_FAILPOINTS") == "1"
_hits: dict[str, int] = {}


class Killed(BaseException):
    """A test ends a step of its own process as suddenly as a kill would."""


def hit(name: str) -> None:
    """Act on a failpoint, if a test asked for one here."""
    if os.environ.get("EARMARK_FAILPOINTS") != "1":
        return
    for spec in os.environ.get("EARMARK_FAIL", "").split(","):
        point, _, rest = spec.partition(":")
        if point == name:
            _act(name, rest.split(":"))


def hit_mention(content: str) -> None:
    """A test may ask that a text with a certain word ends the process: EARMARK_FAIL="text=WORD:exit:always"."""
    if not _ON:
        return
    for spec in os.environ.get("EARMARK_FAIL", "").split(","):
        point, _, rest = spec.partition(":")
        if point.startswith("text=") and point.removeprefix("text=") in content:
            _act(point, rest.split(":"))


def _act(name: str, words: list[str]) -> None:
    always = "always" in words
    nth = next((int(word) for word in words if word.isdigit()), 1)
    _hits[name] = _hits.get(name, 0) + 1
    log = os.environ.get("EARMARK_FAIL_LOG")
    if log and not always and Path(log).exists() and name in Path(log).read_text().split():
        return
    if _hits[name] < nth:
        return
    print(f"failpoint {name} hit: {words[0]}", file=sys.stderr, flush=True)
    if log:
        with open(log, "a") as lines:
            lines.write(name + "\n")
            lines.flush()
            os.fsync(lines.fileno())
    if words[0] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif words[0] == "raise":
        raise Killed(name)
    elif words[0] == "exit":
        os._exit(1)
    elif words[0].startswith("sleep="):
        time.sleep(float(words[0].removeprefix("sleep=")))
