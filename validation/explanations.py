"""What each kind of check is, and when it matters, for a reader who did not write the policy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """Prose about a kind of check.

    Attributes:
        what: What it is.
        when: When it matters.
    """

    what: str
    when: str


EXPLANATIONS = {
    "integrity": Explanation(
        "Facts about the record: what was trained, on whom, and that nothing was changed since.",
        "Always. A good figure on people whom the model has seen, or of another model, says nothing.",
    ),
    "floor": Explanation(
        "A metric of everybody who is held out must reach a floor, with its lower bound and not by luck.",
        "Where a model below the floor would be worse than what is done now without one.",
    ),
    "no_negative_transfer": Explanation(
        "The model must rank people about as well as the same network that was trained without transfer.",
        "Where a rich cohort differs from the deployment: what was learned there can do harm here.",
    ),
    "floor_by_group": Explanation(
        "A rate at the operating point must reach a floor in every group, each by its own lower bound.",
        "Where an error harms a person whatever happens to others: a missed disease, a needless procedure.",
    ),
    "gap_by_group": Explanation(
        "A group's rate may be below that of everybody else by no more than a margin.",
        "Where the model hands out something scarce, so that who is served worse loses it to who is served better.",
    ),
    "pattern_floor": Explanation(
        "Ranking must reach a floor in every pattern of present modalities; rare patterns are judged together.",
        "Where people differ in what was measured of them: an average hides those of whom little is known.",
    ),
    "simple_baselines": Explanation(
        "The model must be about as good as simple ones on the same people, paired.",
        "Always before a network is deployed: what does as well and can be read by eye is to be preferred.",
    ),
    "non_inferiority": Explanation(
        "The model must not be worse than the present champion by more than a margin, paired by subject.",
        "Where a model is in use already, and people would lose by the change.",
    ),
    "calibration": Explanation(
        "Predicted risks must agree with what happens: as many positives as the risks add up to, within limits.",
        "Where the risk itself is read, told to a patient or compared with a cost, and not only ranked.",
    ),
    "net_benefit": Explanation(
        "Acting on the model must do more good than treating everybody or nobody, at the operating point.",
        "Where a flag leads to an action with a price: a model can rank well and still not be worth following.",
    ),
    "degradation": Explanation(
        "Ranking must stay above a floor as modalities are taken away from people who have all of them.",
        "Where a device fails, a laboratory closes, or another site measures less.",
    ),
    "availability": Explanation(
        "Which modalities are present must not tell the group or the label better than a limit.",
        "Where measuring follows suspicion or money: a model can read the decision to measure, and fail elsewhere.",
    ),
    "pattern_shift": Explanation(
        "Ranking must hold when modalities are absent by other rules than those of this cohort.",
        "Before the model goes where other things are measured of other people.",
    ),
    "looks": Explanation(
        "The held-out cohort may be looked at a limited number of times.",
        "Where several candidates were judged on the same people: the best of many looks better than it is.",
    ),
}
UNKNOWN = Explanation(
    "No words were written for this kind of check; its sentences say what was found.", "Ask the owner of the policy."
)


def explanation(kind: str) -> Explanation:
    """Of a kind of check, or of the one that it is a variety of.

    Example:
        >>> explanation("net_benefit_by_group") == EXPLANATIONS["net_benefit"]
        True
    """
    fitting = [known for known in EXPLANATIONS if kind.startswith(known)]
    return EXPLANATIONS[max(fitting, key=len)] if fitting else UNKNOWN
