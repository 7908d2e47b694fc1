"""The lab: sandbox, namespaces, links, taps, flows and rules."""
