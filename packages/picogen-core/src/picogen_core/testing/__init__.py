"""The conformance kit: checks of a plugin's contracts, in three lines.

    from picogen_core.testing import backbone_checks

    @backbone_checks("gru", options={"layers": 2})
    def test_gru(check):
        check()

pytest runs one test per property, on the CPU and on CUDA (skipped without it); those of a
`compiled_step` on the CPU alone. `what` is an installed name or a spec. A property that fails by
design is named, with the reason, in `expected_failures={"is_causal": "it looks ahead by design"}`;
if it holds nevertheless, the test fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from picogen_core.plugins.specs import BackboneSpec, HeadSpec, LossSpec, MetricSpec, SourceSpec
from picogen_core.testing.kit import DEVICES, parametrise, resolve

if TYPE_CHECKING:
    import pytest

    from picogen_core.score.reading import Piece

Reasons = Mapping[str, str]


def backbone_checks(
    what: str | BackboneSpec,
    *,
    options: Mapping[str, Any] | None = None,
    d_model: int = 64,
    expected_failures: Reasons | None = None,
) -> pytest.MarkDecorator:
    """Return a decorator with the properties of a backbone; see `picogen_core.testing.backbones`.

    Rows are up to 600 patches long: a backbone with a table of positions needs options for them.
    """
    from picogen_core.testing.backbones import CHECKS, BackboneSubject
    from picogen_core.testing.compiled.backbones import COMPILED_CHECKS

    return parametrise(
        CHECKS,
        lambda device: BackboneSubject(resolve("backbone", what), options or {}, d_model, device),
        expected_failures,
        DEVICES,
        COMPILED_CHECKS,
    )


def head_checks(
    what: str | HeadSpec,
    *,
    options: Mapping[str, Any] | None = None,
    d_model: int = 64,
    expected_failures: Reasons | None = None,
) -> pytest.MarkDecorator:
    """Return a decorator with the properties of a head; see `picogen_core.testing.heads`.

    `picogen_core.testing.remembering` has those of a head with `remembers=True`. A head whose
    predictions are independent expects `uses_earlier_characters` to fail. A head that remembers a
    limited number of characters should name the option for it `window`.
    """
    from picogen_core.testing.compiled.heads import COMPILED_CHECKS
    from picogen_core.testing.heads import CHECKS, HeadSubject

    return parametrise(
        CHECKS,
        lambda device: HeadSubject(resolve("head", what), options or {}, d_model, device),
        expected_failures,
        DEVICES,
        COMPILED_CHECKS,
    )


def loss_checks(
    what: str | LossSpec,
    *,
    options: Mapping[str, Any] | None = None,
    expected_failures: Reasons | None = None,
) -> pytest.MarkDecorator:
    """Return a decorator with the properties of a loss; see `picogen_core.testing.losses`."""
    from picogen_core.testing.losses import CHECKS, LossSubject

    return parametrise(
        CHECKS,
        lambda device: LossSubject(resolve("loss", what), options or {}, device),
        expected_failures,
        DEVICES,
    )


def metric_checks(
    what: str | MetricSpec,
    *,
    options: Mapping[str, Any] | None = None,
    pieces: Sequence[Piece] | None = None,
    expected_failures: Reasons | None = None,
) -> pytest.MarkDecorator:
    """Return a decorator with the properties of a metric; see `picogen_core.testing.metrics`.

    `pieces` are two or more for which the metric is defined; default: random melodies.
    """
    from picogen_core.testing.metrics import CHECKS, MetricSubject
    from picogen_core.testing.samples import sample_pieces

    chosen = tuple(pieces) if pieces is not None else sample_pieces(12)
    return parametrise(
        CHECKS,
        lambda device: MetricSubject(resolve("metric", what), options or {}, chosen),
        expected_failures,
    )


def source_checks(
    what: str | SourceSpec,
    *,
    which: str | Path | None = None,
    missing: str = "no-such-collection",
    options: Mapping[str, Any] | None = None,
    expected_failures: Reasons | None = None,
) -> pytest.MarkDecorator:
    """Return a decorator with the properties of a source; see `picogen_core.testing.sources`.

    `which` is a small collection or path that the source has; by default, a source of ABC files
    reads a book of three tunes. `missing` is one that it does not have.
    """
    from picogen_core.testing.sources import CHECKS, subject_of

    return parametrise(
        CHECKS,
        lambda device: subject_of(resolve("source", what), options or {}, which, missing),
        expected_failures,
    )


def plugin_checks(what: str, *, expected_failures: Reasons | None = None) -> pytest.MarkDecorator:
    """Return a decorator with the properties of a plugin; see `picogen_core.testing.plugins`.

    `what` is a distribution (`"picogen-foo"`) or a module (`"picogen_foo.plugin"`).
    """
    from picogen_core.testing.plugins import CHECKS, PluginSubject

    return parametrise(CHECKS, lambda device: PluginSubject(what), expected_failures)


__all__ = [
    "backbone_checks",
    "head_checks",
    "loss_checks",
    "metric_checks",
    "plugin_checks",
    "source_checks",
]
