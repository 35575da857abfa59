"""One Terraform with its stand-in for all tests of a process."""

from collections.abc import Iterator

import pytest
from offline import Terraform
from plans import plans  # noqa: F401  a fixture


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    running = Terraform(tmp_path_factory.mktemp("terraform"))
    yield running
    running.close()
