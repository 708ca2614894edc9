"""What all tests share: where the outcome data lies, and the skip where it does not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("POINTSMAN_DATA") or ROOT / ".." / "shared" / "data").resolve()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the outcome data, by name, where there is none."""
    if DATA.is_dir():
        return
    absent = pytest.mark.skip(reason=f"needs the outcome data: no folder {DATA} (set POINTSMAN_DATA)")
    for item in items:
        if item.get_closest_marker("data") is not None:
            item.add_marker(absent)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the outcome data; only for tests marked `data`."""
    if not DATA.is_dir():
        pytest.fail("a test that uses data_dir must be marked with pytest.mark.data")
    return DATA


@pytest.fixture
def thread_loop() -> Iterator[None]:
    """An event loop for LlamaIndex's synchronous code, which else makes one and leaves it open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The project's root folder."""
    return ROOT
