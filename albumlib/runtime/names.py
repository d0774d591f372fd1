"""Former names of settings, values, commands and files, and what to write now: the one table."""

import warnings
from collections.abc import Mapping

FORMER = {
    "reading_weight": "auxiliary_weight",
    "obedience_weight": "generator_auxiliary_weight",
    "average_halflife": "ema_halflife",
    "lettering": "text",
    "reading": "auxiliary",
    "r3": "rpgan",
    "synthetic": "imprint",
    "dirt": "corruption",
}
COMMANDS = {"film": "video"}  # apart: networks have layers of that name (FiLM)
PARAMETERS = {"finished": "pretrained", "reader": "label_regressor"}  # of notebooks


def today(name: str, warn: bool = False, former: Mapping[str, str] = FORMER) -> str:
    """The name that is written today, of each part of "a,b"; `warn` says so to the person.

    >>> today("year,lettering"), today("energy")
    ('year,text', 'energy')
    """
    now = ",".join(former.get(part, part) for part in name.split(","))
    if warn and now != name:
        warnings.warn(f"{name} is now called {now}", FutureWarning, stacklevel=3)
    return now


def renamed(values: dict, warn: bool = False) -> dict:
    """Settings under today's names, and with the values that are written today.

    >>> renamed({"reading_weight": 3.0, "critic_loss": "r3"})
    {'auxiliary_weight': 3.0, 'critic_loss': 'rpgan'}
    """
    return {
        today(name, warn): today(value, warn) if isinstance(value, str) else value
        for name, value in values.items()
    }
