"""The S3 client, addresses in S3, and boto3's errors in one sentence each."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastlstm.errors import ConfigError, StoreError
from tasks.settings import S3Settings
from tasks.storage.s3_retries import RetryBudget

# Requests are retried here (and in s3_retries) and nowhere else, or the retries would multiply.
_ATTEMPTS = 6
_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, s3.profile or s3.credentials_block"
_REMEDIES = {
    "NoSuchBucket": "the bucket does not exist; create it or correct the URL",
    "InvalidAccessKeyId": f"the access key is unknown there; {_CREDENTIALS}",
    "SignatureDoesNotMatch": f"the secret key is wrong; {_CREDENTIALS}",
    "AccessDenied": "access is denied; grant list, read and write on the prefix",
    "403": "access is denied; grant list, read and write on the prefix",
    "ExpiredToken": f"the credentials have expired; {_CREDENTIALS}",
    "RequestTimeTooSkewed": "this machine's clock is wrong; set it",
    "KMS.NotFoundException": "the key s3.kms_key_id does not exist; correct it",
    "InternalError": "the server failed; its disk may be full, or it may lack what s3.encryption asks",
    "EntityTooLarge": "the server takes no file of this size; raise its limit",
    "BadDigest": "the bytes were damaged on the way; try again",
}
_RACES = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


@dataclass(frozen=True)
class Location:
    """A bucket and a prefix in it, without slashes at its ends."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, url: str) -> Location:
        """The parts of ``s3://bucket/prefix``.

        Raises:
            ConfigError: it is no such URL.
        """
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        if not url.startswith("s3://") or not bucket:
            raise ConfigError(f"{url}: is no S3 address; write s3://bucket/prefix")
        return cls(bucket, prefix.strip("/"))

    def key(self, *parts: str) -> str:
        """The key of something below the prefix."""
        return "/".join(part for part in (self.prefix, *parts) if part)

    def url(self, *parts: str) -> str:
        """The URL of something below the prefix."""
        return f"s3://{self.bucket}/{self.key(*parts)}"


class LostRace(Exception):  # noqa: N818 (an outcome to act on, not a failure)
    """A conditional write was refused: someone else was first."""


class MissingError(StoreError):
    """An object is not there."""


@contextmanager
def translated_errors(url: str) -> Iterator[None]:
    """Turn boto3's errors about ``url`` into one clear sentence.

    Raises:
        ConfigError: no credentials, or an unusable setting.
        LostRace: a conditional write was refused.
        StoreError: anything else; what is temporary was tried again before.
    """
    from boto3.exceptions import Boto3Error, S3UploadFailedError
    from botocore import exceptions

    try:
        yield
    except (exceptions.ClientError, S3UploadFailedError) as caught:
        error: Any = caught
        if isinstance(caught, S3UploadFailedError):  # its context is the server's answer
            error = caught.__context__
            if not isinstance(error, exceptions.ClientError):
                raise StoreError(f"{url}: {_first(caught)}") from None
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code in _RACES:
            raise LostRace(url) from None
        message = str(error.response.get("Error", {}).get("Message", "")).strip()
        remedy = _REMEDIES.get(code, f"the server answered {code} ({message[:200]})")
        raise StoreError(f"{url}: {remedy}") from None
    except (
        exceptions.NoCredentialsError, exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError, exceptions.TokenRetrievalError,
    ):  # fmt: skip
        raise ConfigError(f"{url}: no usable credentials were found; {_CREDENTIALS}") from None
    except exceptions.ProfileNotFound as error:
        raise ConfigError(f"s3.profile: {error}; correct it or ~/.aws/config") from None
    except (exceptions.NoRegionError, ValueError, exceptions.ParamValidationError) as error:
        raise ConfigError(f"{url}: {str(error).splitlines()[0]}; correct the s3 settings") from None
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        raise StoreError(
            f"{url}: the S3 server cannot be reached ({_first(error)}); check s3.endpoint_url and "
            "the network"
        ) from None
    except (exceptions.BotoCoreError, Boto3Error) as error:
        raise StoreError(f"{url}: {_first(error)}") from None


def _first(error: Exception) -> str:
    """The first line of an error, of bounded length."""
    return (str(error) or type(error).__name__).splitlines()[0][:300]


def client_of(settings: S3Settings) -> Any:
    """A boto3 client by the settings; safe to share between threads.

    Raises:
        ConfigError: the profile or the credentials block cannot be used.
    """
    return _client(settings.model_dump_json())


@functools.lru_cache(maxsize=8)
def _client(dumped: str) -> Any:
    """The client for settings as JSON, created once per process."""
    import boto3
    from botocore.config import Config

    settings = S3Settings.model_validate_json(dumped)
    config = Config(
        s3={"addressing_style": settings.addressing},
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=2 * settings.parallel,
        connect_timeout=10,
        read_timeout=60,
        user_agent_extra="fastlstm",
    )
    with translated_errors("s3"):
        given: dict[str, Any] = {}
        if settings.credentials_block:
            session, given = _from_block(settings.credentials_block)
        else:
            session = boto3.Session(profile_name=settings.profile)
        merged = given.pop("config", None)
        endpoint = settings.endpoint_url or given.pop("endpoint_url", None)
        given.pop("endpoint_url", None)
        client = session.client(
            "s3",
            endpoint_url=endpoint,
            region_name=settings.region or session.region_name or "us-east-1",
            config=merged.merge(config) if merged is not None else config,
            **given,
        )
        RetryBudget().watch(client)
        return client


def _from_block(name: str) -> tuple[Any, dict[str, Any]]:
    """The boto3 session of a Prefect block, and the client settings it holds."""
    try:
        import prefect_aws
    except ImportError:
        raise ConfigError(
            "s3.credentials_block: needs prefect-aws; run 'pip install fastlstm[aws]'"
        ) from None
    kind, _, slug = name.partition("/")
    block_type: Any = {
        "aws-credentials": prefect_aws.AwsCredentials, "s3-bucket": prefect_aws.S3Bucket,
    }[kind]  # fmt: skip
    try:
        block = block_type.load(slug)
    except ValueError:
        raise ConfigError(
            f"s3.credentials_block: Prefect has no block {name!r}; create it under Blocks, or with "
            f"'prefect block create {kind}'"
        ) from None
    credentials = block.credentials if kind == "s3-bucket" else block
    return credentials.get_boto3_session(), credentials.aws_client_parameters.get_params_override()
