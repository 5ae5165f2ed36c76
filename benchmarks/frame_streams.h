/* Bodies as streams (docs/protocol.md, section 7): those that are sent as DATA within the credit that the gateway grants, and those that
 * are taken in and forgotten, for which credit is granted as they come. */
#ifndef PENSTOCK_BENCHMARKS_FRAME_STREAMS_H
#define PENSTOCK_BENCHMARKS_FRAME_STREAMS_H

#include <stddef.h>
#include <stdint.h>

/* Answers the exchange with 200 and a body of so many bytes, sent as the gateway grants credit. */
void streams_send(uint64_t exchange, uint64_t body_bytes);

/* Takes in the body of the exchange; done is called when it has ended. With grants 0 it never gets more than the first credit. */
void streams_sink(uint64_t exchange, int grants, void (*done)(uint64_t exchange));

/* Takes DATA, TRAILERS, CREDIT and CANCEL; one for an exchange that is over is dropped. */
void streams_take(const uint8_t *frame, size_t payload_bytes);

/* Puts DATA, in turns, where there is credit. Returns whether there is more that could be put at once. */
int streams_fill(void);

#endif
