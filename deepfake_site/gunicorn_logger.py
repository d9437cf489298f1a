"""gunicorn's own lines take the way of all others, so that they have their form and name nobody."""

from typing import Any

from gunicorn.glogging import Logger


class OurLogger(Logger):
    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
