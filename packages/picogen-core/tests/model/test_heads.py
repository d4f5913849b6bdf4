"""The heads: stepping equals a call, sizes are passed on, NotaGen's names and numbers."""

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from picogen_core import ConfigError
from picogen_core.model.heads.char_transformer import CharTransformer
from picogen_core.model.heads.options import (
    CharTransformerOptions,
    char_transformer_sizes,
)
from picogen_core.model.heads.plugin import head_specs
from picogen_core.model.state_tree import merge_states, select_rows
from picogen_core.testing import head_checks
from torch import Tensor, nn

torch.set_num_threads(1)
SPECS = {spec.name: spec for spec in head_specs()}
D, P, V = 32, 16, 128
CASES: list[tuple[str, dict[str, Any]]] = [
    ("char-transformer", {"heads": 2}),
    ("char-transformer", {"layers": 1, "width": 24, "heads": 3}),
    ("char-gru", {"width": 24}),
    ("parallel", {}),
]
each = pytest.mark.parametrize(("name", "options"), CASES)


def lively(name: str, options: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    spec = SPECS[name]
    module = spec.build(spec.config()(**options), D)
    assert isinstance(module, nn.Module)
    for parameter in module.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return module.eval()


def batch(rows: int = 5, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Hidden states, and patches among which are BOS, EOS and padding."""
    generator = torch.Generator().manual_seed(seed)
    patch = torch.randint(3, V, (rows, P), generator=generator)
    patch[0] = torch.tensor([1] * 15 + [2])
    patch[1, 4:] = 0
    return torch.randn(rows, D, generator=generator), patch


def test_the_specs_load_no_torch() -> None:
    code = (
        "import sys; from picogen_core.model.heads.plugin import head_specs;"
        "[s.config() for s in head_specs()]; print(sorted({'torch', 'numpy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
    assert list(SPECS) == ["char-memory", "char-transformer", "char-gru", "parallel", "teacher"]


@each
@torch.no_grad()
def test_stepping_equals_the_call(name: str, options: dict[str, Any]) -> None:
    module, (hidden, patch) = lively(name, options), batch()
    logits, state = module.begin(hidden)
    stepped = [logits]
    for j in range(P - 1):
        logits, state = module.step(patch[:, j], state)
        stepped.append(logits)
    expected = module(hidden, patch)
    assert expected.shape == (5, P, V)
    torch.testing.assert_close(torch.stack(stepped, 1), expected, atol=1e-5, rtol=0)


@each
@torch.no_grad()
def test_rows_at_different_characters_share_a_batch(name: str, options: dict[str, Any]) -> None:
    module, (hidden, patch) = lively(name, options), batch()
    expected = module(hidden, patch)
    states = []
    for row, steps in ((2, 5), (4, 0), (3, 14)):
        _, state = module.begin(hidden[row : row + 1])
        for j in range(steps):
            _, state = module.step(patch[row : row + 1, j], state)
        states.append(state)
    merged = select_rows(merge_states(states), torch.tensor([2, 0, 1]))
    logits, _ = module.step(patch[[3, 2, 4], [14, 5, 0]], merged)
    torch.testing.assert_close(logits, expected[[3, 2, 4], [15, 6, 1]], atol=1e-5, rtol=0)


@each
@torch.no_grad()
def test_a_position_sees_only_earlier_characters(name: str, options: dict[str, Any]) -> None:
    module, (hidden, patch) = lively(name, options), batch()
    changed = patch.clone()
    changed[:, 6] = (patch[:, 6] + 64) % V
    difference = (module(hidden, changed) - module(hidden, patch)).abs().amax((0, 2))
    assert difference[:7].max() < 1e-6
    if name == "parallel":
        assert not difference.any()
    else:
        assert difference[7:].min() > 1e-3


@each
def test_autocast_and_bfloat16_stay_close(name: str, options: dict[str, Any]) -> None:
    module, (hidden, patch) = lively(name, options), batch()
    expected = module(hidden, patch).detach()
    with torch.autocast("cpu", torch.bfloat16):
        logits = module(hidden, patch)
        _, state = module.begin(hidden)
        stepped, _ = module.step(patch[:, 0], state)
    assert (logits.float() - expected).norm() < 0.05 * expected.norm()
    assert (stepped.float() - expected[:, 1]).norm() < 0.05 * expected[:, 1].norm()
    logits.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    half = module.to(torch.bfloat16)(hidden.bfloat16(), patch)
    assert half.dtype == torch.bfloat16
    assert (half.float() - expected).norm() < 0.05 * expected.norm()


def test_a_fresh_char_transformer_knows_nothing() -> None:
    torch.manual_seed(0)
    module = CharTransformer(D, D, layers=2, heads=1, dropout=0.1).eval()
    hidden, patch = batch(64)
    loss = nn.functional.cross_entropy(module(hidden, patch).flatten(0, 1), patch.flatten())
    assert loss.item() == pytest.approx(math.log(V), abs=0.1)


def test_char_transformer_has_notagens_names_and_shapes() -> None:
    module = CharTransformer(128, 128, layers=1, heads=2, dropout=0.1)
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    block = "transformer.h.0."
    assert shapes == {
        "transformer.wte.weight": (128, 128),
        "transformer.wpe.weight": (17, 128),
        **{f"{block}ln_{n}.{kind}": (128,) for n in (1, 2) for kind in ("weight", "bias")},
        f"{block}attn.c_attn.weight": (128, 384),
        f"{block}attn.c_attn.bias": (384,),
        f"{block}attn.c_proj.weight": (128, 128),
        f"{block}attn.c_proj.bias": (128,),
        f"{block}mlp.c_fc.weight": (128, 512),
        f"{block}mlp.c_fc.bias": (512,),
        f"{block}mlp.c_proj.weight": (512, 128),
        f"{block}mlp.c_proj.bias": (128,),
        "transformer.ln_f.weight": (128,),
        "transformer.ln_f.bias": (128,),
    }


def test_char_transformer_is_transformers_gpt2() -> None:
    """The same weights in the class NotaGen is made of, which is fed all 16 characters."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    module = lively("char-transformer", {"heads": 2, "layers": 2})
    config = transformers.GPT2Config(
        vocab_size=V, n_positions=P + 1, n_embd=D, n_layer=2, n_head=2, attn_implementation="eager"
    )
    oracle = transformers.GPT2LMHeadModel(config).eval()
    tensors = dict(module.state_dict())
    oracle.load_state_dict({**tensors, "lm_head.weight": tensors["transformer.wte.weight"]})
    hidden, patch = batch()
    inputs = torch.cat([hidden[:, None], oracle.transformer.wte(patch)], 1)
    expected = oracle(inputs_embeds=inputs).logits[:, :P]
    torch.testing.assert_close(module(hidden, patch), expected, atol=2e-5, rtol=0)


def test_dropout_is_in_every_place() -> None:
    module = CharTransformer(D, D, layers=1, heads=1, dropout=0.3)
    block = module.transformer.h[0]
    places = (module.transformer.drop, block.attn.dropout, block.mlp.dropout)
    assert [place.p for place in places] == [0.3] * 3
    hidden, patch = batch()
    torch.manual_seed(1)
    first = module(hidden, patch)
    assert not torch.equal(first, module(hidden, patch))
    torch.manual_seed(1)
    assert torch.equal(first, module(hidden, patch))


def test_sizes() -> None:
    assert char_transformer_sizes(768, CharTransformerOptions()) == (768, 12)
    assert char_transformer_sizes(32, CharTransformerOptions()) == (32, 1)
    assert char_transformer_sizes(256, CharTransformerOptions(width=128)) == (128, 2)
    with pytest.raises(ConfigError) as fault:
        char_transformer_sizes(100, CharTransformerOptions(heads=3))
    assert str(fault.value) == (
        "head.width=100 is not a multiple of head.heads=3 (head 'char-transformer', picogen-core "
        "0.2.0). Try --set head.width=102, or --set head.heads=2."
    )


@torch.no_grad()
def test_past_the_end_of_the_patch_is_an_error() -> None:
    for name in ("char-transformer", "parallel"):
        module, (hidden, patch) = lively(name, {}), batch()
        _, state = module.begin(hidden)
        for j in range(P - 1):
            _, state = module.step(patch[:, j], state)
        with pytest.raises(IndexError):
            module.step(patch[:, -1], state)


@head_checks("char-transformer", options={"layers": 1, "heads": 2})
def test_kit_char_transformer(check: Callable[[], None]) -> None:
    check()


@head_checks("char-gru", options={"width": 48})
def test_kit_char_gru(check: Callable[[], None]) -> None:
    check()


@head_checks("parallel", expected_failures={"uses_earlier_characters": "independent by design"})
def test_kit_parallel(check: Callable[[], None]) -> None:
    check()


@head_checks("char-memory", options={"width": 48, "channels": 16})
def test_kit_char_memory(check: Callable[[], None]) -> None:
    check()


@head_checks(
    "char-memory",
    options={"width": 32, "channels": 24, "heads": 3, "layers": 2, "mlp": 20, "dropout": 0.1},
)
def test_kit_char_memory_of_two_layers(check: Callable[[], None]) -> None:
    check()


TEACHER = {"inner": "char-gru", "inner_options": {"width": 48}, "width": 40}
REMEMBERING = {"inner": "char-memory", "inner_options": {"width": 48, "channels": 16}, "width": 40}
FROZEN = {"learns_patches_by_heart": "frozen, untaught", "learns_to_quote": "frozen, untaught"}


@head_checks(
    "teacher",
    options=TEACHER,
    expected_failures={**FROZEN, "remembers_earlier_patches": "its inner head forgets"},
)
def test_kit_teacher(check: Callable[[], None]) -> None:
    check()


@head_checks("teacher", options=REMEMBERING, expected_failures=FROZEN)
def test_kit_teacher_that_remembers(check: Callable[[], None]) -> None:
    check()


@torch.no_grad()
def test_the_teachers_head_behind_the_identity_says_what_the_teacher_says() -> None:
    module = lively(
        "teacher", {"inner": "char-transformer", "inner_options": {"heads": 2}, "width": D}
    )
    module.projector.weight.copy_(torch.eye(D))
    module.projector.bias.zero_()
    hidden, patch = batch()
    rows = torch.arange(len(hidden))
    logits, expected = module.train()(hidden, patch, rows, rows), module.inner(hidden, patch)
    assert torch.equal(logits[patch != 0], expected[patch != 0])
    assert not module.inner.training
    frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
    assert frozen == {f"inner.{name}" for name, _ in module.inner.named_parameters()}


def test_a_teachers_head_needs_a_teacher() -> None:
    with pytest.raises(ConfigError, match=r"distill --head teacher --teacher-ckpt FILE"):
        SPECS["teacher"].build(SPECS["teacher"].config()(), D)
