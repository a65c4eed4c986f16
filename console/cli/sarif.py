"""Complaints about the configuration as SARIF 2.1.0, which code hosts show beside the lines. https://docs.oasis-open.org/sarif/sarif/v2.1.0/"""

from collections.abc import Iterable
from typing import Any

from config.codes import CODES
from config.complaints import Complaint


def sarif(complaints: Iterable[Complaint], version: str) -> dict[str, Any]:
    rules = [{"id": code, "shortDescription": {"text": meaning}} for code, meaning in CODES.items()]
    driver = {"name": "earmark check", "version": version, "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(one) for one in complaints]}],
    }


def _result(one: Complaint) -> dict[str, Any]:
    hint = f'; did you mean "{one.suggestion}"?' if one.suggestion else ""
    found: dict[str, Any] = {"ruleId": one.code, "level": one.severity, "message": {"text": f"{one.message}{hint}"}}
    if one.file:
        place: dict[str, Any] = {"artifactLocation": {"uri": one.file}}
        if one.line:  # lines and columns count from 1, there as here
            place["region"] = {"startLine": one.line, "startColumn": max(1, one.column)}
        found["locations"] = [{"physicalLocation": place}]
    return found
