from collections.abc import Iterator

import pytest

from tests.processes import Exporter, exporter


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """A real process, which has nothing to say at the end but what it said at the start."""
    config = tmp_path_factory.mktemp("hostile") / "config.yaml"
    config.write_text("accounts: [{id: a, api_token: t, users: false}]\n", encoding="utf-8")
    with exporter(f"--config.file={config}") as started:
        said = len(started.lines)
        started.drain()
        yield started
        assert started.process.poll() is None
        started.process.terminate()
        assert started.process.wait(10) == 0
    assert [line for line in started.lines[said:] if '"stopped"' not in line] == []
