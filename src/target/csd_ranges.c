/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_ranges.h"

#include "csd_slm.h"

int
csd_range_sets_init(struct csd_range_sets *sets, uint16_t size)
{
	sets->size = size;
	sets->generation = 1;
	sets->set = calloc(size, sizeof(*sets->set));
	if (sets->set == NULL) {
		return -ENOMEM;
	}
	pthread_mutex_init(&sets->mutex, NULL);
	return 0;
}

void
csd_range_sets_fini(struct csd_range_sets *sets)
{
	free(sets->set);
	pthread_mutex_destroy(&sets->mutex);
}

static int
ranges_resolve_one(struct spdk_nvmf_request *req, const struct nvme_memory_range *range, uint32_t index,
		   struct csd_range_memory *memory, struct csd_refusal *refusal)
{
	struct csd_namespace *ns = csd_namespace_in_request(req, range->nsid);
	uint64_t size = 0;
	uint8_t *bytes = ns == NULL ? NULL : csd_slm_memory(ns, &size);

	if (bytes == NULL) {
		return csd_refuse_specific(refusal, NVME_SC_INVALID_MEMORY_NAMESPACE,
					   "memory range %u: namespace %u is no SLM namespace of this subsystem", index,
					   range->nsid);
	}
	if (range->start % CSD_SLM_GRANULARITY != 0 || range->length % CSD_SLM_GRANULARITY != 0) {
		return csd_refuse_specific(refusal, NVME_SC_INVALID_MEMORY_RANGE_SET,
					   "memory range %u: %u bytes from %" PRIu64 " are not multiples of %u", index,
					   range->length, range->start, CSD_SLM_GRANULARITY);
	}
	if (range->length == 0 || range->start > size || range->length > size - range->start) {
		return csd_refuse_specific(refusal, NVME_SC_INVALID_MEMORY_RANGE_SET,
					   "memory range %u: %u bytes from %" PRIu64 ": namespace %u has %" PRIu64, index,
					   range->length, range->start, range->nsid, size);
	}
	memory->bytes = bytes + range->start;
	memory->length = range->length;
	return 0;
}

int
csd_ranges_resolve(struct spdk_nvmf_request *req, const struct nvme_memory_range *ranges, uint32_t count,
		   struct csd_range_memory *memory, struct csd_refusal *refusal)
{
	uint32_t i, j;

	if (count == 0 || count > NVME_CSD_MAX_RANGES) {
		return csd_refuse_specific(refusal, NVME_SC_MAXIMUM_MEMORY_RANGES, "%u memory ranges: a set has 1 to %u",
					   count, NVME_CSD_MAX_RANGES);
	}
	for (i = 0; i < count; i++) {
		if (ranges_resolve_one(req, &ranges[i], i, &memory[i], refusal)) {
			return -1;
		}
		for (j = 0; j < i; j++) {
			if (memory[i].bytes < memory[j].bytes + memory[j].length &&
			    memory[j].bytes < memory[i].bytes + memory[i].length) {
				return csd_refuse_specific(refusal, NVME_SC_OVERLAPPING_MEMORY_RANGES,
							   "memory ranges %u and %u overlap", j, i);
			}
		}
	}
	return 0;
}

/* Whether its place is to be had: it is empty, or what its maker left behind. */
static bool
ranges_set_is_free(const struct csd_range_set *set)
{
	return set->ranges == 0 || (set->maker == NULL && set->users == 0);
}

/* Where the next set goes: an empty place, or else the oldest that was left behind. */
static bool
ranges_set_is_better(const struct csd_range_set *set, const struct csd_range_set *than)
{
	if (than == NULL || set->ranges == 0) {
		return than == NULL || than->ranges > 0;
	}
	return than->ranges > 0 && set->made < than->made;
}

static struct csd_range_set *
ranges_place_set(struct csd_range_sets *sets, const char *host, struct csd_refusal *refusal)
{
	uint32_t i, of_host = 0, free_places = 0;
	struct csd_range_set *best = NULL;

	for (i = 0; i < sets->size; i++) {
		struct csd_range_set *set = &sets->set[i];

		if (!ranges_set_is_free(set)) {
			of_host += strcmp(set->host, host) == 0;
			continue;
		}
		free_places++;
		if (ranges_set_is_better(set, best)) {
			best = set;
		}
	}
	if (best != NULL && (of_host == 0 || (of_host < (sets->size + 1u) / 2 && free_places > sets->size / 4u))) {
		return best;
	}
	csd_refuse_specific(refusal, NVME_SC_MAXIMUM_MEMORY_RANGE_SETS,
			    "of %u memory range sets %u are free, and this host has made %u: it may make half of them, and "
			    "the last quarter is for hosts that have none", sets->size, free_places, of_host);
	return NULL;
}

static int
ranges_make_set(struct csd_range_sets *sets, struct spdk_nvmf_request *req,
		const struct nvme_memory_range *ranges, uint32_t count, uint16_t *rsid, struct csd_refusal *refusal)
{
	const char *host = spdk_nvmf_request_get_host_nqn(req);
	struct csd_range_set *set = ranges_place_set(sets, host, refusal);

	if (set == NULL) {
		return -1;
	}
	memset(set, 0, sizeof(*set));
	memcpy(set->range, ranges, count * sizeof(*ranges));
	set->ranges = (uint8_t)count;
	set->maker = spdk_nvmf_request_get_ctrlr(req);
	snprintf(set->host, sizeof(set->host), "%s", host);
	set->made = ++sets->generation;
	*rsid = (uint16_t)(set - sets->set + 1);
	return 0;
}

void
csd_range_sets_forget(struct csd_range_sets *sets, const void *maker)
{
	uint32_t i;

	pthread_mutex_lock(&sets->mutex);
	for (i = 0; i < sets->size; i++) {
		if (sets->set[i].maker == maker) {
			sets->set[i].maker = NULL;
		}
	}
	pthread_mutex_unlock(&sets->mutex);
}

int
csd_range_sets_create(struct csd_range_sets *sets, struct spdk_nvmf_request *req,
		      const struct nvme_memory_range *ranges, uint32_t count, uint16_t *rsid,
		      struct csd_refusal *refusal)
{
	struct csd_range_memory memory[NVME_CSD_MAX_RANGES];
	int rc;

	if (csd_ranges_resolve(req, ranges, count, memory, refusal)) {
		return -1;
	}
	pthread_mutex_lock(&sets->mutex);
	rc = ranges_make_set(sets, req, ranges, count, rsid, refusal);
	pthread_mutex_unlock(&sets->mutex);
	return rc;
}

static struct csd_range_set *
ranges_find(struct csd_range_sets *sets, uint16_t rsid, struct csd_refusal *refusal)
{
	if (rsid == 0 || rsid > sets->size || sets->set[rsid - 1].ranges == 0) {
		csd_refuse_specific(refusal, NVME_SC_INVALID_MEMORY_RANGE_SET_ID, "there is no memory range set %u", rsid);
		return NULL;
	}
	return &sets->set[rsid - 1];
}

int
csd_range_sets_delete(struct csd_range_sets *sets, uint16_t rsid, struct csd_refusal *refusal)
{
	struct csd_range_set *set;
	int rc = -1;

	pthread_mutex_lock(&sets->mutex);
	set = ranges_find(sets, rsid, refusal);
	if (set != NULL && set->users > 0) {
		csd_refuse_specific(refusal, NVME_SC_MEMORY_RANGE_SET_IN_USE,
				    "memory range set %u: %u commands use it", rsid, set->users);
	} else if (set != NULL) {
		set->ranges = 0;
		sets->generation++;
		rc = 0;
	}
	pthread_mutex_unlock(&sets->mutex);
	return rc;
}

int
csd_range_sets_acquire(struct csd_range_sets *sets, struct spdk_nvmf_request *req, uint16_t rsid,
		       struct csd_range_memory memory[NVME_CSD_MAX_RANGES], uint32_t *count,
		       struct csd_refusal *refusal)
{
	struct nvme_memory_range ranges[NVME_CSD_MAX_RANGES];
	struct csd_range_set *set;

	pthread_mutex_lock(&sets->mutex);
	set = ranges_find(sets, rsid, refusal);
	if (set != NULL) {
		set->users++;
		*count = set->ranges;
		memcpy(ranges, set->range, sizeof(ranges));
	}
	pthread_mutex_unlock(&sets->mutex);
	if (set == NULL) {
		return -1;
	}
	/* Again, for the namespaces of a subsystem come and go. */
	if (csd_ranges_resolve(req, ranges, *count, memory, refusal)) {
		csd_range_sets_release(sets, rsid);
		return -1;
	}
	return 0;
}

void
csd_range_sets_release(struct csd_range_sets *sets, uint16_t rsid)
{
	if (rsid == 0) {
		return;
	}
	pthread_mutex_lock(&sets->mutex);
	sets->set[rsid - 1].users--;
	pthread_mutex_unlock(&sets->mutex);
}
