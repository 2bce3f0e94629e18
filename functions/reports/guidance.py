"""Guidance on each violation class: regulation, hazards, remedies.

The regulation is paraphrased, not quoted; the citation is what binds. A missing vest falls under
the general duty of 1926.95(a), a restricted zone under the site's own policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Guidance:
    """The guidance on one class; lists are in order of urgency."""

    title: str
    regulation: str | None
    requirement: str
    hazards: tuple[str, ...]
    actions: tuple[str, ...]
    follow_up: tuple[str, ...]


_HELMET = Guidance(
    title="No helmet",
    regulation="29 CFR 1926.100(a)",
    requirement="Where the head could be hurt by impact, by falling or flying objects, or by "
    "electric shock and burns, everyone working there wears a protective helmet.",
    hazards=(
        "Skull fracture or brain injury from a falling or flying object.",
        "Head injury from striking fixed structures, loads or moving equipment.",
    ),
    actions=(
        "Stop the person's work in the area until a protective helmet is worn and fastened.",
        "Hand out helmets that meet ANSI/ISEA Z89.1 where they are missing; replace any that are "
        "cracked, expired or have taken a blow.",
        "Mark every access to the area as a helmet zone.",
    ),
    follow_up=("Within 7 days: check that helmets are in stock, in date and fit each person.",),
)
_GOGGLES = Guidance(
    title="No eye protection",
    regulation="29 CFR 1926.102",
    requirement="Where particles, molten metal, chemicals, gases or harmful light could hurt the "
    "eyes or the face, the employer sees to it that suitable eye and face protection is used.",
    hazards=(
        "Eye injury or loss of sight from flying particles, dust or splinters.",
        "Chemical splash, molten metal or harmful light reaching the eyes.",
    ),
    actions=(
        "Stop the task until eye protection that suits it is worn.",
        "Provide ANSI/ISEA Z87.1 eyewear with side protection, also over prescription lenses.",
        "Check that an eyewash is within reach and works.",
    ),
    follow_up=("Within 7 days: review which tasks need goggles, glasses or a face shield.",),
)
_GLOVES = Guidance(
    title="No gloves",
    regulation="29 CFR 1926.95",
    requirement="Protective equipment for the hands and other extremities is provided, used and "
    "kept clean and dependable wherever a hazard of the work makes it necessary.",
    hazards=(
        "Cuts, crushing and abrasion of the hands.",
        "Burns or skin damage from hot, cold or corrosive material.",
    ),
    actions=(
        "Stop handling material until gloves that suit the task are worn.",
        "Offer gloves by task: cut, chemical, heat or electrical rating, in each person's size.",
        "Confirm first that the task allows gloves: near rotating machinery they can be drawn in.",
    ),
    follow_up=("Within 7 days: compare the glove selection with the hazard assessment.",),
)
_BOOTS = Guidance(
    title="No safety footwear",
    regulation="29 CFR 1926.96",
    requirement="Safety-toe footwear worn on site meets the American National Standard for such "
    "footwear; that it is worn where feet are at risk follows from 29 CFR 1926.95(a).",
    hazards=(
        "Crushed or punctured feet from dropped loads, wheels or nails.",
        "Slips and falls on wet or uneven ground.",
    ),
    actions=(
        "Keep the person out of the area until safety footwear is worn.",
        "Provide safety-toe footwear that fits, with a puncture-resistant sole where needed.",
        "Clear nails, offcuts and spills from the walkways.",
    ),
    follow_up=("Within 7 days: check the footwear of the whole crew at the start of a shift.",),
)
_VEST = Guidance(
    title="No high-visibility vest",
    regulation="29 CFR 1926.95(a)",
    requirement="Protective equipment and clothing is provided, used and maintained wherever "
    "hazards of the work make it necessary; here that means clothing that makes people visible.",
    hazards=(
        "Being struck by a vehicle or machine whose operator did not see the person.",
        "Being overlooked during lifting or reversing, above all in poor light.",
    ),
    actions=(
        "Move the person away from vehicles and machines until a high-visibility vest is worn.",
        "Provide vests of the ANSI/ISEA 107 class that suits the traffic and the light.",
        "Separate walkways from vehicle routes with barriers.",
    ),
    follow_up=("Within 7 days: review the traffic plan and the lighting where this was seen.",),
)
_ZONE = Guidance(
    title="Person in a restricted zone",
    regulation=None,
    requirement="No federal paragraph is cited: the zone is restricted by the site's own policy.",
    hazards=(
        "Exposure to whatever the zone is closed for: moving machinery, falls, live parts, loads.",
        "Nobody knows that the person is there, so help may come late.",
    ),
    actions=(
        "Have the person leave the zone, and make the equipment inside safe.",
        "Find out whether the person was authorised; if so, record the permit.",
        "Check barriers, locks and signs at every access to the zone.",
    ),
    follow_up=("Within 7 days: review who may enter the zone, and how entry is controlled.",),
)

GUIDANCE: Mapping[str, Guidance] = MappingProxyType(
    {
        "no_helmet": _HELMET,
        "no_goggle": _GOGGLES,
        "no_goggles": _GOGGLES,
        "no_gloves": _GLOVES,
        "no_boots": _BOOTS,
        "no_vest": _VEST,
        "restricted_zone": _ZONE,
    }
)

GENERAL_ACTIONS = (
    "Speak with the crew on the spot about what was seen and why it matters.",
    "Show this case, without names, at the next toolbox talk.",
    "Have the supervisor check the area at the start of the next shift.",
    "Record what was done, by whom and when, with this report's id.",
)
GENERAL_FOLLOW_UP = (
    "Within 24 hours: a competent person compares the picture with this report and signs it.",
    "Within 30 days: look for repeats on the same camera and zone; if there are any, change the "
    "measure rather than repeat it.",
)


def guidance_for(class_name: str) -> Guidance:
    """Return the guidance on a class; that on an unknown class cites no regulation."""
    known = GUIDANCE.get(class_name)
    if known is not None:
        return known
    return Guidance(
        title=class_name.replace("_", " ").strip().capitalize() or "Unnamed class",
        regulation=None,
        requirement="This report has no guidance for the class; the site's own policy applies.",
        hazards=("The hazard depends on the task: a competent person must name it.",),
        actions=("Have a competent person look at the scene before work goes on.",),
        follow_up=("Within 7 days: add guidance for this class to the site's safety plan.",),
    )
