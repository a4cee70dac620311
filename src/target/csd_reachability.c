/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_reachability.h"

#include <stdlib.h>
#include <string.h>

/* RGIDs, ascending */
enum {
	GROUP_STORED = 1,
	GROUP_COMPUTE = 2,
	GROUPS = 2,
};

/*
 * By ascending RASID; a group is in associations of different characteristics only. SLM Copy takes blocks and other memory
 * into memory without a byte on the wire; programs read and write memory, and Scan reads blocks. An association of one
 * group: its members reach each other.
 */
static const struct association {
	uint8_t characteristics;
	uint32_t groups;
	uint32_t group[2];
} g_associations[] = {
	{ NVME_RAC_FAST_COPY, 1, { GROUP_STORED } },
	{ NVME_RAC_REACHABLE, 2, { GROUP_STORED, GROUP_COMPUTE } },
};

#define ASSOCIATIONS (sizeof(g_associations) / sizeof(g_associations[0]))

/* What there is: how many namespaces each group has (index 0 is none's), and whether one of them can be copied into. */
struct members {
	uint32_t count[GROUPS + 1];
	bool memory;
};

uint32_t
csd_reachability_group(uint8_t csi)
{
	return csi == NVME_CSI_COMPUTE ? GROUP_COMPUTE : GROUP_STORED;
}

static struct members
csd_reachability_count(const struct csd_reachable *namespaces, uint32_t count)
{
	struct members members = {};
	uint32_t i;

	for (i = 0; i < count; i++) {
		members.count[csd_reachability_group(namespaces[i].csi)]++;
		members.memory = members.memory || namespaces[i].csi == NVME_CSI_SLM;
	}
	return members;
}

/* Descriptors follow lists of four-byte numbers, so they may lie at half of their alignment. */
static uint8_t *
csd_reachability_put(uint8_t *at, const void *from, size_t bytes)
{
	memcpy(at, from, bytes);
	return at + bytes;
}

void *
csd_reachability_groups(const struct csd_reachable *namespaces, uint32_t count, bool only, size_t *length)
{
	struct nvme_reachability_header *header;
	struct members members = csd_reachability_count(namespaces, count);
	uint32_t group, i;
	uint8_t *at;

	*length = sizeof(*header) + (only ? 0 : count * sizeof(uint32_t));
	for (group = 1; group <= GROUPS; group++) {
		*length += members.count[group] > 0 ? sizeof(struct nvme_reachability_group) : 0;
	}
	header = calloc(1, *length);
	if (header == NULL) {
		return NULL;
	}
	at = (uint8_t *)(header + 1);
	for (group = 1; group <= GROUPS; group++) {
		const struct nvme_reachability_group descriptor = {
			.rgid = group,
			.namespaces = only ? 0 : members.count[group],
		};

		if (members.count[group] == 0) {
			continue;
		}
		header->count++;
		at = csd_reachability_put(at, &descriptor, sizeof(descriptor));
		for (i = 0; i < count && !only; i++) {
			if (csd_reachability_group(namespaces[i].csi) == group) {
				at = csd_reachability_put(at, &namespaces[i].nsid, sizeof(uint32_t));
			}
		}
	}
	return header;
}

/* Whether its groups are there, and something in them for copies to go to. */
static bool
csd_reachability_holds(const struct association *association, const struct members *members)
{
	uint32_t i;

	for (i = 0; i < association->groups; i++) {
		if (members->count[association->group[i]] == 0) {
			return false;
		}
	}
	return association->characteristics != NVME_RAC_FAST_COPY || members->memory;
}

void *
csd_reachability_associations(const struct csd_reachable *namespaces, uint32_t count, bool only, size_t *length)
{
	struct nvme_reachability_header *header;
	struct members members = csd_reachability_count(namespaces, count);
	uint32_t i;
	uint8_t *at;

	*length = sizeof(*header);
	for (i = 0; i < ASSOCIATIONS; i++) {
		if (csd_reachability_holds(&g_associations[i], &members)) {
			*length += sizeof(struct nvme_reachability_association) +
				   (only ? 0 : g_associations[i].groups * sizeof(uint32_t));
		}
	}
	header = calloc(1, *length);
	if (header == NULL) {
		return NULL;
	}
	at = (uint8_t *)(header + 1);
	for (i = 0; i < ASSOCIATIONS; i++) {
		const struct nvme_reachability_association descriptor = {
			.rasid = i + 1,
			.groups = only ? 0 : g_associations[i].groups,
			.characteristics = g_associations[i].characteristics,
		};

		if (!csd_reachability_holds(&g_associations[i], &members)) {
			continue;
		}
		header->count++;
		at = csd_reachability_put(at, &descriptor, sizeof(descriptor));
		at = csd_reachability_put(at, g_associations[i].group, descriptor.groups * sizeof(uint32_t));
	}
	return header;
}
