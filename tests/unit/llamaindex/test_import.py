"""Without LlamaIndex, importing the plugin says what to install."""

import subprocess
import sys

HIDE = "import sys; sys.modules['llama_index'] = None; import llamaindex_router"


def test_a_missing_extra_is_named():
    command = [sys.executable, "-c", HIDE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own code
    assert done.returncode != 0
    assert 'llama-index-core is not installed; run: pip install "pointsman[llamaindex]"' in done.stderr
