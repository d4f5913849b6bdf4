import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from picogen_core.data.batches import Sampling, train_steps
from picogen_core.data.crops import fixed_crops
from picogen_core.data.prepared.store import encode_piece, from_encoded
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent
from picogen_core.training.config import TrainConfig
from picogen_core.training.losses import LogitKd
from picogen_core.training.objective import Objective, build_objective, loss_batch
from picogen_core.training.teacher.cache import CachedTeacher, open_outputs, parse_size
from picogen_core.training.teacher.outputs import Format, LiveTeacher, decode
from picogen_core.training.teacher.records import Records

TUNE = "L:1/8\nM:4/4\nK:C\nV:1 treble\n[V:1]CDEF GABc|\n[V:1]c4 G,4|\n"


class Listener:
    def __init__(self):
        self.said: list[str] = []

    def start(self, *_): ...
    def advance(self, *_): ...
    def finish(self): ...
    def message(self, text: str):
        self.said.append(text)


class Counted(LiveTeacher):
    """Counts how many crops are computed."""

    computed = 0

    def compute(self, batch, row):
        self.computed += 1
        return super().compute(batch, row)


def model(width: int = 48, seed: int = 0) -> GenericStudent:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    made = GenericStudent(
        ModelConfig(
            d_model=width, max_patches=64, head="char-gru",
            backbone="rwkv", backbone_options={"layers": 1, "head_size": 16},
        )
    )  # fmt: skip
    with torch.no_grad():
        made.head.readout.weight *= 5
    return made


@pytest.fixture
def data():
    tunes = [TUNE + "[V:1]" + "CDEF|" * n + "\n" for n in range(1, 8)]
    return from_encoded([{}] * 7, [encode_piece(tune) for tune in tunes])


BOTH = Objective({}, wants_hidden=True, wants_logits=True)
LOGITS = Objective({}, wants_logits=True)
HIDDEN = Objective({}, wants_hidden=True)


def opened(folder: Path, data, teacher=None, asks=BOTH, listener=None, **options):
    crops = None if options.get("crops") == "random" else fixed_crops(data, 64)
    config = TrainConfig(cache_dir=folder, **options)
    listener = listener or Listener()
    return open_outputs(config, teacher or model(), "sha", data, crops, asks, listener)


def batches(data, epoch: int, size: int = 3):
    steps = train_steps(data, fixed_crops(data, 64), Sampling(size, 1, 64, seed=0), epoch)
    return (batch for step in steps for _, batch in step)


def watch(teacher_outputs: CachedTeacher) -> Counted:
    """Its live teacher, counting."""
    teacher_outputs.live = Counted(teacher_outputs.live.model, teacher_outputs.live.format)
    return teacher_outputs.live


def test_later_epochs_read_what_the_first_was_told(tmp_path: Path, data):
    teacher_outputs = opened(tmp_path, data)
    live = watch(teacher_outputs)
    told = {}
    for epoch, size in ((0, 3), (1, 2), (2, 7)):
        for batch in batches(data, epoch, size):
            taught = teacher_outputs(batch)
            fresh = decode(live.format, batch, lambda row, batch=batch: live.compute(batch, row))
            assert torch.equal(taught.log_probabilities, fresh.log_probabilities)
            assert torch.equal(taught.hidden, fresh.hidden)
            live.computed -= len(batch.lengths)
            for item in batch.items.tolist():
                told[item] = told.get(item, 0) + 1
        assert live.computed == 7
    assert set(told.values()) == {3}
    again = opened(tmp_path, data)
    live = watch(again)
    for batch in batches(data, 5):
        again(batch)
    assert live.computed == 0


def test_what_is_read_is_the_teacher_in_half_precision(tmp_path: Path, data):
    teacher = model()
    teacher_outputs = opened(tmp_path, data, teacher)
    batch = next(iter(batches(data, 0)))
    taught = teacher_outputs(batch)
    output = teacher(batch.patches, batch.lengths)
    exact = output.logits[output.valid].log_softmax(-1)
    torch.testing.assert_close(taught.log_probabilities, exact, atol=4e-3, rtol=1e-3)
    torch.testing.assert_close(taught.hidden, output.hidden, atol=2e-3, rtol=1e-3)
    student = model(32, seed=1)
    student.projector = torch.nn.Linear(32, 48)
    context = loss_batch(student, batch, student(batch.patches, batch.lengths), teacher_outputs)
    assert context.teacher_logits.shape == context.student_logits.shape
    assert torch.equal(context.teacher_logits[context.valid], taught.log_probabilities)
    assert not context.teacher_logits[~context.valid].any()
    assert context.student_hidden.shape == context.teacher_hidden.shape


def test_the_size_is_told_and_true(tmp_path: Path, data):
    listener = Listener()
    teacher_outputs = opened(tmp_path, data, listener=listener)
    for batch in batches(data, 0):
        teacher_outputs(batch)
    (folder,) = (tmp_path / "teacher").iterdir()
    crops = fixed_crops(data, 64)
    size = sum(file.stat().st_size for file in folder.glob("*.bin"))
    patches = int((crops.lengths() - 1).sum())
    assert size == int(crops.characters(data).sum()) * 256 + patches * 96
    assert f"{size / 1000:.0f} kB for 7 crops, 0% filled" in listener.said[0]
    opened(tmp_path, data, listener=listener)
    assert "100% filled" in listener.said[1]


def test_damage_is_found_and_mended(tmp_path: Path, data):
    teacher_outputs = opened(tmp_path, data)
    batch = next(iter(batches(data, 0, 7)))
    right = teacher_outputs(batch)
    (folder,) = (tmp_path / "teacher").iterdir()
    shard = folder / "characters-0000.bin"
    content = bytearray(shard.read_bytes())
    content[300] ^= 1
    shard.write_bytes(content[: len(content) - 10])  # a flipped bit in the first, a cut last
    hidden = folder / "hidden.crc"
    hidden.unlink()
    for wanted in (7, 0):
        again = opened(tmp_path, data)
        live = watch(again)
        taught = again(batch)
        assert live.computed == wanted
        assert torch.equal(taught.log_probabilities, right.log_probabilities)
        assert torch.equal(taught.hidden, right.hidden)
    content = bytearray(shard.read_bytes())
    content[300] ^= 1
    shard.write_bytes(content)
    again = opened(tmp_path, data)
    live = watch(again)
    assert torch.equal(again(batch).log_probabilities, right.log_probabilities)
    assert live.computed == 1


def test_another_teacher_or_data_is_another_cache(tmp_path: Path, data):
    opened(tmp_path, data)
    opened(tmp_path, data, asks=LOGITS)
    assert len(list((tmp_path / "teacher").iterdir())) == 1
    opened(tmp_path, data, cache_top_k=4)
    opened(tmp_path, data.select(range(6)))
    crops = fixed_crops(data, 16)
    open_outputs(TrainConfig(cache_dir=tmp_path), model(), "sha", data, crops, BOTH, Listener())
    open_outputs(TrainConfig(cache_dir=tmp_path), model(), "b", data, crops, BOTH, Listener())
    assert len(list((tmp_path / "teacher").iterdir())) == 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cache_limit": "3kB"}, r"would take \d+ kB, and --cache-limit is 3 kB"),
        ({"cache_limit": "0"}, "--cache-limit is 0"),
        ({"crops": "random"}, "crops are random"),
    ],
)
def test_without_a_cache_the_teacher_says_the_same_but_for_rounding(
    tmp_path: Path, data, options, said
):
    listener = Listener()
    live = opened(tmp_path, data, listener=listener, **options)
    assert isinstance(live, LiveTeacher)
    assert len(listener.said) == 1 and re.search(said, listener.said[0])
    assert not (tmp_path / "teacher").exists() or not any((tmp_path / "teacher").iterdir())
    batch = next(iter(batches(data, 0)))
    kept, computed, again = opened(tmp_path / "other", data)(batch), live(batch), live(batch)
    for mine, yours in (
        (kept.log_probabilities, computed.log_probabilities),
        (kept.hidden, computed.hidden),
    ):
        torch.testing.assert_close(mine, yours, atol=1e-6, rtol=2**-10)  # a step of fp16
        assert (mine != yours).float().mean() < 0.01
        assert torch.equal(computed.hidden, again.hidden)
    assert torch.equal(computed.log_probabilities, again.log_probabilities)


@pytest.mark.parametrize("top_k", [None, 5])
def test_rounding_is_what_is_read_of_what_was_packed(top_k):
    kept = Format(top_k, None)
    logits = 9 * torch.randn(50, 128, generator=torch.Generator().manual_seed(0))
    logits[0, 7] = 1e4
    assert torch.equal(kept.rounded(logits), kept.unpack(kept.pack(logits)))


def test_old_caches_make_room_and_nothing_else_does(tmp_path: Path, data):
    listener = Listener()
    for index, digest in enumerate("abc"):
        crops = fixed_crops(data, 64)
        config = TrainConfig(cache_dir=tmp_path)
        teacher_outputs = open_outputs(config, model(), digest, data, crops, LOGITS, listener)
        for batch in batches(data, 0):
            teacher_outputs(batch)
        for file in tmp_path.glob("teacher/*/cache.json"):
            if json.loads(file.read_text())["teacher"] == digest:
                os.utime(file, (index, index))
    folders = {
        json.loads(file.read_text())["teacher"]: file.parent
        for file in tmp_path.glob("teacher/*/cache.json")
    }
    size = sum(file.stat().st_blocks * 512 for file in folders["b"].iterdir())
    (folders["a"] / "mine.txt").write_text("mine")
    (tmp_path / "teacher" / "notes").mkdir()
    (tmp_path / "teacher" / "notes" / "characters-0000.bin").write_text("mine")
    config = TrainConfig(cache_dir=tmp_path, cache_limit=f"{2.5 * size:.0f}")
    open_outputs(config, model(), "d", data, fixed_crops(data, 64), LOGITS, listener)
    assert [path.name for path in folders["a"].iterdir()] == ["mine.txt"]
    assert not folders["b"].exists() and folders["c"].exists()
    assert (tmp_path / "teacher" / "notes" / "characters-0000.bin").read_text() == "mine"
    assert any("Removed an old teacher cache" in text for text in listener.said)


def test_a_full_disk_ends_the_writing_and_not_the_run(tmp_path: Path, data, monkeypatch):
    listener = Listener()
    teacher_outputs = opened(tmp_path, data, listener=listener)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Records, "write", full)
    batch = next(iter(batches(data, 0)))
    first = teacher_outputs(batch)
    assert torch.equal(first.log_probabilities, teacher_outputs(batch).log_probabilities)
    assert [text for text in listener.said if "No space left" in text] == listener.said[1:]
    assert len(listener.said) == 2


def test_records_in_many_shards(tmp_path: Path):
    sizes = np.array([5, 0, 9, 30, 1, 1, 20, 4])
    records = Records(tmp_path, "r", sizes, shard=16)
    assert len(records.paths) > 2 and records.missing() == 8
    contents = [np.arange(size, dtype=np.uint8) + 7 * i for i, size in enumerate(sizes)]
    for i in (3, 0, 7, 2, 1, 6, 5):
        records.write(i, contents[i].astype(np.uint8))
    again = Records(tmp_path, "r", sizes, shard=16)
    assert again.missing() == 1 and again.read(4) is None
    for i in (0, 1, 2, 3, 5, 6, 7):
        assert again.read(i).tolist() == contents[i].tolist()


def test_top_k_keeps_the_mass_of_the_rest():
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(50, 128, generator=generator)
    exact = logits.log_softmax(-1)
    for k in (1, 16, 127):
        kept = Format(k, None)
        data = kept.pack(logits)
        assert data.nbytes == 50 * kept.character_bytes == 50 * (3 * k + 2)
        read = kept.unpack(data)
        values, codes = exact.topk(k)
        torch.testing.assert_close(read.gather(1, codes), values, atol=4e-3, rtol=1e-3)
        rest = read.exp().scatter(1, codes, 0.0)
        wanted = exact.exp().scatter(1, codes, 0.0).sum(-1)
        torch.testing.assert_close(rest.sum(-1), wanted, atol=1e-5, rtol=8e-3)
        assert ((rest > 0).sum(-1) == 128 - k).all()
    sure = torch.zeros(1, 128)
    sure[0, 5] = 1e4
    read = Format(3, None).unpack(Format(3, None).pack(sure))
    assert read.isfinite().all() and read.logsumexp(-1).abs() < 1e-3


@pytest.mark.parametrize("top_k", [None, 16])
@pytest.mark.parametrize("divergence", ["forward-kl", "reverse-kl", "jsd"])
def test_divergences_through_the_cache(tmp_path: Path, data, divergence: str, top_k):
    """All 128 codes: the exact teacher's to 1 %. Top-k: that of the teacher whose rest is even."""
    teacher, student = model(), model(32, seed=1)
    teacher_outputs = opened(tmp_path, data, teacher, asks=LOGITS, cache_top_k=top_k)
    batch = next(iter(batches(data, 0)))
    output = student(batch.patches, batch.lengths)
    context = loss_batch(student, batch, output, teacher_outputs)
    exact = teacher(batch.patches, batch.lengths).logits[context.valid].softmax(-1)
    if top_k:
        values, codes = exact.topk(top_k)
        even = (1 - values.sum(-1, keepdim=True)) / (128 - top_k)
        exact = even.expand(-1, 128).scatter(1, codes, values)
    p = (exact.log() / 2).softmax(-1)
    q = (output.logits[context.valid] / 2).softmax(-1)

    def kl(a, b):
        return (a * (a / b).log()).sum(-1).mean()

    expected = {
        "forward-kl": kl(p, q),
        "reverse-kl": kl(q, p),
        "jsd": (kl(p, (p + q) / 2) + kl(q, (p + q) / 2)) / 2,
    }[divergence]
    value = LogitKd(divergence, 2.0)(context).value
    torch.testing.assert_close(value, 4 * expected, rtol=1e-2, atol=1e-6)
    value.backward()
    assert student.head.readout.weight.grad.any()


@pytest.mark.parametrize(
    ("losses", "hidden", "logits"),
    [
        ({"logit-kd": {}, "physics": {"weight": 0.3}}, False, True),
        ({"logit-kd": {}, "hidden-mse": {}}, True, True),
        ({"logit-kd": {}, "hidden-mse": {"weight": 0.0}}, False, True),
        ({"logit-kd": {"weight": 0.0}, "hidden-mse": {}}, True, False),
        ({"physics": {}, "hidden-mse": {}}, True, True),
        ({"logit-kd": {"weight": 0.0}}, False, False),
    ],
)
def test_a_teacher_is_asked_for_what_losses_read(losses, hidden: bool, logits: bool):
    found = build_objective(losses, True)
    assert (found.wants_hidden, found.wants_logits) == (hidden, logits)
    alone = build_objective({name: {"weight": 0.0} for name in losses}, False)
    assert not alone.wants_hidden and not alone.wants_logits


@pytest.mark.parametrize("limit", ["4GB", "0"])
def test_hidden_states_alone_leave_the_teachers_head_in_peace(
    tmp_path: Path, data, limit: str, monkeypatch
):
    teacher, student = model(), model(32, seed=1)
    batch = next(iter(batches(data, 0)))
    wanted = opened(tmp_path / "both", data, teacher, cache_limit=limit)(batch).hidden
    monkeypatch.setattr(teacher.head, "forward", None)
    teacher_outputs = opened(tmp_path / "hidden", data, teacher, HIDDEN, cache_limit=limit)
    for _ in range(2):
        taught = teacher_outputs(batch)
        assert taught.log_probabilities is None and torch.equal(taught.hidden, wanted)
    kept = [file.name for file in (tmp_path / "hidden").rglob("*.bin")]
    assert kept == ([] if limit == "0" else ["hidden-0000.bin"])
    student.projector = torch.nn.Linear(32, 48)
    context = loss_batch(student, batch, student(batch.patches, batch.lengths), teacher_outputs)
    assert context.teacher_logits is None and torch.equal(context.teacher_hidden, wanted)


def test_sizes_are_read():
    assert [parse_size(text) for text in ("4GB", "1.5 MB", "0", "700", "2kB", "1G")] == [
        4 * 10**9, 1_500_000, 0, 700, 2000, 10**9,
    ]  # fmt: skip
    assert math.isclose(parse_size("0.5TB"), 5e11)
