/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The command line. */
#ifndef CSD_OPTIONS_H
#define CSD_OPTIONS_H

#include "csd_record.h"
#include "csd_stream.h"

#define CSD_MAX_LIST	16

enum csd_command {
	CSD_ANSWER,
	CSD_WRITE,
	CSD_VERIFY,
	CSD_BASELINE,
	CSD_TUNE,
	CSD_HELP,
};

struct csd_options {
	enum csd_command command;
	const char *command_name;
	struct csd_place place;
	uint64_t records;
	uint64_t seed;
	uint32_t io_sizes[CSD_MAX_LIST];	/* tune sweeps all, the others take the first */
	unsigned int io_size_count;
	uint32_t depths[CSD_MAX_LIST];
	unsigned int depth_count;
	unsigned int selectivities[CSD_SELECTIVITIES];	/* indices into csd_selectivities */
	unsigned int selectivity_count;
	uint32_t repeats;
	uint32_t warmups;
	uint64_t sample_bytes;			/* tune reads at most this much a pass, */
	uint32_t budget_s;			/* and less where the sweep would take longer than this */
	const char *wire_address;		/* kernel path: whose connections to count */
	const char *wire_port;
	bool force;
	bool step;
};

int csd_options_parse(int argc, char **argv, struct csd_options *options, struct csd_error *err);
void csd_options_usage(FILE *out);

/* "4096", "128K", "1M", "2G". False where it is no such number, or above `limit`. */
bool csd_parse_size(const char *text, uint64_t limit, uint64_t *value);

#endif
