"""What customers are asked after a ticket, and what their answers amount to. Pure; formulas name their source.

csat: share of answers 4 and 5 of 1..5. nps: share of 9 and 10 less share of 0 to 6, of 0..10 (Reichheld, "The one number you need to
grow", Harvard Business Review, December 2003). effort: mean of 1..7, higher is easier (CES 2.0, Dixon, Toman, DeLisi, "The Effortless
Experience", 2013).
"""

from collections.abc import Sequence

SCALES = {"csat": (1, 5), "nps": (0, 10), "effort": (1, 7)}
QUESTIONS = {
    "csat": "How satisfied are you with how we dealt with this?",
    "nps": "How likely are you to recommend us to a friend or colleague?",
    "effort": "How easy did we make it for you to get this settled?",
}
ENDS = {
    "csat": ("not at all satisfied", "very satisfied"),
    "nps": ("not at all likely", "extremely likely"),
    "effort": ("very hard", "very easy"),
}


def score(kind: str, answers: Sequence[int]) -> float | None:
    """What the answers to one kind of question amount to: csat and nps in percent (nps -100 to 100), effort 1 to 7. None without any."""
    if not answers:
        return None
    n = len(answers)
    if kind == "csat":
        return 100 * sum(a >= 4 for a in answers) / n
    if kind == "nps":
        return 100 * (sum(a >= 9 for a in answers) - sum(a <= 6 for a in answers)) / n
    return sum(answers) / n


def valid(kind: str, answer: int) -> bool:
    low, high = SCALES[kind]
    return low <= answer <= high
