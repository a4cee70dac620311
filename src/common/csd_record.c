/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_record.h"

#include <string.h>

#define GOLDEN		UINT64_C(0x9e3779b97f4a7c15)
#define EPOCH_NS	UINT64_C(1767225600000000000)	/* 2026-01-01T00:00:00Z */
#define PERIOD_NS	UINT64_C(1000000)
#define DEVICES		1000
#define LEVELS		4

/* One stream a use, so that no two uses share a draw. */
enum stream {
	STREAM_TIMESTAMP,
	STREAM_DEVICE,
	STREAM_TEMPERATURE,
	STREAM_PAYLOAD,			/* five of them */
	STREAM_LEVEL = STREAM_PAYLOAD + 5,	/* LEVELS of them */
	STREAMS = 16,
};

_Static_assert(STREAM_LEVEL + LEVELS <= STREAMS, "streams must not overlap");

const struct csd_selectivity csd_selectivities[CSD_SELECTIVITIES] = {
	{ 1, 85000, "0.001" },
	{ 10, 70000, "0.01" },
	{ 100, 50000, "0.1" },
	{ 500, 25000, "0.5" },
	{ 1000, -40000, "1" },
};

/* What each level keeps of n, in permille: the selectivities but the last, widest first. */
static const uint32_t g_levels[LEVELS] = { 500, 100, 10, 1 };

/* Lowest temperature of each class, and the end of the last. */
static const int32_t g_class_start[LEVELS + 2] = { -40000, 25000, 50000, 70000, 85000, 125000 };

static inline uint64_t
record_mix64(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint64_t
record_draw(uint64_t key, unsigned int stream, uint64_t counter)
{
	return record_mix64(key + GOLDEN * (STREAMS * counter + stream + 1));
}

void
csd_dataset_init(struct csd_dataset *set, uint64_t records, uint64_t seed)
{
	set->records = records;
	set->seed = seed;
	set->key = record_mix64(seed + GOLDEN);
}

uint64_t
csd_dataset_bytes(const struct csd_dataset *set)
{
	return set->records * CSD_RECORD_BYTES;
}

uint64_t
csd_dataset_matches(const struct csd_dataset *set, uint32_t permille)
{
	return (set->records * permille + 500) / 1000;
}

static unsigned int
record_class_of(const struct csd_dataset *set, uint64_t index)
{
	uint64_t position = index, size = set->records;
	unsigned int level;

	for (level = 0; level < LEVELS; level++) {
		uint64_t keep = csd_dataset_matches(set, g_levels[level]);
		uint64_t stratum, start, end;

		if (keep == 0) {
			break;
		}
		stratum = ((position + 1) * keep - 1) / size;
		start = stratum * size / keep;
		end = (stratum + 1) * size / keep;
		if (position != start + record_draw(set->key, STREAM_LEVEL + level, stratum) % (end - start)) {
			break;
		}
		position = stratum;
		size = keep;
	}
	return level;
}

static void
record_make_record(const struct csd_dataset *set, uint64_t index, struct csd_record *record)
{
	unsigned int class = record_class_of(set, index);
	uint32_t span = (uint32_t)(g_class_start[class + 1] - g_class_start[class]);
	unsigned int i;

	record->id = index;
	record->timestamp = EPOCH_NS + index * PERIOD_NS + record_draw(set->key, STREAM_TIMESTAMP, index) % PERIOD_NS;
	record->device = (uint32_t)(record_draw(set->key, STREAM_DEVICE, index) % DEVICES);
	record->temperature = g_class_start[class] + (int32_t)(record_draw(set->key, STREAM_TEMPERATURE, index) % span);
	for (i = 0; i < 5; i++) {
		record->payload[i] = record_draw(set->key, STREAM_PAYLOAD + i, index);
	}
}

void
csd_dataset_fill(const struct csd_dataset *set, uint64_t first, size_t count, struct csd_record *out)
{
	size_t i;

	for (i = 0; i < count; i++) {
		record_make_record(set, first + i, &out[i]);
	}
}

bool
csd_record_is_ours(const struct csd_record *record, uint64_t index)
{
	return record->id == index && record->timestamp - (EPOCH_NS + index * PERIOD_NS) < PERIOD_NS;
}

bool
csd_record_is_zero(const struct csd_record *record)
{
	static const struct csd_record zero;

	return memcmp(record, &zero, sizeof(zero)) == 0;
}
