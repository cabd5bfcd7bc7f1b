"""What is wrong with a configuration, asked before Spark starts: names and options of source, models and policies."""

from __future__ import annotations

from parlevel.config import Config
from parlevel.domain.replenish.registry import AUTO, OPTIMAL, policy
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
    _check_choice(cfg)
    tried = cfg.replenish.choose_from if cfg.replenish.policy == AUTO else []
    chosen = {
        **{f"replenish.choose_from[{k}]": (name, {}) for k, name in enumerate(tried)},
        **({} if tried else {"replenish.parameters": (cfg.replenish.policy, cfg.replenish.parameters)}),
        "evaluate.baseline_parameters": (cfg.evaluate.baseline, cfg.evaluate.baseline_parameters),
    }
    for key, (name, parameters) in chosen.items():
        try:
            policy(name, **parameters)
        except TypeError as error:  # what a constructor says of a parameter that it does not have
            raise ConfigError(f"{key}: policy {name!r} must be given parameters that it has. {error}.") from None


def _check_choice(cfg: Config) -> None:
    """What is learned at past cutoffs needs them, and policies to choose from.

    Raises:
        ConfigError: there are none, or parameters are given that no policy would get.
    """
    auto = cfg.replenish.policy == AUTO
    if cfg.replenish.end is not None and cfg.replenish.policy != OPTIMAL:
        raise ConfigError(
            "replenish.end is known to the policy optimal alone: others would order on to the last day. "
            f"Set replenish.policy: optimal, or leave the end out. Got {cfg.replenish.policy!r}."
        )
    if (auto or cfg.replenish.hit_target) and cfg.train.folds < 3:
        raise ConfigError(
            "replenish.policy auto and replenish.hit_target need train.folds >= 3: the oldest fold chooses models, the "
            f"newest judges, and they learn between. Got {cfg.train.folds}."
        )
    if auto and (not cfg.replenish.choose_from or cfg.replenish.parameters):
        raise ConfigError(
            "replenish.policy auto needs policies in replenish.choose_from, and takes no replenish.parameters, which "
            f"belong to one policy. Got {cfg.replenish.choose_from} and {cfg.replenish.parameters}."
        )
