"""Draws a terminal session that tests a policy before it is saved, from the command's output for the demo account.

python -m docs.draw_session
"""

import subprocess
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from access_exporter.simulator import DEMO, demo
from access_exporter.simulator.account import members

PICTURE = Path(__file__).with_name("test-policy.svg")
FILE = "wiki.yaml"
# A policy that denies three users, above the current policy of the demo's application Wiki.
POLICY = """- name: Left the company
  decision: deny
  include:
    - email: {email: user13@example.org}
    - email: {email: user20@example.net}
    - email: {email: user25@example.org}
- %s
"""
FLAGS = ("--demo", f"--test-policy={FILE}", "--compare-with=Wiki", "--max-newly-blocked=2")
NAME = "cloudflare-access-exporter"
CHARACTER, LINE, MARGIN = 8.43, 20, 18
STYLE = """text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#e6eaef;
white-space:pre}.typed{font-weight:600}.bad{fill:#ff7b72}"""


def session(policy_id: str) -> str:
    """Run the command, and return the text of the terminal: the typed commands, the output and the exit status."""
    with TemporaryDirectory() as folder:
        policy = POLICY % policy_id
        (Path(folder) / FILE).write_text(policy, "utf-8")
        command = [sys.executable, "-m", "access_exporter", *FLAGS]
        root = str(Path(__file__).resolve().parent.parent)
        ran = subprocess.run(  # noqa: S603 – our own command
            command, cwd=folder, env={"PYTHONPATH": root}, capture_output=True, text=True, check=False, timeout=120
        )
    said = [line for line in ran.stderr.splitlines() if not line.startswith("ts=")]
    typed = f"$ {NAME} {FLAGS[0]} {FLAGS[1]} \\\n    {' '.join(FLAGS[2:])}"
    return "\n".join((f"$ cat {FILE}", policy, typed, ran.stdout, *said, "$ echo $?", f"{ran.returncode}"))


def draw(shown: str) -> str:
    """Return the picture of the terminal as SVG."""
    lines = shown.splitlines()
    width = round(max(map(len, lines)) * CHARACTER) + 2 * MARGIN
    height = len(lines) * LINE + 2 * MARGIN + LINE
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            "<title>A policy is tested before it is saved: three people would lose access</title>",
            f'<style>{STYLE}</style><rect width="{width}" height="{height}" rx="10" fill="#0f1318"/>',
            *(f'<circle cx="{MARGIN + 16 * dot}" cy="{MARGIN}" r="5" fill="#303841"/>' for dot in range(3)),
            *_drawn(lines),
            "</svg>\n",
        )
    )


def _drawn(lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if line:
            y = MARGIN + LINE + number * LINE
            yield f'<text class="{_kind(line)}" x="{MARGIN}" y="{y}" xml:space="preserve">{escape(line)}</text>'


def _kind(line: str) -> str:
    if line.startswith(("$ ", "    --")):
        return "typed"
    return "bad" if line.startswith(("newly_blocked", "lose access", NAME)) else "plain"


def staff() -> str:
    """Return the id of the current policy of the demo's application Wiki."""
    policies = map(members, demo().accounts[DEMO.account_id].lists["policies"])
    return next(str(policy["id"]) for policy in policies if policy["name"] == "Staff")


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(draw(session(staff())), "utf-8")


if __name__ == "__main__":
    main()
