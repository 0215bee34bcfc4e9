"""Scan the locks for known vulnerabilities with pip-audit: ``python .ci/audit.py [OPTION …] LOCK …``.

Exit code 1 where a locked release has a published advisory. Where the advisories cannot be reached it
says so and passes, lest a build fails with the network. Options go to pip-audit, e.g. ``--osv-url``.
"""

from __future__ import annotations

import json
import subprocess
import sys


def audit(lock: str, options: list[str]) -> bool:
    """Whether no advisory is known for a lock, as far as it could be looked up; tells what it found."""
    done = subprocess.run(  # noqa: S603 (our own interpreter and module)
        [
            sys.executable, "-m", "pip_audit", "--requirement", lock, "--no-deps", "--disable-pip",
            "--format", "json", "--progress-spinner", "off", "--timeout", "10", *options,
        ],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        lines = done.stderr.strip().splitlines() or ["no output"]
        if any("ConnectionError" in line or "Timeout" in line for line in lines):
            print(f"{lock}: NOT SCANNED, the advisories cannot be reached: {lines[-1][:200]}")
            return True
        print(f"{lock}: pip-audit failed: {lines[-1][:500]}")
        return False
    skipped = [entry["name"] for entry in found if "skip_reason" in entry]
    bad = [entry for entry in found if entry.get("vulns")]
    for entry in bad:
        for advisory in entry["vulns"]:
            fixed = ", ".join(advisory["fix_versions"]) or "none yet"
            print(f"{lock}: {entry['name']} {entry['version']}: {advisory['id']}, fixed in {fixed}")
    scanned = len(found) - len(skipped)
    print(f"{lock}: {scanned} of {len(found)} packages scanned, {len(bad)} with advisories")
    if skipped:
        some = ", ".join(skipped)[:99]
        print(f"{lock}: NOT SCANNED, unknown to the service or out of reach: {some}")
    return not bad


def main() -> None:
    """Scan every lock named."""
    locks = [argument for argument in sys.argv[1:] if argument.endswith(".lock")]
    options = [argument for argument in sys.argv[1:] if argument not in locks]
    results = [audit(lock, options) for lock in locks]
    raise SystemExit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
