"""The base of every configuration section: unknown keys are errors that name the nearest key."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the configuration; immutable, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
