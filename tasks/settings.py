"""The settings of the flows: those of the library, and how storage is reached."""

from __future__ import annotations

import functools
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from fastlstm.config.base import StrictSettings
from fastlstm.config.execution import ExecutionConfig
from fastlstm.config.file_formats import FormatName
from fastlstm.config.group_names import ALL, model_of_group
from fastlstm.config.locations import (
    ForecastLocation,
    SourceLocation,
    StoreLocation,
    WorkLocation,
    database_setting_problems,
    without_password,
)
from fastlstm.config.model_names import StoredName
from fastlstm.config.retrain import RetrainConfig
from fastlstm.registry.opening import open_store
from fastlstm.registry.store import Store
from tasks.work_place import FEWEST_DAYS, local_work


class S3Settings(StrictSettings):
    """How S3 is reached. Keys are not settings: boto3 finds them, or a Prefect block holds them."""

    endpoint_url: str | None = Field(
        None, description="Address of the S3 server; without it AWS, or AWS_ENDPOINT_URL."
    )
    region: str | None = Field(None, description="Region, e.g. 'eu-central-1'.")
    profile: str | None = Field(None, description="Profile of ~/.aws/config to use.")
    credentials_block: str | None = Field(
        None,
        pattern=r"^(aws-credentials|s3-bucket)/[a-z0-9-]+$",
        description="Prefect block with the credentials: 'aws-credentials/NAME' or "
        "'s3-bucket/NAME'. Without it boto3's own chain: environment, profile, machine role.",
    )
    addressing: Literal["auto", "path", "virtual"] = Field(
        "auto",
        description="Whether requests name the bucket in the path or in the host name.",
    )
    encryption: Literal["AES256", "aws:kms"] | None = Field(
        None,
        description="Server-side encryption of uploaded files: 'AES256' (SSE-S3) or 'aws:kms' "
        "(SSE-KMS); without it the bucket's default.",
    )
    kms_key_id: str | None = Field(
        None, description="Key of 'aws:kms'; without it the account's default key."
    )
    parallel: int = Field(
        8,
        ge=1,
        le=64,
        description="Number of parallel requests while files are uploaded or downloaded.",
    )
    part_megabytes: int = Field(
        8,
        ge=5,
        le=1024,
        description="Files above this size (MB) are uploaded in parts of this size.",
    )
    link: str | None = Field(
        None,
        description="Web address of a stored file, with {bucket} and {key}, for the report's "
        "links; without it the AWS console, or the endpoint itself.",
    )

    @field_validator("endpoint_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError(f"{value!r} must begin with http:// or https://")
        return value if value is None else without_password(value)

    @model_validator(mode="after")
    def _settings_agree(self) -> S3Settings:
        if self.kms_key_id is not None and self.encryption != "aws:kms":
            raise ValueError("kms_key_id: needs encryption 'aws:kms'; set it, or remove kms_key_id")
        if self.profile is not None and self.credentials_block is not None:
            raise ValueError("profile: credentials_block is set too; remove one of them")
        if self.link is not None and "{key}" not in self.link:
            raise ValueError("link: must contain {key}, and {bucket} if the address has it")
        return self


class RetentionSettings(StrictSettings):
    """How long what is written every night is kept."""

    runs: int = Field(
        30,
        ge=1,
        description="Number of newest runs of a model to keep. The champion and the two champions "
        "before it are kept, however old.",
    )
    work_days: int = Field(
        30,
        ge=FEWEST_DAYS,
        description="Days that intermediate files stay after the last run that used them.",
    )


class _Placed(StrictSettings):
    """Settings of every flow: a model, its store, and how to reach it."""

    model_name: StoredName = Field(
        description="Name of the model in the store. Of models by group: 'sales/region=north', or "
        "'sales/all' for the models of all groups."
    )
    store: StoreLocation = Field(description="Folder of all runs, or s3://bucket/prefix.")
    s3: S3Settings = Field(default_factory=S3Settings, description="How S3 is reached.")
    work: WorkLocation = Field(
        ".fastlstm", description="Folder of intermediate files that later runs reuse, or the "
        "s3://bucket/prefix of the retraining; files then lie in the user's cache folder.",
    )  # fmt: skip
    shard_rows: int = Field(
        2_000_000, ge=1_000,
        description="Rows that are held in memory at a time. A panel with more is read in shards of "
        "whole series.",
    )  # fmt: skip

    @property
    def family_name(self) -> str:
        """Name of the model, below which the models of groups lie."""
        return self.model_name.partition("/")[0]

    @property
    def of_all_groups(self) -> bool:
        """Whether the settings are of the models of all groups."""
        return self.model_name == model_of_group(self.family_name, ALL)


class PipelineConfig(RetrainConfig):
    """All settings of one retraining."""

    s3: S3Settings = Field(default_factory=S3Settings, description="How S3 is reached.")
    retention: RetentionSettings = Field(
        default_factory=RetentionSettings,
        description="What 'fastlstm prune', 'fastlstm clean' and the weekly upkeep keep.",
    )

    @property
    def model_name(self) -> str:
        """Name of the model in the store."""
        return self.stored_name

    def for_library(self) -> dict[str, Any]:
        """The library's part of the settings, as JSON-like values."""
        return self.model_dump(include=set(RetrainConfig.model_fields))


class SourceSettings(StrictSettings):
    """Where rows are read from. Their columns are those of the run's training data."""

    path: SourceLocation = Field(
        description="A file, a folder of files, s3://bucket/key-or-prefix, or a "
        "database: a SQLAlchemy URL without password, 'env:NAME' or 'block:secret/NAME'."
    )
    format: FormatName = Field(
        "auto", description="File format; 'auto' goes by the file name's ending."
    )
    query: str | None = Field(
        None, description="SQL whose result is the table, where path is a database."
    )

    @model_validator(mode="after")
    def _query_for_database(self) -> SourceSettings:
        content = "the SQL whose result is the table"
        if problems := database_setting_problems(self.path, "query", self.query, content):
            raise ValueError(problems[0])
        return self


class ForecastPlace(StrictSettings):
    """Where forecasts are appended."""

    path: ForecastLocation = Field(
        description="A folder of Parquet files, s3://bucket/prefix, or a database: a SQLAlchemy URL "
        "without password, 'env:NAME' or 'block:secret/NAME'."
    )
    table: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,50}$",
        description="Table of a database; the summaries of inputs go to '<table>_inputs'.",
    )

    @model_validator(mode="after")
    def _table_for_database(self) -> ForecastPlace:
        content = "the name of the table"
        if problems := database_setting_problems(self.path, "table", self.table, content):
            raise ValueError(problems[0])
        return self


class ScoringConfig(_Placed):
    """All settings of one scoring."""

    run: str | None = Field(None, description="Id of the run to use; without it the champion.")
    serve_baseline: bool = Field(
        True,
        description="Where no run was promoted, forecast with the baseline that was best on the test "
        "windows of the newest run, and say so; otherwise fail.",
    )
    input: SourceSettings = Field(description="The newest rows, at least one window per series.")
    output: ForecastPlace = Field(description="Where forecasts are appended.")
    interval_windows: int = Field(
        500,
        ge=0,
        description="Number of past forecasts of a series, recomputed from the given rows, to whose "
        "errors its intervals adapt at most; 0: the intervals of the validation rows are used.",
    )
    max_skipped_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of series that may be skipped; above this limit the scoring says so first "
        "and emits an event, of which an automation notifies.",
    )
    execution: ExecutionConfig = Field(
        default_factory=ExecutionConfig, description="Where the models of groups forecast."
    )

    @model_validator(mode="after")
    def _run_of_one_model(self) -> ScoringConfig:
        if self.run is not None and self.of_all_groups:
            raise ValueError(
                f"run: is of one group, model_name is {self.model_name!r}; name the group, or remove run"
            )
        return self


class UpkeepConfig(_Placed):
    """All settings of one upkeep."""

    retention: RetentionSettings = Field(
        default_factory=RetentionSettings, description="What is kept."
    )
    verify_store: bool = Field(
        True,
        description="Read every run in the store, also those of other models, and compare it with its "
        "manifest. Where models share a store, one upkeep that does so is enough.",
    )


class MonitorConfig(_Placed):
    """All settings of one monitoring."""

    forecasts: ForecastPlace = Field(description="Where the scorings append their forecasts.")
    actuals: SourceSettings | None = Field(
        None,
        description="The rows with the actual values; without them only the drift is measured.",
    )
    days: float = Field(
        7, gt=0, description="Number of days back from now whose forecasts and inputs are used."
    )
    max_error_ratio: float = Field(
        1.5,
        gt=0,
        description="Live error divided by test error; above this limit the model is degraded.",
    )
    max_psi: float = Field(
        0.25,
        gt=0,
        description="Population stability index of a feature; above this limit the feature has drifted. "
        "0.1 is usually called a moderate change, 0.25 a major one.",
    )
    max_coverage_shortfall: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="How far below its level the share of actual values inside the prediction "
        "intervals may fall: 0.1 lets intervals of level 0.8 hold 70 %.",
    )
    minimum_forecasts: int = Field(
        100,
        ge=1,
        description="Least number of forecasts with an actual value to measure error and intervals.",
    )
    minimum_rows: int = Field(100, ge=1, description="Least number of input rows to measure drift.")
    max_age_days: float = Field(
        14, gt=0, description="Days since the newest run; above this limit the model is stale."
    )
    max_not_promoted: int = Field(
        14,
        ge=1,
        description="Number of runs since the last promotion; above this limit the model is stale.",
    )


def store_of(config: PipelineConfig | _Placed) -> Store:
    """The store that a flow's settings name, opened once per process."""
    return _opened(config.store, config.s3.model_dump_json(), config.work)


@functools.lru_cache(maxsize=16)
def _opened(place: str, s3: str, work: str) -> Store:
    """The store at a place; only a store in S3 takes the S3 settings."""
    if not place.startswith("s3://"):
        return open_store(place)
    settings = S3Settings.model_validate_json(s3)
    return open_store(place, settings=settings, cache=local_work(work) / "s3")
