"""What a process remembers, and for how long."""

import math
import sys
import threading

import pytest

from tenants import freshness
from tenants.freshness import FactCache, forget_facts


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(freshness, "monotonic", lambda: now[0])
    return now


def test_a_fact_counts_for_five_seconds(clock: list[float]):
    cache = FactCache(10)
    cache["alice"] = "admin"
    clock[0] += 4.999
    assert cache.get("alice") == "admin"
    clock[0] += 0.001
    assert cache.get("alice") is None
    cache["alice"] = "member"
    assert cache.get("alice") == "member"


def test_what_never_changes_may_stay(clock: list[float]):
    cache = FactCache(10, max_age=math.inf)
    cache[1] = "one"
    clock[0] += 1e9
    assert cache.get(1) == "one"
    forget_facts()
    assert cache.get(1) is None


def test_it_holds_no_more_than_it_may(clock: list[float]):
    cache = FactCache(10)
    for number in range(8):
        cache[number] = number
    clock[0] += 6
    for number in range(100, 200):
        clock[0] += 0.001
        cache[number] = number
        assert cache.get(number) == number  # the newest is always there
        assert len(cache._entries) <= 10
    assert cache.get(0) is None


def test_threads_do_not_disturb_each_other():
    """Servers with threads, and every test with a live server, share these caches."""
    cache = FactCache(50)
    problems: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for number in range(20_000):
                name = (number * seed) % 83
                known = cache.get(name)
                if known is None:
                    cache[name] = name
                elif known != name:
                    raise AssertionError(f"{name} is remembered as {known}")
                if number % 997 == 0:
                    cache.clear()
        except (KeyError, RuntimeError, AssertionError) as error:
            problems.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 3, 7, 11)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert problems == []
    assert len(cache._entries) <= 50 + len(threads)
