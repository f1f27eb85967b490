"""A real JupyterLab in a real Chromium, for the tests in this folder.

They skip where there is no Chromium, unless SOFTLABELS_REQUIRE_BROWSER=1 (as in continuous integration): then they
fail. CHROMIUM may name the browser's program.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

from softlabels.widgets import bundle

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
START_UP = 90  # seconds, on a machine that is busy with other things


def pytest_configure(config):
    config.addinivalue_line("markers", "browser: needs a Chromium; starts a JupyterLab")


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.fspath).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


def without_browser(reason: str):
    if os.environ.get("SOFTLABELS_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{reason}, and SOFTLABELS_REQUIRE_BROWSER=1", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        without_browser("playwright is not installed")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        without_browser("no Chromium found")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


class Lab(NamedTuple):
    address: str
    folder: Path


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory):
    """Start a JupyterLab on a copy of the lessons (it saves what it opens), with its own settings and work folder."""
    home, folder = tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("course")
    if (ROOT / "lessons").is_dir():
        shutil.copytree(ROOT / "lessons", folder / "lessons")
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    news = {"fetchNews": "false", "checkForUpdates": False}  # a pop-up that would cover the page
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(news))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {"CONFIG_DIR": "config", "DATA_DIR": "data", "RUNTIME_DIR": "runtime"}
    env = os.environ | {f"JUPYTER_{key}": str(home / name) for key, name in folders.items()}
    env |= {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces")}
    env |= {"IPYTHONDIR": str(home / "ipython"), "PYTHONPATH": str(ROOT), "SOFTLABELS_WORK": str(home / "work")}
    options = ["--no-browser", "--allow-root", "--expose-app-in-browser", "--ip=127.0.0.1", f"--port={port}"]
    options += ["--IdentityProvider.token=", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
    address, log = f"http://127.0.0.1:{port}", home / "lab.log"
    with log.open("w") as out:
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=env, stdout=out, stderr=out)
        for _ in range(5 * START_UP):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=1)
                break
            except OSError:
                if server.poll() is not None:
                    pytest.fail(log.read_text())
                time.sleep(0.2)
        else:
            server.kill()
            pytest.fail(log.read_text())
        yield Lab(address, folder)
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:  # a kernel that will not stop
            server.kill()


# Runs a notebook from top to bottom and returns its errors, those of cells that may raise left out. A run-all that is
# sent before the kernel answers can be lost, so the kernel is asked for its name first.
RUN_ALL = """async (path) => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = await app.commands.execute('docmanager:open', { path });
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
  await app.commands.execute('notebook:run-all-cells');
  return [...panel.content.model.cells]
    .filter((cell) => cell.type === 'code' && !(cell.getMetadata('tags') || []).includes('raises-exception'))
    .flatMap((cell) => cell.outputs.toJSON())
    .filter((output) => output.output_type === 'error')
    .map((output) => output.ename + ': ' + output.evalue);
}"""

STOP_KERNELS = "async () => { await window.jupyterapp.serviceManager.sessions.shutdownAll(); }"

# Runs a line of Python in the open notebook's kernel and returns what it prints.
IN_KERNEL = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({ code, store_history: false });
  let text = '';
  future.onIOPub = (message) => {
    if (message.header.msg_type === 'stream') text += message.content.text;
    if (message.header.msg_type === 'error') text += message.content.ename + ': ' + message.content.evalue;
  };
  await future.done;
  return text.trim();
}"""


@pytest.fixture(scope="module")
def open_notebook(lab, chromium):
    """Return a function that opens a notebook in JupyterLab, runs it, and gives the page.

    page.errors lists what went wrong in the widgets' own scripts; page.python(code) runs code in the kernel.
    """
    pages = []

    def open_(path: str, timeout: float = 120):
        def keep_ours(error):  # a widget's module is loaded from a blob; JupyterLab's own troubles are not ours
            if "blob:" in (error.stack or ""):
                page.errors.append(f"{error}\n{error.stack}")

        page = chromium.new_page(viewport={"width": 1200, "height": 1000})
        page.set_default_timeout(1000 * timeout)
        pages.append(page)
        page.errors = []
        page.on("pageerror", keep_ours)
        page.goto(f"{lab.address}/lab?reset")
        page.wait_for_function("() => window.jupyterapp !== undefined")
        errors = page.evaluate(RUN_ALL, path)
        assert not errors, errors

        def python(code):
            page.wait_for_timeout(400)  # what the hand did last is on its way to the kernel
            return page.evaluate(IN_KERNEL, code)

        page.python = python
        return page

    yield open_
    for page in pages:
        page.evaluate(STOP_KERNELS)
        page.close()


@pytest.fixture(scope="session")
def notebook(tmp_path_factory) -> Callable[..., nbformat.NotebookNode]:
    """Return a function that makes a notebook from the sources of its code cells."""

    def make(*sources: str) -> nbformat.NotebookNode:
        cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})

    return make


@pytest.fixture
def module(chromium):
    """Return a function that loads a widget's script in an empty page as `window.widget`, and gives the page."""
    pages = []

    def load(name: str):
        page = chromium.new_page()
        pages.append(page)
        page.evaluate(
            """async (source) => {
              window.widget = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
            }""",
            bundle.script(name),
        )
        return page

    yield load
    for page in pages:
        page.close()
