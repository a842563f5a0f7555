"""Secrets and people that are planted wherever they may stand, to be looked for wherever they must not."""

PLANTED = "qzx7"  # part of each of them
TOKEN = f"{PLANTED}TkV9vW2mP4xR8sLbNcY5dFgHjQ1wZ3eUaXo6"  # as long as a real one
KEY = f"{PLANTED}4079dac9320b638f5e225cf483cc5cfdda"
EMAIL = f"admin@{PLANTED}.example"
SCRAPER = f"jane-{PLANTED}"
PASSWORD = f"{PLANTED} horse"
