"""What a run has proved: its record, thresholds and an earlier run make lines, each held, broken or unproven.

Pure: no clock, no file but that of the thresholds, no chance (what is drawn is seeded).

thresholds  what is asked of a run, as data, and how a file of them is read
line        one line of a verdict, and the verdict
view        a record as the rules want to see it: what is judged, what the nemesis has disturbed, what was at rest
slopes      robust slopes and ratios, and how sure they are
judge       all rules in their order

The rules, each a function of a view and of its part of the thresholds, which returns lines:

ending      whether the run went as planned, was long enough, and whether generator and machine can be trusted
answers     errors, throughput, latency against limits and an earlier run, drift
accounts    that every answer is accounted for, on both sides
growth      memory, descriptors and tasks, for each request
rest        what is left when nothing is asked
conduct     lines of the log, ids of workers, processes that came anew
"""

from .judge import judge as judge
from .line import BROKEN as BROKEN
from .line import HELD as HELD
from .line import UNPROVEN as UNPROVEN
from .line import Line as Line
from .line import Verdict as Verdict
from .thresholds import Thresholds as Thresholds
from .thresholds import ThresholdsError as ThresholdsError
from .thresholds import read_thresholds as read_thresholds
