"""The fetch: the real pip, small wheels of our own, and a package index on the loopback, so no network is needed."""

import contextlib
import errno
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from softlabels.tasks import carriers, home, load_ranking, wheels
from softlabels.tasks import load as load_task

ROOT = Path(__file__).resolve().parents[2]
FILES = {"demo/data/words.txt": b"one\ntwo\n", "demo/data/deep/numbers.bin": os.urandom(2_000_000)}
TRAP = b"import pathlib, os; pathlib.Path(os.environ['TRAP']).write_text('ran')\n"


def make_wheel(folder: Path, package="demo", version="1.0", files=FILES, extra=()) -> Path:
    """Write a wheel whose code would be caught running: importing it writes a file."""
    path = folder / f"{package}-{version}-py3-none-any.whl"
    info = f"{package}-{version}.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {f"{package}/__init__.py": TRAP, **files, **dict(extra)}.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def entry(name: str, wheel: Path, files=FILES, package="demo", version="1.0", lessons='["00"]', **change) -> str:
    """Return a carrier's part of sources.toml."""
    members = {m: hashlib.sha256(content).hexdigest() for m, content in files.items()} | change.pop("members", {})
    known = {
        "title": f"The {name} data",
        "package": package,
        "version": version,
        "wheel": wheel.name,
        "bytes": wheel.stat().st_size,
        "sha256": wheels.sha256_of(wheel),
        "unpacked": sum(map(len, files.values())),
        "licence": "MIT",
        "root": "demo/data/",
    } | change
    lines = [f"[{name}]", *(f"{k} = {json.dumps(v)}" for k, v in known.items()), f"lessons = {lessons}"]
    return "\n".join([*lines, f"[{name}.members]", *(f'"{m}" = "{d}"' for m, d in members.items())]) + "\n"


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A clone with one carrier, `demo`; its wheel lies in `tmp_path/wheels`, the trap is armed."""
    (tmp_path / "wheels").mkdir()
    (tmp_path / "clone" / "data").mkdir(parents=True)
    monkeypatch.setenv("SOFTLABELS_HOME", str(tmp_path / "clone"))
    monkeypatch.setenv("SOFTLABELS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRAP", str(tmp_path / "the-package's-code-ran"))
    pin(tmp_path, entry("demo", make_wheel(tmp_path / "wheels")))
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield tmp_path
    assert not (tmp_path / "the-package's-code-ran").exists()


def pin(course: Path, *entries: str) -> None:
    (course / "clone" / "data" / "sources.toml").write_text("\n".join(entries), encoding="utf-8")


class Index:
    """A package index on the loopback. `pages` maps a path to bytes, or to a function that answers the request."""

    def __init__(self):
        self.pages, self.asked = {}, []
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                index.asked.append(self.path)
                page = index.pages.get(self.path)
                if callable(page):
                    with contextlib.suppress(OSError):
                        page(self)
                elif page is None:
                    self.send_error(404)
                else:
                    self.head(len(page))
                    self.wfile.write(page)

            def head(self, length: int):
                self.send_response(200)
                self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/zip")
                self.send_header("Content-Length", str(length))
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def offer(self, path: Path, content=None, fragment="", package="demo"):
        """List a file on the package's page; serve its bytes, or `content` in their place."""
        page = self.pages.setdefault(f"/simple/{package}/", b"")
        self.pages[f"/simple/{package}/"] = page + f'<a href="/files/{path.name}{fragment}">{path.name}</a>'.encode()
        self.pages[f"/files/{path.name}"] = path.read_bytes() if content is None else content

    def downloads(self) -> list[str]:
        return [path for path in self.asked if path.startswith("/files/")]


@pytest.fixture
def index(course, monkeypatch):
    index = Index()
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    yield index
    index.server.shutdown()
    index.server.server_close()


def wheel_of(course: Path) -> Path:
    return course / "wheels" / "demo-1.0-py3-none-any.whl"


def nothing_half_done(course: Path) -> None:
    """Whatever went wrong: the carrier is not there, and whoever asks for it is told what to do."""
    assert not (course / "cache" / "carriers" / "demo").exists()
    assert carriers.missing() == ["demo"]
    with pytest.raises(carriers.NotFetched, match="softlabels fetch demo"):
        carriers.carrier_path("demo")


def is_complete(course: Path) -> None:
    folder = carriers.carrier_path("demo")
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    found.pop(".complete.json")
    assert found == {"words.txt": FILES["demo/data/words.txt"], "deep/numbers.bin": FILES["demo/data/deep/numbers.bin"]}
    assert carriers.missing() == [] and carriers.damaged("demo") == []
    left = {p.name for p in (course / "cache" / "carriers").iterdir()} - {".lock", ".part", "demo"}
    assert not left and not list((course / "cache" / "carriers").glob(".part/*")), "only what was listed is kept"


# What works


def test_downloads_verifies_unpacks_only_what_is_listed_and_runs_no_code(course, index, capsys):
    extra = [("../../slipped.txt", b"outside"), ("/rooted.txt", b"outside"), ("demo/data/unlisted.txt", b"no")]
    make_wheel(course / "wheels", extra=extra)  # a hostile wheel: paths that climb out of the folder
    pin(course, entry("demo", wheel_of(course)))
    index.offer(wheel_of(course))
    assert carriers.fetch() == {"demo": course / "cache" / "carriers" / "demo"}
    is_complete(course)
    assert not list(course.rglob("slipped.txt")) and not Path("/rooted.txt").exists()
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and out.startswith("demo") and "verified" in out  # no terminal: one line, no bar


def test_a_second_fetch_asks_nobody(course, index, capsys):
    index.offer(wheel_of(course))
    carriers.fetch(progress=False)
    assert capsys.readouterr().out == ""
    asked = len(index.asked)
    carriers.fetch()
    assert len(index.asked) == asked and "already there" in capsys.readouterr().out


def test_a_new_pin_is_fetched_in_place_of_the_old_one(course):
    carriers.fetch(source_dir=course / "wheels", progress=False)
    newer = {**FILES, "demo/data/words.txt": b"three\n"}
    pin(course, entry("demo", make_wheel(course / "wheels", version="2.0", files=newer), newer, version="2.0"))
    assert carriers.missing() == ["demo"]
    folder = carriers.fetch(source_dir=course / "wheels", progress=False)["demo"]
    assert (folder / "words.txt").read_bytes() == b"three\n" and carriers.missing() == []


def test_a_deleted_file_is_noticed_and_mended(course):
    folder = carriers.fetch(source_dir=course / "wheels", progress=False)["demo"]
    (folder / "words.txt").unlink()
    assert carriers.missing() == ["demo"]
    carriers.fetch(source_dir=course / "wheels", progress=False)
    is_complete(course)
    (folder / "words.txt").write_bytes(b"one\ntow\n")
    assert carriers.damaged("demo") == [str(folder / "words.txt")]


def test_a_file_that_was_cut_off_is_named_and_the_command_that_is_named_mends_it(course, capsys):
    folder = carriers.fetch(source_dir=course / "wheels", progress=False)["demo"]
    carriers.verify("demo")
    (folder / "deep" / "numbers.bin").write_bytes(FILES["demo/data/deep/numbers.bin"][:1_000_000])
    assert carriers.missing() == [], "it is there, as far as a quick look can tell"
    with pytest.raises(carriers.Damaged, match=r"(?s)The demo data: .*numbers\.bin\.\n.*`softlabels fetch demo`"):
        carriers.verify("demo")
    carriers.fetch("demo", source_dir=course / "wheels")
    out = capsys.readouterr().out
    assert "damaged (numbers.bin): fetched again" in out and "verified" in out and "already there" not in out
    is_complete(course)
    for path in ("words.txt", "deep/numbers.bin"):
        (folder / path).write_bytes(b"")
    with pytest.raises(carriers.Damaged, match=r"words\.txt, and 1 more"):
        carriers.verify("demo")


def test_the_default_is_what_the_lessons_present_need(course):
    late = make_wheel(course / "wheels", package="late")
    pin(course, entry("demo", wheel_of(course)), entry("late", late, package="late", lessons='["12"]'))
    assert carriers.missing() == ["demo"] and carriers.missing("all") == ["demo", "late"]
    lessons = course / "clone" / "lessons"
    lessons.mkdir()
    (lessons / "00_start_here.ipynb").touch()
    assert carriers.missing() == ["demo"]
    (lessons / "12_case_clinic.ipynb").touch()
    assert carriers.missing() == ["demo", "late"]
    assert set(carriers.fetch("late", source_dir=course / "wheels", progress=False)) == {"late"}
    assert carriers.missing("all") == ["demo"]
    with pytest.raises(carriers.UnknownCarrier, match=r"'?lte'?.*demo, late, or all"):
        carriers.fetch("lte")


def test_an_extra_is_fetched_only_when_asked_for(course):
    pin(
        course,
        entry("demo", wheel_of(course)),
        *(entry(n, make_wheel(course / "wheels", package=n), package=n, extra="clinic") for n in ("posts", "talk")),
    )
    assert carriers.missing() == ["demo"]
    assert carriers.missing("clinic") == carriers.missing(["talk", "clinic"])[::-1] == ["posts", "talk"]
    assert set(carriers.fetch("posts", source_dir=course / "wheels", progress=False)) == {"posts"}
    assert carriers.missing("all") == ["demo", "talk"] and carriers.missing("clinic") == ["talk"]
    with pytest.raises(carriers.UnknownCarrier, match="demo, posts, talk, clinic, or all"):
        carriers.fetch("clinics")


def test_from_a_folder_no_pip_is_started_and_the_folder_is_left_alone(course, monkeypatch):
    monkeypatch.setattr(wheels.subprocess, "Popen", lambda *a, **k: pytest.fail("a process was started"))
    shutil.move(wheel_of(course), course / "wheels" / "DEMO-1.0-py3-none-any.whl")  # some mirrors change the case
    carriers.fetch(source_dir=str(course / "wheels"), progress=False)
    is_complete(course)
    assert [p.name for p in (course / "wheels").iterdir()] == ["DEMO-1.0-py3-none-any.whl"]


def test_from_a_folder_that_lacks_files_names_every_one(course):
    second = make_wheel(course / "wheels", package="second")
    pin(course, entry("demo", wheel_of(course)), entry("second", second, package="second"))
    shutil.rmtree(course / "wheels")
    for folder in (course / "wheels", course):  # not there at all; there without them
        with pytest.raises(carriers.MissingWheels) as caught:
            carriers.fetch(source_dir=folder)
        for wanted in ("demo-1.0-py3-none-any.whl", "second-1.0-py3-none-any.whl", "demo==1.0", str(folder)):
            assert wanted in str(caught.value)


def test_progress_follows_the_bytes(course, index):
    content = wheel_of(course).read_bytes()
    index.offer(wheel_of(course), slowly(content, pieces=8, pause=0.15))
    told = []
    folder = course / "part"
    folder.mkdir()
    wheels.download(carriers.sources()["demo"], folder, told.append)
    assert told == sorted(told) and told[-1] == len(content)
    assert sum(0 < n < len(content) for n in told) >= 3, told


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_sees_a_bar(course, index):
    import fcntl
    import pty
    import struct
    import termios

    content = wheel_of(course).read_bytes()
    index.offer(wheel_of(course), slowly(content, pieces=8, pause=0.1))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    code = "from softlabels.tasks import carriers; carriers.fetch()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=theirs, stderr=theirs, cwd=ROOT, env=os.environ | {"TQDM_DISABLE": ""}
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux reports the end of a pseudo-terminal as an error
        while block := os.read(ours, 4096):
            shown += block
    os.close(ours)
    assert child.wait() == 0, shown.decode()
    assert re.search(rb"demo:\s+[1-9]\d?%", shown) and b"verified" in shown, shown.decode()
    is_complete(course)


def slowly(content: bytes, pieces: int, pause: float, stop_after: int | None = None, hang: bool = False):
    """Return an answer in pieces; after `stop_after` of them the server hangs up, or says no more if `hang`."""

    def answer(handler):
        handler.head(len(content))
        size = -(-len(content) // pieces)
        for i in range(pieces):
            if i == stop_after:
                time.sleep(60 if hang else 0)
                handler.close_connection = True
                return
            handler.wfile.write(content[i * size : (i + 1) * size])
            handler.wfile.flush()
            time.sleep(pause)

    return answer


# What is stopped


@pytest.mark.skipif(sys.platform == "win32", reason="needs process groups")
def test_a_killed_run_leaves_nothing_half_done(course, index):
    content = wheel_of(course).read_bytes()
    index.offer(wheel_of(course), slowly(content, pieces=4, pause=0.05, stop_after=2, hang=True))
    code = "from softlabels.tasks import carriers; carriers.fetch()"
    child = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    arriving = course / "cache" / "carriers" / ".part" / "demo" / "tmp"
    deadline = time.monotonic() + 60
    while not wheels._watch(arriving, course / "second-name"):
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    nothing_half_done(course)
    index.pages[f"/files/{wheel_of(course).name}"] = content
    carriers.fetch(progress=False)
    is_complete(course)


def test_a_verified_wheel_that_a_killed_run_left_is_used_again(course, index, monkeypatch):
    index.offer(wheel_of(course))
    monkeypatch.setattr(carriers, "_unpack", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        carriers.fetch(progress=False)
    nothing_half_done(course)
    monkeypatch.undo()
    for name, value in {"HOME": "clone", "CACHE": "cache"}.items():  # undo() took the fixture's settings as well
        monkeypatch.setenv(f"SOFTLABELS_{name}", str(course / value))
    monkeypatch.setattr(wheels, "download", lambda *a: pytest.fail("downloaded again"))
    carriers.fetch(progress=False)
    is_complete(course)


def test_a_damaged_wheel_left_in_the_cache_is_not_trusted(course, index):
    index.offer(wheel_of(course))
    left = course / "cache" / "carriers" / wheel_of(course).name
    left.parent.mkdir(parents=True)
    left.write_bytes(wheel_of(course).read_bytes()[:-1])
    carriers.fetch(progress=False)
    assert len(index.downloads()) == 1
    is_complete(course)


def test_an_interrupted_download_does_not_leave_pip_running(course, index, monkeypatch):
    index.offer(wheel_of(course), slowly(wheel_of(course).read_bytes(), pieces=4, pause=0.05, stop_after=2, hang=True))
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(wheels.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])

    def ctrl_c(n):
        if n:
            raise KeyboardInterrupt

    (course / "part").mkdir()
    with pytest.raises(KeyboardInterrupt):
        wheels.download(carriers.sources()["demo"], course / "part", ctrl_c)
    assert len(started) == 1 and started[0].poll() is not None


def test_two_fetches_at_once_download_once(course, index):
    index.offer(wheel_of(course), slowly(wheel_of(course).read_bytes(), pieces=4, pause=0.2))
    code = "from softlabels.tasks import carriers; carriers.fetch()"
    children = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [child.communicate(timeout=120)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert len(index.downloads()) == 1 and sum("waiting" in s for s in said) == 1, said
    is_complete(course)


# What goes wrong: one error for each cause


def test_no_network(course, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")  # the discard port: nobody listens
    with pytest.raises(carriers.NoNetwork, match=r"(?s)cannot be reached.*demo-1.0.*--from DIR"):
        carriers.fetch()
    nothing_half_done(course)


def test_no_network_for_a_name_that_cannot_be_resolved(course, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://no-such-host.invalid/simple")  # .invalid never exists (RFC 2606)
    with pytest.raises(carriers.NoNetwork):
        carriers.fetch(progress=False)
    nothing_half_done(course)


def test_a_version_that_the_index_lacks(course, index):
    index.offer(make_wheel(course / "wheels", version="0.9"))
    with pytest.raises(carriers.NotInIndex, match=r"(?s)no demo==1\.0.*0\.9.*mirror") as caught:
        carriers.fetch()
    assert wheel_of(course).name in str(caught.value)
    nothing_half_done(course)


def test_a_package_that_the_index_lacks(course, index):
    with pytest.raises(carriers.NotInIndex, match=r"no demo==1\.0"):
        carriers.fetch(progress=False)
    nothing_half_done(course)


def test_a_source_archive_is_never_built(course, index, tmp_path):
    setup = tmp_path / "setup.py"
    setup.write_bytes(TRAP + b"from setuptools import setup; setup(name='demo', version='1.0')\n")
    archive = tmp_path / "demo-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(setup, "demo-1.0/setup.py")
    index.offer(archive)
    with pytest.raises(carriers.NotInIndex):
        carriers.fetch(progress=False)
    assert index.downloads() == []  # and the course fixture looks whether any code ran
    nothing_half_done(course)


@pytest.mark.parametrize("way", ["index", "folder"])
def test_wrong_hash(course, index, way):
    expected = wheels.sha256_of(wheel_of(course))
    make_wheel(course / "wheels", files={**FILES, "demo/data/words.txt": b"one\ntow\n"})  # same name, other bytes
    index.offer(wheel_of(course))
    with pytest.raises(carriers.WrongHash) as caught:
        carriers.fetch(source_dir=course / "wheels" if way == "folder" else None)
    for wanted in (expected, wheels.sha256_of(wheel_of(course)), wheel_of(course).name, "pip cache purge"):
        assert wanted in str(caught.value)
    assert wheel_of(course).exists()
    nothing_half_done(course)


def test_wrong_hash_by_the_index_itself(course, index):
    index.offer(wheel_of(course), fragment="#sha256=" + "0" * 64)
    with pytest.raises(carriers.WrongHash, match="pip refused it"):
        carriers.fetch()
    nothing_half_done(course)


def test_wrong_hash_of_a_member(course):
    wrong = {"demo/data/words.txt": "0" * 64}
    pin(course, entry("demo", wheel_of(course), members=wrong))
    with pytest.raises(carriers.WrongHash, match=r"(?s)demo/data/words.txt.*0{64}.*Update the course"):
        carriers.fetch(source_dir=course / "wheels")
    nothing_half_done(course)


def test_something_else_under_the_wheels_name_is_not_called_cut_short(course):
    wheel_of(course).write_bytes(b"<html>Please log in to the hotel's network</html>")
    with pytest.raises(carriers.WrongHash):
        carriers.fetch(source_dir=course / "wheels")
    nothing_half_done(course)


@pytest.mark.parametrize("kept", [0, 1000, -30])
def test_truncated_in_a_folder(course, kept):
    content = wheel_of(course).read_bytes()
    wheel_of(course).write_bytes(content[:kept])
    with pytest.raises(carriers.Truncated, match=r"(?s)cut short: .* of 2\.0 MB.*copied there anew"):
        carriers.fetch(source_dir=course / "wheels")
    nothing_half_done(course)


@pytest.mark.parametrize("known", [False, True], ids=["hash not told", "hash told"])
def test_truncated_on_the_line(course, index, known):
    content = wheel_of(course).read_bytes()
    fragment = f"#sha256={wheels.sha256_of(wheel_of(course))}" if known else ""
    index.offer(wheel_of(course), slowly(content, pieces=8, pause=0.2, stop_after=6), fragment)
    with pytest.raises(carriers.Truncated, match="cut short"):
        carriers.fetch()
    nothing_half_done(course)
    index.pages[f"/files/{wheel_of(course).name}"] = content
    carriers.fetch(progress=False)
    is_complete(course)


def test_truncated_by_a_server_that_keeps_it_secret(course, index):
    index.offer(wheel_of(course), wheel_of(course).read_bytes()[:100_000])  # its Content-Length says 100,000 as well
    with pytest.raises(carriers.Truncated, match="cut short"):
        carriers.fetch(progress=False)
    nothing_half_done(course)


def test_disk_full_is_foreseen(course, index, monkeypatch):
    usage = shutil.disk_usage(course)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    index.offer(wheel_of(course))
    with pytest.raises(carriers.DiskFull, match=r"(?s)6\.0 MB are needed, 1\.0 kB are free.*SOFTLABELS_CACHE"):
        carriers.fetch()
    assert index.asked == []
    nothing_half_done(course)


SMALL_DISK = """
mount -t tmpfs -o size={size} tmpfs "$SOFTLABELS_CACHE" || exit 77
exec "$PYTHON" -c "
from softlabels.tasks import carriers
carriers._check_room = lambda *a: None
try: carriers.fetch(source_dir={source!r})
except carriers.FetchError as error: print(type(error).__name__, error)
"
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs a name space of its own to mount a small disk in")
@pytest.mark.parametrize("way", ["unpacking", "downloading"])
def test_disk_full_for_real(course, index, way):
    index.offer(wheel_of(course))
    (course / "cache").mkdir()
    script = SMALL_DISK.format(size="1m", source=str(course / "wheels") if way == "unpacking" else None)
    env = os.environ | {"PYTHON": sys.executable}
    ran = subprocess.run(["unshare", "-rm", "sh", "-c", script], cwd=ROOT, env=env, capture_output=True, text=True)
    if ran.returncode in (1, 77) and not ran.stdout:
        pytest.skip(f"no small disk can be mounted here: {ran.stderr.strip()[-100:]}")
    assert "DiskFull The disk is full" in ran.stdout, ran.stdout + ran.stderr


def test_disk_full_while_writing(course, monkeypatch):
    def no_room(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(carriers.os, "fsync", no_room)  # where network file systems report it
    with pytest.raises(carriers.DiskFull, match="disk is full"):
        carriers.fetch(source_dir=course / "wheels")
    nothing_half_done(course)


def test_read_only_a_file_stands_where_the_cache_should_be(course):
    (course / "cache").write_text("in the way")
    with pytest.raises(carriers.ReadOnly, match=r"(?s)cannot be written to: .*cache.*SOFTLABELS_CACHE"):
        carriers.fetch(source_dir=course / "wheels")
    assert carriers.missing() == ["demo"]


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(course):
    (course / "cache").mkdir(mode=0o555)
    with pytest.raises(carriers.ReadOnly, match="SOFTLABELS_CACHE"):
        carriers.fetch(source_dir=course / "wheels")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_read_only_file_system(course, monkeypatch, number):
    def refuse(self, *args, **kwargs):
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(carriers.ReadOnly, match=os.strerror(number)):
        carriers.fetch(source_dir=course / "wheels")


def test_no_pip(course, monkeypatch, tmp_path):
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    monkeypatch.setattr(wheels.sys, "executable", str(python))
    with pytest.raises(carriers.MissingPip, match="ensurepip"):
        carriers.fetch()
    nothing_half_done(course)


def test_a_cause_that_nobody_foresaw_shows_what_pip_said(course, monkeypatch):
    limits = course / "constraints.txt"
    limits.write_text("demo==3.0\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(limits))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(course / "wheels"))
    with pytest.raises(carriers.FetchError, match=r"(?is)demo.*conflict"):
        carriers.fetch()


def test_every_error_is_a_fetch_error():
    for name in ("NoNetwork", "NotInIndex", "WrongHash", "Truncated", "DiskFull", "ReadOnly", "MissingPip", "Damaged"):
        assert issubclass(getattr(carriers, name), carriers.FetchError)


# What is pinned


def test_members_cannot_leave_their_folder(course):
    for member in ("demo/data/../../x", "demo/data//etc/x", "demo/data/..", "demo/data/a\\..\\..\\x", "demo/data/C:x"):
        pin(course, entry("demo", wheel_of(course), members={json.dumps(member)[1:-1]: "0" * 64}))
        with pytest.raises(ValueError, match="outside its folder"):
            carriers.fetch(source_dir=course / "wheels")
    assert not (course / "cache" / "carriers" / "demo").exists()


def test_outside_a_clone_the_error_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTLABELS_HOME", str(tmp_path))
    with pytest.raises(carriers.FetchError, match=r"(?s)sources.toml is missing.*SOFTLABELS_HOME"):
        carriers.fetch()


def test_the_course_pins_are_whole():
    entries = tomllib.loads((ROOT / "data" / "sources.toml").read_text(encoding="utf-8"))
    assert list(entries) == ["minilm", "wordnet", "newsgroups", "intents"]
    for name, source in carriers.sources().items():
        project, version = source.wheel.lower().split("-")[:2]
        assert (project, version) == (source.package.lower().replace("-", "_"), source.version), "PEP 427"
        assert source.wheel.endswith("-py3-none-any.whl"), "the same wheel for every system and Python"
        for digest in (source.sha256, *source.members.values()):
            assert re.fullmatch("[0-9a-f]{64}", digest), name
        destinations = [source.destination(m) for m in source.members]
        assert len(set(destinations)) == len(destinations) and source.lessons
        assert f"{source.bytes / 1e6:.1f} MB" in (ROOT / "data" / "README.md").read_text(encoding="utf-8"), name
    assert sum(carriers.sources()[n].bytes for n in ("minilm", "wordnet")) < 106e6
    assert [s.name for s in carriers.sources().values() if s.extra == "clinic"] == ["newsgroups", "intents"]


def test_what_this_machine_has_fetched_is_what_is_pinned():
    for name in ("minilm", "wordnet"):
        assert (carriers.carrier_path(name) / ".complete.json").is_file()
        assert carriers.damaged(name) == []
    assert "Copyright 2006 by Princeton University" in (carriers.carrier_path("wordnet") / "LICENSE.txt").read_text()


CUT = {  # a file that the task is read from, and its carrier
    "wordnet": ("wordnet", "data.noun2"),
    "reverse_dictionary": ("wordnet", "data.noun1"),
    "newsgroups": ("newsgroups", "20newsgroups-test.tab"),
    "reuters": ("newsgroups", "reuters-r52-train.tab"),
    "intents": ("intents", "data/ar.json"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
@pytest.mark.parametrize("name", CUT)
def test_no_task_is_made_from_a_file_that_was_cut_off(name, monkeypatch, tmp_path):
    """The real carriers, but for one file of which the second half is missing."""
    carrier, file = CUT[name]
    if carriers.missing(carrier):
        pytest.skip(f"softlabels fetch {carrier}")
    load_task("wordnet")  # the reverse dictionary is made of it and of the carrier
    real, ours = home.cache(), tmp_path / "cache"
    shutil.copytree(real / "carriers" / carrier, ours / "carriers" / carrier, copy_function=os.symlink)
    (ours / "carriers" / "minilm").symlink_to(real / "carriers" / "minilm")
    if name == "reverse_dictionary":
        (ours / "wordnet").symlink_to(real / "wordnet")
    path = ours / "carriers" / carrier / file
    whole = path.read_bytes()
    path.unlink()  # a link
    path.write_bytes(whole[: len(whole) // 2])
    monkeypatch.setenv("SOFTLABELS_CACHE", str(ours))
    load = load_ranking if name == "reverse_dictionary" else load_task
    with pytest.raises(carriers.Damaged, match=rf"(?s){re.escape(str(path))}.*`softlabels fetch {carrier}`"):
        load(name)
    assert not list((ours / name).glob("*/task.json")), "nothing was made of it"


def test_folders_follow_the_environment(monkeypatch, tmp_path):
    for name in ("HOME", "CACHE", "WORK"):
        monkeypatch.delenv(f"SOFTLABELS_{name}", raising=False)
    assert home.root() == ROOT and home.cache() == ROOT / "data" / "cache" and home.work() == ROOT / "work"
    assert home.soft_labels_file("wordnet") == ROOT / "data" / "soft_labels" / "wordnet.safetensors"
    assert home.teacher_dir("wordnet") == ROOT / "data" / "teachers" / "wordnet"
    assert home.results("first_look") == ROOT / "data" / "results" / "first_look.csv"
    monkeypatch.setenv("SOFTLABELS_CACHE", "~/cache")
    assert home.cache() == Path.home() / "cache"
    monkeypatch.setenv("SOFTLABELS_HOME", str(tmp_path))
    assert home.data() == tmp_path / "data" and home.work() == tmp_path / "work"


def test_load_without_data_says_how_to_get_them(course):
    shutil.copy(ROOT / "data" / "sources.toml", course / "clone" / "data" / "sources.toml")
    with pytest.raises(carriers.NotFetched, match="softlabels fetch wordnet"):
        load_task("wordnet")


def test_importing_the_package_reads_no_data_and_loads_no_torch(tmp_path):
    code = "import sys, softlabels.tasks; print({'torch', 'transformers', 'tokenizers'} & set(sys.modules))"
    env = os.environ | {"SOFTLABELS_HOME": str(tmp_path), "SOFTLABELS_CACHE": str(tmp_path / "cache")}
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()" and not (tmp_path / "cache").exists()
