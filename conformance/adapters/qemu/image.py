"""What guests are made of: a kernel, an initial file system with the agent alone, and one guest that was frozen.

A guest takes seconds to boot in software emulation. One is booted for a whole run, without a network card, and frozen
as soon as its agent greets; every endpoint is a copy of it that goes on from there, in a tenth of a second.
"""

from __future__ import annotations

import fcntl
import json
import lzma
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Final

from conformance import limits
from conformance.adapters.interface import AdapterError
from conformance.adapters.qemu.guest import Channel, GuestLostError, Hello
from conformance.adapters.qemu.machine import Machine
from conformance.adapters.qemu.settings import GuestKernelFiles, Settings
from conformance.lab.lab import Lab, Node

COMMAND_LINE: Final = "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off nokaslr"
_SETUP_SECTORS, _PAYLOAD, _LENGTH = 0x1F1, 0x248, 0x24C
"""Offsets in a bzImage's header (the kernel's documentation, x86 boot protocol)."""
_XZ: Final = b"\xfd7zXZ\0"
_FOLDERS: Final = ("dev", "proc", "sys", "m", "run", "tmp", "var", "var/run", "var/run/teamd")
_FOLDER, _PROGRAM, _FILE, _DEVICE = 0o40755, 0o100755, 0o100644, 0o20600


class Frozen:
    """A frozen guest: its state in a file, and what its agent said when it started."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._hello = state.with_suffix(".json")

    @property
    def hello(self) -> Hello:
        """Where the agent's memory is."""
        return Hello(*json.loads(self._hello.read_text()))

    @property
    def there(self) -> bool:
        """Whether it has been made; the agent's word is written last."""
        return self._hello.exists()

    def remember(self, hello: Hello) -> None:
        """The state is whole."""
        self._hello.write_text(json.dumps(hello))


def frozen_guest(lab: Lab, kernel: GuestKernelFiles, settings: Settings) -> Frozen:
    """The frozen guest of this run, which is made by the first that asks. Raises AdapterError."""
    name = f"guest-{kernel.release}-{settings.accelerator}-{settings.memory}"
    frozen = Frozen(lab.shared / f"{name}.state")
    with _locked(lab.shared / f"{name}.lock"):
        if not frozen.there:
            _freeze(next(iter(lab.hosts.values())), kernel, settings, frozen)
    return frozen


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Wait for the others of this run; who holds the lock is bound by deadlines, and gone when it dies."""
    with place.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _freeze(node: Node, kernel: GuestKernelFiles, settings: Settings, frozen: Frozen) -> None:
    with booting(node, kernel, settings, frozen.state, name="frozen") as (machine, channel):
        try:
            machine.freeze(frozen.state)
        finally:
            channel.close()
            machine.end()
        frozen.remember(channel.hello)


@contextmanager
def booting(
    node: Node,
    kernel: GuestKernelFiles,
    settings: Settings,
    place: Path,
    *,
    name: str,
    further: Sequence[str] = (),
    descriptors: Sequence[int] = (),
    program: str = "",
) -> Iterator[tuple[Machine, Channel]]:
    """A guest that has booted, with `further` arguments of QEMU and the `descriptors` that they name; it runs on.
    Its file system holds the agent and, if one is named, a `program` with its libraries.

    What it is booted from lies beside `place` until the context ends. Raises AdapterError.
    """
    image, files, agent_file = (Path(f"{place}.{kind}") for kind in ("kernel", "initrd", "agent"))
    try:
        image.write_bytes(unpacked_kernel(kernel.image.read_bytes()))
        agent = build_agent(settings.compiler, agent_file)
        modules = [path.read_bytes() for path in kernel.modules]
        files.write_bytes(initial_files(agent, modules, program_files(program) if program else {}))
        boot = ("-kernel", str(image), "-initrd", str(files), "-append", COMMAND_LINE, *further)
        machine = Machine.started(node, name, settings, boot, descriptors)
        try:
            channel = Channel(machine.agent)
        except GuestLostError as problem:
            machine.agent.close()
            machine.end()
            raise AdapterError(f"the guest does not start: {problem}") from problem
        yield machine, channel
    except OSError as problem:
        raise AdapterError(f"the guest cannot be made: {problem}") from problem
    finally:
        image.unlink(missing_ok=True)
        files.unlink(missing_ok=True)


def build_agent(compiler: str, place: Path) -> bytes:
    """The agent as a program without any library. Raises AdapterError with the compiler's own words."""
    source = resources.files("conformance.adapters.qemu.guest").joinpath("agent.c").read_text()
    command = [compiler, "-nostdlib", "-static", "-o", str(place), "-x", "c", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, timeout=limits.COMMAND, check=False)
    if done.returncode:
        raise AdapterError(f"{compiler}: {done.stderr.strip()}")
    try:
        return place.read_bytes()
    finally:
        place.unlink()


def unpacked_kernel(image: bytes) -> bytes:
    """The kernel proper inside a bzImage where it is compressed with xz, for emulation is slow to unpack it; else the
    image as it is. QEMU boots both (the former by its PVH entry)."""
    start = ((image[_SETUP_SECTORS] or 4) + 1) * 512 + int.from_bytes(image[_PAYLOAD : _PAYLOAD + 4], "little")
    length = int.from_bytes(image[_LENGTH : _LENGTH + 4], "little")
    payload = image[start : start + length]
    if not payload.startswith(_XZ):
        return image
    return lzma.LZMADecompressor().decompress(payload)


def program_files(program: str) -> dict[str, bytes]:
    """A program of this machine and its libraries by their paths. Raises OSError."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=limits.COMMAND, check=False)
    needed = re.findall(r"(/\S+) \(0x", done.stdout)
    return {path: Path(path).read_bytes() for path in (program, *needed)}


def initial_files(agent: bytes, modules: Sequence[bytes], further: Mapping[str, bytes] | None = None) -> bytes:
    """An initial file system (cpio, new ASCII format): the agent as its first program, modules in their order, and
    `further` programs by their paths."""
    programs = {path.lstrip("/"): content for path, content in (further or {}).items()}
    folders = {str(one): None for path in programs for one in reversed(Path(path).parents[:-1])}
    parts = [_entry(name, _FOLDER) for name in (*_FOLDERS, *folders)]
    parts += [_entry(path, _PROGRAM, content) for path, content in programs.items()]
    parts.append(_entry("dev/console", _DEVICE, device=(5, 1)))
    parts.append(_entry("init", _PROGRAM, agent))
    parts += [_entry(f"m/{number:02}", _FILE, content) for number, content in enumerate(modules)]
    parts.append(_entry("TRAILER!!!", 0))
    return b"".join(parts)


def _entry(name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    text = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(text), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + text
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
