"""``ray up`` and ``ray submit`` with the repository's cluster.yaml: by Ray's own schema, and for real on this machine.

The real run goes through Ray's provider ``local`` with the head at 127.0.0.1. ``ssh`` and ``rsync`` are two small
programs first in PATH that run and copy here, in a home of their own, and refuse ``ray stop``, which ends every Ray
of a machine. Ports and temporary directory are the test's own; at the end it ends the processes that carry its mark,
by their ids.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from raycrawl.testing import SiteRequest, SiteResponse, SiteServer

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]

SSH = """\
#!{python}
import os, sys
options_with_value = set("BbcDEeFIiJLlmOopQRSWw")
words = sys.argv[1:]
while words and words[0].startswith("-"):
    option = words.pop(0)
    if len(option) == 2 and option[1] in options_with_value:
        words.pop(0)
host, command = words[0], " ".join(words[1:])
if not host.endswith("127.0.0.1"):
    sys.exit(f"this ssh goes to 127.0.0.1 only, not to {{host}}")
if "ray stop" in command:
    sys.exit("this ssh refuses 'ray stop': it would end every Ray on the machine")
os.environ["HOME"] = {home!r}
os.chdir({home!r})
os.execvp("bash", ["bash", "-c", command])
"""

RSYNC = """\
#!{python}
import os, shutil, sys
source, target = sys.argv[-2:]
def local(name):
    host, colon, path = name.partition("127.0.0.1:")
    path = path if colon else name
    path = path.replace("~", {home!r}, 1) if path.startswith("~") else path
    return path if os.path.isabs(path) else os.path.join({home!r} if colon else os.getcwd(), path)
source, target = local(source), local(target)
os.makedirs(os.path.dirname(target.rstrip("/")), exist_ok=True)
if os.path.isdir(source):
    shutil.copytree(source, target, dirs_exist_ok=True)
else:
    shutil.copy(source, target)
"""


def _config() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((REPOSITORY / "cluster.yaml").read_text(encoding="utf-8"))
    return config


def _ray_schema() -> dict[str, Any]:
    spec = find_spec("ray")  # found, not imported
    assert spec is not None
    assert spec.origin is not None
    schema: dict[str, Any] = json.loads((Path(spec.origin).parent / "autoscaler/ray-schema.json").read_text("utf-8"))
    return schema


def test_cluster_yaml_is_valid_by_rays_schema() -> None:
    jsonschema.validate(_config(), _ray_schema())


def test_schema_refuses_what_is_wrong() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**_config(), "max_worker": 3}, _ray_schema())


def test_head_does_no_work_and_workers_scale_from_zero_on_spot() -> None:
    config = _config()
    types = config["available_node_types"]
    assert types[config["head_node_type"]]["resources"] == {"CPU": 0}
    (worker,) = [node for name, node in types.items() if name != config["head_node_type"]]
    assert worker["min_workers"] == 0
    assert worker["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot"


def test_token_auth_is_on_and_versions_are_pinned() -> None:
    config = _config()
    assert "--env RAY_AUTH_MODE=token" in config["docker"]["run_options"]
    assert config["file_mounts"]["/home/ray/.ray/auth_token"] == "~/.ray/auth_token"
    version = config["docker"]["image"].partition(":")[2].partition("-")[0]
    assert f'"ray[default]=={version}"' in config["setup_commands"][0]


class Machine:
    """This machine as the head of a cluster: a home, the two programs, a port, and what was started, by its mark."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "h"
        self.bin = root / "b"
        self.port = _free_port()
        self.mark = uuid.uuid4().hex
        for directory in (self.home, self.bin):
            directory.mkdir()
        for name, text in (("ssh", SSH), ("rsync", RSYNC)):
            program = self.bin / name
            program.write_text(text.format(python=sys.executable, home=str(self.home)), encoding="utf-8")
            program.chmod(0o755)
        path = f"{self.bin}:{Path(sys.executable).parent}"
        (self.home / ".bashrc").write_text(f'export PATH="{path}:$PATH"\n', encoding="utf-8")
        token = root / "token"
        token.write_text(uuid.uuid4().hex, encoding="ascii")
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "PATH": f"{path}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "RAY_TMPDIR": str(root / "t"),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": str(REPOSITORY),
            "TEST_MARK": self.mark,
        }

    def write_config(self) -> Path:
        """The repository's configuration on this machine: provider and ports changed, no container, no set-up."""
        config = _config()
        for name in ("docker", "available_node_types", "head_node_type", "rsync_filter", "rsync_exclude"):
            del config[name]
        start = (
            f"ray start --head --port={self.port} --num-cpus=2 --object-store-memory=100000000 "
            f"--include-dashboard=false --disable-usage-stats --node-ip-address=127.0.0.1 --temp-dir={self.root}/t"
        )
        config |= {
            "cluster_name": f"test-{self.mark[:8]}",
            "max_workers": 0,
            "provider": {"type": "local", "head_ip": "127.0.0.1", "worker_ips": []},
            "auth": {"ssh_user": "root", "ssh_private_key": str(self.root / "token")},
            "file_mounts": {},
            "setup_commands": [],
            "head_start_ray_commands": [start],
            "worker_start_ray_commands": [],
        }
        path = self.root / "cluster.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def run(self, *words: str, timeout_s: float = 90) -> str:
        """Run a ``ray`` command; its output. Fails the test when the command fails."""
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("ray")), *words],
            env=self.environ,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"ray {' '.join(words)} took longer than {timeout_s} s:\n{process.communicate()[0]}")
        assert process.returncode == 0, f"ray {' '.join(words)}:\n{output}"
        return output

    def pids(self) -> list[int]:
        """The processes that carry the mark, this test's own programs and Ray's daemons."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    is_ours = f"TEST_MARK={self.mark}".encode() in (entry / "environ").read_bytes()
                except OSError:
                    continue  # gone, or not ours to look at
                if is_ours:
                    found.append(int(entry.name))
        return found

    def end(self) -> None:
        """Kill what is left, until nothing is: a dying daemon may still have started another."""
        deadline_s = time.monotonic() + 10
        while (pids := self.pids()) and time.monotonic() < deadline_s:
            for pid in pids:
                _kill(pid)
            _reap()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it was faster


def _reap() -> None:
    """Collect dead children, so that they do not stay in /proc."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return  # there are none


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def machine() -> Iterator[Machine]:
    # Unix sockets live below it, and their paths may have 107 characters: not pytest's tmp_path
    root = Path(tempfile.mkdtemp(prefix="rs-", dir="/tmp"))
    machine = Machine(root)
    try:
        yield machine
    finally:
        machine.end()
        shutil.rmtree(root, ignore_errors=True)


def site(request: SiteRequest) -> SiteResponse:
    """Ten pages, each linked to the next."""
    number = int(request.path[1:] or 0) if request.path[1:].isdigit() or request.path == "/" else None
    if number is None:
        return SiteResponse(status=404)
    link = f'<a href="/{number + 1}">next</a>' if number < 9 else ""
    return SiteResponse(body=f"<title>{number}</title>{link}".encode())


@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_ray_up_and_ray_submit_crawl_on_the_head(machine: Machine) -> None:
    config = machine.write_config()
    machine.run("up", str(config), "--yes", "--no-config-cache")
    feed = machine.root / "links.jsonl"
    with SiteServer(site) as server:
        script = REPOSITORY / "examples" / "crawl.py"
        output = machine.run("submit", "--no-config-cache", str(config), str(script), server.url, str(feed))
    assert "10 items" in output
    titles = [json.loads(line)["title"] for line in feed.read_text(encoding="utf-8").splitlines()]
    assert sorted(titles) == [str(number) for number in range(10)]
    # it joined the running Ray: one of its own would have left a session directory beside this one
    sessions = [path for path in (machine.root / "t").glob("session_*") if not path.is_symlink()]
    assert len(sessions) == 1


def test_the_shim_refuses_ray_stop(machine: Machine) -> None:
    refused = subprocess.run(
        [str(machine.bin / "ssh"), "-tt", "-o", "A=b", "root@127.0.0.1", "bash --login -c 'ray stop'"],
        capture_output=True, text=True, env=machine.environ, check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    assert "refuses" in refused.stderr
