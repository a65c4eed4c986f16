"""The keys of the town: what a client must present to each stand-in, as its page says. Made up, and good for nothing outside."""

from town.stands import keys

ACCOUNTS: dict[str, dict[str, str]] = keys()
