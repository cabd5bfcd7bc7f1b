"""The eight stages: sources, clean, features, train, forecast, replenish, evaluate, publish."""

from parlevel.schemas import STAGES

__all__ = ["STAGES"]
