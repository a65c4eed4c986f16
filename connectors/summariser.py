"""An OpenAI-compatible chat endpoint asked for a summary (https://platform.openai.com/docs/api-reference/chat/create).

What it is given was redacted by domain/summary.py; what it answers is text, taken only where it cites its lines.
"""

import json
from collections.abc import Sequence

from connectors.contract import Context
from connectors.errors import ConnectorError, Transient
from connectors.http import Client


def write(context: Context, url: str, model: str, key: str, messages: Sequence[dict[str, str]]) -> str:
    """The model's answer. Raises ConnectorError: no answer in time, a refusal, or an answer of another shape."""
    client = Client(context, [url])
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    body = {"model": model, "messages": list(messages), "temperature": 0, "max_tokens": 400}
    try:
        answer = client.request("POST", url.rstrip("/") + "/chat/completions", headers, json.dumps(body).encode())
        if answer.status != 200:
            raise Transient(f"the summariser answered {answer.status}")
        return str(answer.json()["choices"][0]["message"]["content"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, ConnectorError):
            raise
        raise Transient(f"the summariser's answer has another shape ({type(error).__name__})") from error
    finally:
        client.close()
