"""The cost of a run as text."""

from __future__ import annotations

from picogen_core.training.dry_run.plan import Plan
from picogen_core.training.teacher.cache import show_size


def plan_text(plan: Plan) -> str:
    """Return one line per subject."""
    parts = ", ".join(f"{name} {count:,}" for name, count in plan.parameters.items())
    rows = {
        "run": f"{plan.run_dir} on {plan.device}, {_count(plan.processes, 'process')}; "
        "everything was checked, nothing was trained",
        "parameters": f"{sum(plan.parameters.values()):,} ({parts}), {plan.trained:,} trained",
        "data": f"{plan.pieces:,} pieces in {plan.crops:,} crops, {plan.held_out:,} held out",
        "teacher": _teacher(plan),
        "memory": f"{show_size(plan.model_bytes)} for weights, gradients and optimizer; "
        f"at most {_peak(plan)} in a step of the longest crops",
        "disk": f"checkpoints take up to {show_size(plan.checkpoint_bytes)}, "
        f"{show_size(plan.disk_free)} are free",
        "time": f"about {_duration(plan.seconds)}: {plan.steps:,} steps of {_steps(plan)} "
        f"({plan.characters_per_second:,.0f} characters per second), "
        f"evaluations of {plan.evaluation_seconds:.1f} s",
    }
    return "\n".join(f"{name:<11} {text}" for name, text in rows.items() if text)


def _teacher(plan: Plan) -> str:
    teacher = plan.teacher
    if teacher is None:
        return ""
    cache = "runs in every epoch, without a cache"
    if teacher.cache_bytes is not None:
        limit = show_size(teacher.cache_limit)
        cache = f"its cache takes {show_size(teacher.cache_bytes)} of at most {limit}"
    return f"{teacher.path}, {teacher.parameters:,} parameters; {cache}"


def _peak(plan: Plan) -> str:
    return "an unknown amount" if plan.peak_bytes is None else show_size(plan.peak_bytes)


def _steps(plan: Plan) -> str:
    later, first = plan.step_seconds, plan.first_epoch_step_seconds
    return f"{later:.3f} s" + (f", {first:.3f} s in the first epoch" if first != later else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "es" if what.endswith("s") else "s")


def _duration(seconds: float) -> str:
    """Return `4 min`, `3.2 h`."""
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"
