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
	CSD_MEASURE,		/* baseline, offload, slm, compare */
	CSD_TUNE,
	CSD_PHASES,
	CSD_WORKERS,
	CSD_HELP,
};

enum csd_way_id {
	CSD_WAY_BASELINE,
	CSD_WAY_OFFLOAD,
	CSD_WAY_SLM,
	CSD_WAYS,
};

/* Settings to choose from; tune sweeps all, the others take the first, and a second for what returns most of the data. */
struct csd_setting_list {
	uint32_t io_sizes[CSD_MAX_LIST];	/* baseline: of a read; offload: of a scan's range; slm: of a chunk */
	unsigned int io_size_count;
	uint32_t depths[CSD_MAX_LIST];
	unsigned int depth_count;
};

struct csd_program_choice {
	const char *name;
	uint16_t slot;
};

struct csd_options {
	enum csd_command command;
	const char *command_name;
	struct csd_place place;
	uint64_t records;
	uint64_t seed;
	struct csd_setting_list settings[CSD_WAYS];
	uint32_t result_bytes;			/* of a scan's buffer; 0: as much as a command can carry */
	enum csd_way_id ways[CSD_WAYS];
	unsigned int way_count;
	struct csd_program_choice programs[CSD_MAX_LIST];
	unsigned int program_count;
	uint32_t compute_nsid;
	uint32_t slm_nsid;
	const char *elf;			/* phases: the program's file */
	unsigned int selectivities[CSD_SELECTIVITIES];	/* indices into csd_selectivities */
	unsigned int selectivity_count;
	uint32_t repeats;
	uint32_t warmups;
	uint64_t sample_bytes;			/* tune reads at most this much a pass, */
	uint32_t budget_s;			/* and less where the sweep would take longer than this */
	const char *wire_address;		/* kernel path: whose connections to count */
	const char *wire_port;
	const char *trace;			/* nvme_tcp_trace, which counts bytes on the wire; NULL: tcp_info does */
	bool force;
	bool step;
};

int csd_options_parse(int argc, char **argv, struct csd_options *options, struct csd_error *err);
void csd_options_usage(FILE *out);

/* "4096", "128K", "1M", "2G". False where it is no such number, or above `limit`. */
bool csd_parse_size(const char *text, uint64_t limit, uint64_t *value);

#endif
