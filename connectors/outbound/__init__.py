"""Desks and alert routes, one module each; the module's name is the kind. Others come by the entry-point group below."""

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from connectors.errors import ConfigError

GROUP = "earmark.desks"


@cache
def kinds() -> tuple[str, ...]:
    """Every kind that can be configured, ours first; nothing is imported to find out."""
    own = {p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_")}
    return (*sorted(own), *sorted(_others().keys() - own))


@cache
def load(kind: str) -> ModuleType:
    """The module of a kind, with its `Settings` and `Desk`; imported on first use."""
    if kind not in kinds():
        raise ConfigError(f"There is no desk of kind {kind!r}.", advice=f"Known kinds: {', '.join(kinds())}.")
    if kind in _others() and not (Path(__file__).parent / f"{kind}.py").exists():
        module: ModuleType = _others()[kind].load()
        return module
    return import_module(f"{__name__}.{kind}")


@cache
def _others() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
