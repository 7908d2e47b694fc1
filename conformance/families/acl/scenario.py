"""A policy: put in force before anybody is there, then every ordered pair of many endpoints is tried at once.

All probes of the policy run from this one process at the same time, over both families, so that what is denied in
silence is waited for once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from conformance.adapters.interface import AdapterError, power_of
from conformance.adapters.interface.powers import Filtering
from conformance.families.acl.scenario_change import again, change, late
from conformance.families.acl.scenario_edges import edges
from conformance.families.acl.scenario_reuse import reuse
from conformance.lab.flow.loop import descriptors
from conformance.policy.document import Policy, load
from conformance.provoking.context import Context
from conformance.provoking.meshes import mesh_of, population
from conformance.recording.events.isolation import PolicyAsked

POLICY: Final = "three-tier"


def run(context: Context) -> None:
    """Apply, attach, and try everything."""
    policy = load(POLICY).placed(context.lab.testbed)
    apply(context, policy)
    context.attach_all(list(population(context, policy, context.profile.endpoints)))
    with context.window("policy"):
        with descriptors(), ThreadPoolExecutor(2) as threads:
            tasks = threads.submit(mesh_of, context, "policy"), threads.submit(edges, context, policy)
        for task in tasks:
            task.result()
        reused = late(context)
        context.snapshot_hosts("after", tracked=False)
        if reused:
            reuse(context, reused)
        if again(context):
            context.snapshot_hosts("restarted", tracked=False)
    change(context, policy, partial(apply, context))
    context.snapshot_hosts("changed", tracked=False)


def apply(context: Context, policy: Policy) -> None:
    """Put a policy in force, and write down when that was asked for."""
    filtering = power_of(context.subject, Filtering)
    if filtering is None:
        raise AdapterError("the profile claims policy, but its adapter cannot apply one")
    context.policies.append(policy)
    context.event(PolicyAsked(where=policy.name))
    filtering.apply(policy)
