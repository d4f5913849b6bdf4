"""Drawing: the distribution, the order of restrictions, and the compiled form against torch's."""

import numpy as np
import pytest
import torch
from picogen_core.abc.grammar.charsets import FREELY, PENALTY, RARELY
from picogen_core.generation.decoding.sampling import (
    NOT_FINITE,
    NOTHING_ALLOWED,
    draw,
    draw_plainly,
)
from picogen_core.generation.request.options import SamplingOptions

N = 20_000


def options(**values) -> SamplingOptions:
    return SamplingOptions(**{"temperature": 1.0, "top_k": 0, "top_p": 0, **values})


def frequencies(p: list[float], **values) -> np.ndarray:
    logits = np.tile(np.log(np.array(p, np.float32)), (N, 1))
    allowed = np.ones(logits.shape, bool)
    drawn = draw(logits, allowed, (np.arange(N) + 0.5) / N, options(**values))
    return np.bincount(drawn, minlength=len(p)) / N


def reference(logits: torch.Tensor, uniforms: torch.Tensor, o: SamplingOptions) -> torch.Tensor:
    """The same in torch, with sorts and masks instead of loops."""
    logits = logits.double()
    if o.temperature == 0:
        return logits.argmax(-1)
    if o.order == "temperature-first":
        logits = logits / o.temperature
    p, codes = logits.softmax(-1).sort(dim=-1, descending=True, stable=True)
    if o.top_k:
        p[:, o.top_k :] = 0
    p = p / p.sum(-1, keepdim=True)
    if 0 < o.top_p < 1:
        p = p.masked_fill(p.cumsum(-1) - p > o.top_p, 0)
    p = p.masked_fill(p < o.min_p * p[:, :1], 0)
    if o.order == "notagen":
        p = (p / p[:, :1]) ** (1 / o.temperature)
    cumulative = torch.zeros_like(p).scatter(-1, codes, p).cumsum(-1)  # in the order of codes
    return (cumulative <= uniforms[:, None] * cumulative[:, -1:]).sum(-1)


def test_the_distribution_is_drawn():
    p = [0.5, 0.1, 0.3, 0.1]
    np.testing.assert_allclose(frequencies(p), p, atol=1e-3)


def test_order_is_top_k_then_top_p_then_temperature():
    p = [0.4, 0.3, 0.2, 0.1]
    kept = np.array(p[:3]) / 0.9  # top-k 3 renormalises to 0.444, 0.333, 0.222
    np.testing.assert_allclose(frequencies(p, top_k=3)[:3], kept, atol=1e-3)
    # 0.444 + 0.333 crosses 0.75 with the second: two are left, and then flattened
    flat = np.sqrt(p[:2]) / np.sqrt(p[:2]).sum()
    got = frequencies(p, top_k=3, top_p=0.75, temperature=2.0)
    np.testing.assert_allclose(got, [*flat, 0, 0], atol=1e-3)


def test_temperature_first_widens_what_top_p_keeps():
    p = [0.7, 0.2, 0.05, 0.05]
    hot = np.array(p) ** 0.5 / (np.array(p) ** 0.5).sum()
    assert (frequencies(p, top_p=0.8, temperature=2.0) > 0).tolist() == [True, True, False, False]
    got = frequencies(p, top_p=0.8, temperature=2.0, order="temperature-first")
    assert hot[:2].sum() < 0.8 < hot[:3].sum()
    np.testing.assert_allclose(got, [*(hot[:3] / hot[:3].sum()), 0], atol=1e-3)


def test_min_p_is_relative_to_the_likeliest():
    got = frequencies([0.5, 0.26, 0.14, 0.1], min_p=0.5)
    np.testing.assert_allclose(got, [0.5 / 0.76, 0.26 / 0.76, 0, 0], atol=1e-3)


@pytest.mark.parametrize("temperature", [0, 1e-3, 1e-300])
@pytest.mark.parametrize("order", ["notagen", "temperature-first"])
def test_a_low_temperature_is_greedy(temperature: float, order: str):
    assert frequencies([0.3, 0.4, 0.3], temperature=temperature, order=order)[1] == 1


SETTINGS = [
    {"top_k": 9, "top_p": 0.9, "temperature": 1.2},
    {"top_k": 40, "top_p": 0.9},
    {"top_k": 0, "temperature": 0.7, "min_p": 0.02},
    {"top_k": 5, "top_p": 0.5, "temperature": 1.5, "order": "temperature-first"},
    {"temperature": 0},
    {"top_k": 1},
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_compiled_plain_and_torch_draw_the_same(setting):
    rng = np.random.default_rng(1)
    logits = (3 * rng.standard_normal((200, 128))).astype(np.float32)
    logits[:100] = np.round(logits[:100])  # ties: the smaller code comes first
    uniforms, allowed = rng.random(200), np.ones((200, 128), bool)
    o = options(**setting)
    drawn = draw(logits, allowed, uniforms, o)
    expected = reference(torch.from_numpy(logits), torch.from_numpy(uniforms), o)
    assert drawn.tolist() == expected.tolist()
    plain = np.empty(200, np.int64)
    draw_plainly(
        logits, allowed, uniforms, o.temperature, o.top_k or 128, o.top_p, o.min_p,
        o.order == "notagen", plain,
    )  # fmt: skip
    assert plain.tolist() == drawn.tolist()


def test_what_is_not_allowed_is_never_drawn():
    rng = np.random.default_rng(2)
    logits = rng.standard_normal((500, 128)).astype(np.float32)
    allowed = rng.random((500, 128)) < 0.05
    allowed[0] = False
    allowed[1] = np.arange(128) == 77
    logits[1, 77] = -60
    drawn = draw(logits, allowed, rng.random(500), options(top_k=40, top_p=0.9))
    assert drawn[0] == NOTHING_ALLOWED and drawn[1] == 77
    assert allowed[np.arange(1, 500), drawn[1:]].all()


def test_rounding_does_not_change_what_is_drawn():
    rng = np.random.default_rng(3)
    logits = rng.standard_normal((20_000, 128)).astype(np.float32)
    nudged = logits + rng.normal(0, 1e-5, logits.shape).astype(np.float32)
    allowed, uniforms = np.ones(logits.shape, np.uint8), rng.random(len(logits))
    drawn = draw(logits, allowed, uniforms, options())
    assert (draw(nudged, allowed, uniforms, options()) != drawn).sum() <= 2


def test_what_may_come_but_rarely_loses_the_penalty():
    p = np.array([0.5, 0.3, 0.2], np.float32)
    logits = np.tile(np.log(p), (N, 1))
    allowed = np.full(logits.shape, FREELY, np.uint8)
    allowed[:, 0] = RARELY
    drawn = draw(logits, allowed, (np.arange(N) + 0.5) / N, options())
    weights = p * [np.exp(-PENALTY), 1, 1]
    found = np.bincount(drawn, minlength=3) / N
    np.testing.assert_allclose(found, weights / weights.sum(), atol=2 / N)
    assert set(draw(logits, allowed, np.zeros(N), options(temperature=0)).tolist()) == {1}
    sure = logits + np.array([20, 0, 0], np.float32)  # where the model insists it comes
    assert set(draw(sure, allowed, np.zeros(N), options(temperature=0)).tolist()) == {0}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("temperature", [0, 1])
def test_not_finite_rows_are_told_and_others_drawn(bad: float, temperature: float):
    logits = np.zeros((2, 4), np.float32)
    logits[0, 2] = bad
    drawn = draw(logits, np.ones((2, 4), bool), np.full(2, 0.9), options(temperature=temperature))
    assert drawn.tolist() == [NOT_FINITE, 0 if temperature == 0 else 3]
