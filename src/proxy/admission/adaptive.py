"""The adaptive limit: how many requests may be with a service at once, learned from its answers alone.

Up to a certain number in flight, a service answers as fast as when it has nothing to do, and more in flight means more
answers. Beyond that number, more in flight only means that each one waits longer inside of the service. The limit is to
be a little above it. It is moved by the gradient of the time to respond, as TCP Vegas does (Brakmo and Peterson, 1995)
and Netflix' concurrency-limits ("Gradient2", 2018):

    gradient = slack x base / now          1 where nobody waits inside of the service, less where they do
    limit   <- limit x gradient + headroom       moved there by a part of the way in each interval

What is hard is ``base``, the time of a service with nothing to do, while it always has something to do. Others measure
it by taking nearly all load away for a moment, again and again; or they let it drift with what they see, and then an
overload that lasts is taken for the usual case, and the limit grows with it. Here it is learned by comparing what
traffic does at two limits. By Little's law, times shrink with the limit where requests wait for each other, and stay
where they do not; Uber's Cinnamon (2023) uses a covariance for the same.

- The base falls towards each faster interval.
- It rises slowly while the limit holds nobody back and the service answers clearly less than it was seen to be able to:
  then it is not crowded, and just slower than it was.
- Where the limit was lowered since times were long, and they have not become shorter, these times are the base.
- While all places are taken for long, the base is doubted: a smaller limit is tried for one interval. Where
  times shrink with it, it stays, and a still smaller one is tried. Where they do not, all is as before, and the next
  doubt comes after twice the time. So a service that is as it seems hardly feels it.

An interval without good answers, while there are requests, lowers the limit, too.
"""

from typing import Final, NamedTuple

from frames.wire_values import GroupFigures

SLACK: Final = 1.1
"""By how much times may be longer than the base for nothing."""
NOISE: Final = 0.07
"""How exact the mean of an interval should be, as a part of it: the interval lasts until there are answers enough."""
STEP: Final = 0.2
"""Which part of the way the limit goes in one interval."""
FAR_OFF: Final = 0.6
"""A gradient from which on it goes all the way at once: where times are twice as long, half of it is too much."""
HEADROOM: Final = 0.5
"""Times the root of the limit: how many may wait inside of the service, so that it never waits for us."""
HEADROOM_PART: Final = 0.1
"""Of the limit: at least as many, and more in each interval as long as times do not become longer."""
GRADIENT_MIN: Final = 0.5
GROWTH: Final = 1.5
"""In each interval, as long as times have never become longer."""
FALL: Final = 0.3
RISE: Final = 0.02
"""Which part of the way the base goes down and up in one interval."""
BUSY: Final = 0.8
"""Of the limit, in flight: from here on it is the limit that holds back."""
ABLE: Final = 0.8
"""Of the best throughput: a service that answers more than this is taken for busy, so its times are not the base."""
FORGET: Final = 0.999
"""What is left of the best throughput after one interval."""
LOOKS: Final = ((0.75, 0.9), (0.5, 0.75))
"""Where it is looked whether it has helped that the limit was lowered: parts of the limit as it was when it began to
fall, and of the times as they were then. Shorter than that, it has.
"""
HELPED: Final = 0.9
"""Of the times before: shorter than this, less has helped."""
TRIED_FIRST: Final = 0.5
TRIED: Final = 0.75
"""Of the limit, while it is doubted: at the very beginning, and later."""
CROWDED: Final = 0.3
"""How near to what a crowd would make of the times they must be in a trial: 0 is that, 1 is no change at all."""
DOUBT_S: Final = 5.0
DOUBT_MAX_S: Final = 320.0
"""After how long it is doubted for the second time, and how long it takes at most."""
STILL: Final = 1.15
"""Times the mean of the interval before: times that are longer are still becoming so."""
FEW_GOOD: Final = 0.5
BACK_OFF: Final = 0.8

INTERVAL_S: Final = 0.1
INTERVAL_MAX_S: Final = 5.0
ANSWERS_MIN: Final = 16
ANSWERS_MAX: Final = 1024
STALLED: Final = 10
"""Times the base: without any answer for so long, an interval has ended badly."""


class Mean(NamedTuple):
    """An interval: the mean time of its answers, how many there were, in which time, and whether the limit was full."""

    latency_us: float
    answers: int
    rate: float
    is_held_back: bool


class AdaptiveLimit:
    """The limit of one service. `limit` is what holds now; the clock (seconds) and the figures are given."""

    __slots__ = (
        "_began_s",
        "_best",
        "_doubt_s",
        "_doubted_s",
        "_easy",
        "_fell_from",
        "_fell_us",
        "_is_new",
        "_looks",
        "_settled_s",
        "_since",
        "_starts",
        "_tried_from",
        "_tried_us",
        "_value",
        "_variance",
        "base_us",
        "latency_us",
        "limit",
        "limit_max",
        "limit_min",
    )

    def __init__(self, limit_min: int, limit_max: int, start: int, figures: GroupFigures, now_s: float) -> None:
        """Begin with a limit (start), between the two bounds. figures: as they are now."""
        self.limit_min = limit_min
        self.limit_max = limit_max
        self.limit = max(limit_min, min(limit_max, start))
        self.base_us = 0.0
        """The time of an answer when nobody is in the way; 0: not known yet."""
        self.latency_us = 0.0
        """The mean of the last interval."""
        self._value = float(self.limit)
        self._variance = 1.0  # of single answers, relative to their mean
        self._best = 0.0  # answers per second
        self._is_new = True  # it was never doubted, and never seen without a crowd
        self._starts = True  # times have never become longer
        self._easy = 0  # intervals without longer times, though the limit held back
        self._tried_from = 0.0  # the limit before a smaller one was tried, 0: none is
        self._tried_us = 0.0  # and the times
        self._doubt_s = DOUBT_S
        self._doubted_s = now_s  # when the last doubt ended
        self._fell_from = 0.0  # the limit when it began to fall, 0: it does not
        self._fell_us = 0.0  # and the times
        self._looks = 0  # whether that has helped
        self._since = figures
        self._began_s = now_s
        self._settled_s = 0.0  # until then, answers are to what was sent under another limit

    def __repr__(self) -> str:
        """The limit and what it follows from, on one line."""
        return f"<AdaptiveLimit {self.limit} base={self.base_us:.0f}us now={self.latency_us:.0f}us>"

    # ---- intervals ----

    def learn(self, figures: GroupFigures, in_flight: int, now_s: float) -> None:
        """Take in what was counted by now. To be called about each `INTERVAL_S`; in_flight: now."""
        if now_s < self._settled_s:
            self._begin(figures, now_s)
            return
        span_s, since = now_s - self._began_s, self._since
        answers = figures.answers - since.answers
        if not answers:
            if not in_flight:
                self._begin(figures, now_s)  # nothing is asked: an interval begins with the next request
            elif span_s >= max(1.0, STALLED * self.base_us / 1e6):
                self._back_off()
                self._begin(figures, now_s)
            return
        latency_us = max(1.0, (figures.latency_sum_us - since.latency_sum_us) / answers)  # a coarse clock may stand
        if span_s < INTERVAL_MAX_S and (
            span_s < max(INTERVAL_S, 2e-6 * latency_us) or not self._are_enough(answers, latency_us)
        ):
            return
        requests = figures.requests - since.requests
        self._begin(figures, now_s)
        if answers < FEW_GOOD * requests and requests - answers > in_flight:
            self._back_off()
            return
        rate = answers / span_s
        is_held_back = rate * latency_us / 1e6 >= BUSY * self._value  # in flight, by Little's law
        self._take(Mean(latency_us, answers, rate, is_held_back))

    def _are_enough(self, answers: int, latency_us: float) -> bool:
        """Whether a mean of so many answers says something: it is exact, or so far off that it need not be."""
        if answers < ANSWERS_MIN or not self.base_us:
            return answers >= ANSWERS_MIN
        off = latency_us / self.base_us - 1
        return answers >= ANSWERS_MAX or self._variance / answers < max(NOISE, off / 4) ** 2

    def _begin(self, figures: GroupFigures, now_s: float) -> None:
        self._since, self._began_s = figures, now_s

    def _set(self, value: float) -> None:
        self._value = max(float(self.limit_min), min(float(self.limit_max), value))
        self.limit = round(self._value)

    def _back_off(self) -> None:
        self._starts = False
        self._fell_from = self._tried_from = 0.0
        self._set(self._value * BACK_OFF)

    def _take(self, mean: Mean) -> None:
        """Take in a whole interval."""
        before_us, self.latency_us = self.latency_us, mean.latency_us
        self._best = max(self._best * FORGET, mean.rate)
        if not before_us:
            self._settled_s = self._began_s + mean.latency_us / 1e6
            return  # the first one has seen the line inside of the service grow
        if not self.base_us:
            self.base_us = mean.latency_us
        elif mean.latency_us < self.base_us:
            exact = min(1.0, mean.answers * NOISE**2 / self._variance)
            self.base_us += FALL * exact * (mean.latency_us - self.base_us)
        elif not mean.is_held_back and mean.rate < ABLE * self._best:
            self.base_us += RISE * (mean.latency_us - self.base_us)
        self._is_new = self._is_new and mean.is_held_back
        if self._tried_from:
            self._judge_trial(mean)
        elif self._is_in_doubt(before_us, mean):
            self._try(mean.latency_us)
        else:
            self._learn_noise(before_us, mean)
            self._follow(mean)

    # ---- the gradient ----

    def _follow(self, mean: Mean) -> None:
        slack = max(SLACK, 1 + 2 * (self._variance / mean.answers) ** 0.5)
        gradient = max(GRADIENT_MIN, min(1.0, slack * self.base_us / mean.latency_us))
        if gradient < 1.0:
            self._starts = False
            self._easy = 0
            if self._helps_nothing(mean.latency_us):
                return
        elif not mean.is_held_back:
            return  # nobody is held back, so nothing is known about more
        elif self._starts:
            self._set(self._value * GROWTH)
            return
        else:
            self._easy += 1
        headroom = max(HEADROOM * self._value**0.5, HEADROOM_PART * self._value * max(1, self._easy))
        wanted = self._value * gradient + headroom
        if wanted < self._value or mean.is_held_back:
            self._set(self._value + (STEP if gradient > FAR_OFF else 1.0) * (wanted - self._value))

    def _learn_noise(self, before_us: float, mean: Mean) -> None:
        """Learn how much single answers differ from how much the means of two intervals do."""
        difference = (mean.latency_us - before_us) / (mean.latency_us + before_us)
        self._variance += 0.1 * (min(25.0, 2 * difference * difference * mean.answers) - self._variance)

    def _helps_nothing(self, latency_us: float) -> bool:
        """Compare times with those before the limit began to fall; where they are the same, take it back."""
        value, fell_from = self._value, self._fell_from
        grows = latency_us > STILL * self._fell_us and value > HELPED * fell_from
        if not fell_from or value > fell_from or grows:
            self._fell_from, self._fell_us, self._looks = value, latency_us, 0
            return False
        lowered, helped = LOOKS[self._looks]
        if value > lowered * fell_from:
            return False
        is_in_vain = latency_us > helped * self._fell_us
        if is_in_vain:
            self.base_us = latency_us
            self._set(fell_from)
        self._looks += 1
        if is_in_vain or self._looks == len(LOOKS):
            self._fell_from = 0.0
        return is_in_vain

    # ---- doubts ----

    def _is_in_doubt(self, before_us: float, mean: Mean) -> bool:
        if not mean.is_held_back or self._value <= self.limit_min:
            return False
        if mean.latency_us > STILL * before_us or SLACK * self.base_us < FAR_OFF * mean.latency_us:
            return False  # times still become longer, or it is known anyway that they are too long
        return self._is_new or self._began_s - self._doubted_s > self._doubt_s

    def _try(self, latency_us: float) -> None:
        """Try a smaller limit for one interval, from when all is answered that was sent under this one."""
        self._tried_from, self._tried_us = self._value, latency_us
        self._settled_s = self._began_s + latency_us / 1e6
        self._set(self._value * (TRIED_FIRST if self._is_new else TRIED))

    def _judge_trial(self, mean: Mean) -> None:
        tried_from, self._tried_from = self._tried_from, 0.0
        part = TRIED_FIRST if self._is_new else TRIED
        if mean.latency_us < self._tried_us * (part + CROWDED * (1 - part)):
            self.base_us = min(self.base_us, mean.latency_us)
            self._doubt_s = DOUBT_S
            if mean.is_held_back and self._value > self.limit_min:
                self._try(mean.latency_us)
            return
        if self._is_new or mean.latency_us > HELPED * self._tried_us:
            self.base_us = mean.latency_us
        if self._is_new:
            self._is_new = False
        else:
            self._doubt_s = min(DOUBT_MAX_S, 2 * self._doubt_s)
        self._doubted_s = self._began_s
        self._set(tried_from)
