"""Opening by a hub's name where there may be no network."""

import logging
import socket
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

T = TypeVar("T")


def opened(load: Callable[[], T]) -> T:
    """What ``load`` gives. Where the hub has no address here, its library looks on this machine only, and at once.

    By itself it asks again for a minute or more, a line each time, for every file.
    """
    from huggingface_hub import constants

    before, logger = constants.HF_HUB_OFFLINE, logging.getLogger("huggingface_hub")
    level = logger.level
    constants.HF_HUB_OFFLINE = before or not _known(constants.ENDPOINT)
    logger.setLevel(logging.ERROR)  # what it would say of each attempt comes as one sentence of ours
    try:
        return load()
    finally:
        constants.HF_HUB_OFFLINE = before
        logger.setLevel(level)


def _known(endpoint: str) -> bool:
    """Whether the name of a host can be resolved; behind a proxy, that is not ours to know."""
    if getproxies().keys() & {"https", "all"}:
        return True
    try:
        return bool(socket.getaddrinfo(urlsplit(endpoint).hostname, 443))
    except OSError:
        return False
