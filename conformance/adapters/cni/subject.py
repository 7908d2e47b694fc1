"""A network configuration list on the hosts of a lab: attach, detach, check and publish through the runtime."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from conformance.adapters.cni import placeholders
from conformance.adapters.cni.result import reported
from conformance.adapters.cni.runtime import CniContainer, Network, Runtime
from conformance.adapters.cni.settings import Settings
from conformance.adapters.interface import AdapterError, Attachment, Endpoint, Publication, Reported
from conformance.adapters.interface.powers import Explaining, MoveKind, Moving
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Host, Lab

NO_TENANT: Final = ""


class CniSubject:
    """A network configuration list on the hosts of a lab: one runtime on each. Safe to use from several threads."""

    powers: tuple[type, ...] = (Explaining, Moving)

    def __init__(self, lab: Lab, settings: Settings, profile: str, version: str) -> None:
        self._lab = lab
        self._settings = settings
        self._profile = profile
        self._tenants = settings.tenants or (NO_TENANT,)
        self._values = {
            (host.name, tenant): self._values_of(host, tenant)
            for host in lab.hosts.values()
            for tenant in self._tenants
        }
        self._runtimes = {
            (host.name, tenant): self._runtime(host, tenant, version)
            for host in lab.hosts.values()
            for tenant in self._tenants
        }
        self._networks: dict[str, str] = {}
        self._namespaces: dict[tuple[str, str], Namespace] = {}
        self._targets: dict[str, Namespace] = {}
        self._published: dict[str, dict[tuple[str, int], str]] = {name: {} for name in lab.hosts}
        self._lock = threading.Lock()

    def prepare(self, host: Host, name: str) -> Namespace:
        """The endpoint's namespace, as a container runtime makes it: empty but for a loopback that is up."""
        with self._lock:
            key = (host.name, name)
            if key not in self._namespaces:
                self._namespaces[key] = self._lab.namespace(name)
            return self._namespaces[key]

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """ADD the endpoint to the network. Raises AdapterError with the plugin's own words."""
        namespace = self.prepare(host, request.name)
        self._possible(request)
        tenant = self._networks[request.name] = request.tenant if self._settings.tenants else NO_TENANT
        ports = self._reserve(host, request)
        container = self._container(host, request, namespace, ports)
        try:
            result = self._runtimes[host.name, tenant].add(container)
            found = reported(result, container.interface)
        except AdapterError:
            self._release(host.name, request.name)
            raise
        return Endpoint(
            name=request.name,
            host=host.name,
            namespace=namespace,
            interface=container.interface,
            reported=found,
            publications=_publications(host, found, ports),
            handle=container,
        )

    def detach(self, endpoint: Endpoint) -> None:
        """DEL the endpoint; its namespace stays. Raises AdapterError."""
        self._runtime_of(endpoint).delete(endpoint.handle)
        self._release(endpoint.host, endpoint.name)

    moves: tuple[MoveKind, ...] = ("restart",)
    """A runtime moves nothing between hosts: it deletes an attachment and adds one with the same addresses."""

    def target_namespace(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Namespace:  # noqa: ARG002 - the interface's
        """The namespace of the container that is to have the addresses, empty."""
        with self._lock:
            if endpoint.name not in self._targets:
                self._targets[endpoint.name] = self._lab.namespace(endpoint.name)
            return self._targets[endpoint.name]

    def move(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Endpoint:
        """DEL the attachment, ADD another container with the same addresses. Raises AdapterError."""
        tenant = self._networks[endpoint.name]
        request = Attachment(f"{endpoint.name}-again", addresses=endpoint.reported.addresses, tenant=tenant)
        self._possible(request)
        namespace = self.target_namespace(endpoint, to, kind)
        self._runtime_of(endpoint).delete(endpoint.handle)
        container = self._container(to, request, namespace, {})
        found = reported(self._runtimes[to.name, tenant].add(container), container.interface)
        return Endpoint(endpoint.name, to.name, namespace, container.interface, found, handle=container)

    def check(self, endpoint: Endpoint) -> None:
        """CHECK the endpoint. Raises AdapterError where a plugin finds something amiss."""
        self._runtime_of(endpoint).check(endpoint.handle)

    def explain(self, host: Host) -> Mapping[str, Any]:
        """The configuration list as it runs on `host`, and the kept result of every attachment."""
        runtimes = [self._runtimes[host.name, tenant] for tenant in self._tenants]
        lists = [
            {"name": one.network.name, "cniVersion": one.network.version, "plugins": list(one.network.plugins)}
            for one in runtimes
        ]
        return {
            "conflist": lists[0],
            **({"conflists": lists} if self._settings.tenants else {}),
            "attachments": [{**kept["container"], "result": kept["result"]} for kept in runtimes[0].attachments()],
        }

    def _runtime_of(self, endpoint: Endpoint) -> Runtime:
        return self._runtimes[endpoint.host, self._networks[endpoint.name]]

    def _values_of(self, host: Host, tenant: str) -> dict[str, Any]:
        own = placeholders.tenant_values(host, self._tenants, tenant) if tenant else {}
        return {**placeholders.host_values(self._lab, host), **own}

    def _runtime(self, host: Host, tenant: str, version: str) -> Runtime:
        conflist = self._settings.conflist
        plugins = []
        for number, plugin in enumerate(conflist.plugins):
            place = f"{self._profile}: adapter.conflist.plugins.{number}"
            plugins.append(_at_home(placeholders.substitute(plugin, self._values[host.name, tenant], place), host))
        name = f"{conflist.name}-{tenant}" if tenant else conflist.name
        network = Network(name, version, tuple(plugins), conflist.disable_check)
        log = host.logs / f"{host.name}-cni.log"
        return Runtime(host.run, self._settings.folders, network, host.folder.absolute() / "cni-results", log)

    def _possible(self, request: Attachment) -> None:
        if request.extra_addresses:
            raise AdapterError(f"{request.name}: a CNI attachment has the addresses of its list, no further ones")
        for wanted, capability in ((request.publish, "portMappings"), (request.addresses, "ips")):
            if wanted and not self._settings.declares(capability):
                raise AdapterError(f"{request.name}: no plugin of the list declares the capability {capability!r}")
        if self._settings.tenants and request.tenant not in self._settings.tenants:
            raise AdapterError(
                f"{request.name}: there is no tenant {request.tenant!r}; there are {', '.join(self._settings.tenants)}"
            )

    def _container(
        self, host: Host, request: Attachment, namespace: Namespace, ports: Mapping[tuple[str, int], int]
    ) -> CniContainer:
        tenant = request.tenant if self._settings.tenants else NO_TENANT
        values = {**self._values[host.name, tenant], "endpoint": request.name}
        place = f"{self._profile}: adapter"
        capabilities = placeholders.substitute(self._settings.runtime_config, values, f"{place}.runtime_config")
        if request.addresses:
            capabilities["ips"] = [str(address) for address in request.addresses]
        if ports:
            capabilities["portMappings"] = [
                {"hostPort": published, "containerPort": port, "protocol": protocol}
                for (protocol, port), published in ports.items()
            ]
        args = placeholders.substitute(self._settings.args, values, f"{place}.args")
        try:
            return CniContainer(request.name, namespace.path, self._settings.interface, args, capabilities)
        except ValueError as problem:
            raise AdapterError(str(problem)) from None

    def _reserve(self, host: Host, request: Attachment) -> dict[tuple[str, int], int]:
        """Host ports for what is to be published: the port itself plus the offset, or the next one that is free."""
        taken = self._published[host.name]
        ports: dict[tuple[str, int], int] = {}
        with self._lock:
            for protocol, port in request.publish:
                published = port + self._settings.publish_offset
                while (protocol, published) in taken:
                    published += 1
                taken[protocol, published] = request.name
                ports[protocol, port] = published
        return ports

    def _release(self, host: str, name: str) -> None:
        with self._lock:
            self._published[host] = {key: user for key, user in self._published[host].items() if user != name}


def _publications(host: Host, found: Reported, ports: Mapping[tuple[str, int], int]) -> tuple[Publication, ...]:
    """Where the published ports are dialled: on the host's address of every family that the endpoint has."""
    families = {address.version for address in found.addresses}
    places: list[IPv4Address | IPv6Address] = [ip for ip in (host.ipv4.ip, host.ipv6.ip) if ip.version in families]
    return tuple(
        Publication(protocol, address, published, port)
        for (protocol, port), published in ports.items()
        for address in places
    )


def _at_home(plugin: dict[str, Any], host: Host) -> dict[str, Any]:
    """host-local without a dataDir would keep its reservations on the machine, for all hosts together: give it one."""
    ipam = plugin.get("ipam")
    if isinstance(ipam, dict) and ipam.get("type") == "host-local" and "dataDir" not in ipam:
        return {**plugin, "ipam": {**ipam, "dataDir": str(host.folder.absolute() / "host-local")}}
    return plugin
