"""Heads run over patches as far as they are written, with the same numbers."""

from dataclasses import replace

import pytest
import torch
from picogen_core.model.by_length import FEWEST, WIDTHS, by_length
from picogen_core.model.config import ModelConfig
from picogen_core.model.student import GenericStudent
from picogen_core.plugins.registry import registry
from torch import nn
from torch.nn.functional import cross_entropy

torch.set_num_threads(1)
P, V = 16, 128


def patches(counts, seed=0):
    """Patches of so many characters, padding behind; one has padding in its middle."""
    drawn = torch.randint(3, V, (len(counts), P), generator=torch.Generator().manual_seed(seed))
    drawn[torch.arange(P) >= torch.tensor(counts)[:, None]] = 0
    drawn[0, 1] = 0
    return drawn


COUNTS = [16, *range(1, 17)] * 12


class Recorder(nn.Module):
    """Logits that name row, place and character; remembers the widths it was called with."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, hidden, patch):
        self.calls.append(patch.shape)
        places = torch.arange(1, patch.shape[1] + 1)
        return (hidden[:, :1] * 1000 + places * patch)[..., None].expand(-1, -1, V)


def test_every_patch_goes_once_in_its_narrowest_group():
    head, batch = Recorder(), patches(COUNTS)
    hidden = torch.arange(len(batch), dtype=torch.float32)[:, None]
    logits = by_length(head, hidden, batch)
    assert [shape[1] for shape in head.calls] == [*WIDTHS]
    assert sum(shape[0] for shape in head.calls) == len(batch)
    valid = batch != 0
    assert torch.equal(logits[valid], Recorder()(hidden, batch)[valid])
    assert not logits[1, 5:].any()  # one character: behind its group's width there is nothing


def test_few_short_patches_go_with_longer_ones():
    head, batch = Recorder(), patches([16] * 40 + [3] * (FEWEST - 1))
    by_length(head, torch.zeros(len(batch), 1), batch)
    assert head.calls == [(40 + FEWEST - 1, 16)]


def test_no_patches_at_all():
    head = nn.Module()
    head.forward = lambda hidden, patch: torch.zeros(*patch.shape, V)
    assert by_length(head, torch.zeros(0, 8), torch.zeros(0, P, dtype=torch.long)).shape == (
        0, P, V,
    )  # fmt: skip


def student(head):
    torch.manual_seed(0)
    model = GenericStudent(
        ModelConfig(
            d_model=32, max_patches=205, backbone="gpt2", backbone_options={"layers": 1}, head=head
        )
    )
    return model.eval()


@pytest.mark.parametrize("head", ["char-transformer", "char-gru"])
def test_the_student_s_loss_and_gradients_are_those_of_whole_patches(head):
    model = student(head)
    batch = patches(COUNTS[1:])[None]
    found = {}
    for cut in (True, False):
        spec = replace(registry().get("head", head).spec, reads_cut_patches=cut)
        model._head_entry = replace(model._head_entry, spec=spec)
        model.zero_grad()
        output = model(batch, torch.tensor([batch.shape[1]]))
        loss = cross_entropy(output.logits[output.valid], output.characters[output.valid])
        loss.backward()
        found[cut] = loss.item(), {name: p.grad.clone() for name, p in model.named_parameters()}
    assert found[True][0] == pytest.approx(found[False][0], abs=2e-6)
    for name, gradient in found[True][1].items():
        torch.testing.assert_close(gradient, found[False][1][name], atol=2e-6, rtol=1e-4)


def test_a_head_that_does_not_say_so_gets_whole_patches():
    model = student("parallel")
    model.head.register_forward_pre_hook(lambda _, given: shapes.append(given[1].shape))
    shapes = []
    model(patches(COUNTS)[None], torch.tensor([50]))
    assert shapes == [(49, P)]
