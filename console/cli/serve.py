"""Commands that run: one process each (scheduler, worker, console), all of them at once (up), and the embedded services."""

import os
import subprocess
import sys
import threading
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from console.cli.common import DATA, Folder, Json, configured, fail, say, show_json, show_table, where
from console.cli.opened import ledger
from storage import users
from storage.ledger import Ledger
from workers import logs, process, services

app = typer.Typer()
embedded = typer.Typer(help="The embedded PostgreSQL and Valkey.", no_args_is_help=True)
log = structlog.get_logger()

GRACE_SECONDS = 7.0  # of the ten a process has from SIGTERM to its end


Ready = Annotated[bool, typer.Option("--json", help="Print one JSON line once ready; logs go to standard error.")]


@app.command()
def scheduler(folder: Folder = Path("config"), as_json: Ready = False) -> None:
    """Tick the clock and ring while work is due. Several may run: one leads, the others stand by."""
    from workers.bell import Bell, broker
    from workers.scheduler import Scheduler

    logs.start("scheduler")
    place = where()
    stop = threading.Event()
    process.on_signals(stop.set)
    house = Ledger(place.database_url, name="earmark-scheduler", pool=6)
    made = Scheduler(house, Bell(broker(place.redis_url)), folder, stop)
    with process.Presence(house, "scheduler", leader=lambda: made.leading) as presence:
        _ready(as_json, "scheduler", presence.id)
        made.run()


class Work(StrEnum):
    """What a worker does, as workers/actors.py names it."""

    POLL = "poll"
    DIGEST = "digest"
    DELIVER = "deliver"
    WATCH = "watch"
    UPKEEP = "upkeep"
    WORK = "work"
    SYNC = "sync"


@app.command()
def worker(
    digest_threads: Annotated[int, typer.Option(help="Threads that judge.", min=0)] = 1,
    poll_threads: Annotated[int, typer.Option(help="Threads that poll.", min=0)] = 8,
    deliver_threads: Annotated[int, typer.Option(help="Threads that deliver.", min=0)] = 4,
    only: Annotated[
        list[Work] | None, typer.Option(metavar="KIND", help="Only this kind of work; may be repeated.")
    ] = None,
    as_json: Ready = False,
) -> None:
    """Work as the bell rings. Start as many as there are processors.

    KIND is poll, digest, deliver, watch, upkeep, work or sync: with --only, other workers do the rest.
    """
    from workers import actors
    from workers.bell import Bell, broker
    from workers.bootstrap import House

    logs.start("worker")
    threads = actors.THREADS | {"poll": poll_threads, "digest": digest_threads, "deliver": deliver_threads}
    if only:
        threads = {kind: count if kind in only else 0 for kind, count in threads.items()}
    place = where()
    stop = threading.Event()
    process.on_signals(stop.set)
    house = Ledger(place.database_url, name="earmark-worker", pool=threads["poll"] + threads["deliver"] + 4)
    bell = Bell(broker(place.redis_url))
    with process.Presence(house, "worker", digest_threads=threads["digest"]) as presence:
        answering = actors.Answering(
            House(house, place.secret, stop.is_set), bell, presence.id, stop, judges=threads["digest"] > 0
        )
        groups = actors.start(place.redis_url, answering, threads)
        bell.ring_all("digest", range(threads["digest"]))
        actors.settle()
        log.info("worker ready", worker=presence.id)
        _ready(as_json, "worker", presence.id)
        while not stop.wait(actors.SWEEP_SECONDS):
            actors.sweep()
        for one in [threading.Thread(target=group.stop, args=(int(GRACE_SECONDS * 1000),)) for group in groups]:
            one.start()
        actors.wait_idle(groups, GRACE_SECONDS)
    # what is still under way keeps its lease: a delivery counts as unknown once it ends, a page is read again
    os._exit(0)


@app.command(name="console")
def console_(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", envvar="PORT")] = 8080,
    base_url: Annotated[str, typer.Option(help="The address people use, when a proxy stands before it.")] = "",
    announce: Annotated[Path | None, typer.Option(help="Write the address to this file once ready.")] = None,
    as_json: Ready = False,
) -> None:
    """Serve the web inbox and the API."""
    import socket

    import redis
    import uvicorn

    from console.web.app import create_app

    logs.start("console")
    place = where()

    class Server(uvicorn.Server):
        def handle_exit(self, *signal: Any) -> None:
            app_.state.live.close()  # open streams would keep the server from ending
            super().handle_exit(*signal)

    client = redis.Redis.from_url(place.redis_url, socket_timeout=1, socket_connect_timeout=1)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        fail(f"cannot listen on {host}:{port}: {error.strerror}", "choose another with --port", code=1)
    address = base_url or f"http://{host}:{listener.getsockname()[1]}"
    app_ = create_app(
        place.database_url,
        place.secret,
        secure_cookies=address.startswith("https:"),
        base_url=address,
        metrics_token=os.environ.get("EARMARK_METRICS_TOKEN", ""),
        redis_ping=client.ping,
    )
    if announce:
        announce.write_text(address)
    log.info("console ready", address=address)
    settings = uvicorn.Config(
        app_, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=5, proxy_headers=False
    )
    server = Server(settings)
    # until uvicorn listens for signals itself; it raises each again afterwards, for whoever had it before
    process.on_signals(lambda: setattr(server, "should_exit", True))
    with process.Presence(Ledger(place.database_url, name="earmark-console", pool=2), "console") as presence:
        _ready(as_json, "console", presence.id, address=address)
        server.run(sockets=[listener])


@app.command()
def up(
    folder: Folder = Path("config"),
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1)] = max(1, min(4, os.cpu_count() or 1)),
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="PORT")] = 8080,
    as_json: Ready = False,
) -> None:
    """Run everything on your configuration: scheduler, workers and console, restarted when one ends.

    DATABASE_URL and REDIS_URL are used when set; otherwise PostgreSQL and Valkey run here, with their data under var/.
    """
    configured(folder)
    place = where()
    with ledger().begin() as connection:
        first = not users.everybody(connection)
    if first:
        say('nobody can log in yet: run "earmark users add you@example.org --role admin"')
    stop = threading.Event()
    process.on_signals(stop.set)  # before there are children that would outlive us
    with Fleet(place.embedded) as fleet:
        fleet.add("scheduler", ["scheduler", "--config", str(folder)])
        for n in range(workers):
            fleet.add(f"worker-{n + 1}", ["worker"])
        fleet.add("console", ["console", "--host", host, "--port", str(port)])
        say(f"console: http://{host}:{port}   (Ctrl-C stops everything)")
        _ready(as_json, "up", fleet.pids(), address=f"http://{host}:{port}")
        while not stop.wait(0.5):
            fleet.mend()


def _ready(as_json: bool, what: str, id_: Any, **more: Any) -> None:
    if as_json:
        show_json({"ready": what, "id": id_, **more})
        sys.stdout.flush()


class Fleet:
    """Child processes, each in a session of its own, restarted when they end, stopped together within ten seconds."""

    def __init__(self, embedded_services: bool, log: Path | None = None, data: Path = DATA) -> None:
        self.embedded = embedded_services
        self.env = dict(os.environ)
        self.log = log
        self.data = data
        self.commands: dict[str, list[str]] = {}
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.started: dict[str, float] = {}

    def __enter__(self) -> "Fleet":
        return self

    def pids(self) -> dict[str, int]:
        return {name: child.pid for name, child in self.children.items()}

    def add(self, name: str, args: list[str], program: list[str] | None = None) -> subprocess.Popen[bytes]:
        self.commands[name] = [*(program or [sys.executable, "-m", "console.cli.main"]), *args]
        return self._spawn(name)

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        output = open(self.log, "ab") if self.log else None  # noqa: SIM115 the child owns it from here
        child = subprocess.Popen(
            self.commands[name], env=self.env, stdout=output, stderr=output, start_new_session=True
        )
        if output:
            output.close()
        self.children[name], self.started[name] = child, time.monotonic()
        return child

    def mend(self) -> None:
        """Start again what ended, at most once a second each; embedded services too."""
        if self.embedded:
            down = [one["name"] for one in services.status(self.data) if not one["running"]]
            if down:
                say(f"restarting {', '.join(map(str, down))}")
                services.start(self.data)
        for name, child in list(self.children.items()):
            if child.poll() is not None and time.monotonic() - self.started[name] > 1:
                say(f"{name} ended with {child.returncode}; starting it again")
                self._spawn(name)

    def __exit__(self, *_: object) -> None:
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        until = time.monotonic() + 10
        for child in self.children.values():
            try:
                child.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if self.embedded:
            services.stop(self.data)


@embedded.command("start")
def services_start(as_json: Json = False) -> None:
    """Start (or find) the embedded PostgreSQL and Valkey under var/."""
    try:
        services.start(DATA)
    except services.ServiceError as error:
        fail(str(error))
    _services(as_json)


@embedded.command("stop")
def services_stop(as_json: Json = False) -> None:
    """Stop them. Data of PostgreSQL stays; Valkey holds nothing that matters."""
    try:
        stopped = services.stop(DATA)
    except services.ServiceError as error:
        fail(str(error))
    if as_json:
        show_json({"stopped": stopped})
    else:
        say("stopped " + (", ".join(stopped) if stopped else "nothing: none was running"))


@embedded.command("status")
def services_status(as_json: Json = False) -> None:
    """Say what runs where. Exit code 1 when one does not run."""
    _services(as_json)


def _services(as_json: bool) -> None:
    try:
        found = services.status(DATA)
    except services.ServiceError as error:
        fail(str(error))
    if as_json:
        show_json(found)
    else:
        columns = ("name", "running", "pid", "port", "version", "uptime", "folder")
        show_table("", columns, [[one.get(column) for column in columns] for one in found])
    if not all(one["running"] for one in found):
        raise typer.Exit(1)
