/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Lines for who looks for faults: all that a format can say. */
#include "csd_bpf.h"

struct entry {
	__u64 number;
	__u32 small;
	__u8 what;
	char text[11];
};

struct totals {
	__u64 bytes;
	__u64 refused;
};

CSD_RECORD_STATE(struct entry, sizeof(struct entry), CSD_EMIT_NOTHING, struct totals);

#define PRINT(format, ...)	(line = bpf_printk(format, ##__VA_ARGS__))

CSD_PROGRAM
int trace(const struct entry *entry)
{
	static const char bad[] = "%d %y", three[] = "%s=%lld (%5x)", open[3] = {'a', 'b', 'c'};
	__u64 number = entry->number >> (entry->what & 63), arguments[3];
	char text[12] = {0};
	long line;

	for (__u32 i = 0; i < 11; i++)
		text[i] = entry->text[i] & 0x80 ? 0 : entry->text[i] | 0x20;
	arguments[0] = (__u64)text;
	arguments[1] = number;
	arguments[2] = entry->small;
	switch (entry->what % 20) {
	case 0: PRINT("%d %i %u\n", entry->small, entry->small, entry->small); break;
	case 1: PRINT("%ld|%lld|%lu", number, number, number); break;
	case 2: PRINT("%x,%X,%llx", number, entry->small, number); break;
	case 3: PRINT("[%s]%%%c", text, 'A' + entry->what % 26); break;
	case 4: PRINT("%p", number | 1); break;
	case 5: PRINT("%08x %-08d|%+d", entry->small, entry->small >> 8, entry->small); break;
	case 6: PRINT("% d %020lld %-20llu|", entry->small, number, number); break;
	case 7: PRINT("%12s|%-12s|%3c", text, text, 'z'); break;
	case 8: PRINT("%5d%05d%+5d", entry->small & 255, entry->small & 255, entry->small & 255); break;
	case 9: PRINT(""); break;
	case 10: line = bpf_trace_vprintk(three, sizeof(three), arguments, sizeof(arguments)); break;
	case 11: line = bpf_trace_vprintk(three, sizeof(three), arguments, sizeof(arguments) - 8); break;
	case 12: line = bpf_trace_vprintk(three, sizeof(three), arguments, 28); break;
	case 13: line = bpf_trace_vprintk(three, sizeof(three), arguments, 104); break;
	case 14: line = bpf_trace_printk(bad, sizeof(bad), 1, 2, 3); break;
	case 15: line = bpf_trace_printk(open, sizeof(open)); break;
	case 16: line = bpf_trace_printk(bad, 0); break;
	case 17: PRINT("%s %ls", text, text); break;
	case 18: PRINT("100%"); break;
	default: PRINT("%d %d %d %d", 1, 2, 3); break;
	}
	csd_state.bytes += line > 0 ? line : 0;
	csd_state.refused += line < 0;
	return CSD_DROP;
}
