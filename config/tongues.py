"""py3langid's model, cut to the languages asked for. Unpacking it takes half a second, so what came of it is kept in var/cache."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from domain.tongues import NEVER, Tables, Tongues, tables

FORM = "1"  # of what is kept: another number forgets it
_PARTS = ("speaks", "prior", "follows", "row", "pair", "gram", "names")


def tongues(languages: Sequence[str]) -> Tongues:
    """Tells these languages apart. Raises ValueError for one the model does not know, or for a model of another form."""
    spec = find_spec("py3langid")
    if spec is None or spec.origin is None:
        raise ValueError("py3langid is not installed")
    model = Path(spec.origin).parent / "data" / "model.npz.xz"
    asked = " ".join((FORM, *languages)).encode()
    key = hashlib.sha256(asked + hashlib.sha256(model.read_bytes()).digest()).hexdigest()[:16]
    kept = Path(os.environ.get("EARMARK_DATA", "var")) / "cache" / f"languages-{key}"
    try:
        return _bound(*(np.asarray(np.load(kept / f"{part}.npy", mmap_mode="r")) for part in _PARTS))
    except (OSError, ValueError):  # not kept yet, or not whole
        found, names = _unpacked(model, languages)
    _keep(kept, found, names)
    return Tongues(found, names)


def _bound(*parts: np.ndarray) -> Tongues:
    *held, names = parts
    return Tongues(Tables(*held), names.tolist())


def _unpacked(model: Path, languages: Sequence[str]) -> tuple[Tables, list[str]]:
    from py3langid.modelio import load_model

    speaks, prior, names, follows, row, gram = load_model(model)
    wanted = [at for at, name in enumerate(names) if name in {*languages}]
    if missing := {*languages} - {*names}:
        raise ValueError(f"py3langid does not know {', '.join(sorted(missing))}")
    steps = np.asarray(follows)
    if steps.reshape(-1, 256)[:, NEVER].any():
        raise ValueError("py3langid's model is of another form: a byte that UTF-8 has not leads somewhere")
    return (
        tables(np.asarray(speaks)[:, wanted], np.asarray(prior)[wanted], steps, np.asarray(row), np.asarray(gram)),
        [names[at] for at in wanted],
    )


def _keep(place: Path, found: Tables, names: Sequence[str]) -> None:
    """Whole or not at all: the folder is filled under another name. A place nobody may write to is no error, only slower."""
    shutil.rmtree(place, ignore_errors=True)
    filling = place.with_name(f"{place.name}-{secrets.token_hex(4)}")
    try:
        filling.mkdir(parents=True)
        for part in _PARTS[:-1]:
            np.save(filling / f"{part}.npy", getattr(found, part), allow_pickle=False)
        np.save(filling / "names.npy", np.array(names), allow_pickle=False)
        filling.rename(place)
    except OSError:  # another process was first, or there is no room
        shutil.rmtree(filling, ignore_errors=True)
