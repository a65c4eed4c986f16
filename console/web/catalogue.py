"""The catalogue of texts: what is said in templates, scripts and Python, gathered into console/locale/earmark.pot.

    python -m console.web.catalogue

writes it anew and carries it into every .po beside it; what is new there stands without a translation, and nothing is guessed.
tests/test_web_texts.py fails while the files are behind the sources. Nothing at runtime needs this.
"""

import pathlib
from collections.abc import Iterator

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.pofile import read_po, write_po

from console.web.spoken import FOLDER

ROOT = pathlib.Path(__file__).parent.parent.parent
TEMPLATE = FOLDER / "earmark.pot"
WIDTH = 120
MACHINES = ("api", "bearer", "hooks", "catalogue")  # modules of console/web that answer programs, in English
REFUSALS = ("Refused", "TooLate", "CannotRetry", "Outside", "BadPassword", "Said")  # their first argument is shown
KEYWORDS = {
    **DEFAULT_KEYWORDS,
    **dict.fromkeys(("N_", *REFUSALS)),
    **dict.fromkeys(("NN_", "plural"), (1, 2)),
    "HTTPException": (2,),
}
SCRIPTS = {**DEFAULT_KEYWORDS, "_n": (1, 2)}
HEADER = r"""msgid ""
msgstr ""
"Project-Id-Version: Earmark\n"
"Language: {code}\n"
"Plural-Forms: {plural}\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=utf-8\n"
"Content-Transfer-Encoding: 8bit\n"

"""  # no dates and no tools: the same texts are the same bytes
OPTIONS = {
    "extensions": "jinja2.ext.i18n",
    "trimmed": "true",
    "trim_blocks": "true",
    "lstrip_blocks": "true",
    "silent": "false",
}


def sources() -> Iterator[tuple[pathlib.Path, str]]:
    """Each file somebody may be shown a text of, and how it is read."""
    here = ROOT / "console" / "web"
    for path in sorted(here.glob("*.py")):
        if not path.stem.startswith(MACHINES):
            yield path, "python"
    for path in sorted((here / "static").glob("*.js")):
        yield path, "javascript"
    for path in sorted((here / "templates").glob("*.html")):
        yield path, "jinja2.ext:babel_extract"
    for room in ("domain", "storage"):
        for path in sorted((ROOT / room).glob("*.py")):
            yield path, "python"


def gather() -> Catalog:
    """Everything that is said, in the order of the files."""
    found = Catalog(project="Earmark", fuzzy=False, charset="utf-8")
    for path, method in sources():
        script = method == "javascript"
        with path.open("rb") as file:
            for _line, message, comments, context in extract(
                method, file, SCRIPTS if script else KEYWORDS, (), OPTIONS if path.suffix == ".html" else {}
            ):
                if message and (not isinstance(message, tuple) or message[0]):
                    found.add(
                        message, None, [(str(path.relative_to(ROOT)), None)], auto_comments=comments, context=context
                    )
    return found


def main() -> None:
    found = gather()
    with TEMPLATE.open("wb") as file:
        write_po(file, found, width=WIDTH, omit_header=True, sort_output=True)
    for path in sorted(FOLDER.glob("*.po")):
        with path.open("rb") as file:
            known = read_po(file, locale=path.stem)
        known.update(found, no_fuzzy_matching=True)
        known.obsolete.clear()
        with path.open("wb") as file:
            file.write(HEADER.format(code=path.stem, plural=known.plural_forms).encode())
            write_po(file, known, width=WIDTH, omit_header=True, sort_output=True, include_previous=False)
        left = [m for m in known if m.id and not (all(m.string) if m.pluralizable else m.string)]
        print(f"{path.name}: {len(known):,} texts, {len(left):,} without a translation")


if __name__ == "__main__":
    main()
