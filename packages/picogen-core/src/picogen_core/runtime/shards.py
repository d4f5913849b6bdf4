"""Parts of a long work that several processes or machines share."""

from __future__ import annotations

import re
from dataclasses import dataclass

from picogen_core.errors import ConfigError


@dataclass(frozen=True)
class Shard:
    """Number `number` of `count` equal parts, from 1 on."""

    number: int
    count: int

    def holds(self, item: int) -> bool:
        """Return whether item 0, 1, 2, … belongs to this shard."""
        return item % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


WHOLE = Shard(1, 1)


def read_shard(text: str) -> Shard:
    """Return the shard that `2/8` names.

    Raises:
        ConfigError: it names none.
    """
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ConfigError(f"--shard {text}: give a part and their number, from 1/8 to 8/8.")
    return Shard(int(found[1]), int(found[2]))
