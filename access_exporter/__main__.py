"""The entry point for an installed package: python -m access_exporter."""

from access_exporter.cli import run

if __name__ == "__main__":
    run()
