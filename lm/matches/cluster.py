"""Workers on Ray: processes of this machine, or of all hosts of a cluster.

A Ray that is started here listens on this machine alone and asks for a token: whoever can talk to an open Ray can run
any code. Each host needs the same release of this project, and the engines and engine files that specs name. Models
come from the machine where the command runs: they go into Ray's object store once, and each host keeps a copy in the
user's cache folder.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from lm import UserError, processors
from lm.matches.workers import PATIENCE, Crew, Event, Open, Processes, Work, portable
from lm.model.folder import model_path, relocate
from lm.players.specs import Spec

LOCAL: Final = "local"
"""The address of a Ray of this command's own."""
MANY: Final = 64
"""Games from which on it pays to start processes for a match on this machine; fewer are played in this one."""
_OWN: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # "no cluster", on any system: its servers listen on 127.0.0.1
    "RAY_AUTH_MODE": "token",
}
"""The environment of a Ray of our own."""

Files = dict[str, bytes]
"""A model's folder: the files by name."""


class Cluster:
    """Workers on Ray (`lm.matches.workers.Crew`), one for each processor unless a ``size`` is given.

    ``address`` is `LOCAL` or that of a running cluster, as ``10.0.0.1:6379``. The models that ``specs`` name are sent
    to the hosts. Raises ``UserError`` if there is no Ray, no such cluster or no such model.
    """

    def __init__(self, address: str, specs: Sequence[Spec], size: int | None = None) -> None:
        self._address, self._wanted = address, size
        folders = sorted({folder for spec in specs for name, folder in spec.options if name in ("model", "net")})
        self._folders = {name: model_path(name) for name in folders if Path(name).is_dir()}
        self._workers: dict[int, Any] = {}
        self._streams: dict[Any, int] = {}

    @cached_property
    def _ray(self) -> Any:
        """Ray, connected."""
        own = self._address == LOCAL
        if own:
            os.environ.update(_OWN)
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # Ray reads it once in a process
        try:
            import ray
        except ImportError:
            raise UserError('--cluster needs Ray: pip install "xqlm[cluster]"') from None
        where: dict[str, Any] = {"address": self._address}
        if own:
            ray._private.ray_constants.ENABLE_RAY_CLUSTER = False  # if it was imported before the environment was set
            where = {"num_cpus": self._wanted or processors(), "include_dashboard": False}
        path = os.environ.get("PYTHONPATH")
        if own:  # the workers inherit it, and find the modules that are found here
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        try:
            ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            raise UserError(f"no Ray cluster at {self._address}: {' '.join(str(error).split())}") from None
        finally:
            os.environ.pop("PYTHONPATH", None)
            if path is not None:
                os.environ["PYTHONPATH"] = path
        if own and not (ip := ray.util.get_node_ip_address()).startswith("127."):
            ray.shutdown()
            raise UserError(f"this release of Ray listens on {ip} too, where others could reach it: take another")
        return ray

    @cached_property
    def size(self) -> int:
        """Number of workers."""
        return self._wanted or max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    @cached_property
    def _actor(self) -> Any:
        return self._ray.remote(num_cpus=1)(_Worker)

    @cached_property
    def _models(self) -> dict[str, Any]:
        """The models in the object store."""
        return {name: self._ray.put(read_model(folder)) for name, folder in self._folders.items()}

    def start(self, number: int, open_work: Open[Any, Any]) -> None:
        worker = self._actor.remote()
        self._workers[number] = worker
        self._streams[worker.open.options(num_returns="streaming").remote(open_work, self._models)] = number

    def give(self, number: int, tasks: Sequence[Any]) -> None:
        stream = self._workers[number].do.options(num_returns="streaming").remote(list(tasks))
        self._streams[stream] = number

    @cached_property
    def _losses(self) -> tuple[type[Exception], ...]:
        """How Ray says that a worker, its host or what it had found is lost."""
        errors = self._ray.exceptions
        return errors.RayActorError, errors.ObjectLostError, errors.OutOfMemoryError, errors.WorkerCrashedError

    def news(self) -> Iterator[Event]:
        ready, _ = self._ray.wait(list(self._streams), num_returns=1)
        for stream in ready:
            number = self._streams[stream]
            try:
                kind, place, value = self._ray.get(next(stream))
            except StopIteration:
                kind, place, value = "idle", 0, None
            except self._losses:
                kind, place, value = "lost", 0, None
                self._ray.kill(self._workers.pop(number))
            if kind != "found":
                del self._streams[stream]
            yield Event(number, kind, place, value)

    def stop(self, done: bool) -> None:
        if "_ray" not in self.__dict__:
            return  # nothing was to be done
        ray, workers = self._ray, list(self._workers.values())
        if done:
            closed = [worker.close.remote() for worker in workers]
            with suppress(ray.exceptions.RayError):
                ray.wait(closed, num_returns=len(closed), timeout=PATIENCE)
        for worker in workers:
            ray.kill(worker)
        self._workers.clear()
        self._streams.clear()
        ray.shutdown()


def open_crew(address: str | None, cores: int | None, specs: Sequence[Spec]) -> Crew | None:
    """Return the workers of a cluster, or of this machine without an address: one for each of its ``cores``, by default
    all; ``None``, which is this process, for one. Raises ``UserError``, as `Cluster` does."""
    if address is not None:
        return Cluster(address, specs, cores)
    return None if (size := cores or processors()) == 1 else Processes(size)


def open_match_crew(
    address: str | None, cores: int | None, parallel: int | None, specs: Sequence[Spec], games: int
) -> Crew | None:
    """Return the workers for so many games: none on this machine for fewer than `MANY`.

    ``parallel`` is the number of games to be played at a time, by all workers together.
    """
    if address is None and games < MANY:
        return None
    if parallel is not None:
        cores = min(parallel, cores or processors()) if address is None else cores and min(parallel, cores)
    return open_crew(address, cores, specs)


class _Worker:
    """A worker: an actor of Ray."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._work: Work[Any, Any]

    def open(self, open_work: Open[Any, Any], models: dict[str, Any]) -> Iterator[tuple[str, int, Any]]:
        """Put the models into place and open what the work needs."""
        import ray

        try:
            for name, files in models.items():
                relocate(name, write_model(ray.get(files)))
            self._work = self._stack.enter_context(open_work())
        except BaseException as error:
            yield "failed", 0, portable(error)

    def do(self, tasks: Sequence[Any]) -> Iterator[tuple[str, int, Any]]:
        """Do tasks."""
        try:
            for place, found in self._work(tasks):
                yield "found", place, found
        except BaseException as error:
            yield "failed", 0, portable(error)

    def close(self) -> None:
        """Close the players."""
        self._stack.close()


# --- Models -----------------------------------------------------------------------------------------------------------


def read_model(folder: Path) -> Files:
    """Read the files of a model's folder."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}


def write_model(files: Files, cache: Path | None = None) -> Path:
    """Write a model to the cache folder (the user's), unless it is there; return its folder."""
    digest = hashlib.blake2b(digest_size=16)
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    if cache is None:
        from platformdirs import user_cache_path

        cache = user_cache_path("xqlm", appauthor=False) / "models"
    path = cache / digest.hexdigest()
    if not path.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        whole = Path(tempfile.mkdtemp(dir=cache))
        for name, content in files.items():
            (whole / name).write_bytes(content)
        try:
            whole.rename(path)
        except OSError:  # another worker of this host was faster
            shutil.rmtree(whole)
    return path
