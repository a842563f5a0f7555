from pathlib import Path

import pytest

from access_exporter import config
from access_exporter.errors import ConfigError
from tests.config_files import ENVIRON

pytestmark = pytest.mark.usefixtures("secret_files")


class TestBadFiles:
    def test_missing_file(self) -> None:
        """If the configuration file is missing, the error message names it."""
        with pytest.raises(ConfigError) as refused:
            config.load("missing.yaml", ENVIRON)
        assert str(refused.value) == "missing.yaml: cannot be read: No such file or directory"

    def test_directory(self) -> None:
        """If the configuration file is a directory, the error message says so."""
        with pytest.raises(ConfigError) as refused:
            config.load("directory", ENVIRON)
        assert str(refused.value) == "directory: cannot be read: Is a directory"

    def test_named_pipe(self) -> None:
        """A named pipe that no process writes to is an error after a timeout."""
        with pytest.raises(ConfigError) as refused:
            config.load("pipe", ENVIRON)
        assert str(refused.value) == "pipe: cannot be read: reading it did not finish within 0.01 s"

    def test_large_file(self, secret_files: Path) -> None:
        """A file that is too large is an error, and the exporter does not read all of it."""
        with (secret_files / "endless").open("wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(ConfigError) as refused:
            config.load("endless", ENVIRON)
        assert str(refused.value) == "endless: cannot be read: it has more than 33554432 bytes"
