import pytest

from tests.fuzz.fuzz_templates import TARGETS, Subject
from tests.fuzz.running import run

CASES = 800


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_format_errors(name):
    assert 0 < run(TARGETS, Subject, name, CASES, seed=20260501) < CASES
