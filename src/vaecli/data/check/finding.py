"""`Finding`: one kind of fault of a data set, and the images or classes that have it."""

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One kind of fault, of all the images that have it.

    Attributes:
        kind: Stable name, such as "near-duplicate".
        severity: error: training stops or is worthless; warning: results suffer; info: good to
            know.
        groups: Names of the images, or of classes in findings about classes. Images that belong
            together, such as copies, are a group; else every group has one name. The worst is
            first.
        text: What was found, in a sentence.
        advice: What to do about it, in a sentence.
        of: What the names are of, images or classes.
        details: Of single names, where there is more to say, such as why an image is broken.
    """

    kind: str
    severity: Severity
    groups: tuple[tuple[str, ...], ...]
    text: str
    advice: str
    of: Literal["images", "classes"] = "images"
    details: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names, group after group."""
        return tuple(name for group in self.groups for name in group)

    def to_json(self) -> dict[str, Any]:
        """The finding as an object of JSON."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "of": self.of,
            "count": len(self.names),
            "groups": [list(group) for group in self.groups],
            "text": self.text,
            "advice": self.advice,
            "details": dict(self.details),
        }


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun, as in "1 class" and "2 classes"."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {plural or noun + 's'}"


def singles(names: list[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of one name each."""
    return tuple((name,) for name in names)
