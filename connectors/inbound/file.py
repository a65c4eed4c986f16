"""Files: CSV or JSON Lines under the imports folder, for history from elsewhere or a file another program appends to.

A file that grows is followed from where we stopped; one that was replaced or cut is read again from its first line, and rows that are known
are not stored twice. A bad row costs itself: it is kept with its line number. A last line without its end waits until the file is at rest.
"""

import csv
import json
import os
import stat
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors import fields, shape
from connectors.contract import Context, Page, Policy, State
from connectors.errors import ConfigError, MalformedItem, Permanent, Transient
from domain.nouns import Author, Mention
from domain.text import clean, safe_url

PLATFORM = "file"
POLICY = Policy(source="https://www.rfc-editor.org/rfc/rfc4180")
LINE = 1_000_000  # bytes of one line
RECORD = 200  # lines of one CSV row whose quotes hold line ends
SHOWN = 10_000  # characters kept of a row that cannot be read
HEAD = 1024  # bytes at either end by which what was read is known again
AT_REST = 5.0  # seconds without a change after which a last line without its end is whole


class Columns(BaseModel):
    """Where things stand in a row: a column's name, or a dotted path for JSON Lines; `a|b` takes the first that holds something."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(default="id", description="Its id; without one a hash of the row stands for it")
    text: str = Field(default="text", description="What was said")
    title: str = Field(default="title", description="The title above it")
    author: str = Field(default="author", description="The author's stable id or name")
    url: str = Field(default="url", description="Where it can be read")
    published: str = Field(default="published", description="When: ISO time or epoch in seconds or milliseconds")
    rating: str = Field(default="rating", description="Stars, as a number up to rating_best")
    context: str = Field(default="context", description="The thread it belongs to")
    language: str = Field(default="language", description="Its language, as a code such as en")


class Settings(BaseModel):
    """A file channel: one CSV or JSON Lines file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(
        description="The file, under the folder EARMARK_IMPORTS names (imports/)", min_length=1, max_length=500
    )
    format: Literal["auto", "csv", "jsonl"] = Field(
        default="auto", description="auto goes by the name: .csv, .jsonl, .ndjson"
    )
    delimiter: str = Field(
        default=",", description="What separates the columns of a CSV file", min_length=1, max_length=1
    )
    encoding: Literal["utf-8", "cp1252", "iso-8859-1", "iso-8859-15"] = Field(
        default="utf-8", description="Its encoding"
    )
    fields: Columns = Field(default=Columns(), description="Where things stand in a row")
    rating_best: float = Field(default=5, gt=0, le=1000, description="The best rating there is")
    origin: str = Field(default="", description="Name its mentions are kept under; empty: the path", max_length=200)
    page_size: int = Field(default=500, ge=1, le=5000, description="Rows per page")

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        if Path(path).is_absolute() or ".." in Path(path).parts or "\x00" in path:
            raise ValueError("a path within the imports folder, without ..")
        return path

    @property
    def comma(self) -> bool:
        return self.format == "csv" or (self.format == "auto" and not self.path.lower().endswith((".jsonl", ".ndjson")))


def describe(settings: Settings) -> str:
    """What is read; a change of it is another series of numbers."""
    return f"file {settings.path}"


class Connector:
    """State: {"v": 1, "inode", "size", "mark": hash of what stands before it, "offset", "line", "columns"}."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings, self.context = settings, context

    def fetch_page(self, state: State) -> Page:
        """The next rows after the position, or the first of a file that is another one now."""
        with self._open() as file:
            about = os.fstat(file.fileno())
            same = state.get("v") == 1 and self._known(file, state, about)
            again = bool(state.get("v")) and not same
            state = dict(state) if same else {"v": 1, "offset": 0, "line": 0, "columns": None}
            start = state["offset"]
            file.seek(start)
            whole = self.context.now().timestamp() - about.st_mtime > AT_REST
            reading = _Rows(self.settings, file, state, whole)
            items = reading.page(self.settings.page_size, self.context.max_bytes // 2)
            state |= {"inode": about.st_ino, "size": about.st_size, "mark": _mark(file, state["offset"])}
        warnings = ("the file is another one now; it is read from its first line",) if again else ()
        return Page(items, state, reading.over, warnings=warnings, bytes=state["offset"] - start, uniform=False)

    def normalise(self, raw: Any) -> Mention:
        """One row. Raises MalformedItem with its line number."""
        told = shape.mapping(raw)
        line, row = told.get("line"), told.get("row")
        if told.get("wrong") or not isinstance(row, dict):
            raise MalformedItem(f"line {line}: {shape.words(told.get('wrong')) or 'no row'}")
        content, cut = clean(shape.words(self._value(row, "text")))
        name, cut_too = clean(shape.words(self._value(row, "title")), 2000)
        if not (content.strip() or name.strip()):
            raise MalformedItem(f"line {line}: no text in {self.settings.fields.text!r}")
        stamp = self._value(row, "published")
        published, published_raw, flags = shape.clamp(fields.moment(stamp), stamp, self.context.now())
        native_id = shape.ident(self._value(row, "id")) or "sha256:" + fields.content_hash(row)
        handle = clean(shape.words(self._value(row, "author")), 200)[0].strip()
        rating = fields.stars(self._value(row, "rating"), self.settings.rating_best)
        language = clean(shape.words(self._value(row, "language")), 35)[0].strip().lower()
        return Mention(
            PLATFORM,
            native_id,
            published,
            origin=self.settings.origin or self.settings.path,
            kind="Review" if rating else "Note",
            name=name,
            content=content,
            url=safe_url(self._value(row, "url")),
            language=language if language.replace("-", "").isalnum() else None,
            published_raw=published_raw,
            context=shape.ident(self._value(row, "context")) or native_id,
            attributed_to=Author(handle.lower(), handle) if handle else None,
            rating=rating,
            flags=flags + (("truncated",) if cut or cut_too else ()),
        )

    def _value(self, row: dict[str, Any], name: str) -> Any:
        """A column by its very name, dots and all, else by the path."""
        for part in str(getattr(self.settings.fields, name)).split("|"):
            found = row[part] if part in row else fields.value_at(row, part)
            if found is not None and found != "":
                return found
        return None

    def _open(self) -> BinaryIO:
        """The file, if it is one and lies within the folder after every link was followed."""
        folder = Path(self.context.imports).resolve()
        place = (folder / self.settings.path).resolve()
        if not place.is_relative_to(folder) or place == folder:
            raise ConfigError(
                f"{self.settings.path} leads out of the imports folder", advice="Put the file itself there"
            )
        try:
            # Nothing may take the checked place meanwhile; a pipe would keep us waiting for ever.
            handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise Permanent(
                f"there is no file {self.settings.path} in the imports folder", advice="Put it there"
            ) from None
        except OSError as problem:
            raise Transient(f"{self.settings.path} cannot be opened: {problem.strerror}") from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise ConfigError(f"{self.settings.path} is no plain file")
        return os.fdopen(handle, "rb")

    def _known(self, file: BinaryIO, state: State, about: os.stat_result) -> bool:
        """Whether this is the file we left: the same inode, not shorter, and still what it was where we began and stopped."""
        same = state["inode"] == about.st_ino and about.st_size >= state["offset"]
        return same and bool(_mark(file, state["offset"]) == state["mark"])


def _mark(file: BinaryIO, offset: int) -> str:
    """What stands before the position, by its two ends: an inode and a size come again when a file is written anew."""
    file.seek(0)
    first = file.read(min(HEAD, offset))
    file.seek(max(0, offset - HEAD))
    return sha256(first + file.read(min(HEAD, offset))).hexdigest()


class _Rows:
    """Reads rows from where the file stands and moves the position behind each whole one."""

    def __init__(self, settings: Settings, file: BinaryIO, state: State, whole: bool) -> None:
        self.settings, self.file, self.state, self.whole = settings, file, state, whole
        self.over = False

    def page(self, rows: int, size: int) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        until = self.state["offset"] + size
        while len(items) < rows and self.state["offset"] < until:
            item = self._row()
            if self.over:
                break
            if item is not None:
                items.append(item)
        return items

    def _row(self) -> dict[str, Any] | None:
        """The next row, None for an empty line or the header; `over` when no whole line is left."""
        start, number = self.state["offset"], self.state["line"] + 1
        line, text, wrong = self._line()
        if line is None:
            self.over = True
            return None
        if number == 1:
            text = text.removeprefix("\ufeff")
            if line[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise ConfigError(f"{self.settings.path} is UTF-16", advice="Save it as UTF-8")
        if not wrong and text.strip():
            if not self.settings.comma:
                return self._json(number, text)
            cells, wrong = self._cells(text, start, number)
            if self.over:
                return None
            if wrong and self.state["columns"] is None:
                raise ConfigError(f"{self.settings.path}: the header is {wrong}", advice="Check delimiter and encoding")
            if not wrong and self.state["columns"] is None:
                self.state["columns"] = [cell.strip() for cell in cells][:1000]
                return None
            if not wrong and len(cells) != len(self.state["columns"]):
                wrong = f"{len(cells)} columns where the header has {len(self.state['columns'])}"
            if not wrong:
                return {"line": number, "row": dict(zip(self.state["columns"], cells, strict=True))}
        return {"line": number, "wrong": wrong, "text": text[:SHOWN]} if wrong else None

    def _line(self) -> tuple[bytes | None, str, str]:
        """(the line, its text, what is wrong with it); None when there is none, or its end is still to be written."""
        line = self.file.readline(LINE + 1)
        length, wrong = len(line), ""
        if length > LINE:
            wrong, more = f"longer than {LINE} bytes", line
            while more and not more.endswith(b"\n"):
                more = self.file.readline(LINE)
                length += len(more)
            ended = more.endswith(b"\n")
        else:
            ended = line.endswith(b"\n")
        if not line or not (ended or self.whole):
            return None, "", ""
        self.state["offset"] += length
        self.state["line"] += 1
        try:
            text = line.decode(self.settings.encoding)
        except UnicodeDecodeError as problem:
            text, wrong = line.decode("latin-1"), wrong or f"byte {problem.start + 1} is no {self.settings.encoding}"
        return line, text, wrong

    def _cells(self, text: str, start: int, number: int) -> tuple[list[str], str]:
        """The cells of the row that begins here; quotes may hold line ends. A quote that never ends costs its own line only."""
        behind = (self.state["offset"], self.state["line"])
        record = text
        for _ in range(RECORD):
            try:
                return next(csv.reader([record], delimiter=self.settings.delimiter, strict=True)), ""
            except csv.Error as problem:
                wrong = str(problem)
            except StopIteration:
                return [], "an empty row"
            if "unexpected end of data" not in wrong:
                break
            line, more, bad = self._line()
            if line is None:
                if not self.whole:  # the rest of the row is still to be written
                    self.state["offset"], self.state["line"], self.over = start, number - 1, True
                    return [], ""
                break
            record += more
            if bad or len(record) > LINE:
                break
        self.state["offset"], self.state["line"] = behind
        self.file.seek(behind[0])
        return [], f"not a CSV row: {wrong}"

    def _json(self, number: int, text: str) -> dict[str, Any]:
        try:
            row = json.loads(text, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            return {"line": number, "wrong": "not JSON", "text": text[:SHOWN]}
        wrong = "" if isinstance(row, dict) else "not a JSON object"
        return {"line": number, "wrong": wrong, "text": text[:SHOWN]} if wrong else {"line": number, "row": row}
