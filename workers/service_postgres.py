"""The embedded PostgreSQL: born whole, started when it is not running, recognised when it is, stopped on request.

Loopback TCP with a password only; no socket, no trust, no login for the superuser. The programs are the wheel's, its
Python wrapper is not used: that one opens every folder above the data to the world and stops the server at exit.
"""

import contextlib
import shutil
import signal
import tempfile
from pathlib import Path

import psutil

from storage.provision import answers, first_role_and_database
from workers.service_place import Place, own_folder
from workers.service_process import ServiceError, alive, end, find, find_all, run_as, start_apart, wait_for, write_as

NAME = "postgres"
# roles without a password cannot log in: storage/database_roles.py makes the last two so
ACCESS = "host all earmark,earmark_app,earmark_reports 127.0.0.1/32 scram-sha-256\n"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    # A commit is on the disk when it is reported: everything Earmark promises rests on this.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # One file per weekday, so that logs stay bounded; terse and without statements, so that they hold no person's
    # words: a duplicate key's detail quotes the row.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgres-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}


def running(place: Place) -> psutil.Process | None:
    """The postmaster of this place, or None."""
    return find(NAME, place.postgres, _written_pid(place.postgres))


def create(place: Place, programs: Path, user: str | None) -> None:
    """Make the cluster, its role and its database aside, then move it into place: it exists whole or not at all."""
    for abandoned in Path(place.home).glob("postgres-making-*"):
        _discard(abandoned)
    making = Path(tempfile.mkdtemp(dir=place.home, prefix="postgres-making-"))
    making.chmod(0o711)
    data = making / "data"
    own_folder(data, user)
    # The built-in locale gives the same order and case rules on every machine, whatever its locales.
    locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    run_as(user, [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth=reject", *locale])
    write_as(user, data / "pg_hba.conf", ACCESS)
    include = 'printf "%s\\n" "include_if_exists = \'earmark.conf\'" >>"$1"'
    run_as(user, ["/bin/sh", "-c", include, "sh", str(data / "postgresql.conf")])
    single = [str(programs / NAME), "--single", "-D", str(data), "-c", "exit_on_error=on", "postgres"]
    run_as(user, single, first_role_and_database("earmark", place.postgres_password, "earmark"))
    data.rename(place.postgres)
    making.rmdir()


def _discard(making: Path) -> None:
    """Remove what a killed starter left half made; its initdb may still be at it."""
    end(find_all(NAME, making / "data"), [(signal.SIGKILL, 5)])

    def gone() -> bool:
        shutil.rmtree(making, ignore_errors=True)
        return not making.exists()

    if not wait_for(gone, 5):
        raise ServiceError(f"{making} cannot be removed")


def start(place: Place, programs: Path, user: str | None, patience: float = 120) -> bool:
    """Start the server on the place's port and wait until it lets us in; False when somebody else took the port."""
    settings = "".join(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
    header = "# Rewritten at each start. Settings of your own: ALTER SYSTEM, or postgresql.auto.conf.\n"
    write_as(user, place.postgres / "earmark.conf", f"{header}{settings}port = {place.postgres_port}\n")
    output = place.postgres / "start.log"
    write_as(user, output, "")
    pid = start_apart([str(programs / NAME), "-D", str(place.postgres)], output, user)
    wait_for(lambda: answers(place.database_url) or not alive(pid), patience)
    if running(place) and answers(place.database_url):
        return True
    said = _said(place.postgres)
    if "could not bind" in said or "Address already in use" in said:
        return False
    raise ServiceError(f"PostgreSQL did not start in {place.postgres}; it said: {said[-1500:]}")


def recovered(place: Place, patience: float = 120) -> bool:
    """True when the running server takes connections, at once or after its recovery; False when it is gone."""
    wait_for(lambda: answers(place.database_url) or not running(place), patience)
    if answers(place.database_url):
        return True
    if running(place):
        raise ServiceError(f"PostgreSQL runs in {place.postgres} but does not let us in on port {place.postgres_port}")
    return False


def stop(place: Place) -> bool:
    """Stop it in order (fast shutdown), and with force when it does not obey; False when it was not running."""
    postmaster = running(place)
    if postmaster:
        end([postmaster], [(signal.SIGINT, 30), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)])
    clear_the_way(place.postgres)
    return postmaster is not None


def clear_the_way(data: Path) -> None:
    """Remove what a killed server left, so that a start is a recovery.

    First its orphans: they end by themselves when the postmaster is gone, and nobody may start beside one that still
    writes. Then the pid file: PostgreSQL refuses to start while a process of its user has that pid, whatever it is
    (CreateLockFile in https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/init/miscinit.c).
    """
    if not wait_for(lambda: not find_all(NAME, data), 3):
        end(find_all(NAME, data), [(signal.SIGQUIT, 5), (signal.SIGKILL, 5)])
    with contextlib.suppress(FileNotFoundError):
        (data / "postmaster.pid").unlink()


def _written_pid(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def _said(data: Path) -> str:
    files = [data / "start.log", *sorted((data / "log").glob("*.log"), key=lambda file: file.stat().st_mtime)[-1:]]
    return "\n".join(file.read_text(errors="replace")[-3000:] for file in files if file.exists())
