"""Odd packets from tenant to tenant, under the sender's own address, under one of no tenant and of the receiver's."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.adapters.interface import Address, Endpoint
from conformance.provoking.context import Context
from conformance.provoking.odd_packets import FORMS, NOWHERE, Pair, send_crafted, send_link_local, send_plain
from conformance.recording.model import AddressFamily, Path


def odd(context: Context) -> None:
    """Send every odd packet from one tenant to the other on one host, and the other way round across hosts."""
    for number, pair in enumerate(_pairs(context)):
        base = number * FORMS
        context.flows.extend(send_crafted(pair, base))
        if pair.family == "ipv6":
            context.flows.extend(send_link_local(pair, base + FORMS - 4))
        for place, (form, address) in enumerate(_strange(pair)):
            sent = send_plain(pair.under(address), base + FORMS - 1 - place, "foreign-source", form)
            context.flows.append(sent)
    for number, pair in enumerate(_within(context)):
        context.flows.append(send_plain(pair, -1 - number, "within", "a plain datagram"))


def _endpoints(context: Context, tenant: str) -> list[Endpoint]:
    return [one for one in context.endpoints.values() if context.states[one.name].tenant == tenant]


def _tenants(context: Context) -> list[str]:
    return sorted({one.tenant for one in context.states.values()})


def _pairs(context: Context) -> Iterator[Pair]:
    own, other = _tenants(context)[:2]
    for family in context.families:
        yield from _first(context, family, "same-host", own, other)
        yield from _first(context, family, "cross-host", other, own)


def _first(context: Context, family: AddressFamily, path: Path, own: str, other: str) -> Iterator[Pair]:
    """From the first endpoint of a tenant to the first of another on the same host, or on another one."""
    source = _endpoints(context, own)[0]
    for target in _endpoints(context, other):
        if (target.host == source.host) == (path == "same-host"):
            yield _pair(context, family, path, source, target)
            return


def _within(context: Context) -> Iterator[Pair]:
    """Two endpoints of one tenant on one host, for each tenant and family."""
    for family in context.families:
        for tenant in _tenants(context):
            source, *others = _endpoints(context, tenant)
            for target in [one for one in others if one.host == source.host][:1]:
                yield _pair(context, family, "same-host", source, target)


def _pair(context: Context, family: AddressFamily, path: Path, source: Endpoint, target: Endpoint) -> Pair:
    near, far = (context.addresses(one, family)[0] for one in (source, target))
    return Pair(context, family, path, source, target, near, far)


def _strange(pair: Pair) -> Iterator[tuple[str, Address]]:
    """Addresses that are not the sender's, with what they are."""
    context = pair.context
    yield "under an address of no tenant", NOWHERE[pair.far.version]
    for one in _endpoints(context, context.states[pair.target.name].tenant):
        if one.name != pair.target.name:
            yield "under an address of the receiver's tenant", context.addresses(one, pair.family)[0]
            break
