"""The `earmark` command: what it starts with and how it ends."""

import gc
import os
import sys
from typing import Any

import typer

FILTERS = ("score", "triage")  # ready in a fraction of a second: the other commands' libraries stay where they are


def __getattr__(name: str) -> Any:
    if name == "app":
        from console.cli.commands import app

        return app
    raise AttributeError(name)


def _app() -> typer.Typer:
    if sys.argv[1:2] and sys.argv[1] in FILTERS:
        gc.disable()  # nothing of what is loaded now is ever let go: looking for it is a tenth of the start
        from console.cli import filters
        from console.cli.shape import alike

        return alike(filters.app)
    from console.cli.commands import app

    return app


def main() -> None:
    """Run; a reader that went away (`earmark … | head`) is no error. What nobody foresaw is named by kind and place: its text may
    hold somebody's words or a secret. EARMARK_DEBUG=1 shows all of it."""
    try:
        _app()()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if os.environ.get("EARMARK_DEBUG") == "1":
            raise
        from console.cli.common import call, say, show_json
        from storage.ledger import again
        from workers.logs import trace

        say(f"error: {trace(error)}")
        if again(error):
            say("help: the database went away meanwhile; `earmark doctor` looks into it")
        else:
            say("help: this is a mistake of ours; EARMARK_DEBUG=1 shows all there is, which may hold personal text")
        if "--json" in sys.argv and not call.shown:
            show_json({"error": trace(error)})
        sys.exit(1)


if __name__ == "__main__":
    main()
