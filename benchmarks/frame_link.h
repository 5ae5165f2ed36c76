/* One connection to the gateway as a service has it: dialled, greeted, kept alive; whole frames in, frames out.
 *
 * The socket blocks: there is one, and the gateway never blocks on us, for what we send is answers, and bodies within the credit
 * that it granted. One recv takes in whatever has come, one send gives all that was put meanwhile. docs/protocol.md is the law;
 * of the checks that it asks of a receiver only those are made without which these programs themselves would go wrong. */
#ifndef PENSTOCK_BENCHMARKS_FRAME_LINK_H
#define PENSTOCK_BENCHMARKS_FRAME_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "frame.h"

enum { LINK_CREDIT_BYTES = 1 << 20 }; /* credit_bytes of our HELLO: what one upload may be ahead of us */

/* Prints the reason and ends the program with 1. */
void link_give_up(const char *why) __attribute__((noreturn));

/* Connects to the gateway's services listener on the loopback address. */
void link_dial(int port);

/* Puts bytes, which may be many frames, or one frame, behind what waits to be sent. */
void link_put(const void *bytes, size_t byte_count);
void link_put_frame(uint8_t type, uint8_t flags, uint64_t exchange, const void *payload, size_t payload_bytes);

/* Runs until the gateway closes. take: is given every frame that the link does not take itself (WELCOME, FAULT, heartbeats), and may
 * put answers. fill: puts what it may; returns whether it could go on at once, so that the link only looks for input. */
void link_run(void (*take)(const uint8_t *frame, size_t payload_bytes), int (*fill)(void));

/* When fill is to be called again at the latest, in microseconds of CLOCK_MONOTONIC, whatever comes; 0: when something comes. Set by fill. */
extern uint64_t link_due_us;

/* What the gateway lets us send on a new exchange before its first CREDIT, as its WELCOME said. */
extern uint32_t link_peer_credit_bytes;

#endif
