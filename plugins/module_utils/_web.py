# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a URL of http or https, by Ansible's own client: proxies, certificates and authentication work as everywhere.

Credentials are sent to the origin they were given for, and not to another one that it redirects to.
"""
from __future__ import annotations

import http.client
import socket
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

from ansible.module_utils.urls import ConnectionError as UrlConnectionError
from ansible.module_utils.urls import open_url

from ._download import Fetch
from ._errors import HostError, NotFound, Timeout
from ._image.spec import is_remote, show_source

_MAX_REDIRECTS = 10
_REDIRECTS = {301, 302, 303, 307, 308}


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
            yield _accepted(response, shown)
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


def _request(source: str, fetch: Fetch, verified: bool) -> Any:
    """Send a GET and follow redirects by hand, so that credentials stay with the origin they were given for."""
    url, origin = source, _origin(source)
    for _hop in range(_MAX_REDIRECTS + 1):
        ours = _origin(url) == origin
        headers = {"Accept-Encoding": "identity", **(fetch.headers if ours else {})}
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
