/* Zeroed memory that costs nothing until it is touched, page by page. What calloc gives may be memory that was used before, which it has
 * to clear, and so takes at once. */
#ifndef PENSTOCK_PAGES_H
#define PENSTOCK_PAGES_H

#include <stddef.h>

/* NULL, and errno, when there is none. */
void *pages_map(size_t bytes);
/* NULL does no harm. */
void pages_unmap(void *memory, size_t bytes);

#endif
