"""The lines that measuring adds to, one for each finished piece of work."""

import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = "results.jsonl"


class Results:
    """The lines of results.jsonl, each with the ``key`` of its piece of work."""

    def __init__(self, out: Path, conditions: dict[str, Any]) -> None:
        self.path, self.conditions = out / RESULTS, conditions
        self.done = {row["key"] for row in read(self.path) if "error" not in row}

    def once(self, key: str, work: Callable[[], dict[str, Any]]) -> None:
        """Do a piece of work, unless that was done; what it says, or that it failed, is a line."""
        if key in self.done:
            return
        begun, wall = time.process_time(), time.monotonic()
        try:
            found = work()
        except Exception as error:  # one task that breaks must not end the others; the line says so
            traceback.print_exc()
            found = {"error": f"{type(error).__name__}: {error}"}
        took = {"cpu": time.process_time() - begun, "wall": time.monotonic() - wall}
        with self.path.open("a") as file:
            file.write(json.dumps({"key": key, **self.conditions, "total": took, **found}) + "\n")
        self.done.add(key)
        print(f"{key}: {took['cpu']:.1f} s of the processor, {took['wall']:.1f} s", flush=True)


def read(path: Path) -> list[dict[str, Any]]:
    """The lines so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
