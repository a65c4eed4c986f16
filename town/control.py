"""The town's own door, for the demo and for tests that stand outside: JSON in, JSON out."""

from __future__ import annotations

from typing import Any

from town.http import Request, Response, Stand, answer


class Control(Stand):
    """Posts, faults, the story and the ledger over HTTP. A bad argument is a 400 with the reason."""

    name = "control"

    def handle(self, request: Request) -> Response:
        found = getattr(self, "do_" + request.method.lower() + request.path.rstrip("/").replace("/", "_"), None)
        if found is None:
            return answer({"error": f"no {request.method} {request.path}"}, 404)
        body: dict[str, Any] = request.json() if request.body else {}
        return answer(found(body, request.query))

    def do_post_posts(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        posts = body.get("posts") or [body]
        return {"ids": [self.town.post(p.pop("platform"), p.pop("text"), **p) for p in map(dict, posts)]}

    def do_get_posts(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        return {"posts": self.town.ledger.posts(query.get("platform"))}

    def do_post_edit(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        return {"id": self.town.edit(body["platform"], body["id"], body["text"])}

    def do_post_delete(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        self.town.delete(body["platform"], body["id"], shown=bool(body.get("shown")))
        return {"id": body["id"]}

    def do_post_faults(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        return {"id": self.town.faults.add(body.pop("platform"), body.pop("kind"), **body).id}

    def do_delete_faults(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        self.town.faults.clear(int(query["id"]) if "id" in query else None)
        return {"faults": self.town.faults.listed()}

    def do_get_faults(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        return {"faults": self.town.faults.listed()}

    def do_get_ledger_summary(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        return self.town.ledger.summary()

    def do_get_ledger_served(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        return {"served": self.town.ledger.served(query.get("platform"))}

    def do_get_ledger_posts(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        wanted = ("platform", "origin", "native_id", "title", "text", "edited", "deleted")
        return {"posts": [{key: getattr(post, key) for key in wanted} for post in self.town.ledger.load_posts()]}

    def do_get_ledger_requests(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        return {"requests": self.town.ledger.requests(query.get("platform"))}

    def do_get_ledger_tickets(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        return {"tickets": self.town.ledger.tickets(query.get("desk", "zendesk"))}

    def do_get_ledger_comments(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        return {"comments": self.town.ledger.comments(query.get("desk", "zendesk"))}

    def do_get_ledger_deliveries(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        return {"deliveries": self.town.ledger.deliveries()}

    def do_get_accounts(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        return self.town.accounts

    def do_get_story(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        return self.town.story.progress()

    def do_post_story_pause(self, body: dict[str, Any], query: dict[str, str]) -> Any:
        self.town.story.pause(bool(body.get("paused", True)))
        return self.town.story.progress()


STAND_INS = (Control,)
