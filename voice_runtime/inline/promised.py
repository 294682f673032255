"""By when a promised call-back is due, and how that is said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from voice_runtime.agent import Release
from voice_runtime.hours import Hours, spoken


@dataclass(frozen=True, slots=True)
class Promised:
    """A call-back by ``desk``, which callers know as ``title``, no later than ``due``."""

    desk: str
    title: str
    due: datetime

    @classmethod
    def by(cls, release: Release, desk: str, within_working_h: int, language: str, now_s: float) -> Promised:
        """In so many working hours from now (Unix time, s), else in as many plain hours."""
        known = [route for route in release.handoff if route.desk == desk]
        title = next((route.title_in(language) for route in known if route.title), desk)
        for route in known:
            if route.hours:
                due = Hours.parse(route.hours).after_working(now_s, within_working_h)
                if due is not None:
                    return cls(desk, title, due)
        return cls(desk, title, datetime.fromtimestamp(now_s, UTC) + timedelta(hours=within_working_h))

    def said(self, release: Release, language: str) -> str:
        """Words that tell the caller; "" where we cannot say a time in their language."""
        template = release.templates.get("callback-by", {}).get(language, "")
        by = spoken(self.due, language) if template else ""
        return template.format(desk=self.title, by=by) if by else ""
