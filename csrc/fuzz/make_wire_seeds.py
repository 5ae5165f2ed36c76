"""Writes the seeds of fuzz_wire.c: ``python csrc/fuzz/make_wire_seeds.py``.

A seed is a program: one byte of settings, then operations (wire_operations.py).
"""

from pathlib import Path

from wire_operations import (
    ABORTED,
    AWAY,
    BOUNDED,
    CREDIT,
    DATA,
    DRAIN,
    FAILED,
    HEAD,
    HEADED,
    IN_FLIGHT,
    INTERIM,
    KEEP,
    KEEPING,
    LAST_DATA,
    LATE,
    LET_GO,
    OPENED,
    PUT,
    ROOMY,
    SEND_TO_FIRST,
    SEND_TO_SECOND,
    SENT_AND_KEPT,
    SENT_ELSEWHERE,
    SLOW_DRAIN,
    STREAMING,
    SWITCHED,
    TAKEN,
    TAKEN_EARLY,
    TIGHT,
    TRAILERS,
    WIDE,
    advance,
    again,
    ask,
    begin,
    branch,
    close,
    connect,
    context,
    end,
    fill,
    fill_service,
    frames,
    give_back,
    half_close,
    hand_in,
    hear,
    hold_accepting,
    hold_back,
    join,
    knock,
    leave,
    open_stream,
    outlive,
    pass_on,
    raw,
    read,
    reply,
    respond,
    say,
    step,
    stream,
    take_over,
    wait,
    want_room,
    write,
)

SEEDS = Path(__file__).resolve().parent / "seeds/wire"

PROGRAMS = {
    "there_and_back": ROOMY + (IN_FLIGHT + respond(0) + step() + hear(0)) * 2,
    "answered_here": ROOMY + ask(0, 1) + step() + hear(0) + ask(0, 2) + step() + hear(0) + ask(0, 3) + step() + hear(0),
    "pipelined": ROOMY + ask(0, 4) + step(SEND_TO_FIRST) + (respond(0) + step(SEND_TO_FIRST)) * 3 + hear(0),
    "in_pieces": ROOMY + raw(0, PUT[:10]) + step() + raw(0, PUT[10:40]) + step() + raw(0, PUT[40:]) + step() + hear(0),
    "large_body": ROOMY + ask(0, 5) + (fill(0, 100) + step()) * 4 + step() + hear(0),
    "read_ahead": ROOMY
    + ask(0, 5)
    + fill(0, 255)
    + fill(0, 60)
    + step(KEEP)
    + ask(0, 5)
    + fill(0, 255) * 3
    + step() * 4,
    "bad_requests": TIGHT
    + raw(0, b"\x16\x03\x01")
    + step()
    + connect(1)
    + ask(1, 6)
    + step()
    + connect(2)
    + ask(2, 7)
    + step(),
    "half_closed": ROOMY + IN_FLIGHT + half_close(0) + step(KEEP) + step() + respond(0) + step(),
    "head_and_end": ROOMY + ask(0, 0, 9) + half_close(0) + step() + connect(1) + ask(1, 0) + leave(1) + step(),
    "expired": ROOMY + IN_FLIGHT + advance(50, 1) + step() + respond(0) + step() + hear(0),
    "timeouts": ROOMY + ask(0, 0, 9) + step() + connect(1) + ask(1, 5) + step() + advance(30, 100) + step() * 2,
    "lost": ROOMY + connect(1) + IN_FLIGHT + ask(1, 0) + step(SEND_TO_FIRST) + close(0, 2) + step() + hear(0) + hear(1),
    "closed_by_wire": ROOMY + IN_FLIGHT + close(0, 0) + step() + join(0) + IN_FLIGHT + close(0, 1) + step(),
    "responses": ROOMY
    + b"".join(ask(0, 0) + step(1) + respond(0, how) + step() + respond(0) + step() for how in range(8)),
    "two_services": ROOMY
    + join(1, True)
    + connect(1)
    + ask(0, 0)
    + step(SEND_TO_SECOND)
    + respond(1, 2)
    + respond(1)
    + step(),
    "no_more_exchanges": TIGHT + b"".join(connect(i) + ask(i, 0) for i in range(4)) + step(0xFF) + step() * 2,
    "full_service": TIGHT + write(0, 9) * 2 + IN_FLIGHT + respond(0) + step(),
    "slow_client": ROOMY + ask(0, 0) + step(0b11111000) + step() + hear(0) + step() + advance(200, 2) + step(),
    "many_frames": ROOMY + frames(0, 256) * 3 + step() * 3,
    "calls": ROOMY + frames(0, 5, 1) + join(1) + frames(1, 200, 3) + frames(0, 200, 2) + step(),
    "broken_frame": ROOMY + IN_FLIGHT + say(0, b"GET / HTTP/1.1\r\n\r\n") + step() + step(),
    "large_frame": ROOMY
    + say(0, bytes.fromhex("00000800 06010000 0000000000000001"))
    + say(0, bytes(200))
    + step()
    + close(0, 2),
    "kept": ROOMY + (ask(0, 7) + AWAY + read(0) + reply(0) + give_back(0) + step() + hear(0)) * 3,
    "kept_with_rest": ROOMY + ask(0, 4) + AWAY + reply(0) + ask(0, 1) + give_back(0) + (step() + hear(0)) * 4,
    "kept_in_parts": ROOMY + ask(0, 0) + AWAY + ask(0, 1, 9) + read(0) + reply(0) + give_back(0) + step() + leave(0),
    "given_back": ROOMY
    + b"".join(connect(0) + ask(0, 10) + AWAY + reply(0) + give_back(0, how) + step() for how in range(4)),
    "large_reply": ROOMY + ask(0, 6) + AWAY + reply(0, 255) * 2 + give_back(0) + step() + hear(0),
    "leaves_while_away": ROOMY + ask(0, 8) + AWAY + leave(0) + step(KEEP) + give_back(0) + step(),
    "malformed_kept": KEEPING + ask(0, 11) + AWAY + read(0) + reply(0) + give_back(0) + step() + hear(0),
    "malformed_opened": KEEPING + raw(0, b"nonsense") + AWAY + open_stream(0) + stream(0, HEAD) + step(),
    "malformed": ROOMY + ask(0, 11) + AWAY + step() + hear(0),
    "forwarded": ROOMY + ask(0, 9) + step(SEND_TO_FIRST) + respond(0) + step() + hear(0),
    "handed_in": ROOMY
    + (ask(0, 7) + AWAY + read(0) + open_stream(0, how=5) + hand_in(0) + step(KEEP) + respond(0) + step() + hear(0))
    * 2,
    "handed_in_late": ROOMY + OPENED + hand_in(0, 1) + advance(50, 1) + step(KEEP) + step() + hear(0),
    "handed_in_and_gone": ROOMY + OPENED + hand_in(0) + leave(0) + step(KEEP) + step(),
    "handed_in_and_lost": ROOMY + OPENED + ask(0, 0) + read(0) + hand_in(0) + close(0, 2) + step() + step() + hear(0),
    "streamed": ROOMY
    + OPENED
    + b"".join(stream(0, which) + step(KEEP) for which in (CREDIT, INTERIM, HEAD, DATA, DATA, TRAILERS))
    + reply(0)
    + give_back(0)
    + step(),
    "streamed_whole": ROOMY + OPENED + respond(0) + step(KEEP) + give_back(0) + step() + hear(0),
    "streamed_and_refused": ROOMY
    + OPENED
    + respond(0, 4)
    + step(KEEP)
    + open_stream(0)
    + respond(0, 5)
    + step(KEEP)
    + step(),
    "streamed_and_lost": ROOMY
    + join(1)
    + OPENED
    + stream(0, HEAD)
    + close(0, 2)
    + step(KEEP)
    + open_stream(0, 1)
    + step(),
    "streamed_and_late": ROOMY
    + OPENED
    + stream(0, LAST_DATA)
    + stream(0, 128 | DATA)
    + step(KEEP)
    + stream(0, 128 | HEAD)
    + step(),
    "streamed_by_another": ROOMY
    + join(1)
    + OPENED
    + stream(1, 128 | DATA)
    + stream(1, 128 | ABORTED)
    + step(KEEP)
    + step(),
    "upgraded": ROOMY
    + ask(0, 10)
    + AWAY
    + open_stream(0, how=36)
    + stream(0, SWITCHED)
    + stream(0, DATA)
    + step(KEEP)
    + step(),
    "plain_that_streams": ROOMY + IN_FLIGHT + stream(0, DATA) + step(KEEP) + step() + hear(0),
    "taken_over": ROOMY + TAKEN + stream(0, LAST_DATA) + step(KEEP) + reply(0) + give_back(0) + STREAMING + respond(0),
    "taken_over_with_rest": ROOMY + STREAMING + ask(0, 4) + TAKEN_EARLY + ask(0, 1) + read(0) + respond(0) + LET_GO,
    "taken_over_at_its_end": ROOMY + STREAMING + stream(0, HEAD) + stream(0, LAST_DATA) + step(KEEP) + take_over(0),
    "taken_over_and_handed_in": ROOMY + STREAMING + TAKEN_EARLY + hand_in(0) + respond(0) + step(KEEP) + hear(0),
    "taken_over_late": ROOMY + HEADED + LATE + take_over(0) + step(KEEP) + LET_GO + HEADED + LATE + LATE + step(),
    "taken_over_when_it_was_over": ROOMY + STREAMING + advance(60, 32) + TAKEN_EARLY + hand_in(0) + LATE * 8 + step(),
    "not_taken_over": ROOMY
    + STREAMING
    + stream(0, CREDIT)
    + stream(0, HEAD)
    + step(KEEP)
    + leave(0)
    + step(KEEP)
    + step(),
    "not_taken_over_and_lost": ROOMY + HEADED + close(0, 2) + step(KEEP) + take_over(0) + step(),
    "taken_over_and_lost": ROOMY + join(1) + STREAMING + TAKEN_EARLY + context(0, 1) + close(0, 2) + SENT_ELSEWHERE,
    "taken_over_in_a_drain": ROOMY + HEADED + DRAIN + take_over(0) + stream(0, DATA) + stream(0, TRAILERS) + LET_GO,
    "wrongly_opened": ROOMY + ask(0, 7) + AWAY + open_stream(0, how=0xE4) + open_stream(0, how=0xE2) + step(),
    "room": WIDE + fill_service(0) * 7 + want_room(0) + step() + (bytes([13, 0, 255]) * 8 + step()) * 4 + want_room(0),
    "room_twice": WIDE + (fill_service(0) * 7 + want_room(0) + step() + bytes([13, 0, 255]) * 30 + step()) * 2,
    "room_and_closed": WIDE + fill_service(0) * 7 + want_room(0) + step() + close(0, 2) + step(),
    "bounds": BOUNDED + (ask(0, 0) + step() + hear(0)) * 4 + connect(1) + ask(1, 0) + advance(100, 8) + step(),
    "bounds_away": BOUNDED + ask(0, 7) + AWAY + advance(100, 8) + reply(0) + give_back(0) + step() + hear(0),
    "begun": ROOMY + (begin() + context(0, 0) + open_stream(0, how=5) + respond(0) + step(KEEP) + end(0)) * 3,
    "begun_and_streamed": ROOMY
    + begin(3)
    + open_stream(0)
    + b"".join(stream(0, which) + step(KEEP) for which in (CREDIT, INTERIM, HEAD, DATA, TRAILERS))
    + context(0, 2, 90)
    + open_stream(0)
    + end(0)
    + stream(0, HEAD)
    + step(),
    "begun_and_lost": ROOMY + join(1) + begin() + open_stream(0) + close(0, 2) + step() + open_stream(0, 1) + end(0),
    "begun_and_refused": ROOMY + begin() + open_stream(0) + respond(0, 4) + step() + open_stream(0) + respond(0),
    "begun_beside": TIGHT + begin() + ask(0, 0) + step(SEND_TO_FIRST) + begin() + end(0) + begin() + step() + end(1),
    "context_away": ROOMY + ask(0, 7) + AWAY + context(0, 0) + context(0, 1) + context(0, 3) + open_stream(0) + step(),
    "credentials": ROOMY + ask(0, 12) + step(0b11001) + respond(0) + step() + hear(0),
    "again": ROOMY + FAILED + again(0) + step(KEEP) + respond(1) + step(KEEP) + hear(0),
    "again_and_late": ROOMY + SENT_AND_KEPT + LATE + again(0, 0) + respond(0) + respond(0) + step(KEEP) + hear(0),
    "again_after_loss": ROOMY
    + SENT_AND_KEPT
    + close(0, 2)
    + step(KEEP)
    + again(0)
    + respond(1, 9)
    + step(KEEP)
    + step(),
    "held_and_passed_on": ROOMY + (FAILED + pass_on(0) + step(KEEP) + hear(0)) * 2 + FAILED + leave(0) + step() * 2,
    "parked": ROOMY
    + ask(0, 1)
    + step(KEEP)
    + hold_back(0)
    + wait(0, 20)
    + LATE
    + again(0, 0, 0, 1)
    + respond(0)
    + step(),
    "parked_and_gone": ROOMY + ask(0, 0) + step(KEEP) + hold_back(0) + wait(0, 200) + leave(0) + step() + step(),
    "branched": ROOMY
    + SENT_AND_KEPT
    + branch(0)
    + again(1)
    + step(KEEP)
    + respond(1)
    + step(KEEP)
    + pass_on(0)
    + end(1),
    "branched_twice": ROOMY
    + FAILED
    + branch(0) * 2
    + again(1, 0)
    + again(2)
    + close(0, 2)
    + respond(1)
    + step(KEEP) * 2,
    "kept_beyond_room": ROOMY
    + b"".join(connect(i) + ask(i, 12) + step(KEEP) + hold_back(i) for i in range(4))
    + branch(0),
    "outlived": ROOMY
    + (connect(0) + SENT_AND_KEPT + leave(0) + step(KEEP) + outlive(0) + respond(0) + step(KEEP) + end(0)) * 2,
    "outlived_and_lost": ROOMY
    + SENT_AND_KEPT
    + leave(0)
    + step(KEEP)
    + outlive(0)
    + close(0, 2)
    + step(KEEP)
    + again(0)
    + respond(1)
    + step(KEEP)
    + LATE,
    "outlived_in_vain": ROOMY
    + SENT_AND_KEPT
    + respond(0, 5)
    + step(KEEP)
    + leave(0)
    + step(KEEP)
    + outlive(0)
    + step(),
    "handed_in_and_outlived": ROOMY
    + OPENED
    + hand_in(0)
    + leave(0)
    + step(KEEP)
    + outlive(0)
    + stream(0, HEAD)
    + stream(0, LAST_DATA)
    + step(KEEP)
    + end(0),
    "accepting_held": ROOMY
    + knock(1)
    + step()
    + hold_accepting()
    + knock(2)
    + ask(2, 0)
    + leave(1)
    + step() * 2
    + hold_accepting(False)
    + step(SEND_TO_FIRST)
    + respond(0)
    + step()
    + hear(2),
    "drained_slowly": ROOMY
    + connect(1)
    + ask(0, 7)
    + AWAY
    + SLOW_DRAIN
    + advance(50, 4)
    + step(KEEP)
    + advance(50, 5)
    + step(),
    "drained": ROOMY + connect(1) + IN_FLIGHT + ask(1, 0, 5) + step(KEEP) + DRAIN + respond(0) + step() + hear(0),
}


def main() -> None:
    """Write them all."""
    SEEDS.mkdir(parents=True, exist_ok=True)
    for name, program in PROGRAMS.items():
        (SEEDS / name).write_bytes(program)


if __name__ == "__main__":
    main()
