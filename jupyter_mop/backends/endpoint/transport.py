"""The fast transport of the openai client: one aiohttp session (the extra `endpoints`)."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import httpx2

_MAX_REDIRECTS = 5
_DECODED = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


class Transport(httpx2.AsyncBaseTransport):
    """A transport over one aiohttp session that reads each response to its end.

    Parameters
    ----------
    timeout : httpx2.Timeout
        Limits for connecting and for the time without data.
    """

    def __init__(self, timeout: httpx2.Timeout) -> None:
        self._timeout = aiohttp.ClientTimeout(sock_connect=timeout.connect, sock_read=timeout.read)
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and read the response."""
        try:
            return await self._send(request)
        except aiohttp.ConnectionTimeoutError as error:
            raise httpx2.ConnectTimeout(str(error), request=request) from error
        except asyncio.TimeoutError as error:  # noqa: UP041
            raise httpx2.ReadTimeout(str(error), request=request) from error
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.ReadError(str(error), request=request) from error

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=httpx2.create_ssl_context())
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        async with self._session.request(
            request.method,
            str(request.url),
            headers=request.headers.multi_items(),
            data=request.content or None,
            max_redirects=_MAX_REDIRECTS,
        ) as received:
            content = await received.read()
        headers = [pair for pair in received.raw_headers if pair[0].lower() not in _DECODED]
        stream = httpx2.ByteStream(content)
        response = httpx2.Response(received.status, headers=headers, stream=stream, request=request)
        response.read()
        return response


class Client(httpx2.AsyncClient):
    """An HTTP client that passes simple requests directly to its transport.

    Parameters
    ----------
    timeout : httpx2.Timeout
        Limits for connecting and for the time without data.
    """

    def __init__(self, timeout: httpx2.Timeout) -> None:
        self._direct = Transport(timeout)
        self._urls: dict[str, httpx2.URL] = {}
        super().__init__(transport=self._direct, timeout=timeout)

    def build_request(self, method: str, url: Any, **options: Any) -> httpx2.Request:  # noqa: ANN401
        """Return a request; one with headers and content only is built without httpx's checks.

        aiohttp adds the headers that depend on the address and on the length of the content.
        """
        headers, content = options.pop("headers", None), options.pop("content", None)
        options.pop("timeout", None)  # the transport has its own
        if any(options.values()):
            options |= {"headers": headers, "content": content}
            request = super().build_request(method, url, **options)
            if options.get("files"):
                request.read()  # the transport sends the content in one piece
            return request
        if url not in self._urls:
            self._urls[url] = httpx2.URL(url)
        stream = httpx2.ByteStream(content or b"")
        request = httpx2.Request(method, self._urls[url], stream=stream)
        # The client's own headers, as they are: to copy and decode them again takes time.
        is_ready = isinstance(headers, httpx2.Headers)
        request.headers = headers if is_ready else httpx2.Headers(headers)
        request.read()
        return request

    async def send(
        self,
        request: httpx2.Request,
        **options: Any,  # noqa: ANN401
    ) -> httpx2.Response:
        """Return the response, read to its end."""
        if any(options.values()):
            return await super().send(request, **options)
        return await self._direct.handle_async_request(request)
