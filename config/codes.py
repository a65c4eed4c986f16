"""The number of each kind of complaint: what scripts, searches and a code host's filters can hold on to while the sentences get better.

A number keeps its meaning for good: a new kind gets a new number, and that of a kind that is gone is not given again. It belongs to what is
wrong; whether that stands in the way (error) or does not (warning) is said before it. docs/configuration.md prints this table.
"""

CODES = {
    "E101": "A file or the folder cannot be read: rights, size, encoding, or no `*.yaml` in it.",
    "E102": "The text is not YAML, or nests, repeats or refers beyond what is read.",
    "E103": "Something of YAML that Earmark does not read: tags, merge keys, a key that is no word.",
    "E104": "A control character in a value.",
    "E105": "A key or a single value is set twice.",
    "E106": "Nothing fills a `${NAME}`.",
    "E107": "A file is passed over, since its name does not end in `.yaml`.",
    "E201": "An unknown section.",
    "E202": "An unknown key.",
    "E203": "A key is missing.",
    "E204": "A list, keys and values, or a single value stands where another of them belongs.",
    "E205": "A value does not fit its key.",
    "E206": "An unknown kind of channel, desk or alert.",
    "E207": "A connector or an entry could not be checked, since code that is not Earmark's failed.",
    "E301": "A name that nothing in the configuration or among the installed scorers and platforms has.",
    "E302": "A name is used twice.",
    "E303": "A name is written with what a name may not hold.",
    "E304": "A number beyond its range.",
    "E305": "Two keys contradict each other, or a key stands where it means nothing.",
    "E306": "A schedule or a time zone that cannot be followed.",
    "E307": "Holidays of a country or a part of one that are not known.",
    "E401": "A topic's query cannot be read.",
    "E402": "A channel's platform cannot be asked what its topics want to know.",
    "E403": "A rule is never reached, or can never hold.",
    "E501": "A secret stands in a file.",
    "E502": "A key names no environment variable.",
    "E503": "A host or address that is not allowed.",
    "E504": "A secret is not in the environment.",
}
