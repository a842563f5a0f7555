"""The entry point for a checkout: python exporter.py."""

from access_exporter.cli import run

if __name__ == "__main__":
    run()
