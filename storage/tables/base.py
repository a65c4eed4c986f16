"""What every table page shares: the metadata and the columns that return."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Integer, MetaData, Numeric, Text, text

metadata = MetaData()
TS = DateTime(timezone=True)
NOW = text("now()")


def id_(cache: int = 1) -> Column[int]:
    return Column("id", BigInteger, Identity(always=False, cache=cache), primary_key=True)


def text_(name: str, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text(f"'{default}'"))


def int_(name: str, default: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text(str(default)))


def sum_(name: str) -> Column[int]:
    return Column(name, Numeric(38, 0), nullable=False, server_default=text("0"))


def at_(name: str = "at") -> Column:
    return Column(name, TS, nullable=False, server_default=NOW)
