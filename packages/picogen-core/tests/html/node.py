"""JavaScript of a page, run by node."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

_REST = """
const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
(async () => { %s })().then((made) => process.stdout.write(JSON.stringify(made)));
"""


def run(folder: Path, sources: str, body: str, given: Any) -> Any:
    """What `body`, the inside of an async function that knows `given`, returns."""
    program = folder / "program.js"
    program.write_text(sources + _REST % body)
    done = subprocess.run(
        ["node", program], input=json.dumps(given), text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
