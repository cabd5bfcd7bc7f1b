"""Model archives whose bytes depend on the model alone.

skops and Keras number the parts of an archive by where they lay in memory, and note when it was written. The same
model, fitted by another worker, would be other bytes, and a table of models would never equal itself.
"""

from __future__ import annotations

import io
import json
import re
from zipfile import ZIP_STORED, ZipFile, ZipInfo

_ADDRESS = re.compile(r'("(?:__id__|shared_object_id)": |"file": ")(\d+)')
_SAVED_AT = "date_saved"


def timeless(payload: bytes, extra: dict[str, str] | None = None, compression: int = ZIP_STORED) -> bytes:
    """A skops or .keras archive with its parts numbered in the order in which they are named, and without dates.

    Args:
        payload: the archive.
        extra: further entries, name -> text.
        compression: of the entries, a constant of zipfile.
    """
    with ZipFile(io.BytesIO(payload)) as given:
        entries = {name: given.read(name) for name in given.namelist()}
    numbers: dict[str, str] = {}

    def renumbered(found: re.Match[str]) -> str:
        return found[1] + numbers.setdefault(found[2], str(len(numbers) + 1))

    texts = {name: content.decode() for name, content in entries.items() if name.endswith(".json")}
    out = {name: _ADDRESS.sub(renumbered, _undated(texts[name])).encode() for name in sorted(texts)}
    for name in entries.keys() - texts.keys():
        stem, dot, ending = name.partition(".")
        out[numbers.get(stem, stem) + dot + ending] = entries[name]
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name in sorted(out):
            archive.writestr(ZipInfo(name), out[name], compress_type=compression)
        for name, text in (extra or {}).items():
            archive.writestr(ZipInfo(name), text, compress_type=compression)
    return buffer.getvalue()


def _undated(text: str) -> str:
    """A JSON text without the date at which it was saved."""
    if f'"{_SAVED_AT}"' not in text:
        return text
    return json.dumps({**json.loads(text), _SAVED_AT: ""})
