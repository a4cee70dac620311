/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Memory that the target can share with workers: a memfd, counted. What holds one is {memory, offset, length}; each side
 * resolves that in a map of its own, so that no pointer crosses. Its length never changes: nobody who has the descriptor
 * can take pages away under whoever looks at them.
 */
#ifndef CSD_MEMORY_H
#define CSD_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory that only its maker writes: whoever maps the descriptor later maps it read-only (F_SEAL_FUTURE_WRITE). */
#define CSD_MEMORY_READ_ONLY	0x1
/* Of huge pages, if the pool has enough of them; else of others. */
#define CSD_MEMORY_HUGE		0x2

struct csd_memory {
	int fd;
	uint8_t *base;
	size_t length;		/* whole pages, of the kind that it is made of */
	bool huge;
	uint32_t users;
};

/*
 * Zeros. `name` is what /proc shows. 0, or -errno: -EINVAL for a length of 0 or one beyond what addresses allow,
 * -ENOMEM. All pages are there when it returns.
 */
int csd_memory_create(const char *name, uint64_t length, unsigned int flags, struct csd_memory **memory);

/* Memory with these bytes in it that nobody, not even its maker, can change again (F_SEAL_WRITE): a program's code. */
int csd_memory_create_from(const char *name, const void *bytes, size_t length, struct csd_memory **memory);

struct csd_memory *csd_memory_get(struct csd_memory *memory);
void csd_memory_put(struct csd_memory *memory);		/* NULL is fine */

#endif
