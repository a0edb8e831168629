"""The model of a chip that predicts what a step costs, on rows with known answers."""

import pytest

from rnn_research.kernels import cost


def turn(*instructions: str) -> list[cost.Instruction]:
    """A loop as it is disassembled, with a label."""
    rows = [
        f"        /*{16 * place:04x}*/                   {text} ;"
        for place, text in enumerate(instructions)
    ]
    return cost.instructions([".L_x_0:", *rows])


COPY = "LDGSTS.E.BYPASS.128 [R2], desc[UR6][R4.64]", "LDGDEPBAR"


@pytest.mark.parametrize(
    ("warps", "cycles", "instructions"),
    [
        (4, 12, ("FADD R1, R1, R2", "FADD R1, R1, R3", "FADD R1, R1, R4")),  # a chain
        (4, 3, ("FADD R1, R2, R2", "FADD R3, R4, R4", "FADD R5, R6, R6")),
        (8, 6, ("FADD R1, R2, R2", "FADD R3, R4, R4", "FADD R5, R6, R6")),  # two warps
        (8, 8, ("FADD R1, R1, R2", "FADD R1, R1, R3")),  # beside each other
        (4, 16, ("MUFU.EX2 R1, R2", "MUFU.EX2 R3, R4")),  # a unit for both
        (4, 4, ("@P1 FADD R1, R1, R2",)),
        (4, 36, ("HMMA.16816.F32.BF16 R4, R8, R12, R4", "MOV R8, R5")),
        (4, 504, ("LDG.E R2, desc[UR6][R2.64]", "FADD R2, R2, R3")),
        (8, 23, ("BAR.SYNC.DEFER_BLOCKING 0x0", "NOP")),  # the second waits for one
        (4, 2, COPY),
        (4, 533, (*COPY, *COPY, "DEPBAR.LE SB0, 0x0")),  # one after the other: 32
        (4, 501, (*COPY, *COPY, "DEPBAR.LE SB0, 0x1")),  # the second is not awaited
    ],
)
def test_cycles_that_a_loop_takes(warps, cycles, instructions):
    assert cost.cycles(turn(*instructions), warps) == cycles


def test_what_an_instruction_reads_and_writes():
    (read,) = turn("@!P2 LDG.E.128 R28, desc[UR6][R4.64+0x10]")
    assert read.writes == ("R28", "R29", "R30", "R31")
    assert set(read.reads) == {"P2", "UR6", "R4", "R5"}
    operands = "P6, PT, R4, RZ, PT"
    (test,) = turn(f"ISETP.NE.AND {operands}")
    assert test == ("ISETP.NE.AND", operands, ("P6",), ("R4",))
    (store,) = turn("STS.64 [R12+UR4+0x8000], R6")
    assert store.writes == () and set(store.reads) == {"R12", "UR4", "R6", "R7"}
    assert cost.bytes_of("LDSM.16.MT88.4") == 16 and cost.bytes_of("STSM.16.M88") == 4
    (copy,) = turn(COPY[0])
    assert copy.writes == () and set(copy.reads) == {"R2", "UR6", "R4", "R5"}
    loop_body = turn("LDG.E.128 R28, desc[UR6][R4.64]", "STG.E desc[UR6][R2.64], R6")
    assert cost.streamed(loop_body, warps=8) == 8 * 32 * (16 + 4)
    assert cost.streamed(turn(*COPY), warps=8) == 8 * 32 * 16


@pytest.mark.parametrize(
    ("instruction", "writes", "reads"),
    [
        ("PLOP3.LUT P0, PT, PT, PT, UP1, 0x80, 0x0", "P0", "UP1"),
        ("IADD3 R0, P1, P2, R3, R4, RZ", "R0 P1 P2", "R3 R4"),
        ("SHFL.BFLY PT, R5, R4, 0x1, 0x1f", "R5", "R4"),
        ("LOP3.LUT P0, R5, R6, 0x1, RZ, 0xc0, !PT", "P0 R5", "R6"),
        ("LOP3.LUT R5, R6, 0x1, RZ, 0xc0, !PT", "R5", "R6"),
        ("R2UR P0, UR4, R5", "P0 UR4", "R5"),
        ("VOTE.ANY R0, PT, P0", "R0", "P0"),
        ("VOTE.ANY P0, P1", "P0", "P1"),
        ("HFMA2.MMA R5, -RZ, RZ, 0, 0", "R5", ""),
    ],
)
def test_flags_and_registers_that_are_written(instruction, writes, reads):
    (found,) = turn(instruction)
    assert (" ".join(found.writes), " ".join(found.reads)) == (writes, reads)


@pytest.mark.parametrize(
    ("wait", "cycles"),
    [
        ("SB0, 0x0, {5,4}", 501),
        ("SB0,0x0", 501),
        ("SB0", 501),
        ("SB0, 0x4", 3),  # more than there are: none is awaited
    ],
)
def test_which_copies_are_awaited(wait, cycles):
    assert cost.cycles(turn(*COPY, f"DEPBAR.LE {wait}"), 4) == cycles


@pytest.mark.parametrize(
    ("steps", "end"),
    [
        (5, ("IADD3 R0, P0, R0, 0x5, RZ", "IADD3.X R2, RZ, R2, RZ, P0, !PT")),
        (1, ("UIADD3 UR4, UR4, 0x1, URZ", "MOV R0, UR4", "MOV R2, RZ")),
        (2, ("VIADD R0, R0, 0xfffffffe", "MOV R2, RZ")),
        (1, ("IADD3 R8, R8, 0x4, RZ", "MOV R2, R0")),  # no way leads back from it
        (1, ("IADD3 R0, P0, R0, -0x2000, RZ", "MOV R2, RZ")),  # an address
        (5, ("IADD3 R0, P1, PT, R0, 0x5, RZ", "MOV R2, RZ")),
        (1, ("VIADD R0, R0, 0x0", "MOV R2, RZ")),
        (4, ("VIADD R0, R0, 0x4", "VIADD R8, R8, 0x3", "LEA R5, P0, R8, R4, 0x2")),
    ],
)
def test_steps_in_a_turn_of_an_unrolled_loop(steps, end):
    test = "ISETP.NE.U32.AND P0, PT, R0, RZ, PT"
    test = test, "ISETP.NE.U32.AND.EX P0, PT, R2, RZ, PT, P0"
    assert cost.steps(turn("NOP", *end, *test, "@P0 BRA `(.L_x_0)")) == steps
