"""The registry: a connector's kind is its module's name here, or an entry point's in the group `earmark.connectors`."""

import difflib
import importlib
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from connectors.errors import ConfigError

GROUP = "earmark.connectors"


@cache
def kinds() -> dict[str, EntryPoint | str]:
    """Every kind that can be configured, and where it comes from. Ours win over an entry point of the same name."""
    own = {
        found.name: f"{__name__}.{found.name}"
        for found in pkgutil.iter_modules(__path__)
        if not found.name.startswith("_")
    }
    return {**{point.name: point for point in entry_points(group=GROUP)}, **own}


def load(kind: str) -> ModuleType:
    """The connector's module, imported now. Raises ConfigError with the nearest names for a kind that is none."""
    source = kinds().get(kind)
    if source is None:
        near = difflib.get_close_matches(kind, kinds(), n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(kinds()))}"
        raise ConfigError(f"there is no connector named {kind!r}", advice=hint)
    if isinstance(source, str):
        return importlib.import_module(source)
    module = source.load()
    if not isinstance(module, ModuleType):
        raise ConfigError(f"the entry point {kind!r} must name a module", advice="See CONTRIBUTING, add a connector")
    return module
