"""What each platform's terms let us do with its data, of every installed connector."""

from functools import cache

from connectors import inbound


@cache
def unlinkable() -> frozenset[str]:
    """Platforms whose accounts may not be matched with identifiers from elsewhere, except on the customer's own statement."""
    modules = [inbound.load(kind) for kind in inbound.kinds()]
    return frozenset(module.PLATFORM for module in modules if not module.POLICY.link)


@cache
def terms() -> dict[str, str]:
    """Platform → where its terms were read, for the page that says why something was not done."""
    modules = [inbound.load(kind) for kind in inbound.kinds()]
    return {module.PLATFORM: module.POLICY.source for module in modules}
