"""A headless Chromium that tests drive, by DevTools' protocol over a socket of tornado's, which Bokeh brings; and the
live page, served beside it.

    with Browser(folder) as browser:
        browser.open("file:///...", width=1600, height=900, dark=True)
        browser.value("document.title")
        browser.mouse("mousePressed", 10, 20)

`browser.errors` holds what went wrong on the page, `browser.requests` every address that it asked for.
"""

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager

from tornado.websocket import websocket_connect

from kontrast.live_page.server import Served

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
PATIENCE = 60  # s


@contextmanager
def serving(explored):
    """The page of what is explored, served from a thread."""
    there, found = threading.Event(), {}

    async def served():
        found["page"], found["loop"], found["over"] = Served(explored), asyncio.get_running_loop(), asyncio.Event()
        there.set()
        await found["over"].wait()
        found["page"].close()

    thread = threading.Thread(target=lambda: asyncio.run(served()))
    thread.start()
    assert there.wait(PATIENCE)
    try:
        yield found["page"]
    finally:
        found["loop"].call_soon_threadsafe(found["over"].set)
        thread.join()


class Browser:
    def __init__(self, folder):
        self.folder, self.errors, self.requests = folder, [], []
        self.loop, self.reading = asyncio.new_event_loop(), None
        self.number, self.waiting, self.session = 0, {}, {}

    def __enter__(self):
        words = [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-3d-apis",
            "--remote-debugging-port=0",
        ]
        words += ["--disable-background-networking", "--no-first-run", f"--user-data-dir={self.folder / 'profile'}"]
        with open(self.folder / "chromium.log", "wb") as log:
            self.process = subprocess.Popen([*words, "about:blank"], stderr=log, stdin=subprocess.DEVNULL, stdout=log)
        try:
            self._attach()
        except BaseException:
            self._end()
            raise
        return self

    def _attach(self):
        last, found = time.monotonic() + PATIENCE, None
        while not found:
            assert time.monotonic() < last and self.process.poll() is None, (self.folder / "chromium.log").read_text()
            time.sleep(0.05)
            found = re.search(r"DevTools listening on (ws://\S+)", (self.folder / "chromium.log").read_text())

        async def connected():
            return await websocket_connect(found.group(1), max_message_size=1 << 28)

        self.socket = self.loop.run_until_complete(connected())
        self.reading = self.loop.create_task(self._read())
        page = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=page, flatten=True)
        self.session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.folder))

    def __exit__(self, *_):
        self._end()
        if self.reading is not None:
            self.loop.run_until_complete(self._closed())
        self.loop.close()

    async def _closed(self):
        self.socket.close()
        self.reading.cancel()
        await asyncio.gather(self.reading, return_exceptions=True)

    def _end(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    async def _read(self):
        while (text := await self.socket.read_message()) is not None:
            told = json.loads(text)
            if "id" in told:
                self.waiting.pop(told["id"]).set_result(told)
            elif told["method"] == "Runtime.exceptionThrown":
                self.errors.append(told["params"]["exceptionDetails"].get("exception", {}).get("description", "?"))
            elif told["method"] == "Runtime.consoleAPICalled" and told["params"]["type"] in ("error", "assert"):
                self.errors.append(str([one.get("value") for one in told["params"]["args"]]))
            elif told["method"] == "Log.entryAdded" and told["params"]["entry"]["level"] == "error":
                self.errors.append(told["params"]["entry"]["text"] + " " + told["params"]["entry"].get("url", ""))
            elif told["method"] == "Network.requestWillBeSent":
                self.requests.append(told["params"]["request"]["url"])
            elif told["method"] == "Network.webSocketCreated":
                self.requests.append(told["params"]["url"])

    def send(self, method, **params):
        async def sent():
            self.number += 1
            self.waiting[self.number] = reply = self.loop.create_future()
            words = {"id": self.number, "method": method, "params": params, **self.session}
            await self.socket.write_message(json.dumps(words))
            return await asyncio.wait_for(reply, PATIENCE)

        told = self.loop.run_until_complete(sent())
        assert "error" not in told, told["error"]
        return told["result"]

    def open(self, address, *, width=1600, height=900, dark=False):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url=address)

    def value(self, script):
        """What a script gives; a promise is awaited."""
        told = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, script, seconds=PATIENCE):
        """What a script gives, once that is true."""
        last = time.monotonic() + seconds
        while not (found := self.value(script)):
            assert time.monotonic() < last, f"never true: {script}; {self.errors}"
            self.loop.run_until_complete(asyncio.sleep(0.03))
        return found

    def mouse(self, kind, x, y, **how):
        button = (
            {} if kind in ("mouseWheel", "mouseMoved") and "buttons" not in how else {"button": "left", "clickCount": 1}
        )
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button, **how)

    def click(self, x, y):
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.mouse(kind, x, y)

    def press(self, selector):
        """Click the middle of an element, as a hand would."""
        where = f"document.querySelector({json.dumps(selector)})"
        self.value(f"{where}.scrollIntoView({{block: 'center'}})")
        x, y = self.value(
            f"(() => {{const b = {where}.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]}})()"
        )
        self.click(x, y)

    def drag(self, corners):
        """Press at the first corner, move through the others, let go at the last."""
        (x, y), *others = corners
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y)
        for x, y in others:
            self.mouse("mouseMoved", x, y, buttons=1)
        self.mouse("mouseReleased", x, y)

    def picture(self, file):
        file.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))

    def downloaded(self, name):
        """The content of a file that the page saved."""
        last = time.monotonic() + PATIENCE
        while not os.path.exists(self.folder / name):
            assert time.monotonic() < last, os.listdir(self.folder)
            self.loop.run_until_complete(asyncio.sleep(0.05))
        return (self.folder / name).read_bytes()
