"""Base class of context managers that hold a process or a file open."""

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """Context manager that calls `close()` on exit, also after an exception."""

    @abstractmethod
    def close(self) -> None:
        """Release the resources. A second call has no effect."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
