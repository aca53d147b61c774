"""The system's Chromium, with nothing of its own to say on the network."""

import os
from typing import Any

import pytest

# Playwright's synchronous calls run an event loop in this thread, beside which Django refuses its database.
# Never taken back: the loop stays for as long as the browser does, and other tests may come after.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {
        **browser_type_launch_args,
        "executable_path": os.environ.get("RIGHTSKEEP_TEST_CHROMIUM", "/usr/bin/chromium"),
        "args": [
            "--no-sandbox",
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
    return {"locale": "en-US", "timezone_id": "UTC"}
