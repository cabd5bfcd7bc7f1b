"""Files are written whole or not at all, with a message that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from parlevel.errors import EnvironmentFault
from parlevel.places import write_whole


def test_a_file_is_written_with_its_folders_and_nothing_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b.html"
    for text in ("first", "zweite ü"):
        write_whole(place, text)
        assert place.read_text(encoding="utf-8") == text
    assert [file.name for file in place.parent.iterdir()] == ["b.html"]


@pytest.mark.parametrize("place", ["/proc/x/report.html", "."])
def test_a_place_that_cannot_be_written_is_told_with_the_reason(tmp_path: Path, place: str) -> None:
    target = tmp_path / "folder" if place == "." else Path(place)
    if place == ".":
        target.mkdir()
    with pytest.raises(EnvironmentFault, match=r"cannot be written: .*Choose a file in a folder of yours"):
        write_whole(target, "text")
    assert list(tmp_path.glob(".folder*")) == []
