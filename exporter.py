"""The entry point in a checkout: `python exporter.py` runs the exporter."""

from access_exporter.cli import run

if __name__ == "__main__":
    run()
