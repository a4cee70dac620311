/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Read everything and filter it on this host: the timed part of baseline and tune. */
#define _GNU_SOURCE
#include "csd_filter.h"
#include "csd_session.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define HUGE_PAGE_BYTES	(2u << 20)

/* Whole huge pages. */
static size_t
bytes_for(uint64_t capacity)
{
	return (capacity * CSD_RECORD_BYTES + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
}

void
csd_scan_free(struct csd_record *out, uint64_t capacity)
{
	munmap(out, bytes_for(capacity));
}

struct csd_record *
csd_scan_alloc(struct csd_session *session, uint64_t matches, uint64_t *capacity, struct csd_error *err)
{
	size_t bytes;
	void *memory;

	*capacity = matches + session->stream.arena_bytes / CSD_RECORD_BYTES;
	bytes = bytes_for(*capacity);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		csd_fail(err, CSD_UNAVAILABLE, "%zu bytes of memory for the selected records", bytes);
		csd_found(err, "%s", strerror(errno));
		csd_fix(err, "ask for fewer records or a lower selectivity, or give the machine more memory");
		return NULL;
	}
	madvise(memory, bytes, MADV_HUGEPAGE);
	memset(memory, 0, bytes);	/* page faults are not what is measured */
	return memory;
}

static int
scan_piece(void *ctx, uint64_t offset, uint8_t *data, uint32_t bytes, struct csd_error *err)
{
	struct csd_scan *scan = ctx;
	uint64_t first = offset / CSD_RECORD_BYTES;
	uint64_t rest = scan->records - first;
	size_t count = bytes / CSD_RECORD_BYTES;

	count = count < rest ? count : (size_t)rest;
	if (scan->matches + count > scan->capacity) {
		csd_fail(err, CSD_WRONG_DATA, "the selected records");
		csd_found(err, "by byte %lu more match than in the whole data set", offset);
		return csd_fix(err, "verify the data set, and write it again");
	}
	scan->matches += csd_filter((const struct csd_record *)data, count, scan->threshold, scan->out + scan->matches);
	return 0;
}

int
csd_scan_run(struct csd_session *session, const struct csd_setting *setting, uint64_t bytes, struct csd_scan *scan,
	     double *seconds, struct csd_error *err)
{
	struct timespec begun, ended;
	int rc;

	scan->matches = 0;
	clock_gettime(CLOCK_MONOTONIC, &begun);
	rc = csd_stream_read(&session->stream, setting, bytes, scan_piece, scan, err);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	*seconds = (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) * 1e-9;
	return rc;
}
