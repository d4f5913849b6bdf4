"""Whatever holds a process or a file open, as a context manager."""

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """`with` an object of a subclass, and it is closed at the end, come what may."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held. More than once does no harm."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
