/* The record of an exchange that goes on, as record.c writes it and record_rings.c puts it into the rings. */
#ifndef PENSTOCK_RECORD_OPEN_H
#define PENSTOCK_RECORD_OPEN_H

#include "wire_internal.h"

#define NEVER UINT64_MAX
#define NO_ROUTE UINT32_MAX

enum { PIECE = 16 }; /* bytes that are copied at once */

/* While an exchange goes on, its texts are each in a place of their own; its ids are where they always are. */
enum { TENANT_AT = 0, PRINCIPAL_AT = TENANT_AT + RECORD_NAME_BYTES, CLIENT_AT = PRINCIPAL_AT + RECORD_NAME_BYTES };

static inline uint8_t *target_of(wire_record *r)
{
    return ((open_record *)r)->target;
}

/* 0 where the clock of one is behind the other's. */
static inline uint64_t since(uint64_t from_us, uint64_t at_us)
{
    return at_us > from_us ? at_us - from_us : 0;
}

#endif
