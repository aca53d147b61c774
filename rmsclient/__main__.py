"""``python -m rmsclient``: the same as the ``rightskeep`` command."""

from rmsclient.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
