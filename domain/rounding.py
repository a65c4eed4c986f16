"""Rounding as `round` does it, for what is rounded many times for every mention. Pure."""


def rounded(value: float, scale: float, digits: int) -> float:
    """As `round`, in a third of its time: a whole number over `scale` is what it gives, but where `value` is near a half or nothing."""
    scaled = value * scale
    rest = scaled % 1.0
    if rest < 0.4999:
        return (scaled - rest) / scale or round(value, digits)
    if rest > 0.5001:
        return (scaled - rest + 1.0) / scale or round(value, digits)
    return round(value, digits)
