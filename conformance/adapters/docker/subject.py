"""Containers as endpoints: create, start, inspect, remove."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import TYPE_CHECKING, Any, Final

from docker.errors import DockerException

from conformance.adapters.docker.image import IDLE, IMAGE
from conformance.adapters.interface import AdapterError, Address, Attachment, Endpoint, Interface, Publication, Reported
from conformance.adapters.interface.powers import Explaining, MoveKind, Moving
from conformance.lab.kernel.namespace import Namespace

if TYPE_CHECKING:
    import docker

    from conformance.adapters.docker.engine import DockerEngine
    from conformance.lab.lab import Host, Lab

FIRST_INTERFACE: Final = "eth0"


@dataclass(frozen=True, slots=True)
class Container:
    """What an endpoint's `handle` holds."""

    id: str
    pid: int


class DockerSubject:
    """Docker Engine, running on every host of the lab with one network."""

    powers: tuple[type, ...] = (Explaining, Moving)

    def __init__(self, lab: Lab, engines: Mapping[str, DockerEngine], network: str, *, spans: bool = False) -> None:
        self._lab = lab
        self._engines = engines
        self._network = network
        self._targets: dict[str, tuple[Container, Namespace]] = {}
        self.moves: tuple[MoveKind, ...] = ("migrate",) if spans else ("restart",)
        """Where the network spans hosts, an address goes to a container on another one; Docker makes its MAC address of
        the address. Elsewhere a container is disconnected and connected again."""

    def prepare(self, host: Host, name: str) -> Namespace | None:  # noqa: ARG002 - the interface's
        """None: Docker makes the namespace."""
        return None

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Create and start a container on the network. Raises AdapterError with Docker's own words."""
        if request.extra_addresses:
            raise AdapterError(f"{request.name}: Docker gives one address of a family to an endpoint")
        engine = self._engines[host.name]
        with engine.asked(f"attach {request.name}") as client:
            identifier = self._create(client, request)
            try:
                client.start(identifier)
            except DockerException:
                client.remove_container(identifier, force=True)
                raise
            state = client.inspect_container(identifier)
        if not state["State"]["Running"]:
            raise AdapterError(f"{host.name}: {request.name} does not run: {state['State']}")
        pid = int(state["State"]["Pid"])
        namespace = self._lab.keep(Namespace.adopt(request.name, f"/proc/{pid}/ns/net"))
        reported = reported_of(state["NetworkSettings"]["Networks"][request.tenant or self._network])
        return Endpoint(
            name=request.name,
            host=host.name,
            namespace=namespace,
            interface=_interface(namespace, reported),
            reported=reported,
            publications=tuple(_publications(host, state["NetworkSettings"]["Ports"])),
            handle=Container(identifier, pid),
        )

    def _create(self, client: docker.APIClient, request: Attachment) -> str:
        wanted: dict[str, Any] = {}
        for address in request.addresses:
            wanted["ipv4_address" if address.version == 4 else "ipv6_address"] = str(address.ip)
        network = request.tenant or self._network
        networking: Any = {"EndpointsConfig": {network: client.create_endpoint_config(**wanted)}}
        made = client.create_container(
            IMAGE,
            command=list(IDLE),
            name=request.name,
            hostname=request.name,
            ports=[(port, protocol) for protocol, port in request.publish],
            host_config=client.create_host_config(
                network_mode=network,
                port_bindings={f"{port}/{protocol}": None for protocol, port in request.publish},
            ),
            networking_config=networking,
        )
        return str(made["Id"])

    def detach(self, endpoint: Endpoint) -> None:
        """Kill and remove the container. Raises AdapterError."""
        engine = self._engines[endpoint.host]
        with engine.asked(f"detach {endpoint.name}") as client:
            client.remove_container(endpoint.handle.id, force=True)

    def target_namespace(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Namespace:
        """Where the addresses go: the same container, or a running one on the other host that is on no network yet."""
        if kind == "restart":
            return endpoint.namespace
        with self._engines[to.name].asked(f"prepare {endpoint.name}") as client:
            made = client.create_container(
                IMAGE,
                command=list(IDLE),
                name=f"{endpoint.name}-new",
                network_disabled=False,
                host_config=client.create_host_config(network_mode="none"),
            )
            client.start(made["Id"])
            client.disconnect_container_from_network(made["Id"], "none")
            pid = int(client.inspect_container(made["Id"])["State"]["Pid"])
        namespace = self._lab.keep(Namespace.adopt(endpoint.name, f"/proc/{pid}/ns/net"))
        self._targets[endpoint.name] = (Container(str(made["Id"]), pid), namespace)
        return namespace

    def move(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Endpoint:
        """Disconnect the container from the network, and connect one with the same addresses. Raises AdapterError."""
        if kind != "restart" and endpoint.name not in self._targets:
            self.target_namespace(endpoint, to, kind)
        container, namespace = self._targets.get(endpoint.name, (endpoint.handle, endpoint.namespace))
        wanted: dict[str, Any] = {
            f"ipv{address.version}_address": str(address.ip) for address in endpoint.reported.addresses
        }
        with self._engines[endpoint.host].asked(f"disconnect {endpoint.name}") as client:
            client.disconnect_container_from_network(endpoint.handle.id, self._network)
        with self._engines[to.name].asked(f"connect {endpoint.name}") as client:
            client.connect_container_to_network(container.id, self._network, **wanted)
            state = client.inspect_container(container.id)
        reported = reported_of(state["NetworkSettings"]["Networks"][self._network])
        interface = _interface(namespace, reported)
        return Endpoint(endpoint.name, to.name, namespace, interface, reported, handle=container)

    def explain(self, host: Host) -> Mapping[str, Any]:
        """The engine's own view of itself and of the network; a Swarm's worker has none before its first container."""
        with self._engines[host.name].asked("explain the network") as client:
            known = client.networks(names=[self._network])
            network = client.inspect_network(self._network) if known else None
            about = client.info()
        kept = ("Driver", "CgroupVersion", "Warnings", "KernelVersion", "SecurityOptions")
        return {"docker-network": network, "docker-info": {key: about.get(key) for key in kept}}


def reported_of(network: Mapping[str, Any]) -> Reported:
    """What ``docker inspect`` says of an endpoint (an EndpointSettings of the API); it reports no MTU."""
    addresses: list[Interface] = []
    for key, length in (("IPAddress", "IPPrefixLen"), ("GlobalIPv6Address", "GlobalIPv6PrefixLen")):
        if network.get(key):
            addresses.append(ip_interface(f"{network[key]}/{network[length]}"))
    gateways: tuple[Address, ...] = tuple(
        ip_address(network[key]) for key in ("Gateway", "IPv6Gateway") if network.get(key)
    )
    return Reported(tuple(addresses), network.get("MacAddress") or None, None, gateways)


def _interface(namespace: Namespace, reported: Reported) -> str:
    """The interface that carries a reported address: a container on an overlay has a second one, to the outside."""
    named = {m["index"]: str(m.get_attr("IFLA_IFNAME")) for m in namespace.netlink("get_links")}
    for message in namespace.netlink("get_addr"):
        text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        if any(ip_address(text) == address.ip for address in reported.addresses):
            return named[message["index"]]
    return FIRST_INTERFACE


def _publications(host: Host, ports: Mapping[str, list[Mapping[str, str]] | None]) -> Iterator[Publication]:
    """Where published ports are reached from outside: at the host's underlay addresses of the bound families."""
    underlay: tuple[IPv4Interface | IPv6Interface, ...] = (host.ipv4, host.ipv6)
    for target, bindings in ports.items():
        port, _, protocol = target.partition("/")
        for binding in bindings or ():
            bound = ip_address(binding["HostIp"])
            for own in underlay:
                if own.version == bound.version and (bound.is_unspecified or bound == own.ip):
                    yield Publication(protocol, own.ip, int(binding["HostPort"]), int(port))
