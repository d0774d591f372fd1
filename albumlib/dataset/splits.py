"""Three splits of a cover set: models learn from train, choices are made on validation, and what
is reported comes from test.

What belongs together, an album or near-duplicate covers or (on real data) all of an artist, is
never on two sides, which follow from a hash of the group's name alone.
"""

import hashlib

import pandas as pd

SPLITS = ("train", "validation", "test")
HELDOUT = 0.25  # proportion of covers that no model learns from
TEST = 0.75  # proportion of those that nothing is chosen on
SMALL = 100  # covers: in a set of fewer, chance alone leaves too few on a side
LEAST = 6  # covers on "test" there: precision and recall look at the fifth nearest of the others


def split_of(groups: pd.Series, heldout: float = HELDOUT) -> pd.Series:
    """One of SPLITS for each group's name; `heldout` is the proportion that is not "train".

    >>> split_of(pd.Series(["album/1", "album/0", "album/2"])).tolist()
    ['train', 'validation', 'test']
    """

    def side(group: str) -> str:
        chance = _chance(group)
        return "train" if chance >= heldout else "test" if chance < TEST * heldout else "validation"

    return groups.map(side)


def _chance(group: str) -> float:
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64


def sides(
    artists: pd.Series, groups: pd.Series, heldout: float = HELDOUT, *, by_artist: bool = True
) -> pd.Series:
    """One of SPLITS for each cover, by its artist or by its group of near-duplicates alone.

    In a small set a side may be left without a cover, or "test" with too few to measure anything
    by: then artists no longer count (there may be but one), and if that is not enough, the groups
    that came nearest to such a side fill it, as far as the other sides can spare them.
    """
    found = split_of(groups_by_artist(artists, groups) if by_artist else groups, heldout)
    enough = max(1, min(LEAST, len(groups) // 3)) if len(groups) < SMALL else 1
    least = {"test": enough, "validation": 1, "train": 1}
    if not 0 < heldout < 1 or all((found == side).sum() >= least[side] for side in SPLITS):
        return found
    found = split_of(groups, heldout)
    names = sorted(set(groups), key=_chance)
    for side, nearest in (("test", names), ("validation", names), ("train", names[::-1])):
        for name in nearest:
            if (found == side).sum() >= least[side]:
                break
            group = groups == name
            here = found[group].iloc[0]
            if here != side and (found == here).sum() - group.sum() >= least[here]:
                found = found.mask(group, side)
    return found


def groups_by_artist(artists: pd.Series, groups: pd.Series) -> pd.Series:
    """One name for all covers of an artist and all near-duplicates of them, else their group's."""
    known = artists.fillna("").str.casefold().str.split().str.join(" ")
    names = known.mask(known == "", "group " + groups)
    while True:  # a name spreads from cover to cover along artists and groups
        wider = names.groupby(groups).transform("min").groupby(known.mask(known == "", names))
        wider = wider.transform("min")
        if wider.equals(names):
            return names
        names = wider
