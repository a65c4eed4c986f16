"""Planted outages at brands of 10, 100 and 10,000 mentions a day: found or not, how soon, and what is raised when nothing happens.

usage: python -m benchmarks.outages [--brands 20] [--days 90] [--floor 10] [--threshold 0.5] [--step 1] [--seed 1]

Each brand talks for fourteen days, then for `--days` in which nothing happens but weeks, three holidays and two launches, and once more
for fourteen days with an outage in each week: the second one while the first is still among what is usual. Made minute by minute from a seed, with a truth of its own; judged by the live detector
(`domain/live.py`), which is looked at every `--step` minutes. The outage has the course of the model town's (town/tale.py): a quarter
of it rising, half of it full, the rest fading; complaints at full are `LOUD` times the brand's usual mentions.
"""

import argparse
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from statistics import median

import numpy as np
from numpy.typing import NDArray

from domain import flag_life
from domain.live import AGAIN, Heard, Live, Watched, bin_of

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
MINUTE, DAY = timedelta(minutes=1), 1440
SIZES = (10, 100, 10_000)  # mentions a day
WARM, TAIL = 14, 14  # days before and after the quiet ones
NEGATIVE = 0.12  # of ordinary talk
LOUD = 8.0  # complaints at the height of an outage, over the usual mentions of that time; the town's story has about 4 at 12 times the talk
WEEKEND, HOLIDAY, LAUNCH = 0.6, 0.4, 5.0  # times the usual volume
PRAISE = 0.5  # of the usual negative share while a launch is talked about
BURSTS = 4.0  # shape of the hours' gamma factor: talk comes in bursts, variance 1/4 beyond Poisson
LASTS = (90, 360)  # minutes
GRACE = 60  # minutes after an outage's end in which a flag is still its own


@dataclass
class Brand:
    """One brand's negative mentions per minute, and what truly happened."""

    size: int
    counts: NDArray[np.int64]
    outages: list[tuple[int, int, int]] = field(
        default_factory=list
    )  # first minute, end, minute of the first complaint
    quiet: tuple[int, int] = (0, 0)


def usual(size: int, days: int, dice: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(mentions, negative share) expected per minute: the hours of the day, the week, holidays, launches, and bursts."""
    minute = np.arange(days * DAY)
    hour = minute / 60 % 24
    rate = (size / DAY) * (1 + 0.8 * np.sin((hour - 9) * np.pi / 12))
    rate *= np.where(minute // DAY % 7 >= 5, WEEKEND, 1.0)
    rate *= np.repeat(dice.gamma(BURSTS, 1 / BURSTS, days * 24), 60)
    share = np.full(len(minute), NEGATIVE)
    for day in dice.choice(np.arange(WARM, days - TAIL), 3, replace=False):
        rate[day * DAY : (day + 1) * DAY] *= HOLIDAY
    for day in dice.choice(np.arange(WARM, days - TAIL), 2, replace=False):
        since = minute - (day * DAY + 9 * 60)
        talked = np.where(since >= 0, 0.5 ** (np.maximum(since, 0) / (12 * 60)), 0.0)  # half of it after twelve hours
        rate *= 1 + (LAUNCH - 1) * talked
        share *= 1 - (1 - PRAISE) * talked
    return rate, share


def brand(size: int, days: int, dice: np.random.Generator) -> Brand:
    whole = WARM + days + TAIL
    rate, share = usual(size, whole, dice)
    complaints = np.zeros(whole * DAY)
    spans = []
    for week in range(TAIL // 7):
        length = int(dice.integers(*LASTS))
        first = (WARM + days + 7 * week) * DAY + int(dice.integers(2 * DAY, 5 * DAY))
        course = np.interp(np.arange(length) / length, (0.0, 0.25, 0.75, 1.0), (0.0, 1.0, 1.0, 0.2))
        complaints[first : first + length] = LOUD * size / DAY * course
        spans.append((first, first + length))
    planted = dice.poisson(complaints)
    made = Brand(size, dice.poisson(rate * share) + planted, quiet=(WARM * DAY, (WARM + days) * DAY))
    for first, end in spans:
        said = np.flatnonzero(planted[first:end])
        if len(said):  # nobody said a word: there is nothing to find
            made.outages.append((first, end, first + int(said[0])))
    return made


def raised(brands: list[Brand], threshold: float, floor: float, step: int) -> list[tuple[list[int], list[int]]]:
    """(minutes at which flags went up, minutes at which somebody would be told: of a flag, or that it grew) of each brand: every `step`
    minutes one tick, bins looked at while they fill, as it is live."""
    live = Live([Watched("rule", str(n), threshold, floor) for n in range(len(brands))])
    counts = np.stack([one.counts for one in brands])
    begun = WARM * DAY
    warm, first = counts[:, :begun].reshape(len(brands), -1, 5).sum(axis=2), bin_of(START)
    said: list[dict[int, float]] = [{first + int(b): float(row[b]) for b in np.flatnonzero(row)} for row in warm]
    live.begin([Heard(one, one) for one in said], START + begun * MINUTE)
    said = [{b: n for b, n in one.items() if b > first + begun // 5 - 2 * AGAIN} for one in said]
    heard = [Heard(one, one) for one in said]
    found: list[tuple[list[int], list[int]]] = [([], []) for _ in brands]
    last: dict[int, flag_life.Last] = {}
    for passed in range(begun + step, counts.shape[1] + 1, step):
        now = START + passed * MINUTE - timedelta(seconds=1)
        bin_ = bin_of(now)
        sums = counts[:, (passed - 1) // 5 * 5 : passed].sum(axis=1)
        for one, n in zip(said, sums, strict=True):
            one[bin_] = float(n)
            one.pop(bin_ - 2 * AGAIN, None)
        where = live.tick(heard, now)
        for n in sorted(where.raised | last.keys()):
            standing, before = where[n], last.get(n)
            match flag_life.act(standing, before, False, threshold, floor):
                case "open":
                    last[n] = flag_life.Last(True, standing.scale, standing.count, standing.at)
                    found[n][0].append(passed)
                    found[n][1].append(passed)
                case "update" if before:
                    last[n] = replace(before, peak=before.now(standing))
                    found[n][1].append(passed)
                case "sharper" if before:
                    last[n] = replace(before, scale=standing.scale, peak=standing.count)
                    found[n][1].append(passed)
                case "close" if before:
                    last[n] = replace(before, open=False)
                case _ if before and not before.open and now - before.since > timedelta(days=2):
                    del last[n]
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--brands", type=int, default=20, help="of each size")
    options.add_argument("--days", type=int, default=90)
    options.add_argument("--floor", type=float, default=10.0)
    options.add_argument("--threshold", type=float, default=0.5)
    options.add_argument("--step", type=int, default=1, choices=(1, 5))
    options.add_argument("--seed", type=int, default=1)
    args = options.parse_args()
    start = time.process_time()
    for result in measure(args.brands, args.days, args.threshold, args.floor, args.step, args.seed):
        print(result.line())
    print(
        f"seed {args.seed}, floor {args.floor:g}, threshold {args.threshold}, {time.process_time() - start:.0f} s of CPU"
    )


@dataclass
class Result:
    """Of all brands of one size. `delays`: minutes from the first complaint to the flag; `heard`: complaints by then."""

    size: int
    outages: int
    first: int  # found of the first outages, half of them all
    delays: list[int]
    said: list[int]
    false: list[int]  # per brand, in its quiet days
    days: int

    def line(self) -> str:
        late = sorted(self.delays)
        told = f"median {median(late):.0f}, most {late[-1]}" if late else "–"
        said = f"{median(self.said):.0f}" if self.said else "–"
        return (
            f"{self.size:6d} mentions a day: {len(late)} of {self.outages} outages (first ones {self.first}); minutes from the first complaint: {told} "
            f"(negative mentions by then: {said}); false flags in {self.days} quiet days: mean {np.mean(self.false):.2f}, most {max(self.false)}"
        )


def measure(brands: int, days: int, threshold: float, floor: float, step: int, seed: int) -> list[Result]:
    made = [brand(size, days, np.random.default_rng([seed, size, n])) for size in SIZES for n in range(brands)]
    flags = raised(made, threshold, floor, step)
    results = []
    for size in SIZES:
        mine = [(one, at) for one, at in zip(made, flags, strict=True) if one.size == size]
        hits = [
            (one, first, told, next((a for a in at[1] if first < a <= end + GRACE), None))
            for one, at in mine
            for first, end, told in one.outages
        ]
        found = [(one, first, told, at) for one, first, told, at in hits if at is not None]
        false = [sum(one.quiet[0] <= a < one.quiet[1] for a in at[0]) for one, at in mine]
        said = [int(one.counts[told:at].sum()) for one, _, told, at in found]
        results.append(
            Result(
                size,
                len(hits),
                sum(first == one.outages[0][0] for one, first, _, _ in found),
                [at - told for _, _, told, at in found],
                said,
                false,
                days,
            )
        )
    return results


if __name__ == "__main__":
    main()
