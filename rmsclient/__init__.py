"""Client library of Rightskeep and the ``rightskeep`` command.

``connection`` decides which server is asked and with which sign-in, ``licensing`` and
``administration`` speak to it, ``protection`` and ``opening`` work on files. Nothing here
needs Django; formats and ciphers come from ``rms``.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("rightskeep")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.0.0"
