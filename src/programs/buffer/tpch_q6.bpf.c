/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Query 6 of TPC-H: lineitem.h. The sum goes by a mask: which records count, no processor can foresee. */
#include "csd_bpf.h"
#include "csd_programs.h"
#include "lineitem.h"

CSD_RECORD_STATE(struct csd_lineitem, sizeof(struct csd_lineitem), CSD_EMIT_NOTHING, struct csd_q6_state);

static const struct csd_q6 validation = {
	.shipdate_from = 8766, .shipdate_to = 9131, .discount_least = 5, .discount_greatest = 7, .quantity_below = 2400,
};

CSD_PROGRAM
int tpch_q6(const struct csd_lineitem *line)
{
	const struct csd_q6 *given = &validation;
	__u64 selected;

	if (csd_parameters.data_bytes > 0) {
		given = (const struct csd_q6 *)csd_parameters.data;
		if (csd_parameters.data_bytes < sizeof(*given) || given->reserved != 0) {
			csd_state.error = given->reserved != 0 ? CSD_PROGRAM_DATA_VALUE : CSD_PROGRAM_DATA_SHORT;
			return CSD_STOP;
		}
	}
	selected = (line->shipdate >= given->shipdate_from) & (line->shipdate < given->shipdate_to) &
		   (line->discount >= given->discount_least) & (line->discount <= given->discount_greatest) &
		   (line->quantity < given->quantity_below);
	csd_state.records++;
	csd_state.selected += selected;
	csd_state.revenue = (__u64)csd_state.revenue + ((__u64)line->extendedprice * (__u64)(__s64)line->discount & -selected);
	return CSD_DROP;
}
