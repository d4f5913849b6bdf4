"""The conformance kit on each backbone."""

from collections.abc import Callable

from picogen_core.testing import backbone_checks


@backbone_checks("gpt2", options={"layers": 2, "heads": 2, "max_patches": 640})
def test_gpt2(check: Callable[[], None]) -> None:
    check()


@backbone_checks("llama", options={"layers": 2, "heads": 4, "kv_heads": 2})
def test_llama(check: Callable[[], None]) -> None:
    check()


@backbone_checks("mamba", options={"layers": 2, "head_size": 16, "state_size": 16, "chunk": 16})
def test_mamba(check: Callable[[], None]) -> None:
    check()


@backbone_checks("qwen", options={"layers": 2, "heads": 4, "kv_heads": 2, "head_size": 16})
def test_qwen(check: Callable[[], None]) -> None:
    check()


@backbone_checks("rwkv", options={"layers": 2, "head_size": 16, "chunk": 16})
def test_rwkv(check: Callable[[], None]) -> None:
    check()
