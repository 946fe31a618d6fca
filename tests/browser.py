"""Pages in headless Chromium: opened from disk, and what went wrong while they did."""

import shutil
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def opened(browser: Any, path: Path, **how: Any) -> tuple[Any, list[str]]:
    """The page at `path`, and what went wrong while it opened: requests, complaints, dialogs."""
    tab = browser.new_page(**how)
    problems = []
    tab.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    tab.on("request", lambda request: request.url.startswith(("file:", "data:")) or problems.append(request.url))
    tab.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    tab.goto(path.resolve().as_uri())
    return tab, problems


def serious(tab: Any) -> list[tuple[str, str]]:
    """What axe-core finds serious or critical in what is shown: its rule, and the first place."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab).response["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
