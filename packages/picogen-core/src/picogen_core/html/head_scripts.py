"""The heads in JavaScript: `script` of their specs."""

from __future__ import annotations

from picogen_core.html.scripts import read_script
from picogen_core.model.heads.options import CharGruOptions, CharMemoryOptions, char_memory_sizes
from picogen_core.plugins.specs import Script


def char_gru(options: CharGruOptions, d_model: int) -> Script:
    return Script(read_script("char_gru.js"), "CharGru", {"cell": options.width or d_model})


def char_memory(options: CharMemoryOptions, d_model: int) -> Script:
    width, channels, heads, mlp = char_memory_sizes(d_model, options)
    sizes = {"cell": width, "channels": channels, "heads": heads, "mlp": mlp,
             "layers": options.layers, "window": options.window}  # fmt: skip
    source = read_script("char_gru.js") + read_script("char_memory.js")
    return Script(source, "CharMemory", sizes)
