/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <string.h>

#include "lineitem.h"
#include "reference.h"

void
reference_tpch_q6(const struct job *job, struct result *wanted)
{
	struct csd_q6_state *state = (struct csd_q6_state *)wanted->state;
	struct csd_q6 query = {8766, 9131, 5, 7, 2400, 0};	/* 1994-01-01 .. 1995-01-01, 0.06 - 0.01 .. 0.06 + 0.01, 24 */
	uint64_t revenue = 0;

	if (job->data_bytes > 0) {
		memcpy(&query, job->data, job->data_bytes < sizeof(query) ? job->data_bytes : sizeof(query));
		state->error = query.reserved != 0 ? CSD_PROGRAM_DATA_VALUE : job->data_bytes < sizeof(query) ? CSD_PROGRAM_DATA_SHORT : 0;
	}
	for (uint64_t at = 0; state->error == 0 && at + sizeof(struct csd_lineitem) <= job->bytes; at += sizeof(struct csd_lineitem)) {
		struct csd_lineitem line;

		memcpy(&line, job->input + at, sizeof(line));
		state->records++;
		if (line.shipdate < query.shipdate_from || line.shipdate >= query.shipdate_to || line.discount < query.discount_least ||
		    line.discount > query.discount_greatest || line.quantity >= query.quantity_below) {
			continue;
		}
		state->selected++;
		revenue += (uint64_t)((__int128)line.extendedprice * line.discount);
	}
	state->revenue = (int64_t)revenue;
}
