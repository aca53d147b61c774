import pytest

from tests.fuzz import fuzz_log_proof, fuzz_pfile, fuzz_record
from tests.fuzz.running import run

# Cases are mutations with a fixed seed, so that a run that passes once passes always.
CASES = {"header": 5000, "opening": 800, "content": 2000, "names": 5000}


@pytest.mark.parametrize("name", fuzz_pfile.TARGETS)
def test_protected_files(name):
    refused = run(fuzz_pfile.TARGETS, fuzz_pfile.Targets, name, CASES[name], seed=20250131)
    # Were all refused, or none, the cases would test one side only. Names are never refused.
    assert (0 < refused < CASES[name]) or name == "names"


@pytest.mark.parametrize("name", fuzz_record.TARGETS)
def test_records(name):
    refused = run(fuzz_record.TARGETS, fuzz_record.Targets, name, 3000, seed=20250131)
    assert (0 < refused < 3000) or name == "judging"


@pytest.mark.parametrize("name", fuzz_log_proof.TARGETS)
def test_log_proofs(name):
    refused = run(fuzz_log_proof.TARGETS, fuzz_log_proof.Targets, name, 3000, seed=20250131)
    assert (0 < refused < 3000) or name == "files"
