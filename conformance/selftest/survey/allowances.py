"""What a family's survey alters, and what of it may pass unnoticed: data of the family, with a clause for each."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from pydantic import Field

from conformance.errors import UsageError
from conformance.family import Family, families
from conformance.selftest.survey.alteration import Alteration, Extent
from conformance.validation import Strict, Text, checked, table

FILE: Final = "allowances.toml"


class Scope(Strict):
    """What is altered: kinds of frames, and names of values and rows of the record, both with wildcards.

    Kinds are those of `conformance.selftest.survey.layouts`. ``flow KIND`` is the packets of a flow as they were
    delivered to its target, ``answer KIND`` those to its source, ``forwarded KIND`` a frame of a station that the
    implementation forwarded, ``endpoint KIND`` one that left an endpoint by the interface that it was given.
    """

    frames: tuple[Text, ...] = ()
    record: tuple[Text, ...] = ()


class Allowance(Strict):
    """An alteration that no verdict has to notice: of what, which field, how (empty: in every way), of one or of
    every one (None: both), and why.

    `clause` is the standard's, `reason` what it says; SUITE where this suite says so.
    """

    subject: Text
    field: Text
    how: tuple[Text, ...] = ()
    extent: Extent | None = None
    clause: Text
    reason: Text

    def covers(self, alteration: Alteration) -> bool:
        """Whether it speaks of this alteration."""
        named = fnmatchcase(alteration.subject, self.subject) and fnmatchcase(alteration.field, self.field)
        same = self.extent in (None, alteration.extent)
        return named and same and (not self.how or alteration.how in self.how)


class Allowances(Strict):
    """The file of a family."""

    survey: Scope = Scope()
    allowed: tuple[Allowance, ...] = Field(default=())

    def of(self, alteration: Alteration) -> Allowance | None:
        """The allowance that speaks of an alteration, None where there is none."""
        return next((one for one in self.allowed if one.covers(alteration)), None)


def load(family: Family) -> Allowances:
    """What a family's survey alters and allows. Raises UsageError where it has no such file, or a wrong one."""
    path = family.folder / FILE
    if not path.is_file():
        raise UsageError(f"{family.name}: it has no {FILE}, so that nothing of it is surveyed; {_surveyed()}")
    source = f"{family.name}/{FILE}"
    return checked(Allowances, table(path, source), source)


def surveyed() -> Sequence[str]:
    """The families that can be surveyed."""
    return [name for name, family in families().items() if (family.folder / FILE).is_file()]


def _surveyed() -> str:
    return f"there is one for {', '.join(surveyed())}"
