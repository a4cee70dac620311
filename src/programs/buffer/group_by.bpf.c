/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Count, sum, least and greatest of a number for each value of another: struct csd_group_by. A hash table with open addressing
 * says for each key which group it is, counted from 1; groups lie in the order in which they were met.
 */
#include "records.h"

#define SLOT_BITS	16
#define SLOTS		(1 << SLOT_BITS)
_Static_assert(CSD_GROUPS <= SLOTS / 4 * 3, "a search ends, and soon, at a slot that is empty");

CSD_STATE(struct csd_group_by_state);

static __u32 slots[SLOTS];
static struct csd_group groups[CSD_GROUPS];
static __u64 given_out;		/* groups */

/* NULL: there is no more room for groups. */
static inline struct csd_group *group_find(__u64 key)
{
	__u64 slot = key * 0x9e3779b97f4a7c15ULL >> (64 - SLOT_BITS);
	struct csd_group *group;

	while (slots[slot] != 0) {
		group = &groups[slots[slot] - 1];
		if (group->key == key)
			return group;
		slot = (slot + 1) & (SLOTS - 1);
	}
	if (csd_state.groups == CSD_GROUPS)
		return 0;
	group = &groups[csd_state.groups++];
	slots[slot] = csd_state.groups;
	group->key = key;
	return group;
}

static inline void group_add(struct csd_group *group, __u64 value, __u64 flip)
{
	if (group->count == 0 || (value ^ flip) < (group->least ^ flip))
		group->least = value;
	if (group->count == 0 || (value ^ flip) > (group->greatest ^ flip))
		group->greatest = value;
	group->sum += value;
	group->count++;
}

/* The types are constants to the compiler where they are the most usual ones. */
static inline __attribute__((always_inline)) void
group_records(const __u8 *at, __u64 records, const struct csd_group_by *given, __u32 key_type, __u32 value_type)
{
	__u64 flip = value_type >= CSD_S8 ? 1ULL << 63 : 0;	/* signed numbers compare as unsigned ones then */
	__u64 stride = given->stride_bytes, key_offset = given->key_offset, value_offset = given->value_offset, overflow = 0;

	for (; records > 0; records--, at += stride) {
		struct csd_group *group = group_find(records_number(at + key_offset, key_type));

		if (group != 0)
			group_add(group, records_number(at + value_offset, value_type), flip);
		else
			overflow++;
	}
	csd_state.overflow += overflow;
}

CSD_BUFFER_PROGRAM
int group_by(struct csd_context *context)
{
	const struct csd_group_by *given = (const struct csd_group_by *)context->data;
	__u64 stride, records;

	context->consumed = 0;
	if (context->data_bytes < sizeof(*given)) {
		csd_state.error = CSD_PROGRAM_DATA_SHORT;
		return CSD_STOP;
	}
	if (!records_have(given->stride_bytes, given->key_offset, given->key_type) ||
	    !records_have(given->stride_bytes, given->value_offset, given->value_type) || given->reserved != 0) {
		csd_state.error = CSD_PROGRAM_DATA_VALUE;
		return CSD_STOP;
	}
	stride = given->stride_bytes;
	records = (context->end - context->begin) / stride;
	if (given->key_type == CSD_U64 && given->value_type == CSD_S64)
		group_records(context->begin, records, given, CSD_U64, CSD_S64);
	else if (given->key_type == CSD_U32 && given->value_type == CSD_S32)
		group_records(context->begin, records, given, CSD_U32, CSD_S32);
	else
		group_records(context->begin, records, given, given->key_type, given->value_type);
	csd_state.records += records;
	context->consumed = records_consumed(context, records * stride, &csd_state.rest_bytes);
	/* Where there is no room, the drive calls again: with nothing but the rest of the groups to give. */
	if (context->flags & CSD_LAST) {
		while (given_out < csd_state.groups && csd_emit(&groups[given_out], sizeof(groups[0])) == 0)
			given_out++;
	}
	return 0;
}
