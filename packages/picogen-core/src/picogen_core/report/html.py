"""HTML as a tree, so that every text in it is escaped by construction."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from lxml import etree

from picogen_core.report.drawing import plain

Child: TypeAlias = etree._Element | str | None


def tag(name: str, /, *children: Child, **attributes: str) -> etree._Element:
    """Return an element. `class_` is `class`, `data_x` is `data-x`; a child None is skipped."""
    element = etree.Element(name)
    for key, value in attributes.items():
        element.set(key.rstrip("_").replace("_", "-"), plain(value))
    extend(element, children)
    return element


def extend(element: etree._Element, children: Sequence[Child]) -> None:
    """Append elements and texts."""
    for child in children:
        if isinstance(child, str):
            if len(element):
                element[-1].tail = (element[-1].tail or "") + plain(child)
            else:
                element.text = (element.text or "") + plain(child)
        elif child is not None:
            element.append(child)


def foreign(text: str) -> etree._Element:
    """Return third-party text in an element that isolates its writing direction."""
    return tag("bdi", text)


def data_block(data: Any) -> etree._Element:
    """Return JSON for a script to read. No character of it can end the element."""
    text = json.dumps(data, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    element = etree.Element("script", {"type": "application/json"})
    element.text = text
    return element


def download(label: str, name: str, kind: str, data: bytes) -> etree._Element:
    """Return a link that saves a file embedded in the page."""
    address = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return tag("a", label, href=address, download=name)


def hashed(text: str) -> str:
    """Return the hash by which a content-security policy names a script or style sheet."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


MADE_BY = "picogen eval"
"""Mark in the head of every page, which identifies an older one."""


def document(title: str, style: str, script: str, body: Sequence[Child]) -> bytes:
    """Return a page with this script and style sheet alone, which makes no network request."""
    policy = (
        f"default-src 'none'; script-src {hashed(script)}; style-src {hashed(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    code, sheet = etree.Element("script"), etree.Element("style")
    code.text, sheet.text = script, style
    head = tag("head", tag("meta", charset="utf-8"), tag("meta", name="generator", content=MADE_BY))
    head.append(etree.Element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}))
    extend(
        head,
        [
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="referrer", content="no-referrer"),
            tag("title", title),
            tag("link", rel="icon", href="data:,"),
            sheet,
        ],
    )
    page = tag("html", head, tag("body", *body, code), lang="en")
    text = etree.tostring(page, method="html", encoding="unicode", doctype="<!doctype html>")
    return str(text).encode()


def size(element: etree._Element) -> int:
    """Return the bytes of an element in the page."""
    return len(etree.tostring(element, method="html", encoding="utf-8"))
