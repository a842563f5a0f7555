"""The entry point for a checkout: python exporter.py."""

import sys

from access_exporter.cli import main

if __name__ == "__main__":
    sys.exit(main())
