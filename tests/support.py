"""What tests share: waiting on a condition, real `earmark` processes, places for servers."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

from workers import services

ROOT = Path(__file__).parent.parent
EARMARK = Path(sys.executable).with_name("earmark")
FOLDER_PREFIX = "earmark-tests-"
T = TypeVar("T")
# Seconds a test waits for what is sure to come where no promise names a time: a start takes a busy machine twenty times as long.
PATIENCE = 60.0


def wait_until(condition: Callable[[], T], timeout: float = PATIENCE, message: str | Callable[[], str] = "") -> T:
    """Look every 50 ms until `condition()` is truthy and return it; fail with `message` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            said = message() if callable(message) else message
            raise AssertionError(f"not within {timeout} s: {said or condition}; last seen: {value!r}")
        time.sleep(0.05)


def free_port() -> int:
    """A loopback port that was free a moment ago. A server that can take port 0 itself should."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run_earmark(
    args: Sequence[str],
    env: Mapping[str, str | None] | None = None,
    input: str | None = None,
    timeout: float = 60,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the installed command to its end. `env` is laid over ours; a value of None takes a variable away."""
    return subprocess.run(
        [str(EARMARK), *args],
        env=_environment(env),
        input=input if input is not None else "",
        text=True,
        capture_output=True,
        timeout=timeout,
        cwd=cwd or ROOT,
        check=False,
    )


class Spawned:
    """A running `earmark` process and the file its output goes to."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        self.popen, self.log, self.pid = popen, log, popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def read_log(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for_log(self, text: str, timeout: float = PATIENCE) -> str:
        """Wait until the output contains `text`; fail at once when the process ended without saying it."""

        def said() -> str:
            running = self.running  # asked before reading: what it said last is in the file by then
            log = self.read_log()
            assert text in log or running, f"process ended with {self.popen.returncode} before {text!r}:\n{log[-3000:]}"
            return log if text in log else ""

        return wait_until(said, timeout, lambda: f"{text!r} in the output:\n{self.read_log()[-3000:]}")

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL to the process and its whole group: nothing of it gets to say goodbye."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait(10)

    def wait(self, timeout: float = PATIENCE) -> int:
        return self.popen.wait(timeout)

    def terminate(self, timeout: float = 10) -> int:
        """SIGTERM, and the exit code; subprocess.TimeoutExpired when it does not end in time."""
        self.signal(signal.SIGTERM)
        return self.popen.wait(timeout)


@contextlib.contextmanager
def spawn_earmark(
    args: Sequence[str],
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    name: str | None = None,
) -> Iterator[Spawned]:
    """Run the installed command as a process of its own group; kill the group on leaving."""
    with spawn([str(EARMARK), *args], env, cwd, name or "-".join(args[:1])) as spawned:
        yield spawned


@contextlib.contextmanager
def spawn(
    command: Sequence[str],
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    name: str = "process",
) -> Iterator[Spawned]:
    """As spawn_earmark, for any command."""
    with tempfile.TemporaryDirectory(prefix="earmark-log-") as folder:
        log = Path(folder) / f"{name}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                list(command),
                env=_environment(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd or ROOT,
                start_new_session=True,
            )
        spawned = Spawned(popen, log)
        try:
            yield spawned
        except BaseException:
            print(f"--- {' '.join(command)} said last:\n{spawned.read_log()[-5000:]}")
            raise
        finally:
            spawned.kill()


def new_service_folder() -> Path:
    """A folder outside the checkout that the services' own user can reach; its name tells whose it is."""
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-"))
    folder.chmod(0o711)
    return folder


def sweep_service_folders() -> None:
    """Stop and remove the servers of test runs that were killed: no exit hook does it."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        pid = int(folder.name.removeprefix(FOLDER_PREFIX).split("-")[0])
        with contextlib.suppress(FileNotFoundError):  # another run sweeps too
            if folder.stat().st_uid == os.geteuid() and not psutil.pid_exists(pid):
                remove_service_folder(folder)


def remove_service_folder(folder: Path) -> None:
    """Stop and remove every pair of servers in or below the folder, then the folder."""
    for remembered in list(folder.rglob("services.json")):
        services.remove(remembered.parent)
    for leftover in sorted(folder.rglob("*"), reverse=True):
        leftover.rmdir() if leftover.is_dir() and not leftover.is_symlink() else leftover.unlink()
    folder.rmdir()


def _environment(env: Mapping[str, str | None] | None) -> dict[str, str]:
    merged = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
    found = {name: value for name, value in merged.items() if value is not None}
    if "DATABASE_URL" in found:  # a broker nobody named would be the checkout's own, started in var/ and left there
        found.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")
    return found
