"""The entry point of the installed package: `python -m access_exporter` runs the exporter."""

from access_exporter.cli import run

if __name__ == "__main__":
    run()
