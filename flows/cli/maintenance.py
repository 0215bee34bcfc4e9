"""The commands that check and clean what is stored: verify, prune, clean."""

from __future__ import annotations

from pathlib import Path

import click

from fastlstm.config.group_names import model_of_group
from fastlstm.errors import StoreError
from flows.cli.arguments import CONFIG, DRY_RUN, GROUP, chosen_group, models_of, open_config
from flows.cli.errors import EXIT_FAILED
from flows.cli.output import echo


@click.command()
@click.argument("store")
@click.option("--repair", is_flag=True, help="Move what is damaged or incomplete to .quarantine.")
def verify(store: str, repair: bool) -> None:
    """Check that every run in STORE is complete and undamaged.

    The champions are checked too. STORE is a folder, s3://bucket/prefix, or a CONFIG with a store.
    With --repair, runs that are damaged, or that a killed process left incomplete, move to
    STORE/.quarantine; nothing is deleted. What other processes are writing or deleting is no problem.
    The exit code is 1 if a problem was found.
    """
    from fastlstm.registry.maintenance import examine
    from fastlstm.registry.opening import open_store

    if Path(store).is_file():
        opened = open_config(store).store
    elif "://" not in store and not Path(store).is_dir():
        raise StoreError(f"{store}: is no folder, store URL or config; correct it")
    else:
        opened = open_store(store)
    found = examine(opened, repair=repair)
    for finding in found.findings:
        echo(f"{finding.model_name}: {finding.name}: {finding.problem}")
        if finding.moved_to is not None:
            echo(f"  moved to {finding.moved_to}")
    echo(
        f"{found.whole} whole runs of {found.models} models, {len(found.findings)} problems in {opened}"
    )
    if found.in_progress:
        echo(f"{found.in_progress} more are being written or deleted")
    if found.findings:
        raise click.exceptions.Exit(EXIT_FAILED)


@click.command()
@CONFIG
@click.option(
    "--keep", type=click.IntRange(min=1),
    help="Number of newest runs to keep; default: 'retention.runs' of CONFIG.",
)  # fmt: skip
@GROUP
@DRY_RUN
def prune(config: str, keep: int | None, group: str | None, dry_run: bool) -> None:
    """Delete all but the newest runs of CONFIG's model.

    The champion and the two champions before it are kept, however old they are, and so are runs that
    served within the last hour, or whose promotion may still be decided. What killed processes left
    half-written or half-deleted for over an hour is deleted too. With 'models_by' in CONFIG: of the
    model of each group and of the reports on all, or of one --group.
    """
    from fastlstm.registry import maintenance

    opened = open_config(config)
    settings, store, name = opened
    keep = keep or settings.retention.runs
    chosen = chosen_group(settings, group)
    word = "would delete" if dry_run else "deleted"
    if not settings.models_by:
        deleted = maintenance.prune(store, name, keep, dry_run=dry_run)
        for entry in [*deleted, *maintenance.remove_left_overs(store, name, dry_run=dry_run)]:
            echo(f"{word} {entry}")
        echo(f"{len(store.runs(name))} runs of {name!r} in {store}")
        return
    left = 0
    for one, known in models_of(opened, chosen, with_reports=True).items():
        name = model_of_group(settings.family_name, one)
        deleted = maintenance.prune(store, name, keep, dry_run=dry_run, run_ids=known.run_ids)
        left += len(known.run_ids) - (0 if dry_run else len(deleted))
        for entry in [*deleted, *maintenance.remove_left_overs(store, name, dry_run=dry_run)]:
            echo(f"{word} {one}/{entry}")
    echo(f"{left} runs and reports of {settings.family_name!r} in {store}")


@click.command()
@CONFIG
@click.option(
    "--days",
    type=click.IntRange(min=2),
    help="Keep what was used within this many days; default: 'retention.work_days' of CONFIG.",
)
@DRY_RUN
def clean(config: str, days: int | None, dry_run: bool) -> None:
    """Delete intermediate files that no run has used for some days.

    They lie where CONFIG says with 'work'; those of other models there are deleted too, and where it is
    in S3, the copies of this machine. Stored runs are kept.
    """
    from tasks.unused_results import delete_unused

    settings = open_config(config).settings
    days = days or settings.retention.work_days
    deleted = delete_unused(settings.work, settings.s3, days, dry_run=dry_run)
    for item in deleted:
        echo(
            f"{'would delete' if dry_run else 'deleted'} {item.path}, {item.size / 1e6:,.1f} MB, "
            f"unused for {item.days:.0f} days"
        )
    freed = sum(item.size for item in deleted) / 1e6
    echo(f"{len(deleted)} intermediate results, {freed:,.1f} MB, in {settings.work}")
