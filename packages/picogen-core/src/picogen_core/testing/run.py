"""The kit without pytest: `picogen plugins check` runs it on an installed plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from picogen_core.plugins.registry import Entry
from picogen_core.testing.kit import Check, NotApplicable, Skipped

Verdict = Literal["passed", "failed", "skipped", "not applicable"]


@dataclass(frozen=True)
class Outcome:
    """Result of one check. `what` is the property, `reason` says why it did not pass."""

    check: str
    what: str
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Suite:
    """Checks, and the function that makes their subject."""

    checks: Sequence[Check]
    subject: Callable[[], Any]

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the result of each check in order, each with a new subject."""
        for check in self.checks:
            yield _run(check, self.subject)


def plugin_suite(entry: Entry[Any]) -> Suite:
    """Return the checks of the entry's distribution, those of `plugin_checks`."""
    from picogen_core.testing.plugins import CHECKS, PluginSubject

    return Suite(CHECKS, lambda: PluginSubject(entry.distribution))


def kind_suite(
    entry: Entry[Any],
    options: Mapping[str, Any],
    *,
    d_model: int = 64,
    which: str | None = None,
    device: str = "cpu",
) -> Suite:
    """Return the checks of the entry's kind, those of `backbone_checks` and so on.

    d_model: width of backbones and heads.
    which:   a collection or a path that a source has.

    Raises:
        ConfigError: options that do not fit, or a source without a collection to read.
    """
    entry.options(options)
    if entry.kind == "backbone":
        from picogen_core.testing.backbones import CHECKS, BackboneSubject

        return Suite(CHECKS, lambda: BackboneSubject(entry, options, d_model, device))
    if entry.kind == "head":
        from picogen_core.testing import heads

        return Suite(heads.CHECKS, lambda: heads.HeadSubject(entry, options, d_model, device))
    if entry.kind == "loss":
        from picogen_core.testing import losses

        return Suite(losses.CHECKS, lambda: losses.LossSubject(entry, options, device))
    if entry.kind == "metric":
        from picogen_core.testing import metrics
        from picogen_core.testing.samples import sample_pieces

        pieces = sample_pieces(12)
        return Suite(metrics.CHECKS, lambda: metrics.MetricSubject(entry, options, pieces))
    from picogen_core.testing import sources

    subject = sources.subject_of(entry, options, which, "no-such-collection")
    return Suite(sources.CHECKS, lambda: subject)


def _run(check: Check, subject: Callable[[], Any]) -> Outcome:
    what = " ".join((check.__doc__ or check.__name__).split())
    try:
        check(subject())
    except Skipped as why:
        return Outcome(check.__name__, what, "skipped", str(why))
    except NotApplicable as why:
        return Outcome(check.__name__, what, "not applicable", str(why))
    except AssertionError as error:
        return Outcome(check.__name__, what, "failed", " ".join(str(error).split()) or what)
    except Exception as error:
        fault = " ".join(f"{type(error).__name__}: {error}".split())
        return Outcome(check.__name__, what, "failed", fault)
    return Outcome(check.__name__, what, "passed")
