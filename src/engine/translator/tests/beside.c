/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Linked to a program that is compiled natively: what the drive gives it, written for itself. */
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "beside.h"
#include "csd_bpf.h"

/* A program of kind csd/buffer has its own state. */
uint64_t csd_parameters_words[128] __asm__("csd_parameters");
uint64_t csd_state_words[512] __asm__("csd_state") __attribute__((weak));
struct beside csd_beside;

long
csd_emit(const void *pointer, __u64 bytes)
{
	if (csd_beside.full || bytes > csd_beside.room - csd_beside.emitted) {
		csd_beside.full = 1;
		return -28;
	}
	memcpy(csd_beside.out + csd_beside.emitted, pointer, bytes);
	csd_beside.emitted += bytes;
	csd_beside.items++;
	return 0;
}

__u64
bpf_ktime_get_ns(void)
{
	return csd_beside.now;
}

long
bpf_loop(__u32 turns, void *function, void *context, __u64 flags)
{
	long (*callback)(__u32 turn, void *context) = (long (*)(__u32, void *))function;
	__u32 turn = 0;

	if (flags != 0)
		return -22;
	if (turns > 8388608)
		return -7;
	while (turn < turns) {
		if (callback(turn++, context) != 0)
			break;
	}
	return turn;
}

long
bpf_strncmp(const char *text, __u32 text_bytes, const char *other)
{
	int order = strncmp(text, other, text_bytes);

	return order < 0 ? -1 : order > 0;
}

/* --- lines, by the C library's printf --- */

/* Whether it can be printed: formats that C has and Linux has not, and as many arguments as there are. */
static int
beside_format(const char *format, __u32 bytes, __u32 arguments)
{
	if (bytes == 0 || format[bytes - 1] != '\0')
		return 0;
	for (; *format != '\0'; format++) {
		size_t flags, longs;

		if (*format != '%')
			continue;
		if (*++format == '%')
			continue;
		if (arguments-- == 0)
			return 0;
		flags = strspn(format, "0-+ ");
		format += flags + strspn(format + flags, "0123456789");
		longs = strspn(format, "l");
		format += longs;
		if (*format == '\0' || longs > 2 || strchr(longs > 0 ? "diuxX" : "diuxXpcs", *format) == NULL)
			return 0;
	}
	return 1;
}

long
bpf_trace_vprintk(const char *format, __u32 bytes, const void *arguments, __u32 argument_bytes)
{
	__u64 given[12] = {0};
	char line[512], *pointer;
	char plain[256];
	int length;

	if (argument_bytes % 8 != 0 || argument_bytes > sizeof(given) || !beside_format(format, bytes, argument_bytes / 8))
		return -22;
	memcpy(given, arguments, argument_bytes);
	/* The C library's %p has an 0x before it. */
	strcpy(plain, format);
	pointer = strstr(plain, "%p");
	if (pointer != NULL)
		strcpy(pointer, "%lx");
	length = snprintf(line, sizeof(line) - 1, plain, given[0], given[1], given[2]);
	if (length == 0 || line[length - 1] != '\n')
		strcpy(line + length, "\n");
	for (char *at = line; *at != '\0'; at++) {
		if (csd_beside.traced < csd_beside.trace_bytes)
			csd_beside.trace[csd_beside.traced] = *at;
		csd_beside.traced++;
	}
	return length;
}

long
bpf_trace_printk(const char *format, __u32 bytes, ...)
{
	__u64 arguments[3];
	va_list list;

	va_start(list, bytes);
	for (int i = 0; i < 3; i++)
		arguments[i] = va_arg(list, __u64);
	va_end(list);
	return bpf_trace_vprintk(format, bytes, arguments, sizeof(arguments));
}

/* --- maps: entries in a row, looked through from the first --- */

#define MOST_MAPS	8
#define MOST_ENTRIES	128
#define MOST_BYTES	32

const struct beside_map csd_beside_maps[1] __attribute__((weak));

static struct entry {
	int taken;
	uint8_t key[MOST_BYTES], value[MOST_BYTES];
} entries[MOST_MAPS][MOST_ENTRIES];

static const struct beside_map *
beside_find(const void *address)
{
	const struct beside_map *map = csd_beside_maps;

	while (map->address != address)
		map++;
	/* All of an array is there from the beginning. */
	for (uint32_t i = 0; map->type == BPF_MAP_TYPE_ARRAY && i < map->entries; i++) {
		entries[map - csd_beside_maps][i].taken = 1;
		memcpy(entries[map - csd_beside_maps][i].key, &i, 4);
	}
	return map;
}

static struct entry *
beside_entry(const struct beside_map *map, const void *key)
{
	for (uint32_t i = 0; i < map->entries; i++) {
		struct entry *entry = &entries[map - csd_beside_maps][i];

		if (entry->taken && memcmp(entry->key, key, map->key_bytes) == 0)
			return entry;
	}
	return NULL;
}

void *
bpf_map_lookup_elem(void *address, const void *key)
{
	struct entry *entry = beside_entry(beside_find(address), key);

	return entry == NULL ? NULL : entry->value;
}

long
bpf_map_update_elem(void *address, const void *key, const void *value, __u64 flags)
{
	const struct beside_map *map = beside_find(address);
	struct entry *entry = beside_entry(map, key);

	if (flags > BPF_EXIST)
		return -22;
	if (entry == NULL && map->type == BPF_MAP_TYPE_ARRAY)
		return -7;
	if (entry != NULL && flags == BPF_NOEXIST)
		return -17;
	if (entry == NULL && flags == BPF_EXIST)
		return -2;
	for (uint32_t i = 0; entry == NULL && i < map->entries; i++) {
		if (!entries[map - csd_beside_maps][i].taken)
			entry = &entries[map - csd_beside_maps][i];
	}
	if (entry == NULL)
		return -7;
	entry->taken = 1;
	memcpy(entry->key, key, map->key_bytes);
	memcpy(entry->value, value, map->value_bytes);
	return 0;
}

long
bpf_map_delete_elem(void *address, const void *key)
{
	const struct beside_map *map = beside_find(address);
	struct entry *entry = beside_entry(map, key);

	if (map->type == BPF_MAP_TYPE_ARRAY)
		return -22;
	if (entry == NULL)
		return -2;
	entry->taken = 0;
	return 0;
}

long
bpf_for_each_map_elem(void *address, void *function, void *context, __u64 flags)
{
	long (*callback)(void *map, const void *key, void *value, void *context) =
		(long (*)(void *, const void *, void *, void *))function;
	const struct beside_map *map = beside_find(address);
	long count = 0;

	if (flags != 0)
		return -22;
	for (uint32_t i = 0; i < map->entries; i++) {
		struct entry *entry = &entries[map - csd_beside_maps][i];

		if (!entry->taken)
			continue;
		count++;
		if (callback(address, entry->key, entry->value, context) != 0)
			break;
	}
	return count;
}
