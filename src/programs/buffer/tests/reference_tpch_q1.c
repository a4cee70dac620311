/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <string.h>

#include "lineitem.h"
#include "reference.h"

/* Sums as they are, in 128 bits. */
struct sums {
	unsigned __int128 quantity, base_price, discount, discounted_price, charge;
	uint64_t count;
};

void
reference_tpch_q1(const struct job *job, struct result *wanted)
{
	static const char names[6][3] = {"AF", "AO", "NF", "NO", "RF", "RO"};
	struct csd_q1_state *state = (struct csd_q1_state *)wanted->state;
	uint64_t delta = job->cparam1 != 0 ? job->cparam1 : 90;
	struct sums sums[7] = {0};

	if (delta > 10561) {		/* 1998-12-01 */
		state->error = job->bytes >= sizeof(struct csd_lineitem) ? CSD_PROGRAM_DATA_VALUE : 0;
		return;
	}
	for (uint64_t at = 0; at + sizeof(struct csd_lineitem) <= job->bytes; at += sizeof(struct csd_lineitem)) {
		struct csd_lineitem line;
		__int128 discounted;
		int group = 0;

		memcpy(&line, job->input + at, sizeof(line));
		state->records++;
		if (line.shipdate > 10561 - (int64_t)delta) {
			continue;
		}
		while (group < 6 && (line.returnflag != names[group][0] || line.linestatus != names[group][1])) {
			group++;
		}
		discounted = (__int128)line.extendedprice * (100 - (int64_t)line.discount);
		sums[group].count++;
		sums[group].quantity += line.quantity;
		sums[group].base_price += line.extendedprice;
		sums[group].discount += line.discount;
		sums[group].discounted_price += discounted;
		sums[group].charge += (int64_t)(discounted * (100 + (int64_t)line.tax));
	}
	for (int group = 0; group < 6; group++) {
		state->groups[group] = (struct csd_q1_group) {
			.count = sums[group].count, .quantity = (int64_t)sums[group].quantity, .base_price = (int64_t)sums[group].base_price,
			.discount = (int64_t)sums[group].discount, .discounted_price = (int64_t)sums[group].discounted_price,
			.charge_low = (uint64_t)sums[group].charge, .charge_high = (int64_t)(sums[group].charge >> 64),
		};
	}
	state->unknown = sums[6].count;
}
