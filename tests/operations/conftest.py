"""Where the servers of these tests keep their data: SQLite and files, or PostgreSQL and Redis when the run is about them."""

import os
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

# Beside database 15, which the tests inside this process use.
SERVERS_REDIS_DATABASE = "/14"


@pytest.fixture(scope="module")
def surroundings() -> Iterator[dict[str, str]]:
    """Settings for `script/server`: none, or a PostgreSQL database of its own (dropped again) and an empty Redis."""
    given = os.environ.get("RIGHTSKEEP_DATABASE_URL", "")
    if not given.startswith("postgres"):
        yield {}
        return
    name = f"rightskeep_server_{uuid.uuid4().hex[:12]}"
    found = {"RIGHTSKEEP_DATABASE_URL": urlsplit(given)._replace(path=f"/{name}").geturl()}
    broker = os.environ.get("RIGHTSKEEP_BROKER_URL", "")
    if broker.startswith("redis"):
        found["RIGHTSKEEP_BROKER_URL"] = urlsplit(broker)._replace(path=SERVERS_REDIS_DATABASE).geturl()
        client = redis.Redis.from_url(found["RIGHTSKEEP_BROKER_URL"])
        client.flushdb()
        client.close()
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # the name is ours
        try:
            yield found
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
