"""A student in a page writes what it writes in torch."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picogen_core.abc.grammar.nodes import NODES, Table
from picogen_core.abc.patches import encode
from picogen_core.generation.request.options import PieceRequest
from picogen_core.generation.session import Session
from picogen_core.html.scripts import engine, read_script
from picogen_core.html.student import read_student
from picogen_core.html.weights import pack_floats
from picogen_core.model.checkpoint import load_model, save_checkpoint
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent

torch.set_num_threads(1)

PARTS = [
    ("rwkv", {"layers": 2, "head_size": 16}, "char-gru", {}),
    ("rwkv", {"layers": 2, "head_size": 16}, "char-memory", {"window": 64, "layers": 2}),
    ("llama", {"layers": 2, "heads": 4, "kv_heads": 2}, "char-memory", {}),
    ("qwen", {"layers": 2, "heads": 2, "head_size": 8}, "char-gru", {"width": 24}),
    ("mamba", {"layers": 2, "head_size": 16, "state_size": 8}, "char-gru", {}),
]
TUNE = "L:1/8\nM:6/8\nK:G\nV:1 treble\n" + "[V:1]GAB c2d|\n" * 14
RUN = """
const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
(async () => {
    const tensors = await readWeights(given.text, given.weights);
    const engine = new Engine(tensors, given.facts);
    let worst = 0;
    given.patches.map((row) => Uint8Array.from(row)).forEach((row, i) => {
        if (i) {
            let logits = engine.begin();
            for (let j = 0; j < written(row); j++) {
                const gaps = given.logits[i - 1][j].map((one, k) => Math.abs(one - logits[k]));
                worst = Math.max(worst, ...gaps);
                if (j + 1 < written(row)) logits = engine.step(row[j]);
            }
            engine.advance(row);
        } else engine.read([row]);
    });
    const choices = new $py.FieldChoices(...given.facts.choices, new $Set());
    const pieces = given.requests.map((request) => {
        const job = prepare(request, { ...given.facts, choices });
        let piece;
        for (piece of write(engine, job));
        return piece.text;
    });
    return { worst, pieces };
})().then((made) => process.stdout.write(JSON.stringify(made)));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize(("backbone", "options", "head", "head_options"), PARTS)
def test_logits_and_pieces_are_those_of_torch(
    backbone: str, options: dict[str, Any], head: str, head_options: dict[str, Any], tmp_path: Path
) -> None:
    torch.manual_seed(1)
    config = ModelConfig(
        d_model=32, max_patches=24, backbone=backbone, backbone_options=options, head=head,
        head_options=head_options,
    )  # fmt: skip
    model = GenericStudent(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5).add_(torch.randn_like(parameter), alpha=0.02)
    save_checkpoint(tmp_path / "student", model, {})
    requests = [_request(seed) for seed in range(4)]
    made = _in_node(tmp_path, requests, _logits(tmp_path / "student"))
    assert made["worst"] < 1e-4
    assert made["pieces"] == _written(tmp_path / "student", requests)


def _request(seed: int) -> dict[str, Any]:
    how = [{}, {"bars": 5, "meter": "6/8", "key": "G"}, {"prompt": "M:3/4\nK:D\nd2 A2|", "bars": 5},
           {"bars": 6, "tempo": "120"}][seed % 4]  # fmt: skip
    sampling = {"temperature": 0.7 if seed % 2 else 1.0, "top_k": 40, "top_p": 0.9, "min_p": 0.0,
                "order": "temperature-first" if seed == 3 else "notagen"}  # fmt: skip
    empty = {"prompt": "", "bars": None, "meter": None, "key": None, "tempo": None}
    return {**empty, **how, "seed": seed, "sampling": sampling}


def _logits(checkpoint: Path) -> dict[str, Any]:
    model = load_model(checkpoint).eval()
    patches = torch.from_numpy(encode(TUNE).astype(np.int64))[None]
    with torch.no_grad():
        found = model(patches, torch.tensor([patches.shape[1]])).logits
    return {"patches": patches[0].tolist(), "logits": found.tolist()}


def _written(checkpoint: Path, requests: list[dict[str, Any]]) -> list[str]:
    session = Session(checkpoint, engine="torch", device="cpu")
    pieces = []
    for request in requests:
        NODES.table, NODES._known = Table(), {}
        plain = {name: value for name, value in request.items() if name != "sampling"}
        events = session.write([session.prepare(PieceRequest(**plain, **request["sampling"]))])
        pieces.append(next(one.score.record["raw"] for one in events if one.score))
    return pieces


def _in_node(folder: Path, requests: list[dict[str, Any]], known: dict[str, Any]) -> Any:
    student = read_student(folder / "student")
    packed = pack_floats(student.arrays)
    names = ",".join(sorted({script.name for script in student.scripts}))
    source = engine(tuple(script.source for script in student.scripts))
    program = folder / "program.js"
    program.write_text(f"{source}\nconst $parts={{{names}}};\n{read_script('weights.js')}\n{RUN}")
    given = {"text": packed.text, "weights": packed.facts, "facts": student.facts,
             "requests": requests, **known}  # fmt: skip
    done = subprocess.run(
        ["node", program], input=json.dumps(given), text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
