/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The helpers for memory, by their numbers, with lengths and overlaps that the record says. */
#include "csd_bpf.h"

struct request {
	__u8 from, to, length, what;
	__u8 text[60];
};

struct memory {
	__u8 bytes[128];
	__u64 results[4];
};

CSD_RECORD_STATE(struct request, sizeof(struct request), CSD_EMIT_NOTHING, struct memory);

#ifdef __bpf__
static int (*compare)(const void *a, const void *b, __u64 bytes) = (void *)65536;
static void *(*copy)(void *to, const void *from, __u64 bytes) = (void *)65537;
static void *(*move)(void *to, const void *from, __u64 bytes) = (void *)65538;
static void *(*set)(void *to, int value, __u64 bytes) = (void *)65539;
#else
#define compare	__builtin_memcmp
#define copy	__builtin_memcpy
#define move	__builtin_memmove
#define set	__builtin_memset
#endif

CSD_PROGRAM
int helpers(const struct request *request)
{
	__u8 *bytes = csd_state.bytes;
	__u64 from = request->from & 63, to = request->to & 63, length = request->length & 63;
	int order;

	switch (request->what & 3) {
	case 0:
		order = compare(bytes + from, bytes + to, length);
		csd_state.results[order < 0 ? 0 : order > 0 ? 1 : 2]++;
		break;
	case 1:
		if (length < sizeof(request->text) - 3)
			csd_state.results[3] += (__u8 *)copy(bytes + to, request->text + 3, length) - bytes;
		break;
	case 2:
		csd_state.results[3] += (__u8 *)move(bytes + to, bytes + from, length) - bytes;
		break;
	default:
		csd_state.results[3] += (__u8 *)set(bytes + to, request->from, length >> 2) - bytes;
		break;
	}
	return CSD_DROP;
}
