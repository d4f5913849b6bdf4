import json
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from picogen_core import BadCheckpoint, BadInput, ConfigError
from picogen_core.abc.patches import BOS, EOS
from picogen_core.data.batches import collate
from picogen_core.data.prepare import prepare
from picogen_core.data.prepared.store import encode_piece, from_encoded
from picogen_core.data.types import SourcePiece
from picogen_core.model.checkpoint import load_model
from picogen_core.model.student import GenericStudent, counted
from picogen_core.training.config import TrainConfig
from picogen_core.training.evaluate import bigram_likelihood, evaluate
from picogen_core.training.loop import run_training
from picogen_core.training.losses import LogitKd
from picogen_core.training.objective import Objective, Term, build_objective, loss_batch
from picogen_core.training.teacher.outputs import Format, LiveTeacher

TUNE = "L:1/8\nM:4/4\nK:C\nV:1 treble\n[V:1]CDEF GABc|\n[V:1]c4 G,4|\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scales up and down, which a student learns in a minute."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    pieces = []
    for i in range(40):
        bars = ["CDEF" if rng.random() < 0.5 else "GFED" for _ in range(6)]
        abc = f"X:{i}\nM:4/4\nL:1/4\nK:{'CDFG'[i % 4]}\n" + "|".join(bars) + f"|C{i % 9 + 1}|]\n"
        pieces.append(SourcePiece(f"p{i}", abc, "made up", "CC0"))
    folder = tmp_path_factory.mktemp("data")
    prepare(pieces, folder / "prepared", eval_ratio=0.2)
    index = folder / "eval.jsonl"
    index.write_text('{"path": "one.abc"}\n')
    (folder / "one.abc").write_text(TUNE)
    return folder


def config(source: Path, out: Path, **changes) -> TrainConfig:
    values = {
        "exp_name": "run", "output_dir": out, "data": source / "prepared",
        "eval_data": source / "eval.jsonl", "d_model": 64, "max_patches": 64, "epochs": 3,
        "batch_size": 8, "lr": 3e-3, "cache_dir": out / "cache",
        "backbone": {"name": "llama", "layers": 1}, "head": {"name": "char-gru", "width": 32},
    }  # fmt: skip
    return TrainConfig(**values | changes)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_model(folder).state_dict()


def test_a_run_learns_and_leaves_what_it_promises(data: Path, tmp_path: Path):
    result = run_training(config(data, tmp_path, epochs=6))
    folder = tmp_path / "run"
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [row["eval_loss"] for row in rows if "eval_loss" in row]
    assert losses[-1] < losses[0] < math.log(128)
    best = evaluate(load_model(folder / "best"), load_eval(data), 8, 64)
    assert result.bits_per_character.value == pytest.approx(best.bits_per_character)
    assert min(losses) == pytest.approx(best.nats_per_character, rel=1e-5)
    resolved = TrainConfig(**tomllib.loads((folder / "config.toml").read_text()))
    assert resolved == config(data, tmp_path, epochs=6)
    manifest = json.loads((folder / "last" / "manifest.json").read_text())
    assert manifest["components"]["backbone"]["distribution"] == "picogen-backbones"
    assert manifest["progress"]["step"] == result.steps == 30


def load_eval(data: Path):
    return from_encoded([{"path": "one.abc"}], [encode_piece((data / "one.abc").read_text())])


def test_the_same_seed_gives_the_same_weights_and_another_does_not(data: Path, tmp_path: Path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run_training(config(data, tmp_path, exp_name=name, seed=seed, epochs=1))
    a, b, c = (weights(tmp_path / name / "last") for name in "abc")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not torch.equal(a["patch_embedding.weight"], c["patch_embedding.weight"])


def test_resuming_is_refused_where_it_would_be_another_run(data: Path, tmp_path: Path):
    with pytest.raises(BadInput, match="no checkpoint to resume"):
        run_training(config(data, tmp_path), resume="always")
    run_training(config(data, tmp_path, epochs=1))
    with pytest.raises(ConfigError, match=r"started with lr=0\.003, not 0\.5"):
        run_training(config(data, tmp_path, lr=0.5), resume="always")
    other = data / "other.jsonl"
    other.write_text('{"path": "one.abc"}\n' * 9)
    with pytest.raises(ConfigError, match="another data"):
        run_training(config(data, tmp_path, data=other, epochs=2), resume="always")
    (tmp_path / "run" / "last").rename(tmp_path / "run" / "last.before")  # killed between renames
    assert run_training(config(data, tmp_path, epochs=2), resume="always").steps == 10
    (tmp_path / "run" / "last" / "training.safetensors").write_bytes(b"junk")
    with pytest.raises(BadCheckpoint, match="training state"):
        run_training(config(data, tmp_path, epochs=3), resume="always")


def test_distillation_follows_the_teacher(data: Path, tmp_path: Path):
    teacher = run_training(config(data, tmp_path, exp_name="teacher", epochs=8, d_model=96))
    losses = {"logit-kd": {"weight": 1.0}, "hidden-mse": {"weight": 0.5, "schedule": "linear"}}
    run_training(
        config(
            data, tmp_path, exp_name="student", teacher_ckpt=teacher.run_dir, loss=losses, epochs=6
        )
    )
    log = (tmp_path / "student" / "metrics.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, log) if "loss" in row]
    assert rows[-1]["logit-kd"] < 0.5 * rows[0]["logit-kd"]
    assert rows[-1]["hidden-mse"] < rows[0]["hidden-mse"]
    assert load_model(tmp_path / "student").projector.weight.shape == (96, 64)
    expected = rows[0]["ce"] + rows[0]["logit-kd"] + 0.5 * rows[0]["hidden-mse"]
    assert rows[0]["loss"] == pytest.approx(expected, rel=1e-4)


def test_a_cold_a_warm_and_a_half_filled_cache_give_the_same_weights(
    data: Path, tmp_path: Path, monkeypatch
):
    teacher = run_training(config(data, tmp_path, exp_name="teacher", epochs=1)).run_dir
    options = {
        "teacher_ckpt": teacher, "epochs": 2, "save_every": 2,
        "backbone": {"name": "gpt2", "layers": 1, "max_patches": 64},  # has dropout
        "loss": {"logit-kd": {}, "hidden-mse": {}, "physics": {"weight": 0.3}},
    }  # fmt: skip
    for name in ("cold", "warm"):
        run_training(config(data, tmp_path, exp_name=name, **options))
    without = options | {"cache_limit": "0"}
    run_training(config(data, tmp_path, exp_name="none", **without))
    from picogen_core.training import loop

    class Killed(Exception):
        pass

    original = loop._Run.step

    def killed(self, batches):
        if self.progress.step == 3:
            raise Killed
        original(self, batches)

    elsewhere = options | {"cache_dir": tmp_path / "second"}
    for name, chosen in (("cut", elsewhere), ("none-cut", without)):
        cut = config(data, tmp_path, exp_name=name, **chosen)
        monkeypatch.setattr(loop._Run, "step", killed)
        with pytest.raises(Killed):
            run_training(cut)
        monkeypatch.setattr(loop._Run, "step", original)
        run_training(cut, resume="auto")
    for name, same in (("cold", "warm"), ("cold", "cut"), ("none", "none-cut")):
        mine, other = (weights(tmp_path / each / "last") for each in (name, same))
        assert all(torch.equal(mine[key], other[key]) for key in mine), same
    logs = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("cold", "none")]
    cold, none = (json.loads(log.splitlines()[-1])["eval_loss"] for log in logs)
    assert none == pytest.approx(cold, rel=1e-4)


def test_the_teachers_head_is_taken_frozen(data: Path, tmp_path: Path):
    head = {"name": "char-transformer", "layers": 1}
    teacher = run_training(
        config(data, tmp_path, exp_name="teacher", epochs=1, d_model=96, head=head)
    ).run_dir
    losses = {"logit-kd": {}, "hidden-mse": {"weight": 1.0}}
    student = config(
        data, tmp_path, exp_name="student", teacher_ckpt=teacher, head={"name": "teacher"},
        loss=losses, epochs=4,
    )  # fmt: skip
    run_training(student)
    taught, made = weights(teacher), weights(tmp_path / "student")
    inner = {key: tensor for key, tensor in taught.items() if key.startswith("head.")}
    assert inner and all(
        torch.equal(tensor, made[key.replace("head.", "head.inner.", 1)])
        for key, tensor in inner.items()
    )
    assert made["head.projector.weight"].shape == (96, 64)
    assert not any(key.startswith("projector.") for key in made)
    model = load_model(tmp_path / "student")
    assert model.parameter_count() == sum(p.numel() for p in model.parameters())
    assert model.config.head_options["inner"] == "char-transformer"
    log = (tmp_path / "student" / "metrics.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, log) if "loss" in row]
    assert rows[-1]["hidden-mse"] < rows[0]["hidden-mse"]
    with pytest.raises(ConfigError, match=r"taken from a teacher. Use picogen distill"):
        run_training(config(data, tmp_path, exp_name="x", head={"name": "teacher"}))


def test_faults_are_found_before_the_first_step(data: Path, tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "kept.txt").write_text("kept")
    with pytest.raises(BadInput, match=r"not empty.*--resume"):
        run_training(config(data, tmp_path))
    assert (tmp_path / "run" / "kept.txt").read_text() == "kept"
    with pytest.raises(ConfigError, match="needs a teacher and there is none"):
        run_training(config(data, tmp_path, exp_name="x", loss={"logit-kd": {}}))
    with pytest.raises(
        ConfigError, match=r"there is no option 'temprature'\. Did you mean 'temperature'"
    ):
        build_objective({"logit-kd": {"temprature": 2}}, has_teacher=True)
    with pytest.raises(BadInput, match="no splits"):
        run_training(config(data, tmp_path, exp_name="x", data=data / "eval.jsonl", eval_data=None))
    assert not (tmp_path / "x").exists()


def test_shared_pieces_are_warned_of(data: Path, tmp_path: Path):
    class Listener:
        def __init__(self):
            self.said: list[str] = []

        def start(self, *_): ...
        def advance(self, *_): ...
        def finish(self): ...
        def message(self, text: str):
            self.said.append(text)

    listener = Listener()
    run_training(config(data, tmp_path, data=data / "eval.jsonl", epochs=1), reporter=listener)
    assert "1 pieces" in listener.said[0] and "unseen" in listener.said[0]


def test_padding_does_not_count(data: Path):
    torch.manual_seed(0)
    model = GenericStudent(config(data, data).model_config_for(None))
    short, long = encode_piece(TUNE), encode_piece(TUNE + "[V:1]" + "CDEF|" * 20 + "\n")
    alone, _ = Objective({})(model, collate([short]), None, 0.0)
    batch = collate([short, long])
    output = model(batch.patches, batch.lengths)
    mine = output.row == 0
    valid = output.valid & mine[:, None]
    together = torch.nn.functional.cross_entropy(output.logits[valid], output.characters[valid])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    assert int(valid.sum()) == sum(
        list(patch).index(EOS) + 1 if EOS in patch and patch[0] != BOS else 16
        for patch in short.patches[1:]
    )
    assert output.valid[-1].all()  # the closing patch


def test_what_follows_eos_does_not_count():
    patches = torch.tensor([list(b"ab") + [EOS, 65, 66] + [0] * 11, [BOS] + [EOS] * 15])
    assert counted(patches).sum(1).tolist() == [3, 16]


def test_the_note_index_points_at_note_letters(data: Path):
    model = GenericStudent(config(data, data).model_config_for(None))
    batch = collate([encode_piece(TUNE), encode_piece(TUNE.replace("c4", "^c4"))])
    context = loss_batch(model, batch, model(batch.patches, batch.lengths), None)
    letters = context.characters.reshape(-1)[context.notes.position]
    assert bytes(letters.tolist()) == b"CDEFGABccG" * 2
    assert context.notes.octave.tolist() == ([False] * 9 + [True]) * 2
    assert context.notes.step.tolist() == [*range(28, 36), 35, 25] * 2
    assert context.notes.row.tolist() == [0] * 10 + [1] * 10


@pytest.mark.parametrize("divergence", ["forward-kl", "reverse-kl", "jsd"])
def test_logit_kd_equals_its_formula(data: Path, divergence: str):
    torch.manual_seed(0)
    model = GenericStudent(config(data, data).model_config_for(None))
    teacher = GenericStudent(config(data, data).model_config_for(None))
    batch = collate([encode_piece(TUNE)])
    teacher_outputs = LiveTeacher(teacher, Format(None, None))
    context = loss_batch(model, batch, model(batch.patches, batch.lengths), teacher_outputs)
    p, q = (
        torch.softmax(logits[context.valid] / 2, -1)
        for logits in (context.teacher_logits, context.student_logits)
    )
    middle = (p + q) / 2

    def kl(a, b):
        return (a * (a / b).log()).sum(-1).mean()

    expected = {
        "forward-kl": kl(p, q),
        "reverse-kl": kl(q, p),
        "jsd": (kl(p, middle) + kl(q, middle)) / 2,
    }[divergence]
    value = LogitKd(divergence, 2.0)(context).value
    torch.testing.assert_close(value, 4 * expected, atol=1e-5, rtol=1e-4)


def test_schedules():
    assert [Term(weight=2, schedule="linear").weight_at(x) for x in (0, 0.5, 1)] == [2, 1, 0]
    assert Term(weight=2, schedule="cosine").weight_at(0.5) == pytest.approx(1)
    assert Term(weight=2).weight_at(0.9) == 2


def test_bigram_is_the_formula_on_the_same_characters():
    pieces = [encode_piece(TUNE), encode_piece(TUNE.replace("CDEF", "CDEC"))]
    data = from_encoded([{"path": "a"}, {"path": "b"}], pieces)
    got = bigram_likelihood(data, data, 64, smoothing=1e-9)
    assert got.characters == tuple(int((piece.patches[1:] != 0).sum()) for piece in pieces)
    assert 0.3 < got.bits_per_character < 1.5
    value = got.value()
    assert value.n == 2 and value.low <= value.value <= value.high
