"""The words VADER knows besides its lexicon: what negates, what strengthens or weakens, and idioms.

They are those of https://github.com/cjhutto/vaderSentiment 3.3.2; `tests/test_judge_vader.py` compares them with the package.
"""

RAISES = 0.293

NEGATE = frozenset(
    (
        *("aint", "arent", "cannot", "cant", "couldnt", "darent", "didnt", "doesnt", "ain't", "aren't", "can't"),
        *("couldn't", "daren't", "didn't", "doesn't", "dont", "hadnt", "hasnt", "havent", "isnt", "mightnt", "mustnt"),
        *(
            "neither",
            "don't",
            "hadn't",
            "hasn't",
            "haven't",
            "isn't",
            "mightn't",
            "mustn't",
            "neednt",
            "needn't",
            "never",
        ),
        *(
            "none",
            "nope",
            "nor",
            "not",
            "nothing",
            "nowhere",
            "oughtnt",
            "shant",
            "shouldnt",
            "uhuh",
            "wasnt",
            "werent",
        ),
        *("oughtn't", "shan't", "shouldn't", "uh-uh", "wasn't", "weren't", "without", "wont", "wouldnt", "won't"),
        *("wouldn't", "rarely", "seldom", "despite"),
    )
)
RAISING = (
    *(
        "absolutely",
        "amazingly",
        "awfully",
        "completely",
        "considerable",
        "considerably",
        "decidedly",
        "deeply",
        "effing",
    ),
    *("enormous", "enormously", "entirely", "especially", "exceptional", "exceptionally", "extreme", "extremely"),
    *(
        "fabulously",
        "flipping",
        "flippin",
        "frackin",
        "fracking",
        "fricking",
        "frickin",
        "frigging",
        "friggin",
        "fully",
    ),
    *("fuckin", "fucking", "fuggin", "fugging", "greatly", "hella", "highly", "hugely", "incredible", "incredibly"),
    *("intensely", "major", "majorly", "more", "most", "particularly", "purely", "quite", "really", "remarkably", "so"),
    *(
        "substantially",
        "thoroughly",
        "total",
        "totally",
        "tremendous",
        "tremendously",
        "uber",
        "unbelievably",
        "unusually",
    ),
    *("utter", "utterly", "very"),
)
LOWERING = (
    *(
        "almost",
        "barely",
        "hardly",
        "kinda",
        "kindof",
        "kind-of",
        "less",
        "little",
        "marginal",
        "marginally",
        "occasional",
    ),
    *("occasionally", "partly", "scarce", "scarcely", "slight", "slightly", "somewhat", "sorta", "sortof", "sort-of"),
)
BOOST = {**dict.fromkeys(RAISING, RAISES), **dict.fromkeys(LOWERING, -RAISES)}
BOOST_PAIRS = {("just", "enough"): -RAISES, ("kind", "of"): -RAISES, ("sort", "of"): -RAISES}
IDIOMS: dict[tuple[str, ...], float] = {
    ("the", "shit"): 3,
    ("the", "bomb"): 3,
    ("bad", "ass"): 1.5,
    ("bus", "stop"): 0.0,
    ("yeah", "right"): -2,
    ("kiss", "of", "death"): -1.5,
    ("to", "die", "for"): 3,
    ("beating", "heart"): 3.5,
}
# One rare word of each idiom and pair: a text without any of them has none.
IDIOM_KEYS = frozenset(("shit", "bomb", "ass", "bus", "yeah", "kiss", "die", "beating", "enough", "kind", "sort"))
CONTEXT = frozenset(("no", "this", "least", "but", *IDIOM_KEYS))
