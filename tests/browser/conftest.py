"""The system's Chromium, with nothing of its own to say on the network."""

import os
from typing import Any

import pytest
from playwright.sync_api import expect

from script.suite import chromium

# A page that never comes ends a test, a busy machine does not.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)

# Playwright's synchronous calls run an event loop in this thread, beside which Django refuses its database.
# Never taken back: the loop stays for as long as the browser does, and other tests may come after.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    found = os.environ.get("RIGHTSKEEP_TEST_CHROMIUM") or chromium()
    if not found:
        pytest.skip("Chromium is not installed")
    return {
        **browser_type_launch_args,
        "executable_path": found,
        "args": [
            "--no-sandbox",
            "--disable-gpu",  # there is none, and pretending costs
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    }


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    """Replaces the plugin's own, which asks for a fixture `device` of its making: ours is another thing."""
    # Without motion there is no moment in which a color is between two others, for axe to look at.
    return {"locale": "en-US", "timezone_id": "UTC", "reduced_motion": "reduce"}
