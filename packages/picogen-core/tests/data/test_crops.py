import numpy as np
import pytest
import torch
from picogen_core.abc.interleaved.interleave import interleave
from picogen_core.abc.patches import line_starts
from picogen_core.data.batches import Sampling, train_steps
from picogen_core.data.crops import fixed_crops
from picogen_core.data.prepared.store import Encoded, encode_piece, from_encoded
from picogen_core.model.student import counted


def piece(bars: int, header: int = 0) -> Encoded:
    """`bars` bars of different length, after a header with `header` words more than it needs."""
    rng = np.random.default_rng(bars)
    music = "|".join("".join(rng.choice(list("CDEFGABc"), 4 + i % 9)) for i in range(bars))
    title = "T:" + "word " * header
    return encode_piece(interleave(f"X:1\n{title}\nL:1/8\nM:none\nK:C\nV:1 treble\n{music}|\n"))


@pytest.mark.parametrize(("bars", "limit"), [(60, 32), (60, 9), (200, 40), (7, 256)])
def test_fixed_crops_share_out_the_music(bars: int, limit: int):
    whole = piece(bars)
    data = from_encoded([{}], [whole])
    crops = fixed_crops(data, limit)
    parts = [crops.cut(data, i) for i in range(len(crops))]
    assert [len(part.patches) for part in parts] == crops.lengths().tolist()
    assert max(crops.lengths()) <= limit
    header = int(line_starts(whole.patches)[0])
    if header <= limit // 2:
        body = [part.patches[header:] for part in parts]
        assert all((part.patches[:header] == whole.patches[:header]).all() for part in parts)
        assert (np.concatenate(body) == whole.patches[header:]).all()
        assert sum(len(part.notes) for part in parts) == len(whole.notes)
        assert all(len(line_starts(rows[:1])) for rows in body)
    else:
        body = [part.patches[1:] for part in parts]
        assert (np.concatenate(body) == whole.patches[1:]).all()
    for part in parts:
        letters = part.patches.reshape(-1)[part.notes[:, 0]]
        assert set(letters.tolist()) <= set(b"CDEFGABc")


@pytest.mark.parametrize("words", [0, 60])
def test_characters_are_those_that_are_predicted(words: int):
    data = from_encoded([{}] * 3, [piece(5), piece(80, words), piece(30)])
    crops = fixed_crops(data, 24)
    targets = [crops.cut(data, i).patches[1:].astype(np.int64) for i in range(len(crops))]
    expected = [int(counted(torch.from_numpy(patches)).sum()) for patches in targets]
    assert crops.characters(data).tolist() == expected
    assert len(crops) > 6


def test_an_epoch_is_every_crop_once_with_its_number():
    data = from_encoded([{}] * 3, [piece(5), piece(80), piece(30)])
    crops = fixed_crops(data, 24)
    orders = []
    sampling = Sampling(4, 1, 24, seed=0)
    for epoch in range(2):
        batches = [batch for ((_, batch),) in train_steps(data, crops, sampling, epoch)]
        items = [item for batch in batches for item in batch.items.tolist()]
        assert sorted(items) == list(range(len(crops)))
        orders.append(items)
        for batch in batches:
            for row, item in enumerate(batch.items.tolist()):
                patches = batch.patches[row, : batch.lengths[row]].numpy()
                assert (patches == crops.cut(data, item).patches).all()
    assert orders[0] != orders[1]
    ((_, drawn),) = next(train_steps(data, None, sampling, epoch=0))
    assert drawn.items.tolist() == [-1] * len(drawn.lengths)


def test_a_line_longer_than_the_context_is_cut_within():
    long = encode_piece("L:1/8\nK:C\nV:1 treble\n[V:1]" + "CDEF " * 200 + "|\n[V:1]C|\n")
    data = from_encoded([{}], [long])
    crops = fixed_crops(data, 20)
    header = int(line_starts(long.patches)[0])
    body = [crops.cut(data, i).patches[header:] for i in range(len(crops))]
    assert (np.concatenate(body) == long.patches[header:]).all()
    assert crops.lengths()[:-1].tolist().count(20) >= len(crops) - 2
