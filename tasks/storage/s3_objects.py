"""Objects of a bucket: list, read, write under a condition, upload, download and delete them."""

from __future__ import annotations

import base64
import hashlib
import logging
import mimetypes
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastlstm.errors import StoreError
from tasks.settings import S3Settings
from tasks.storage.s3_client import (
    Location,
    LostRace,
    MissingError,
    client_of,
    translated_errors,
)

_LOG = logging.getLogger(__name__)
_READ_ATTEMPTS = 6
# How servers answer about an object that is not there.
_ABSENT = ("404", "NoSuchKey")
# How they answer where multipart uploads cannot be listed.
_NOT_LISTED = ("AccessDenied", "403", "NotImplemented", "501", "MethodNotAllowed")
_PROBE = ".fastlstm-conditional-writes"
_TYPES = {
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".keras": "application/zip",
}
# Servers, by endpoint and location, that were seen to honour conditional writes.
_honours: set[tuple[str, Location]] = set()


def content_type(file: str) -> str:
    """The media type by which a browser knows what to do with a file."""
    known = _TYPES.get(Path(file).suffix)
    return known or mimetypes.guess_type(file)[0] or "application/octet-stream"


class S3Objects:
    """The objects below a location of a bucket; safe to share between threads.

    Every method raises StoreError or ConfigError as ``translated_errors`` says.

    Args:
        location: bucket and prefix.
        settings: how S3 is reached.

    Attributes:
        client: the boto3 client.
    """

    def __init__(self, location: Location, settings: S3Settings) -> None:
        self.location, self._settings = location, settings
        self.client = client_of(settings)

    def url(self, key: str) -> str:
        """The URL of an object."""
        return f"s3://{self.location.bucket}/{key}"

    def find(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Every object whose key begins with a prefix: its ``Key``, ``ETag``, ``Size`` and more."""
        for page in self._pages(prefix):
            yield from page.get("Contents", [])

    def folders(self, prefix: str) -> list[str]:
        """The names that come right below a prefix, which ends with a slash or is empty."""
        pages = self._pages(prefix, Delimiter="/")
        found = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]
        return sorted(name.removeprefix(prefix).strip("/") for name in found)

    def _pages(self, prefix: str, **options: str) -> Iterator[dict[str, Any]]:
        with translated_errors(self.url(prefix)):
            paginator = self.client.get_paginator("list_objects_v2")
            yield from paginator.paginate(Bucket=self.location.bucket, Prefix=prefix, **options)

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Content and ETag of a small object, or None where there is none.

        The object is requested again where the connection breaks while its content arrives; boto3
        repeats only requests that failed before that.
        """
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        with translated_errors(self.url(key)):
            for number in range(1, _READ_ATTEMPTS + 1):
                try:
                    got = self.client.get_object(
                        Bucket=self.location.bucket, Key=key, ChecksumMode="ENABLED"
                    )
                except self.client.exceptions.NoSuchKey:
                    return None
                try:
                    return got["Body"].read(), str(got["ETag"])
                except (HTTPClientError, IncompleteReadError):
                    if number == _READ_ATTEMPTS:
                        raise
                    time.sleep(random.uniform(0, 0.1 * 2**number))
        raise AssertionError  # the last attempt returned or raised

    def etag(self, key: str) -> str:
        """The ETag of an object now."""
        with translated_errors(self.url(key)):
            return str(self.client.head_object(Bucket=self.location.bucket, Key=key)["ETag"])

    def put(self, key: str, body: bytes, *, etag: str | None) -> None:
        """Write an object that must still have an ETag, or, with None, that must not exist.

        Raises:
            LostRace: someone else wrote it first.
        """
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        with translated_errors(self.url(key)):
            self.client.put_object(
                Bucket=self.location.bucket, Key=key, Body=body, ContentType=content_type(key),
                ChecksumAlgorithm="SHA256", **condition, **self._encryption,
            )  # fmt: skip

    def upload(self, file: Path, key: str, size: int, sha256: str) -> None:
        """Upload a file, in parallel parts where it is large; the server checks each SHA-256."""
        from boto3.s3.transfer import TransferConfig

        part = self._settings.part_megabytes << 20
        extra = {"ContentType": content_type(file.name), **self._encryption}
        with translated_errors(self.url(key)):
            if size <= part:
                checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
                with file.open("rb") as body:
                    self.client.put_object(
                        Bucket=self.location.bucket, Key=key, Body=body, ChecksumSHA256=checksum,
                        **extra,
                    )  # fmt: skip
                return
            self.client.upload_file(
                str(file), self.location.bucket, key,
                ExtraArgs={"ChecksumAlgorithm": "SHA256", **extra},
                Config=TransferConfig(
                    multipart_threshold=part, multipart_chunksize=part,
                    max_concurrency=self._settings.parallel,
                ),
            )  # fmt: skip

    def download(self, key: str, target: Path) -> None:
        """Download an object into a file.

        Raises:
            MissingError: there is no such object.
        """
        with translated_errors(self.url(key)):
            try:
                self.client.download_file(self.location.bucket, key, str(target))
            except self.client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in _ABSENT:
                    raise MissingError(f"{self.url(key)}: is missing") from None
                raise

    def sha256(self, key: str) -> str:
        """SHA-256 of an object's content, which is read without being kept.

        Raises:
            MissingError: there is no such object.
        """
        digest = _Digest()
        with translated_errors(self.url(key)):
            try:
                self.client.download_fileobj(self.location.bucket, key, digest)
            except self.client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in _ABSENT:
                    raise MissingError(f"{self.url(key)}: is missing") from None
                raise
        return digest.sha256.hexdigest()

    def copy(self, key: str, target: str) -> bool:
        """Copy an object to another key of the bucket; whether it is there."""
        source = {"Bucket": self.location.bucket, "Key": key}
        with translated_errors(self.url(key)):
            try:
                self.client.copy(source, self.location.bucket, target, ExtraArgs=self._encryption)
            except self.client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in _ABSENT:
                    return False
                raise
        return True

    def overwrite(self, key: str, body: bytes) -> None:
        """Write an object, whether it exists or not."""
        with translated_errors(self.url(key)):
            self.client.put_object(
                Bucket=self.location.bucket, Key=key, Body=body, ContentType=content_type(key),
                ChecksumAlgorithm="SHA256", **self._encryption,
            )  # fmt: skip

    def open_uploads(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """Key of every multipart upload below a prefix that was not ended, and when it last grew.

        Where the account may not list them, or the server cannot, a warning is logged.
        """
        for upload in self._open_uploads(prefix):
            yield upload["Key"], self._grew(upload)

    def abort_uploads(self, prefix: str, idle: timedelta) -> list[str]:
        """Abort the multipart uploads below a prefix that have not grown for so long; their keys."""
        aborted, now = [], datetime.now(UTC)
        for upload in self._open_uploads(prefix):
            if now - self._grew(upload) < idle:
                continue
            with translated_errors(self.url(upload["Key"])), suppress(self._gone()):
                self.client.abort_multipart_upload(
                    Bucket=self.location.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
                aborted.append(upload["Key"])
        return aborted

    def _open_uploads(self, prefix: str) -> list[dict[str, Any]]:
        """What the server lists of multipart uploads below a prefix."""
        pages = self.client.get_paginator("list_multipart_uploads")
        with translated_errors(self.url(prefix)):
            try:
                found = list(pages.paginate(Bucket=self.location.bucket, Prefix=prefix))
            except self.client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in _NOT_LISTED:
                    raise
                _LOG.warning(
                    "%s: multipart uploads that a killed process left open cannot be listed; allow "
                    "s3:ListBucketMultipartUploads, or let a lifecycle rule abort them",
                    self.url(prefix),
                )
                return []
        uploads = [upload for page in found for upload in page.get("Uploads", [])]
        return [upload for upload in uploads if upload["Key"].startswith(prefix)]

    def _grew(self, upload: dict[str, Any]) -> datetime:
        """When the last part of a multipart upload came, or it began."""
        where = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
        pages = self.client.get_paginator("list_parts")
        moments: list[datetime] = [upload["Initiated"]]
        with translated_errors(self.url(upload["Key"])), suppress(self._gone()):
            for page in pages.paginate(Bucket=self.location.bucket, **where):
                moments += [part["LastModified"] for part in page.get("Parts", [])]
        return max(moments)

    def _gone(self) -> type[Exception]:
        """The error of a multipart upload that was ended meanwhile."""
        gone: type[Exception] = self.client.exceptions.NoSuchUpload
        return gone

    def delete(self, key: str) -> None:
        """Delete an object."""
        with translated_errors(self.url(key)):
            self.client.delete_object(Bucket=self.location.bucket, Key=key)

    @property
    def _encryption(self) -> dict[str, str]:
        """The arguments of an upload that request server-side encryption."""
        wanted = {
            "ServerSideEncryption": self._settings.encryption,
            "SSEKMSKeyId": self._settings.kms_key_id,
        }
        return {name: value for name, value in wanted.items() if value}

    def require_conditional_writes(self) -> None:
        """Refuse a server that ignores ``If-None-Match`` or ``If-Match``.

        Such a server accepts every one of several writers, so a champion or a run could be overwritten
        unnoticed. One small object stays below the prefix; each process checks once.

        Raises:
            StoreError: the server ignores a condition.
        """
        server = (self.client.meta.endpoint_url, self.location)
        if server in _honours:
            return
        # The first of the two may create the object; the second must be refused.
        creates_twice = self._probe(None) and self._probe(None)
        if creates_twice or self._probe(f'"{uuid.uuid4().hex}"'):
            raise self._ignores_conditions()
        _honours.add(server)

    def _probe(self, etag: str | None) -> bool:
        """Whether the server accepts a conditional write of the probe object."""
        try:
            self.put(self.location.key(_PROBE), b"", etag=etag)
        except LostRace:
            return False
        except StoreError as error:
            if "NotImplemented" in str(error):
                raise self._ignores_conditions() from None
            raise
        return True

    def _ignores_conditions(self) -> StoreError:
        return StoreError(
            f"the S3 server at {self.client.meta.endpoint_url} ignores conditional writes, so two "
            "retrainings at once could overwrite each other; use one that honours If-None-Match and "
            "If-Match (AWS S3, MinIO, SeaweedFS, …), or a folder as the store"
        )


class _Digest:
    """A file that keeps nothing of what is written into it but the SHA-256."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return len(data)
