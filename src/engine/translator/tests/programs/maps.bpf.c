/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Maps: each record is an operation on one of them; what they say becomes the state. */
#include <linux/bpf.h>

#include "csd_bpf.h"
#ifndef __bpf__
#include "beside.h"
#endif

struct operation {
	__u8 map;
	__u8 what;
	__u8 flags;
	__u8 key;
	__u32 value;
};

struct results {
	__u64 hash;
	__u64 seen[8];
};

CSD_RECORD_STATE(struct operation, sizeof(struct operation), CSD_EMIT_NOTHING, struct results);

/* A hole at the end: it belongs to the key, and is filled by who makes one. */
struct long_key {
	__u64 one;
	__u8 two[3];
};

typedef struct {
	__u32 word[3];
} three;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 40);
	__type(key, struct long_key);
	__type(value, three);
} by_long_key CSD_SECTION(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 100);
	__uint(map_flags, BPF_F_NO_PREALLOC | CSD_MAP_KEPT);
	__uint(key_size, 3);
	__uint(value_size, 5);
} by_bytes CSD_SECTION(".maps");

static struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 10);
	__uint(map_flags, CSD_MAP_KEPT);
	__type(key, __u32);
	__type(value, const three[2]);
} array CSD_SECTION(".maps");

/* One entry, one byte. */
static struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, char);
	__type(value, char);
} one CSD_SECTION(".maps");

/* Natively nobody reads those declarations. */
#ifndef __bpf__
const struct beside_map csd_beside_maps[] = {
	{&by_long_key, BPF_MAP_TYPE_HASH, sizeof(struct long_key), sizeof(three), 40},
	{&by_bytes, BPF_MAP_TYPE_HASH, 3, 5, 100},
	{&array, BPF_MAP_TYPE_ARRAY, 4, sizeof(three[2]), 10},
	{&one, BPF_MAP_TYPE_HASH, 1, 1, 1},
	{0, 0, 0, 0, 0},
};
#endif

static __u64 operations;

struct walk {
	__u64 sum, most, deleted;
	__u32 key_bytes, value_bytes;
	int change;		/* where no walk ends early, as then it would matter which entries it saw */
};

/* The order of entries is nobody's business. */
static long
add(void *map, const __u8 *key, __u8 *value, void *context)
{
	struct walk *walk = context;
	__u64 hash = 0xcbf29ce484222325ull;

	(void)map;
	for (__u32 i = 0; i < walk->key_bytes; i++)
		hash = (hash ^ key[i]) * 0x100000001b3ull;
	for (__u32 i = 0; i < walk->value_bytes; i++)
		hash = (hash ^ value[i]) * 0x100000001b3ull;
	walk->sum += hash;
	if (walk->change)
		value[0]++;
	return --walk->most == 0;
}

static long
delete_some(void *map, const __u8 *key, const __u8 *value, void *context)
{
	struct walk *walk = context;

	if ((value[0] ^ key[0]) & 1)
		walk->deleted += bpf_map_delete_elem(map, key) == 0;
	return 0;
}

/* Of a map that is known when it is compiled, and of one that is not. */
static __attribute__((always_inline)) inline __u64
operate(void *map, const struct operation *operation, const void *key, __u32 key_bytes, __u32 value_bytes)
{
	__u8 bytes[24];
	struct walk walk = {
		.key_bytes = key_bytes, .value_bytes = value_bytes, .most = operation->flags % 16,
		.change = operation->flags % 16 == 0,
	};
	__u64 found = 0;
	__u8 *value;

	for (__u32 i = 0; i < sizeof(bytes); i++)
		bytes[i] = operation->value >> (i & 3) * 8;
	switch (operation->what % 8) {
	case 0:
	case 1:
	case 2:
		return bpf_map_update_elem(map, key, bytes, operation->flags % 4);
	case 3:
		return bpf_map_delete_elem(map, key);
	case 4:
		/* Ended early, the sum depends on the order. */
		found = bpf_for_each_map_elem(map, add, &walk, 0);
		return walk.most == 0 ? found : found * 31 + walk.sum;
	case 5:
		found = bpf_for_each_map_elem(map, delete_some, &walk, operation->flags == 7);
		return found * 31 + walk.deleted;
	default:
		value = bpf_map_lookup_elem(map, key);
		for (__u32 i = 0; value != 0 && i < value_bytes; i++)
			found = found * 31 + value[i]++;
		return value == 0 ? 7 : found;
	}
}

CSD_PROGRAM
int maps(const struct operation *operation)
{
	struct long_key long_key = {0};
	__u8 bytes[3] = {operation->key, 1, operation->key};
	__u32 index = operation->key % 12;
	char byte = operation->key & 3;
	void *map = operation->key & 1 ? (void *)&by_bytes : (void *)&one;
	__u64 result;

	long_key.one = operation->key % 64;
	long_key.two[operation->key % 3] = 1;
	switch (operation->map % 5) {
	case 0:
		result = operate(&by_long_key, operation, &long_key, sizeof(long_key), sizeof(three));
		break;
	case 1:
		result = operate(&by_bytes, operation, bytes, 3, 5);
		break;
	case 2:
		result = operate(&array, operation, &index, 4, sizeof(three[2]));
		break;
	case 3:
		result = operate(&one, operation, &byte, 1, 1);
		break;
	default:
		CSD_OPAQUE(map);
		result = operate(map, operation, bytes, 1, 1);
		break;
	}
	operations++;
	csd_state.seen[result < 4 ? result : result + 32 < 32 ? 5 : 6]++;
	csd_state.hash = csd_state.hash * 31 + result + operations;
	return CSD_DROP;
}
