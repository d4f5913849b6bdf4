"""Files of the shipped reference statistics: numbers of real music, made by
`studies/reference_statistics.py`. No tune can be reconstructed from them."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "reference_statistics"
REFERENCES = {file.stem: file for file in sorted(_FOLDER.glob("*.json"))}
"""File by name: oneills, ryans, airds and bach."""
