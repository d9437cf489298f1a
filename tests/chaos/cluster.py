"""A PostgreSQL server of one test's own, that may be brought down hard."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.integration.installation import free_port

OWNER = "postgres"  # the server refuses to run as root


def programs() -> Path | None:
    """Where the server's programs lie; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class Cluster:
    """Its files lie in a folder of their own: pytest's are closed to other users."""

    def __init__(self, programs: Path) -> None:
        self.programs, self.port = programs, free_port()
        self.url = f"postgres://{OWNER}@127.0.0.1:{self.port}/postgres"
        self.folder = Path(tempfile.mkdtemp(prefix="unmask-cluster-"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, OWNER)
        self._run("initdb", "-D", str(self.folder), "-U", OWNER, "-A", "trust", "--no-sync")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        self._control("start", "-o", options, "-l", str(self.folder / "log"))

    def restart_hard(self) -> None:
        """As after a power cut: every connection breaks, and the log is replayed."""
        self._control("restart", "-m", "immediate")

    def close(self) -> None:
        self._control("stop", "-m", "immediate")
        shutil.rmtree(self.folder)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder), "-w", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        user = pwd.getpwnam(OWNER).pw_uid if os.geteuid() == 0 else None
        subprocess.run(
            [self.programs / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            user=user,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )
