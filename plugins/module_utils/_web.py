# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a URL of http or https, by Ansible's own client: proxies, certificates and authentication work as everywhere.

Credentials are sent to the origin they were given for, and not to another one that it redirects to. A download that breaks
off goes on where it was, as long as the server says that it is the same version (RFC 9110, sections 13.1.5 and 14).
"""
from __future__ import annotations

import http.client
import socket
import time
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from ansible.module_utils.urls import ConnectionError as UrlConnectionError
from ansible.module_utils.urls import open_url

from ._download import Fetch
from ._errors import HostError, NotFound, Timeout
from ._image.spec import is_remote, show_source

_MAX_REDIRECTS = 10
_REDIRECTS = {301, 302, 303, 307, 308}
# Seconds before each try to go on; as many tries without a byte are the end, and so are so many in all.
PAUSES = (0.5, 2.0, 5.0, 10.0)
_MOST_RESUMED = 100


@contextmanager
def answered(source: str, fetch: Fetch, verified: bool) -> Iterator[tuple[Any, int | None, str]]:
    """Yield the answer to a GET as (stream, its size in bytes or None, its content type).

    ``verified`` says that a checksum will be held against the content; only then may https lead to plain http.
    Raises NotFound, Timeout or HostError, also for what breaks while the stream is read.
    """
    shown = show_source(source)
    try:
        response = _request(source, fetch, verified)
        with response:
            stream, size, content_type = _accepted(response, shown)
            mark = _validator(response)
            if size is None or mark is None:
                yield stream, size, content_type
                return
            with _Continued(response, size, mark, shown, lambda more: _request(source, fetch, verified, more)) as whole:
                yield whole, size, content_type
    except (socket.timeout, TimeoutError) as error:
        raise Timeout(f"could not download {shown}: the server was silent for {fetch.timeout:.0f} s") from error
    except urllib.error.HTTPError as error:
        said = f"{error.code} {error.reason}"
        if error.code in (401, 403, 407):
            raise HostError(
                f"could not download {shown}: the server refused access ({said}); "
                "check url_username, url_password and headers"
            ) from error
        if error.code in (404, 410):
            raise NotFound(f"could not download {shown}: the server has no such file ({said})") from error
        raise HostError(f"could not download {shown}: the server answered {said}") from error
    except (urllib.error.URLError, UrlConnectionError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, (socket.timeout, TimeoutError)):
            raise Timeout(f"could not download {shown}: no connection within {fetch.timeout:.0f} s") from error
        raise HostError(f"could not download {shown}: {reason}") from error
    except ConnectionError as error:
        raise HostError(f"could not download {shown}: the connection broke ({error.strerror or error})") from error


class _Continued:
    """The body of an answer, continued by further requests where the connection breaks; never of two versions."""

    def __init__(
        self, response: Any, size: int, mark: tuple[str, str], shown: str, again: Callable[[Mapping[str, str]], Any]
    ) -> None:
        self._response, self._size, self._mark, self._shown, self._again = response, size, mark, shown, again
        self._done = self._failed = self._resumed = 0

    def __enter__(self) -> _Continued:
        return self

    def __exit__(self, *_error: object) -> None:
        self._response.close()

    def read(self, amount: int) -> bytes:
        """Return the next bytes, none at the end, or where the server gave less than it had promised."""
        while True:
            trouble: Exception | None = None
            try:
                chunk: bytes = self._response.read(amount)
            except (OSError, http.client.HTTPException) as error:
                trouble = error
            else:
                self._done += len(chunk)
                if chunk:
                    self._failed = 0
                if chunk or self._done >= self._size:
                    return chunk
            if not self._goes_on():
                if trouble is not None:
                    raise trouble
                return b""

    def _goes_on(self) -> bool:
        while self._failed < len(PAUSES) and self._resumed < _MOST_RESUMED:
            time.sleep(PAUSES[self._failed])
            self._failed += 1
            self._resumed += 1
            try:
                response = self._again({"Range": f"bytes={self._done}-", "If-Range": self._mark[1]})
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    raise
                error.close()
                continue
            except (OSError, http.client.HTTPException, UrlConnectionError):
                continue
            rest = f"bytes {self._done}-{self._size - 1}/{self._size}"
            # 206 is Partial Content. A server that has another version by now answers 200, with all of that one.
            if (response.status, response.headers.get("Content-Range"), _validator(response)) != (206, rest, self._mark):
                response.close()
                raise HostError(
                    f"could not download {self._shown}: it broke off after {self._done} of {self._size} bytes, and the server "
                    "does not go on with the same version from there; nothing was replaced. Run again"
                )
            self._response.close()
            self._response = response
            return True
        return False


def _validator(response: Any) -> tuple[str, str] | None:
    """Return the header that tells versions of a file apart byte by byte, and its value; None where there is none."""
    tag, changed, now = (response.headers.get(name) for name in ("ETag", "Last-Modified", "Date"))
    if tag and not tag.startswith("W/"):
        return "ETag", tag
    try:
        # Within one second there may be two versions of one date.
        if changed and now and (parsedate_to_datetime(now) - parsedate_to_datetime(changed)).total_seconds() >= 1:
            return "Last-Modified", changed
    except (TypeError, ValueError):
        pass
    return None


def _request(source: str, fetch: Fetch, verified: bool, more: Mapping[str, str] | None = None) -> Any:
    """Send a GET and follow redirects by hand, so that credentials stay with the origin they were given for."""
    url, origin = source, _origin(source)
    for _hop in range(_MAX_REDIRECTS + 1):
        ours = _origin(url) == origin
        headers = {"Accept-Encoding": "identity", **(fetch.headers if ours else {}), **(more or {})}
        try:
            return open_url(
                url,
                headers=headers,
                timeout=fetch.timeout,
                validate_certs=fetch.validate_certs,
                url_username=fetch.url_username if ours else None,
                url_password=fetch.url_password if ours else None,
                force_basic_auth=True,
                follow_redirects="none",
                http_agent="virtfleet.core",
                decompress=False,
            )
        except urllib.error.HTTPError as error:
            target = error.headers.get("Location") if error.code in _REDIRECTS and error.headers else None
            if target is None:
                raise
            error.close()
            there = urljoin(url, target)
            if not is_remote(there):
                raise HostError(
                    f"could not download {show_source(source)}: the server led to {show_source(there)}, "
                    "which is no http or https URL"
                ) from error
            if urlsplit(url).scheme == "https" and urlsplit(there).scheme == "http" and not verified:
                raise HostError(
                    f"could not download {show_source(source)}: the server led to {show_source(there)} without "
                    "encryption, and there is no checksum to hold against the content; give a checksum"
                ) from error
            url = there
    raise HostError(f"could not download {show_source(source)}: it led to another place {_MAX_REDIRECTS} times")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _accepted(response: Any, shown: str) -> tuple[Any, int | None, str]:
    encoding = (response.headers.get("Content-Encoding") or "identity").lower()
    if encoding != "identity":
        raise HostError(f"could not download {shown}: the server sent it encoded as {encoding}, though asked not to")
    length = response.headers.get("Content-Length")
    size = int(length) if length and length.isdigit() else None
    content_type = (response.headers.get("Content-Type") or "").split(";")[0].strip().lower()
    return response, size, content_type
