"""The embedded Valkey: the doorbell. It keeps nothing on disk; what it forgets, the scheduler rings again."""

import signal

import psutil
import redis

from workers.service_place import Place, own_folder
from workers.service_process import ServiceError, alive, end, find, find_all, start_apart, wait_for, write_as

NAME = "valkey-server"
LOG_BYTES = 1_000_000


def running(place: Place) -> psutil.Process | None:
    """The Valkey of this place, or None; its own pid file is a hint only."""
    found = find(NAME, place.valkey, _written_pid(place))
    return found or next(iter(find_all(NAME, place.valkey)), None)


def healthy(place: Place) -> bool:
    """True when the Valkey of this place runs and answers on the port we know, with the password we know."""
    return running(place) is not None and _answers(place)


def start(place: Place, program: str, user: str | None, patience: float = 20) -> bool:
    """Replace whatever runs in the folder by a healthy server; False when somebody else took the port."""
    stop(place)
    own_folder(place.valkey, user)
    write_as(user, place.valkey / "valkey.conf", _settings(place))
    output = place.valkey / "valkey.log"
    if not output.exists() or output.stat().st_size > LOG_BYTES:
        write_as(user, output, "")
    before = output.stat().st_size
    pid = start_apart([program, str(place.valkey / "valkey.conf")], output, user)
    wait_for(lambda: _answers(place) or not alive(pid), patience)
    if healthy(place):
        return True
    with output.open(errors="replace") as lines:
        lines.seek(before)
        said = lines.read()
    if "Address already in use" in said:
        return False
    raise ServiceError(f"Valkey did not start in {place.valkey}; it said: {said[-1500:]}")


def stop(place: Place) -> bool:
    """Stop every Valkey of this place; False when none ran."""
    found = find_all(NAME, place.valkey)
    end(found, [(signal.SIGTERM, 5), (signal.SIGKILL, 5)])
    return bool(found)


def _settings(place: Place) -> str:
    """The file holds the password (a command line can be read by everybody), so write_as gives it mode 0600."""
    return f"""# Rewritten at each start.
bind 127.0.0.1
port {place.valkey_port}
requirepass {place.valkey_password}
dir {_quoted(str(place.valkey))}
pidfile {_quoted(str(place.valkey / "valkey.pid"))}
databases 64
save ""
appendonly no
maxmemory 512mb
maxmemory-policy noeviction
daemonize no
"""


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _written_pid(place: Place) -> int | None:
    try:
        return int((place.valkey / "valkey.pid").read_text())
    except (OSError, ValueError):
        return None


def _answers(place: Place) -> bool:
    client = redis.Redis.from_url(place.redis_url, socket_timeout=2, socket_connect_timeout=2)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
