"""Talk to an S3 server: the client, its errors in words, and whether it keeps its promises."""

from __future__ import annotations

import functools
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastlstm.errors import ConfigError, StoreError
from tasks.settings import S3Settings
from tasks.storage.s3_retries import RetryBudget

# Requests are retried here (and in s3_patience) and nowhere else: Prefect's retries on top would
# multiply.
_ATTEMPTS = 6


_PROBE = ".fastlstm-conditional-writes"


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


_honours: set[tuple[str, Location]] = set()


class LostRace(Exception):  # noqa: N818 (an outcome to act on, not a failure)
    """A conditional write was refused: someone else was first."""


@contextmanager
def translated_errors(url: str) -> Iterator[None]:
    """Turn boto3's errors about ``url`` into one clear sentence.

    Raises:
        ConfigError: no credentials, or an unusable setting.
        LostRace: a conditional write was refused.
        StoreError: anything else; whatever could heal was tried again before.
    """
    from boto3.exceptions import Boto3Error, S3UploadFailedError
    from botocore import exceptions

    try:
        yield
    except (exceptions.ClientError, S3UploadFailedError) as caught:
        error: Any = caught
        if isinstance(caught, S3UploadFailedError):  # boto3 keeps the server's answer behind it
            error = caught.__context__
            if not isinstance(error, exceptions.ClientError):
                raise StoreError(f"{url}: {_first(caught)}") from None
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code in _RACES:
            raise LostRace(url) from None
        told_by = str(error.response.get("Error", {}).get("Message", "")).strip()
        remedy = _REMEDIES.get(code, f"the server answered {code} ({told_by[:200]})")
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
    return (str(error) or type(error).__name__).splitlines()[0][:300]


def client_of(settings: S3Settings) -> Any:
    """A boto3 client by the settings; safe to share between threads.

    Raises:
        ConfigError: the profile or the credentials block cannot be used.
    """
    return _client(settings.model_dump_json())


@functools.lru_cache(maxsize=8)
def _client(dumped: str) -> Any:
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


def read_object(client: Any, bucket: str, key: str) -> tuple[bytes, str] | None:
    """Content and ETag of a small object, or None where there is none.

    Asked for again where the connection breaks while the content comes, which boto3 does for files
    only. Call it within ``told``.
    """
    from botocore.exceptions import HTTPClientError, IncompleteReadError

    for number in range(1, _ATTEMPTS + 1):
        try:
            got = client.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        except client.exceptions.NoSuchKey:
            return None
        try:
            return got["Body"].read(), str(got["ETag"])
        except (HTTPClientError, IncompleteReadError):
            if number == _ATTEMPTS:
                raise
            time.sleep(random.uniform(0, 0.1 * 2**number))
    raise AssertionError  # the last try returned or raised


def encryption(settings: S3Settings) -> dict[str, str]:
    """The arguments of an upload that ask for server-side encryption."""
    asked = {"ServerSideEncryption": settings.encryption, "SSEKMSKeyId": settings.kms_key_id}
    return {name: value for name, value in asked.items() if value}


def require_conditional_writes(client: Any, location: Location, settings: S3Settings) -> None:
    """Refuse a server that ignores ``If-None-Match`` or ``If-Match``.

    On such a server every one of several writers is told it won, so a champion or a run could be
    overwritten without a word. One small object stays below the prefix; each process looks once.

    Raises:
        StoreError: the server ignores a condition.
    """
    server = (client.meta.endpoint_url, location)
    if server in _honours:
        return
    key = location.key(_PROBE)
    url = location.url(_PROBE)

    def put(**condition: str) -> bool:
        try:
            with translated_errors(url):
                client.put_object(
                    Bucket=location.bucket, Key=key, Body=b"", ContentType="text/plain",
                    **condition, **encryption(settings),
                )  # fmt: skip
        except LostRace:
            return False
        except StoreError as error:
            if "NotImplemented" in str(error):
                raise _ignores(client) from None
            raise
        return True

    # The first of the two may be the one that makes the object; the second must be refused.
    if (put(IfNoneMatch="*") and put(IfNoneMatch="*")) or put(IfMatch=f'"{uuid.uuid4().hex}"'):
        raise _ignores(client)
    _honours.add(server)


def _ignores(client: Any) -> StoreError:
    return StoreError(
        f"the S3 server at {client.meta.endpoint_url} ignores conditional writes, so two "
        "retrainings at once could overwrite each other; use one that honours If-None-Match and "
        "If-Match (AWS S3, MinIO, SeaweedFS, …), or a folder as the store"
    )
