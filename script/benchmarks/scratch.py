"""What benchmarks on PostgreSQL share: a database of their own, dropped again, and the environment that leads to it."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

LOOPBACK = "postgres://postgres@127.0.0.1:5432/postgres"


@contextmanager
def database() -> Iterator[str]:
    """The address of an empty database on the server of RIGHTSKEEP_DATABASE_URL, or the one on loopback."""
    given = os.environ.get("RIGHTSKEEP_DATABASE_URL") or LOOPBACK
    name = f"rightskeep_bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # the name is ours
        try:
            yield urlsplit(given)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def environment_for(address: str, directory: Path) -> dict[str, str]:
    """This process's environment without its settings of ours, with that database and a data folder in `directory`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RIGHTSKEEP_")}
    return {**kept, "RIGHTSKEEP_DATABASE_URL": address, "RIGHTSKEEP_DATA_DIR": str(directory / "data")}
