"""The product's own WSGI application, with two more addresses for comparison. Only benchmarks start this.

They go the same way through the same middleware as the device endpoints, so that the difference is the work alone.
"""

from licensing import gate
from portal.wsgi import application

gate._URLS = "script.benchmarks.licensing_parts.reference_urls"

__all__ = ["application"]
