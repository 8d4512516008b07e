"""Checks of the API of this language, which no JSON case can see."""

import json
from collections.abc import Callable
from typing import Any

import idioms_cache
import idioms_calls
import idioms_credentials
import idioms_errors
import idioms_package
import idioms_watch

Check = Callable[[dict[str, Any]], None]


def run(servers: dict[str, Any]) -> None:
    """Runs the functions whose names are in `CHECKS` of each module."""
    for module in (
        idioms_errors,
        idioms_calls,
        idioms_credentials,
        idioms_watch,
        idioms_cache,
        idioms_package,
    ):
        checks: list[Check] = module.CHECKS
        for check in checks:
            problem = None
            try:
                check(servers)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            name = f"{module.__name__.removeprefix('idioms_')}/{check.__name__.replace('_', '-')}"
            line = {"case": name, "endpoint": "-", "ok": problem is None}
            if problem is not None:
                line["problem"] = problem
            print(json.dumps(line, ensure_ascii=False), flush=True)
