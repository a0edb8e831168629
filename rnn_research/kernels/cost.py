"""What a step of a kernel takes: a model of a multiprocessor runs its instructions.

The warps of a block issue in order, each instruction once what it reads is there and
its unit is free; memory has a queue. No chip was measured: the numbers below are round
and assumed, of the size that is published for Hopper (arXiv 2402.13499, 2501.12084).
What the model says is to be held against times from a GPU.
"""

import itertools
import re
from typing import NamedTuple

GIGAHERTZ = 1.755  # of an H100
SCHEDULERS = 4  # of a multiprocessor, each issues one instruction a cycle
SHARED_BYTES = 128  # a cycle, of all schedulers together
GLOBAL_BYTES = 64
TURNS = 3  # of the loop, the last of which counts
MOST_STEPS = 32  # that a compiler puts into a turn


class Unit(NamedTuple):
    """What does a kind of instruction.

    Attributes:
      busy: cycles until it takes the next, of any warp of a scheduler.
      latency: cycles until the result is there.
    """

    busy: int
    latency: int


UNITS = {  # by how an instruction begins; the longest beginning decides
    "": Unit(1, 4),
    "I": Unit(2, 4),
    "LOP3": Unit(2, 4),
    "SHF": Unit(2, 4),
    "F2": Unit(8, 12),
    "I2": Unit(8, 12),
    "MUFU": Unit(8, 20),
    "HMMA.1688": Unit(8, 24),
    "HMMA.16816": Unit(8, 32),
    "DMMA": Unit(16, 40),
    "LDS": Unit(1, 30),
    "STS": Unit(1, 4),
    "LDL": Unit(1, 40),
    "STL": Unit(1, 4),
    "SHFL": Unit(2, 24),
    "LDG": Unit(1, 500),
    "LDGDEPBAR": Unit(1, 4),
    "STG": Unit(1, 4),
    "BAR": Unit(1, 20),
}
QUEUES = {"LDS": "shared", "STS": "shared"}
QUEUES |= dict.fromkeys(("LDG", "STG", "LDL", "STL"), "global")


class Instruction(NamedTuple):
    """An instruction of the chip: its name and operands, and the registers by name."""

    name: str
    operands: str
    writes: tuple[str, ...]
    reads: tuple[str, ...]


LINE = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(@!?(U?P\w+) )?(\S+?)(?: (.*?))? ?;")
REGISTER = re.compile(r"\b(UR|R|UP|P)(\d+)\b")
COPY, COPIES_END, WAIT = "LDGSTS", "LDGDEPBAR", "DEPBAR.LE"
WITHOUT_RESULT = ("ST", "BAR", "BRA", "EXIT", "NOP", "DEPBAR", "RED", "WARPSYNC")
WITHOUT_RESULT += COPY, COPIES_END
FLAG_FIRST = "SHFL", "LOP3", "R2UR"  # before the register they write, if at all


def instructions(lines: list[str]) -> list[Instruction]:
    """Of lines of the disassembly, some of which have none."""
    return [_instruction(match) for line in lines if (match := LINE.search(line))]


def _instruction(match: re.Match) -> Instruction:
    condition, name, rest = match[2], match[3], match[4] or ""
    operands = [each.strip() for each in rest.split(",") if each.strip()]
    results = _results(name, operands)
    registers = [
        _registers(operand, _width(name, operand, place))
        for place, operand in enumerate(operands)
    ]
    writes = sum(registers[:results], ())
    reads = sum(registers[results:], (condition,) if condition else ())
    return Instruction(name, rest, writes, reads)


def _results(name: str, operands: list[str]) -> int:
    """How many of its operands, the first, an instruction writes."""
    if name.startswith(WITHOUT_RESULT):
        return 0
    flags = [bool(re.fullmatch(r"U?P[\dT]", each)) for each in operands]
    begins_with_flag = flags[:1] == [True]
    if begins_with_flag and name.startswith(FLAG_FIRST):
        return 2
    if name.startswith("VOTE"):
        return 1 if begins_with_flag else 2
    most = 2 if begins_with_flag else 3  # two flags; a register and two flags
    return 1 + sum(itertools.takewhile(bool, flags[1:most]))


def _registers(operand: str, width: int) -> tuple[str, ...]:
    found = []
    for bank, number in REGISTER.findall(operand):
        in_row = width if bank == "R" else 1
        found += [f"{bank}{int(number) + i}" for i in range(in_row)]
    return tuple(found)


def _width(name: str, operand: str, place: int) -> int:
    """Registers in a row that an operand names by its first."""
    if operand.startswith(("[", "desc")):
        return 2 if ".64" in operand else 1
    if name.startswith(("HMMA", "DMMA")) and place < 4:  # D = A B + C
        short = name.startswith("HMMA.1688.F32.BF16")
        return (4, 2, 1, 4)[place] if short else (4, 4, 2, 4)[place]
    if name.startswith(("LD", "ST")):
        return bytes_of(name) // 4 or 1
    return 2 if ".WIDE" in name and place == 0 else 1


def bytes_of(name: str) -> int:
    """Bytes that an instruction moves for a thread."""
    if name.startswith(("LDSM", "STSM")):
        count = name.rsplit(".", 1)[1]
        return 4 * (int(count) if count.isdigit() else 1)
    for bits, size in ((".128", 16), (".64", 8), (".U16", 2), (".16", 2), (".U8", 1)):
        if bits in name:
            return size
    return 4


COUNTING = re.compile(r"(U?R\d+), (?:U?P[\dT], ){0,2}\1, (-?0x[0-9a-f]+|-?\d+)\b")
ADDITIONS = "IADD3", "UIADD3", "VIADD"


def steps(loop: list[Instruction]) -> int:
    """Steps in a turn of the loop, which the compiler may have unrolled.

    By how far the number goes on that the way back depends on; 1 if none is found, or
    if an address stands for it.
    """
    wanted = set(loop[-1].reads)  # of the branch: its condition
    for current in reversed(loop[:-1]):
        found = wanted.intersection(current.writes)
        if not found:
            continue
        wanted -= found
        counts = COUNTING.match(current.operands)
        if current.name in ADDITIONS and counts and counts[1] in found:
            ahead = int(counts[2], 0) % 2**32
            ahead = min(ahead, 2**32 - ahead)
            return ahead if 1 <= ahead <= MOST_STEPS else 1
        wanted.update(current.reads)
    return 1


def kind(name: str) -> str:
    """The key of `UNITS` for an instruction."""
    return max((each for each in UNITS if name.startswith(each)), key=len)


def unit(name: str) -> Unit:
    """What does an instruction, and how long."""
    busy, latency = UNITS[kind(name)]
    if queue := QUEUES.get(kind(name)):
        a_cycle = SHARED_BYTES if queue == "shared" else GLOBAL_BYTES
        busy = -(-SCHEDULERS * 32 * bytes_of(name) // a_cycle)
    return Unit(busy, latency)


def streamed(loop: list[Instruction], warps: int) -> int:
    """Bytes that a block reads from and writes to the chip's outside in a turn."""
    moved = [bytes_of(e.name) for e in loop if kind(e.name) in ("LDG", "STG")]
    return 32 * warps * sum(moved)


def cycles(loop: list[Instruction], warps: int) -> int:
    """Cycles of one turn of a loop."""
    scheduler = _Scheduler(loop, max(1, warps // SCHEDULERS))
    ends = [scheduler.turn() for _ in range(TURNS)]
    return ends[-1] - ends[-2]


class _Scheduler:
    """One of four alike, with its share of the warps."""

    def __init__(self, program: list[Instruction], warps: int):
        self.program, self.warps = program, warps
        self.ready = [{} for _ in range(warps)]  # register -> when it can be read
        self.next = [0] * warps  # when a warp can issue its next
        self.copies = [[0] for _ in range(warps)]  # groups to shared memory: their ends
        self.free = {}  # unit or queue -> when it takes the next
        self.issued = -1  # the last cycle with an issue

    def turn(self) -> int:
        """Run the loop once; the cycle at which it ends."""
        places = [0] * self.warps
        waiting = set()
        while min(places) < len(self.program):
            able = [
                (self._start(warp, self.program[places[warp]]), warp)
                for warp in range(self.warps)
                if places[warp] < len(self.program) and warp not in waiting
            ]
            start, warp = min(able)
            current = self.program[places[warp]]
            self._issue(warp, current, start)
            places[warp] += 1
            if current.name.startswith("BAR"):
                waiting.add(warp)
                if len(waiting) == self.warps:
                    together = start + unit(current.name).latency
                    self.next, waiting = [together] * self.warps, set()
        return self.issued

    def _start(self, warp: int, current: Instruction) -> int:
        there = [self.ready[warp].get(name, 0) for name in current.reads]
        there += self._awaited_copies(warp, current)
        free = 0 if kind(current.name) in QUEUES else self._free(current.name)
        return max(self.next[warp], self.issued + 1, free, *there, 0)

    def _issue(self, warp: int, current: Instruction, start: int):
        busy, latency = unit(current.name)
        self.issued, self.next[warp] = start, start + 1
        served = max(start, self._free(current.name))
        self.free[self._place(current.name)] = served + busy
        for name in current.writes:
            self.ready[warp][name] = served + latency
        if current.name.startswith(COPY):
            self.copies[warp][-1] = served + latency
        if current.name == COPIES_END:
            self.copies[warp].append(0)

    def _awaited_copies(self, warp: int, current: Instruction) -> list[int]:
        """When the groups of copies that it waits for are there: all but the last n."""
        if not current.name.startswith(WAIT):
            return []
        groups = self.copies[warp][:-1]
        number = re.search(r"SB\d+, *(0x[0-9a-f]+|\d+)", current.operands)
        still_open = int(number[1], 0) if number else 0
        return groups[: max(0, len(groups) - still_open)]

    def _free(self, name: str) -> int:
        return self.free.get(self._place(name), 0)

    def _place(self, name: str) -> str:
        return QUEUES.get(kind(name), kind(name))
