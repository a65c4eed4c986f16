"""Server processes seen from outside: start one that outlives us, recognise it later, end it.

A pid alone proves nothing (it may be stale, or another's by now), so a server is recognised by its name and by the
folder it works in: both PostgreSQL and Valkey change into their data folder at start and stay there.
"""

import contextlib
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil


class ServiceError(RuntimeError):
    """An embedded service could not be started or stopped; the message says why and what to do."""


def start_apart(command: list[str], output: Path, user: str | None) -> int:
    """Start a server in its own session, with no parent but init: no terminal's Ctrl-C, no zombie of ours. Its pid."""
    script = 'output=$1; shift; umask 077; "$@" >>"$output" 2>&1 </dev/null & echo $!'
    return int(run_as(user, ["/bin/sh", "-c", script, "sh", str(output), *command]))


def run_as(user: str | None, command: list[str], text: str | None = None) -> str:
    """Run a short command to its end as `user` (None: as ourselves) in a session of its own; its output."""
    done = subprocess.run(
        command,
        input=text or "",
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd="/",
        user=user,
        group=_group_of(user),
        extra_groups=[] if user else None,
        check=False,
    )
    if done.returncode:
        raise ServiceError(f"{command[0]} ended with code {done.returncode}: {done.stdout.strip()[-2000:]}")
    return done.stdout


def write_as(user: str | None, path: Path, text: str) -> None:
    """Write a file of mode 0600 whole or not at all.

    As root the service's own user writes it: in a folder that belongs to somebody else, root must follow no link.
    """
    script = 'umask 077; cat >"$1.new" && mv -f "$1.new" "$1"'
    run_as(user, ["/bin/sh", "-c", script, "sh", str(path)], text)


def find(name: str, folder: Path, pid: int | None = None) -> psutil.Process | None:
    """The live server `name` that works in `folder`: the one with this pid, or None."""
    if pid is None or pid <= 0:
        return None
    try:
        process = psutil.Process(pid)
        return process if _is(process, name, folder) else None
    except psutil.Error:
        return None


def find_all(name: str, folder: Path) -> list[psutil.Process]:
    """Every live process `name` that works in `folder`, even when that folder was deleted under it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if _is(process, name, folder):
                found.append(process)
    return found


def alive(process: psutil.Process | int) -> bool:
    """True while it runs; a zombie that nobody reaps is dead."""
    try:
        process = psutil.Process(process) if isinstance(process, int) else process
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def end(processes: Iterable[psutil.Process], signals: Iterable[tuple[signal.Signals, float]]) -> None:
    """Send the signals in order, each with its patience in seconds, until all the processes are gone."""
    left = list(processes)

    def gone() -> bool:
        left[:] = [process for process in left if alive(process)]
        return not left

    for number, patience in signals:
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        if wait_for(gone, patience):
            return
    raise ServiceError(f"processes {[process.pid for process in left]} do not end; end them by hand")


def wait_for(condition: Callable[[], object], patience: float) -> bool:
    """Look at `condition` often until it is true or `patience` seconds are over."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    return True


def free_port() -> int:
    """A free loopback port below the range the kernel hands to clients.

    A client that dials a port of that range again and again while its server is down can end up connected to itself,
    and then holds the port: https://sgros.blogspot.com/2013/08/tcp-client-self-connect.html
    """
    choice = random.SystemRandom()
    for _ in range(100):
        port = choice.randrange(15_000, 32_000)
        if port_is_free(port):
            return port
    raise ServiceError("no free port between 15000 and 32000 on 127.0.0.1")


def port_is_free(port: int) -> bool:
    """True when a server could listen on this loopback port now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _is(process: psutil.Process, name: str, folder: Path) -> bool:
    if process.name() != name or not alive(process):
        return False
    try:
        return process.cwd() == str(folder)
    except (psutil.AccessDenied, FileNotFoundError):
        return False


def _group_of(user: str | None) -> int | None:
    if user is None:
        return None
    import pwd  # POSIX only, and only root needs it

    return pwd.getpwnam(user).pw_gid
