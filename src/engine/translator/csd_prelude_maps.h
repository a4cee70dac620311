/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Maps: csd_emit_maps.c makes of these the ones of a program, in which all but the last three arguments are constants. They
 * return what Linux's do.
 */
#define CSD_NO_ENTRY	(-2ULL)		/* ENOENT */
#define CSD_NO_ROOM	(-7ULL)		/* E2BIG */
#define CSD_EXISTS	(-17ULL)	/* EEXIST */
#define CSD_INVALID	(-22ULL)	/* EINVAL */

#define CSD_MUST_NOT_EXIST	1
#define CSD_MUST_EXIST		2	/* the last flag */

#define CSD_WORDS(bytes)	(((u64)(bytes) + 7) & ~7ULL)

/* --- arrays: values, one behind the other --- */

CSD_COPY u64
csd_array_lookup(u64 map, u64 key_bytes, u64 value_bytes, u64 entries, u64 buckets, u64 key, u64 r3, u64 r4)
{
	u32 index = LOAD(m32, key);

	return index < entries ? map + index * CSD_WORDS(value_bytes) : 0;
}

CSD_COPY u64
csd_array_update(u64 map, u64 key_bytes, u64 value_bytes, u64 entries, u64 buckets, u64 key, u64 value, u64 flags)
{
	u64 to = csd_array_lookup(map, key_bytes, value_bytes, entries, buckets, key, 0, 0);

	if (flags > CSD_MUST_EXIST) {
		return CSD_INVALID;
	}
	if (to == 0) {
		return CSD_NO_ROOM;
	}
	if (flags == CSD_MUST_NOT_EXIST) {
		return CSD_EXISTS;
	}
	csd_memmove(to, value, value_bytes);
	return 0;
}

CSD_COPY u64
csd_array_delete(u64 map, u64 key_bytes, u64 value_bytes, u64 entries, u64 buckets, u64 key, u64 r3, u64 r4)
{
	return CSD_INVALID;
}

/*
 * --- hashes ---
 *
 * How many entries were ever taken, and the first that was given back; then the buckets; then the entries: the next in its
 * bucket or of those given back, whether it is taken, key, value. Entries are told by their number, counted from 1. An entry
 * stays where it is as long as it is taken: programs keep pointers to values.
 */
#define CSD_TAKEN(map)			((map))
#define CSD_GIVEN_BACK(map)		((map) + 4)
#define CSD_ENTRY_BYTES(key_bytes, value_bytes)	(8 + CSD_WORDS(key_bytes) + CSD_WORDS(value_bytes))
#define CSD_ENTRY(map, key_bytes, value_bytes, buckets, number) \
	((map) + 8 + (buckets) * 4 + ((u64)(number) - 1) * CSD_ENTRY_BYTES(key_bytes, value_bytes))
#define CSD_IS_TAKEN(entry)		((entry) + 4)
#define CSD_KEY(entry)			((entry) + 8)
#define CSD_VALUE(entry, key_bytes)	((entry) + 8 + CSD_WORDS(key_bytes))

CSD_COPY u64
csd_hash(u64 key, u64 bytes)
{
	u64 hash = 0, word = 0;

	for (; bytes >= 8; key += 8, bytes -= 8) {
		hash = (hash ^ LOAD(m64, key)) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	for (; bytes > 0; key++, bytes--) {
		word = word << 8 | LOAD(m8, key);
	}
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/* Where the number of a key's entry stands, or a zero, where it would. */
CSD_COPY u64
csd_hash_link(u64 map, u64 key_bytes, u64 value_bytes, u64 buckets, u64 key)
{
	u64 link = map + 8 + (csd_hash(key, key_bytes) & (buckets - 1)) * 4;

	while (LOAD(m32, link) != 0) {
		u64 entry = CSD_ENTRY(map, key_bytes, value_bytes, buckets, LOAD(m32, link));

		if (csd_memcmp(CSD_KEY(entry), key, key_bytes) == 0) {
			break;
		}
		link = entry;
	}
	return link;
}

CSD_COPY u64
csd_hash_lookup(u64 map, u64 key_bytes, u64 value_bytes, u64 entries, u64 buckets, u64 key, u64 r3, u64 r4)
{
	u32 number = LOAD(m32, csd_hash_link(map, key_bytes, value_bytes, buckets, key));

	return number == 0 ? 0 : CSD_VALUE(CSD_ENTRY(map, key_bytes, value_bytes, buckets, number), key_bytes);
}

/* The number of an entry that is nobody's; 0: all are taken. */
CSD_COPY u32
csd_hash_take(u64 map, u64 key_bytes, u64 value_bytes, u64 entries, u64 buckets)
{
	u32 number = LOAD(m32, CSD_GIVEN_BACK(map));

	if (number != 0) {
		STORE(m32, CSD_GIVEN_BACK(map), LOAD(m32, CSD_ENTRY(map, key_bytes, value_bytes, buckets, number)));
		return number;
	}
	if (LOAD(m32, CSD_TAKEN(map)) >= entries) {
		return 0;
	}
	number = LOAD(m32, CSD_TAKEN(map)) + 1;
	STORE(m32, CSD_TAKEN(map), number);
	return number;
}

CSD_COPY u64
csd_hash_update(u64 map, u64 key_bytes, u64 value_bytes, u64 entries, u64 buckets, u64 key, u64 value, u64 flags)
{
	u64 link, entry;
	u32 number;

	if (flags > CSD_MUST_EXIST) {
		return CSD_INVALID;
	}
	link = csd_hash_link(map, key_bytes, value_bytes, buckets, key);
	number = LOAD(m32, link);
	if (number != 0 && flags == CSD_MUST_NOT_EXIST) {
		return CSD_EXISTS;
	}
	if (number == 0 && flags == CSD_MUST_EXIST) {
		return CSD_NO_ENTRY;
	}
	if (number == 0) {
		number = csd_hash_take(map, key_bytes, value_bytes, entries, buckets);
		if (number == 0) {
			return CSD_NO_ROOM;
		}
		entry = CSD_ENTRY(map, key_bytes, value_bytes, buckets, number);
		STORE(m32, entry, 0);
		STORE(m32, CSD_IS_TAKEN(entry), 1);
		csd_memmove(CSD_KEY(entry), key, key_bytes);
		STORE(m32, link, number);
	}
	csd_memmove(CSD_VALUE(CSD_ENTRY(map, key_bytes, value_bytes, buckets, number), key_bytes), value, value_bytes);
	return 0;
}

CSD_COPY u64
csd_hash_delete(u64 map, u64 key_bytes, u64 value_bytes, u64 entries, u64 buckets, u64 key, u64 r3, u64 r4)
{
	u64 link = csd_hash_link(map, key_bytes, value_bytes, buckets, key), entry;
	u32 number = LOAD(m32, link);

	if (number == 0) {
		return CSD_NO_ENTRY;
	}
	entry = CSD_ENTRY(map, key_bytes, value_bytes, buckets, number);
	STORE(m32, link, LOAD(m32, entry));
	STORE(m32, CSD_IS_TAKEN(entry), 0);
	STORE(m32, entry, LOAD(m32, CSD_GIVEN_BACK(map)));
	STORE(m32, CSD_GIVEN_BACK(map), number);
	return 0;
}

/* --- bpf_for_each_map_elem, which calls back; it may delete the entry that it is at --- */

#define CSD_EACH(array_each, hash_each, back) \
static inline u64 \
array_each(u64 which, u64 map, u64 key_bytes, u64 value_bytes, u64 entries, u64 buckets, u64 function, u64 context, u64 flags) \
{ \
	u64 count = 0; \
\
	if (flags != 0) { \
		return CSD_INVALID; \
	} \
	while (count < entries) { \
		u32 key = count; \
		u64 value = map + count * CSD_WORDS(value_bytes); \
\
		count++; \
		if ((u32)back(function, which, (u64)&key, value, context) != 0) { \
			break; \
		} \
	} \
	return count; \
} \
static inline u64 \
hash_each(u64 which, u64 map, u64 key_bytes, u64 value_bytes, u64 entries, u64 buckets, u64 function, u64 context, u64 flags) \
{ \
	u64 count = 0; \
\
	if (flags != 0) { \
		return CSD_INVALID; \
	} \
	for (u32 number = 1; number <= LOAD(m32, CSD_TAKEN(map)); number++) { \
		u64 entry = CSD_ENTRY(map, key_bytes, value_bytes, buckets, number); \
\
		if (LOAD(m32, CSD_IS_TAKEN(entry)) == 0) { \
			continue; \
		} \
		count++; \
		if ((u32)back(function, which, CSD_KEY(entry), CSD_VALUE(entry, key_bytes), context) != 0) { \
			break; \
		} \
	} \
	return count; \
}
