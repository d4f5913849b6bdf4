"""`--on-policy` and `--physics` as they reach the run, and what is refused."""

from pathlib import Path

import pytest
from picogen_cli.main import main
from picogen_core import PicogenError
from picogen_core.training import loop
from picogen_core.training.config import TrainConfig


class Reached(PicogenError):
    """The run would begin."""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[TrainConfig]:
    found: list[TrainConfig] = []

    def run_training(config: TrainConfig, **_: object) -> None:
        found.append(config)
        raise Reached("here")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loop, "run_training", run_training)
    return found


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--data", "data"])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_the_flags_are_settings_of_the_run(runs: list[TrainConfig]) -> None:
    run("distill", "--on-policy", "0.25", "--physics", "feedback")
    run("train", "--physics", "feedback")
    run("train")
    distilled, trained, plain = runs
    assert distilled.on_policy == 0.25
    assert distilled.loss["physics"] == {"weight": 0.3, "mode": "feedback"}
    assert set(distilled.loss) == {"logit-kd", "hidden-mse", "physics"}
    assert trained.loss == {"physics": {"weight": 0.3, "mode": "feedback"}}
    assert plain.loss == {} and plain.on_policy == 0


def test_a_share_is_between_0_and_1(
    runs: list[TrainConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("distill", "--on-policy", "1.5") == 2 and not runs
    assert "--on-policy" in capsys.readouterr().err
    assert run("train", "--set", "on_policy=-1") == 2 and not runs
    assert "on_policy" in capsys.readouterr().err
