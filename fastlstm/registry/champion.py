"""The record of a model's champion: which run serves, which served before, and every decision."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from fastlstm.errors import StoreError

CHAMPION = "champion.json"
PRUNED = "pruned"


class Decision(BaseModel):
    """One entry of a champion's history."""

    model_config = ConfigDict(extra="forbid")

    at: str
    action: str
    run: str
    reason: str
    replaced: str | None = None


class ChampionRecord(BaseModel):
    """Which run serves, which served before it, and every decision so far.

    Attributes:
        champion: run id, or None.
        previous: the champions before it, oldest first; ``rollback`` takes the last.
        history: every decision, oldest first.
    """

    model_config = ConfigDict(extra="forbid")

    champion: str | None = None
    previous: list[str] = []
    history: list[Decision] = []

    @classmethod
    def read(cls, text: str, where: str) -> ChampionRecord:
        """The record from its file's text.

        Args:
            text: content of the file.
            where: address of the file, for the error.

        Raises:
            StoreError: the text is no such record.
        """
        try:
            return cls.model_validate_json(text)
        except (ValueError, RecursionError):
            raise StoreError(
                f"{where}: is damaged; restore it from a backup, or move it away and promote a run"
            ) from None

    def text(self) -> str:
        """The text of the record's file."""
        return json.dumps(self.model_dump(), indent=1, ensure_ascii=False) + "\n"

    def promoted(self, run: str, reason: str, action: str = "promoted") -> ChampionRecord:
        """The record after ``run`` became champion.

        Raises:
            StoreError: the run was pruned, so its files are gone or about to go.
        """
        last = self.decision_on(run)
        if last is not None and self.has_pruned(run):
            raise StoreError(f"run {run} was pruned at {last.at}; choose another")
        previous = self.previous + ([self.champion] if self.champion else [])
        return self._decided(action, run, reason, champion=run, previous=previous)

    def kept(self, run: str, reason: str) -> ChampionRecord:
        """The record after ``run`` challenged the champion and was not promoted."""
        return self._decided("kept", run, reason)

    def rolled_back(self, reason: str) -> ChampionRecord:
        """The record with the champion before this one.

        Raises:
            StoreError: there was none.
        """
        if not self.previous:
            raise StoreError("no earlier champion to roll back to; use promote to choose a run")
        earlier = self.previous[-1]
        return self._decided(
            "rolled back", earlier, reason, champion=earlier, previous=self.previous[:-1]
        )

    def pruned(self, runs: list[str], reason: str) -> ChampionRecord:
        """The record after runs were pruned: they can no longer be promoted or rolled back to."""
        record = self
        for run in runs:
            record = record._decided(PRUNED, run, reason)
        previous = [run for run in self.previous if run not in runs]
        return record.model_copy(update={"previous": previous})

    def has_pruned(self, run: str) -> bool:
        """Whether a run was pruned."""
        last = self.decision_on(run)
        return last is not None and last.action == PRUNED

    def replaced_since(self, moment: datetime) -> set[str]:
        """The runs that served until a time since a moment."""
        return {
            decision.replaced
            for decision in self.history
            if decision.replaced is not None and datetime.fromisoformat(decision.at) >= moment
        }

    def decision_on(self, run: str) -> Decision | None:
        """The last decision taken on a run, if any."""
        return next((d for d in reversed(self.history) if d.run == run), None)

    def _decided(self, action: str, run: str, reason: str, **changes: Any) -> ChampionRecord:
        decision = Decision(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            action=action,
            run=run,
            reason=reason,
            replaced=self.champion if changes else None,
        )
        return self.model_copy(update={**changes, "history": [*self.history, decision]})
