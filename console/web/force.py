"""The configuration in force as the web process needs it, read again when it changed."""

import threading
from typing import Any

from sqlalchemy import Connection

import config
from config.models import Config
from config.secrets import SecretError, secret
from console.web.openid import Provider, Refused
from storage import configurations


class Force:
    """Keeps the configuration in force, and what is made from it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: tuple[int, dict[str, Any]] | None = None
        self._made: tuple[int, Config] | None = None
        self._provider: tuple[int, Provider] | None = None

    def config(self, connection: Connection) -> Config:
        """An empty one before the first was accepted."""
        with self._lock:
            return self._config(connection)[1]

    def document(self, connection: Connection) -> dict[str, Any]:
        """The same as it was written down; nobody changes it."""
        with self._lock:
            return self._document(connection)[1]

    def provider(self, connection: Connection) -> Provider:
        """The OpenID provider. Raises Refused when none is configured or its secret is missing."""
        with self._lock:
            version, found = self._config(connection)
            if self._provider is None or self._provider[0] != version:
                settings = found.settings.login.openid
                if settings is None:
                    raise Refused("No OpenID provider is configured.")
                try:
                    key = secret(settings.client_secret_env)
                except SecretError as problem:
                    raise Refused("The secret for the provider is missing; `earmark check` says which.") from problem
                self._provider = (version, Provider(settings, key, frozenset(found.settings.allow_hosts)))
            return self._provider[1]

    def _config(self, connection: Connection) -> tuple[int, Config]:
        version, document = self._document(connection)
        if self._made is None or self._made[0] != version:
            self._made = (version, config.load_document(document) if version else Config())
        return self._made

    def _document(self, connection: Connection) -> tuple[int, dict[str, Any]]:
        version = configurations.version(connection)
        if self._read is None or self._read[0] != version:
            found = configurations.in_force(connection)
            self._read = (found.id, found.document) if found else (0, {})
        return self._read
