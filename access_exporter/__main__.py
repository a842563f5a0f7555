"""The entry point of the installed package, which runs the exporter: python -m access_exporter."""

from access_exporter.cli import run

if __name__ == "__main__":
    run()
