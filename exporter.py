"""The entry point in a checkout, which runs the exporter: python exporter.py."""

from access_exporter.cli import run

if __name__ == "__main__":
    run()
