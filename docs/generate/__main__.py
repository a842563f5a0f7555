"""Writes the reference documents: python -m docs.generate."""

from docs.generate import REFERENCES, ROOT


def main() -> None:
    """Update every reference document."""
    for name, update in REFERENCES.items():
        document = ROOT / name
        document.write_text(update(document.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
