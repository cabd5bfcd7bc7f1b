"""What is wrong with a configuration, asked before Spark starts: names and options of source, models and policies."""

from __future__ import annotations

from parlevel.config import Config
from parlevel.domain.replenish.registry import policy
from parlevel.errors import ConfigError
from parlevel.pipeline.sources_check import check_source
from parlevel.pipeline.train import spec


def check(cfg: Config) -> None:
    """Build everything that the configuration names, as the stages will.

    Raises:
        ConfigError: an unknown option, or a value that breaks its rule.
        RegistryError: an unknown name; the nearest one is named.
        DataError: the source's data are not there.
    """
    check_source(cfg)
    spec(cfg, deep=True)
    chosen = {
        "replenish.parameters": (cfg.replenish.policy, cfg.replenish.parameters),
        "evaluate.baseline_parameters": (cfg.evaluate.baseline, cfg.evaluate.baseline_parameters),
    }
    for key, (name, parameters) in chosen.items():
        try:
            policy(name, **parameters)
        except TypeError as error:  # what a constructor says of a parameter that it does not have
            raise ConfigError(f"{key}: policy {name!r} must be given parameters that it has. {error}.") from None
