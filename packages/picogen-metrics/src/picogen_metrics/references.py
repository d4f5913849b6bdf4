"""Where the shipped reference statistics lie: numbers of real music, made by
`studies/reference_statistics.py`; no tune can be had back from them."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "reference_statistics"
REFERENCES = {file.stem: file for file in sorted(_FOLDER.glob("*.json"))}
"""File by name: oneills, ryans, airds and bach."""
