"""Takes a version into serving, and back, without a call that fails."""

import asyncio
import contextlib
import logging

from observability import tracing
from trainer.errors import (
    DiskFullError,
    InvalidFieldError,
    ModelVersionNotFoundError,
    NoPreviousVersionError,
    NoStableVersionError,
    RolloutError,
)
from trainer.rollout.files import RolloutFiles
from trainer.rollout.following import Following, Serving
from trainer.rollout.state import RolloutState
from trainer.settings import TrainerSettings
from trainer.telemetry.metrics import ROLLOUTS
from trainer.versions import finish_removals, remove_version, require_version, surplus, versions_on_disk
from transport.background import every

_LOOK_S = 1.0
"""As often as serving itself looks for versions."""

_logger = logging.getLogger(__name__)


class Rollout:
    """Changes which versions serving holds and what their labels mean, one change at a time.

    A change first lists the version in models.config, waits until serving has loaded it and answers its golden
    requests as in training, and only then moves a label. Where anything fails before that label leads to the
    version, files and serving go back to the state before; the stable version answers all the while. A kill at
    any point leaves two files that `recover` makes one state of.

    Source: the rules of labels in TensorFlow Serving's `serving_config.md`: a config with a label whose version
    is not available fails as a whole.
    """

    def __init__(self, settings: TrainerSettings, serving: Serving) -> None:
        self._model_dir = settings.model_dir
        self._timeout_s = settings.rollout_timeout_s
        self._retained = settings.retained_versions
        self._files = RolloutFiles(settings)
        self._following = Following(settings.model_dir, serving)
        self._lock = asyncio.Lock()
        self._broken_off: int | None = None

    @property
    def state(self) -> RolloutState:
        """What was decided last; raises RolloutError where its file is damaged or unreadable, or gone with all else."""
        state = self._files.read()
        self._files.require()
        return state

    def chosen(self, version: int) -> int:
        """Returns the version that callers mean by a number, where 0 is the stable one.

        Raises:
          ModelVersionNotFoundError: none is stable.
        """
        chosen = version or self.state.stable
        if chosen is None and versions_on_disk(self._model_dir):
            raise ModelVersionNotFoundError("no version is stable; promote one of those that there are")
        if chosen is None:
            raise ModelVersionNotFoundError("there is no version yet; a retraining job makes one")
        return chosen

    async def recover(self) -> None:
        """Ends what a kill interrupted, and forgets versions that are gone. To be called first of all at a start."""
        async with self._lock:
            finish_removals(self._model_dir)
            if not versions_on_disk(self._model_dir):
                told = {"directory": str(self._model_dir), "remedy": "if it should hold some, mount its volume"}
                _logger.warning("there is no version", extra=told)
            with contextlib.suppress(DiskFullError):  # the files are as they were, and `keep` goes on trying
                self._files.write(self._files.read())

    async def keep(self) -> None:
        """Sees to it that no label leads to a version that somebody removed by hand. Goes on until it is cancelled."""
        await every(_LOOK_S, self.step)

    async def step(self) -> None:
        """Looks once; DiskFullError, RolloutError where serving cannot be told."""
        async with self._lock:
            self._files.require()  # else nothing would be written over what is only away
            self._files.ensure(alone=True)

    async def roll_out(self, version: int) -> None:
        """Makes a version on disk the stable one. Of the stable one it makes sure that serving agrees.

        Raises:
          ModelVersionNotFoundError: there is no such version.
          RolloutError: it does not load or does not answer as in training; what was stable still is.
          ServingUnavailableError: serving stays away; the same.
        """
        try:
            async with self._lock:
                require_version(self._model_dir, version)
                before = self.state
                await self._change(before, before.with_stable(version), version, is_proven=False)
        except asyncio.CancelledError:
            self._broken_off = version
            raise

    async def withdraw(self, version: int) -> bool:
        """Removes a version from disk; False where serving holds it, or may hold it.

        Serving takes the only version there is without being told; that one is removed only if its rollout was broken
        off before it was stable.
        """
        async with self._lock:
            on_disk = versions_on_disk(self._model_dir)
            if version not in on_disk:
                return True
            is_only = version == self._broken_off and on_disk == [version]
            loaded = self.state.loaded  # while that is nothing, serving takes the newest
            if version in loaded or (not loaded and not is_only):
                return False
            await asyncio.to_thread(remove_version, self._model_dir, version)
            return True

    async def rollback(self) -> int:
        """Makes the previous version stable again, and returns it.

        It is loaded and has proven itself before, so this takes one move of a label. The version that it takes
        over from becomes the previous one: a second rollback goes forward again.

        Raises:
          NoPreviousVersionError: there is none.
          RolloutError, ServingUnavailableError: serving does not follow; what was stable still is.
        """
        async with self._lock:
            before = self.state
            if before.previous is None:
                raise NoPreviousVersionError("no version was stable before this one; any other can be promoted instead")
            await self._change(before, before.with_stable(before.previous), before.previous, is_proven=True)
            return before.previous

    async def set_canary(self, version: int, percent: float) -> None:
        """Labels a version `canary` and notes its share of the unlabelled traffic; 0 ends the canary.

        Raises:
          InvalidFieldError: the share is not in [0, 100], or the version is stable.
          NoStableVersionError: there is none that it could be tried beside.
          ModelVersionNotFoundError, RolloutError, ServingUnavailableError: as for `roll_out`.
        """
        if not 0 <= percent <= 100:  # as what is no number does not, either
            raise InvalidFieldError(f"percent is {percent}, but a share lies in [0, 100]", "percent")
        async with self._lock:
            before = self.state
            if percent == 0:
                self._files.write(before.with_canary(None, 0.0))
                return
            require_version(self._model_dir, version)
            if before.stable is None:
                raise NoStableVersionError("no version is stable, and a canary is tried beside one; promote one first")
            if version == before.stable:
                raise InvalidFieldError(f"version {version} is stable, so it cannot be tried beside it", "version")
            await self._change(before, before.with_canary(version, percent), version, is_proven=False)

    async def _change(self, before: RolloutState, after: RolloutState, version: int, *, is_proven: bool) -> None:
        trace = tracing.child("rollout")
        try:
            await self._move(before, after, version, is_proven=is_proven)
        except BaseException as err:
            # Of a caller who leaves, or a trainer that ends, nobody need be told: serving has done nothing wrong.
            outcome = "failed" if isinstance(err, Exception) else "broken_off"
            told = {"model_version": version, "outcome": outcome, "problem": str(err) or type(err).__name__}
            _logger.warning("rollout undone", extra=told)
            ROLLOUTS.labels(outcome).inc()
            self._settle(before)
            tracing.end(trace, {"model_version": version}, type(err).__name__)
            raise
        self._settle(after)
        ROLLOUTS.labels("done").inc()
        tracing.end(trace, {"model_version": version})
        _logger.info("rollout done", extra={"model_version": version, "labels": after.labels})
        await self._retire(after)

    async def _move(self, before: RolloutState, after: RolloutState, version: int, *, is_proven: bool) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                self._files.ensure(alone=True)  # as it may not be where no space was left for it after a failure
                failed_before = await self._following.let_go(version, before)
                self._files.write(before, {version})
                await self._following.available(version, failed_before)
                if not is_proven:
                    await self._following.prove(version)
                # What the labels led to stays until all have followed: going back must name nothing but what is loaded.
                self._files.write(after, before.loaded)
                await self._following.followed(after)
        except TimeoutError as err:
            raise RolloutError(
                f"serving did not take over version {version} within {self._timeout_s:g} s; "
                "it must be running and re-read models.config each second"
            ) from err

    def _settle(self, state: RolloutState) -> None:
        """Lets serving hold what a state needs, and no more."""
        try:
            self._files.write(state)
        except (DiskFullError, RolloutError) as err:
            told = {"labels": state.labels, "problem": str(err)}
            _logger.error("a state cannot be written; what was decided last holds", extra=told)

    async def _retire(self, state: RolloutState) -> None:
        for version in surplus(versions_on_disk(self._model_dir), state.loaded, self._retained):
            try:
                await asyncio.to_thread(remove_version, self._model_dir, version)
            except OSError as err:
                _logger.warning("a version stays on disk", extra={"model_version": version, "problem": err.strerror})
            else:
                _logger.info("version removed", extra={"model_version": version})
