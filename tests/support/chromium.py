"""A small client of Chromium's DevTools protocol: what a person does with a page, and what the page asks and says."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ABSENT = "no Chromium: apt-get install chromium, then these tests run"
QUIETLY = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--remote-debugging-port=0", "--force-device-scale-factor=1", "--window-size=1400,900",
)  # fmt: skip
KEY_CODES = {"ArrowDown": 40, "ArrowUp": 38, "ArrowLeft": 37, "ArrowRight": 39, "End": 35, "Home": 36, "Enter": 13,
             "PageDown": 34, "PageUp": 33, "Escape": 27, "Tab": 9}  # fmt: skip


class Tab:
    """One page: it is driven by keys and looked at by expressions."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._serial = 0
        self.complaints: list[str] = []
        """Errors of scripts, and what the console said of refused or failed loads."""
        self.asked: list[str] = []
        """Every address that was requested."""
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            else:
                self._note(said["method"], said["params"])

    def _note(self, method: str, said: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.complaints.append(said["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.asked.append(said["request"]["url"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._serial += 1
        self._answers[self._serial] = answer = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._serial, "method": method, "params": params})
        said = await asyncio.wait_for(answer, 60)
        assert "error" not in said, said["error"]
        result: dict[str, Any] = said["result"]
        return result

    async def begin(self) -> None:
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")

    async def go(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && document.body !== null")

    async def see(self, expression: str) -> Any:
        """The value of an expression, or of the promise that it makes."""
        said = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def until(self, expression: str, seconds: float = 30) -> Any:
        """Wait until the expression is true, and return its value."""
        async with asyncio.timeout(seconds):
            while not (found := await self.see(expression)):  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(0.02)
        return found

    async def text(self, selector: str) -> str:
        found: str = await self.see(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
        return found

    async def press(self, *keys: str) -> None:
        for key in keys:
            shown = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
            code = {"windowsVirtualKeyCode": KEY_CODES.get(key, ord(key[0].upper()))}
            await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **shown, **code)
            await self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    async def type(self, text: str) -> None:
        await self.call("Input.insertText", text=text)

    async def look(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        """Show the page at this size, by day or by night."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def screenshot(self, path: Path) -> None:
        said = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(said["data"]))

    async def close(self) -> None:
        await self._socket.close()
        await self._reader


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Tab]:
    """A fresh Chromium with one empty page."""
    assert BROWSER is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            BROWSER, *QUIETLY, f"--user-data-dir={folder}", *flags, "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            port = await _port(Path(folder, "DevToolsActivePort"))
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                    pages = [page for page in await response.json() if page["type"] == "page"]
                async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    tab = Tab(socket)
                    await tab.begin()
                    yield tab
                    await tab.close()
        finally:
            process.kill()  # at its leisure it takes seconds on a busy machine, or for ever
            await process.wait()


async def _port(file: Path) -> int:
    async with asyncio.timeout(60):
        while not (file.exists() and file.read_text().count("\n")):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
    return int(file.read_text().split()[0])
