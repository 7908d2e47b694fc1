"""Every deadline and constant of time of the suite, in one place, each with the clause it comes from.

Units are seconds unless the name says otherwise. A deadline bounds a wait for an event; nothing waits it out when the
event comes earlier, except where a clause asks for silence.
"""

from __future__ import annotations

from typing import Final

# --- address resolution and reachability -------------------------------------------------------------------------
RESOLUTION: Final = 3.0
"""RFC 4861 §10: MAX_MULTICAST_SOLICIT 3 x RETRANS_TIMER 1 s; Linux resolves ARP with the same 3 x 1 s."""
RETRY: Final = 1.0
"""Between two tries of one probe: the retransmission of RFC 4861 §10 (RETRANS_TIMER) and RFC 6298 §2 (initial RTO)."""
TRIES: Final = 3
"""ROUTE-01: an endpoint answers in at most three tries, one second apart."""
ANSWER: Final = RESOLUTION + 1.0
"""From the first try of a probe to the verdict that nobody answers: resolution, then one more second (ROUTE-09)."""
UNREACHABLE: Final = ANSWER
"""RFC 1812 §5.2.7.1: a router's report follows its own resolution of the next hop."""

# --- IPv6 addresses ----------------------------------------------------------------------------------------------
DAD: Final = 2.0
"""RFC 4862 §5.4.2, §5.1: up to MAX_RTR_SOLICITATION_DELAY 1 s, then DupAddrDetectTransmits 1 x RETRANS_TIMER 1 s."""
DAD_SETTLED: Final = DAD + 18.0
"""DAD of every address of an endpoint is decided by then: `DAD`, with room for a busy machine."""
SOLICITATION_ANSWER: Final = 1.0
"""RFC 4861 §7.2.4 answers at once; a sender repeats after RETRANS_TIMER 1 s (§10)."""

WITHDRAWAL: Final = 1.0
"""No clause: an implementation that ties IPv6 to IPv4 has noticed by then that IPv4 is gone."""

# --- path MTU ----------------------------------------------------------------------------------------------------
TOO_BIG: Final = 3.0
"""MTU-03: every flow has its Packet Too Big within three seconds (RFC 4443 §2.4 (f) limits the rate, not the fact)."""
TOO_BIG_BURST: Final = 15.0
"""RFC 4443 §2.4 (f) suggests a limit of 10 errors per second: of 100 flows that keep sending each has its Packet Too
Big after ten seconds; with room for a busy machine."""

# --- idle flows --------------------------------------------------------------------------------------------------
IDLE_STATE_FAST: Final = 2
"""Lifetime in seconds that the fast variant gives to every connection-tracking state of the hosts."""
IDLE_FAST: Final = 4.0
"""Silence of the fast variant of nat.idle-flow: twice the lifetime that it gave to the state."""
IDLE_THOROUGH: Final = 7_500.0
"""RFC 5382 §5 REQ-5: a NAT keeps an idle established connection for 2 h 4 min; silence of 2 h 5 min outlives it."""

# --- policies ------------------------------------------------------------------------------------------------------
POLICY_EFFECT: Final = 5.0
"""ACL-07: a change of policy is effective within five seconds."""
STREAM_PACE: Final = 0.001
"""Between two datagrams of a stream: the resolution in which the effect of a change is told."""
STREAM_AFTER: Final = 0.2
"""How long a stream runs before and after what it watches: two hundred datagrams either way."""
STREAM_ENDED: Final = 50
"""Datagrams of a stream of which nothing came: then it has ended (no clause)."""

# --- moves -------------------------------------------------------------------------------------------------------
PRIMED: Final = 1.1
"""No clause: a neighbour entry of Linux resists replacement for `locktime`, 1 s; the first probes prime it before."""
STREAMED: Final = 0.3
"""No clause: for so long streams run before the move, so that it is known that they arrive."""
MOVE_WINDOW: Final = 6.0
"""How long an endpoint is watched after its move: five RARP frames of QEMU take 0.8 s, three advertisements 2 s."""
MOVE_WINDOW_THOROUGH: Final = 60.0
"""MOVE-04, MOVE-10: a controller may repeat for 16 s, a cache may answer for 30 s."""
ANNOUNCED: Final = 1.0
"""MOVE-01, MOVE-05: the first announcement follows within one second of the address being usable."""
PROMPT: Final = 1.0
"""MOVE-13: within one second of the address being usable everybody reaches it at the new place; later is noted."""
FOLLOWED: Final = 3.0
"""MOVE-13: later than three seconds is a failure. Whoever times out takes DELAY 5 s and three probes (RFC 4861 §10)."""
HANDED_OVER: Final = 0.1
"""MOVE-04: later than 100 ms after the hand-over nothing says any more what held before it."""
STREAM_TICK_LATE: Final = 0.05
"""No clause: a tick of the streams, due after a millisecond, that came later than this is written down."""
ADVERTISEMENT_SPACING: Final = 0.95
"""RFC 4861 §7.2.6: unsolicited advertisements are RETRANS_TIMER 1 s apart; with 50 ms of jitter."""

# --- conflicts over IPv4 addresses (RFC 5227 §1.1) ---------------------------------------------------------------
PROBES: Final = 3
PROBE_LEAST: Final = 0.95
PROBE_MOST: Final = 2.2
"""PROBE_NUM 3; PROBE_MIN 1 s and PROBE_MAX 2 s between two of them, with 50 ms and with 10 %."""
ANNOUNCE_WAIT: Final = 1.9
"""ANNOUNCE_WAIT 2 s after the last probe, with 100 ms."""
ADDRESS_TRIED: Final = 15.0
"""PROBE_WAIT 1 s, two gaps of PROBE_MAX 2 s, ANNOUNCE_WAIT 2 s: an address is in use after 7 s; with room for a busy
machine."""
ANNOUNCEMENTS: Final = 2
ANNOUNCE_INTERVAL: Final = 2.0
ANNOUNCE_UNEVEN: Final = 0.2
ANNOUNCED_ALL: Final = 5.0
"""ANNOUNCE_NUM 2, ANNOUNCE_INTERVAL 2 s, and by how much it may be missed before that is noted; MOVE-01: the last one
within five seconds of the first."""
CLAIM_ANSWER: Final = 1.0
"""No clause: §2.4 (a) asks for an immediate end, (b) for an immediate announcement."""

# --- virtual routers (RFC 5798 §6.1) -----------------------------------------------------------------------------
VRRP_DOWN: Final = 3
"""Master_Down_Interval: so many advertisement intervals, and Skew_Time."""
VRRP_MARGIN: Final = 1.0
"""What is allowed on top of a timer of VRRP, for the machine's sake: one more advertisement interval of the default."""
VRRP_PROMPT: Final = 0.2
"""MOVE-19: what is later than its timer by more than this is noted."""

# --- link aggregation (IEEE 802.1AX-2014 §6.4.4, from memory where no other text is named) --------------------------
LACP_FAST: Final = 1.0
LACP_EXPIRED: Final = 3.0
LACP_DEFAULTED: Final = 3.0
"""Fast_Periodic_Time, Short_Timeout_Time, and the same again from Expired to Defaulted (§6.4.12)."""
LACP_EXPIRED_LONG: Final = 90.0
"""Long_Timeout_Time (§6.4.4), of a participant that asks for a LACPDU every 30 s."""
LACP_SLOW_PERIOD: Final = 30.0
LACP_PER_SECOND: Final = 3
"""Slow_Periodic_Time, and how many LACPDUs may leave in any Fast_Periodic_Time (§6.4.16)."""
LACP_MARGIN: Final = 1.0
"""What is allowed on top of a timer of LACP, for the machine's sake: one more period."""
LACP_UP: Final = 20.0
"""A group distributes by then: Aggregate_Wait_Time 2 s, a period or two, and room for a busy machine."""
LACP_HALF: Final = 0.5
"""Half a period, a little of the machine's: by so much a timer of LACP may be early, or its effect late (no clause)."""
LACP_UNEVEN: Final = 0.3
"""By how much the usual time between two LACPDUs may miss Fast_Periodic_Time (no clause: a third of it)."""
LACP_SLOW_LEAST: Final = 18.0
"""LACPDUs that leave more often than this leave more often than every Slow_Periodic_Time 30 s (no clause)."""
LACP_SECOND: Final = 0.75
STP_SECOND: Final = 0.75
"""What is counted as one second of a limit by the second: both timers may be late by an eighth (no clause)."""
SECOND_LEAST: Final = 0.1
"""However late our own timers were, no less than this is counted as a second."""
LACP_TALK: Final = 0.2
LACP_TALK_FINE: Final = 0.02
"""Between two frames of one conversation; the latter while a link is lost, so that the outage is measured finely."""
LACP_STEADY: Final = 5.0
"""Five fast periods are looked at."""
LACP_BRISK: Final = 1.0
LACP_STEP: Final = 3.5
"""Longer than Aggregate_Wait_Time 2 s and a period: who wants to go ahead has done so by then."""
LACP_ECHO: Final = 2.0
"""A change is repeated in the next LACPDU, at most a fast period later; with a period to spare."""
LACP_LOSS: Final = 2.0
"""A link is lost for so long."""
PAIR_TALK: Final = 0.05
"""Between two frames of one conversation of the stations behind a pair (no clause)."""
PAIR_IN_FLIGHT: Final = 0.2
"""No clause: what was sent so shortly before the end of a time may arrive after it."""
PAIR_LEAST: Final = 0.5
PAIR_LEAST_AFTERWARDS: Final = 0.25
"""No clause: a shorter time shows nothing of what a group carries while a cable is lost, or when it is back."""
PAIR_SPOKEN: Final = 2.0
"""No clause: who spoke so shortly before a table was shown is in it."""
PAIR_ARRIVED: Final = 5.0
"""No clause: what a station sent has come to the other one by then, through switches that wait for a processor."""
LACP_PASSIVE_FAST: Final = 4.0
LACP_PASSIVE: Final = 35.0
"""LACP-06: a passive port is silent for longer than the slow period; the fast variant, than four fast ones."""
LACP_SLOW_FAST: Final = 7.0
LACP_SLOW: Final = 65.0
"""LACP-03: two slow periods; the fast variant shows that the fast rate has ended."""
MARKER_RESPONSE: Final = 1.0
"""LACP-07: a marker is answered within a second."""

# --- bridges -----------------------------------------------------------------------------------------------------
BRIDGE_SETTLED: Final = 0.3
"""No clause: a frame has crossed the bridge, or its first of a kind has gone through the slow path, by then."""
BRIDGE_RELEARNED: Final = 3.0
"""A station that has moved is reached at its new port by then. No clause gives a time; a switch in software looks
through the flows that it has cached, in a thread that a busy machine lets wait."""
BRIDGE_ASKED: Final = 1.0
"""Between two frames to a station that is to be forgotten: so finely its ageing is known (no clause)."""
BRIDGE_KNOWN: Final = 0.9
"""Share of the ageing time in which a station is certainly known (no clause: switches age in ticks)."""
BRIDGE_AGED: Final = 2.0
"""A silent station is forgotten within so many ageing times: hardware looks twice, once in each (no clause)."""

NEIGHBOUR_FRESH: Final = 20.0
"""RFC 4861 §10: who answered is believed for REACHABLE_TIME 30 s x MIN_RANDOM_FACTOR 0.5, 15 s, at least, and is tried
before it is forgotten, DELAY_FIRST_PROBE_TIME 5 s later."""
COUNTED: Final = 2.0
"""A counter that is read may not yet have what passed so short a time before (no clause): switches collect them."""
STATION_SHOWN: Final = 0.2
"""A station that spoke so long ago is in the table of a bridge (no clause): learning may go through a slow path."""

# --- spanning trees (IEEE 802.1D-2004 Table 17-1, from memory) -------------------------------------------------------
STP_HELLO: Final = 2.0
STP_MIGRATION: Final = 3.0
"""Bridge Hello Time and Migrate Time."""
STP_LOST: Final = 3
"""Hello Times without a BPDU after which what a port heard is out of date (§17.21.23)."""
STP_HELLO_LEAST: Final = 1.5
STP_HELLO_MOST: Final = 3.0
"""Between which the usual time between two BPDUs lies: Bridge Hello Time 2 s, less a quarter and half as much again (no
clause)."""
STP_FORGOTTEN: Final = 6
"""Whole seconds: the shortest Max Age (Table 17-1). What was told longer ago need not be known any more."""
STP_PROBE: Final = 0.1
STP_ASK: Final = 0.25
"""Between two broadcasts into a loop, and between two frames to a station that is to be forgotten (no clause)."""
STP_HOLD_COUNT: Final = 6
"""Transmit Hold Count, BPDUs in any second."""
STP_HELLOS: Final = 8
"""Hello times that are listened to."""
STP_COPIES: Final = 3
"""STP-02: copies of a broadcast on a loop while the tree is being made."""
STP_FLUSHED: Final = 1.0
"""STP-04: no stale entry a second after a topology change."""
STP_LOOKED_AT: Final = 4.0
"""How long a loop is looked at once the tree is made."""
STP_MARGIN: Final = 2.0
"""What is allowed on top of a timer of a spanning tree, for the machine's sake: one more hello time."""

# --- the lab's own work (no clause; generous, since machines are shared) ------------------------------------------
DAEMON_START: Final = 90.0
DAEMON_STOP: Final = 20.0
COMMAND: Final = 60.0
ATTACH: Final = 90.0
GUEST: Final = 90.0
"""One answer of a virtual machine: software emulation, on a machine that others use too."""
GUEST_START: Final = 300.0
"""Until a virtual machine that boots greets: with two dozen network cards that is twenty seconds of emulation."""
MIGRATION: Final = 90.0
FACT: Final = 10.0
"""A command whose output a family wants recorded has ended by then: it shows state, and waits for nothing."""
CANARY: Final = 5.0
LINK_UP: Final = 10.0
TAP_FLUSH: Final = 10.0
"""The kernel hands over a block of frames within tens of milliseconds; this bounds a machine that stands still."""
SWITCH_OPEN: Final = 30.0
SWITCH_ANSWER: Final = 30.0
"""A switch's command line: until its SSH session is open, and until a command is answered with a prompt."""
SWITCH_EFFECT: Final = 15.0
"""RFC 4862 §5.4: an IPv6 address that a switch was told is in force when its detection is over; a bundle or spanning
tree says so some seconds later. Until then it is read back again and again, at the pace of the session itself."""
RUN: Final = 6 * 3600.0
"""Nothing that a run waits for takes longer: thorough recordings of many implementations, one after another."""
RUN_FAST: Final = 1500.0
"""The same where all windows are the fast ones: no recording takes as long, and an answer that is lost ends a wait."""

# --- link layer discovery ----------------------------------------------------------------------------------------
LLDP_FAST_START: Final = 5.0
"""IEEE 802.1AB-2016 §9.2.5.19, §9.2.5.5: after four LLDPDUs one second apart the agent is in its steady state."""
LLDP_QUICK: Final = 2
"""Whole seconds: LLDPDUs closer together belong to a fast start (msgFastTx 1 s, §9.2.5.5)."""
LLDP_JITTER: Final = 0.5
"""By how much a fast transmission may be early or late (LLDP-04): 0.2 s are the jitter of §9.2.2, the rest is what an
idle machine may add. msgFastTx counts whole seconds, so that the next one is still told apart."""
LLDP_LONG: Final = 10.0
"""Agents with a longer interval are watched for one interval in the fast variant."""
LLDP_OFTEN: Final = 20.0
LLDP_OFTEN_LATE: Final = 1.0
LLDP_LATE: Final = 2.0
"""LLDP-02: an LLDPDU may be late by two seconds, by one where the interval is shorter than 20 s."""
LLDP_BEFORE_NEXT: Final = 1.0
"""A port is disabled and enabled so long before its next LLDPDU is due: who does not pause is seen to."""
LLDP_APART: Final = 0.05
"""Between two malformed LLDPDUs (no clause)."""
LLDP_TTL_LONG: Final = 120
"""Validity in whole seconds of what is not to age meanwhile (no clause)."""
LLDP_TTL_SHORT: Final = 6
"""Validity in whole seconds of what our agent tells, to see it age (§8.5.4): short, since it is waited for."""
LLDP_AGEING: Final = 1.5
"""LLDP-07: an entry lives as long as its TTL, give or take a second and a half."""
LLDP_PROMPT: Final = 1.0
"""LLDP-05, LLDP-07: a shutdown LLDPDU is sent, and heeded, within a second."""
LLDP_REINIT: Final = 2.0
"""§9.2.5.10, reinitDelay: how long an agent that was disabled waits before it starts again."""
LLDP_FAST_WINDOW: Final = 6.0
"""LLDP-04: the frames in the six seconds after a new neighbour."""
LLDP_CHANGES: Final = 2.0
"""LLDP-06: in this time our twenty changes are made."""
LLDP_LAST_STATE: Final = 5.0
"""LLDP-06: the last change is told within five seconds."""
PAIR_LLDP_FIRST: Final = 45.0
"""Two agents meet: each has sent by then, within msgTxInterval 30 s (§9.2.5.7), with room for a busy machine."""
PAIR_LLDP_SHOWN: Final = 2.0
"""No clause: two agents share a processor with much else; what one told is shown by the other by then."""
PAIR_LLDP_TTL: Final = 190
"""What an agent told is outlived up to this validity in whole seconds: msgTxInterval 30 s and a msgTxHold of 6."""
LLDP_BUSY: Final = 1.0
"""No clause: what a window is longer than its clause asks for, since machines are shared."""

# --- our own timers ----------------------------------------------------------------------------------------------
STANDSTILL: Final = 3.0
BUSY: Final = 1.0
MENTIONED: Final = 0.2
"""How late our own timers may be before nothing can be said of others, before nothing that others were late for is held
against them, and before it is mentioned (no clause)."""
PULSE: Final = 0.1
PULSE_LATE: Final = 0.02
"""How often our own event loop looks at the clock, and how much later than that is written down."""
DISORDER: Final = 0.1
"""How far records of a capture may be out of the order of their times before no time in the file is believed: the
queues of an adapter mix records by a few milliseconds, and a clock that is set moves by more (no clause)."""

# --- this program's own ------------------------------------------------------------------------------------------
GARBAGE: Final = (100_000, 20, 20)
"""How rarely Python looks for garbage, as `gc.set_threshold` takes it: outcomes and recordings grow and do not shrink,
and looking took a third of judging."""
CGROUP_LEFT: Final = 10.0
"""A process that has ended, and was waited for, has left its cgroup by then; the kernel takes it out later."""
CGROUP_RETRY: Final = 0.05
"""Between two tries to remove a cgroup: of the hierarchies of version 1 no event tells that they are empty."""
