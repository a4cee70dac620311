/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What librte_bpf needs of DPDK's EAL, for programs that have none: tests, fuzzer, benchmark. csd_tgt has SPDK's.
 * The log goes where rte_openlog_stream() says, as in DPDK; the rest is for packets, which nothing here has.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define LOG_WARNING	5	/* RTE_LOG_WARNING: what is less urgent is not written */

int rte_openlog_stream(FILE *f);
int rte_log(uint32_t level, uint32_t type, const char *format, ...);
int rte_log_register_type_and_pick_level(const char *name, uint32_t level);
void __rte_panic(const char *function, const char *format, ...);
const void *__rte_pktmbuf_read(const void *packet, uint32_t offset, uint32_t length, void *buffer);

__thread int per_lcore__rte_errno;

static FILE *stream;

int
rte_openlog_stream(FILE *f)
{
	stream = f;
	return 0;
}

int
rte_log(uint32_t level, uint32_t type, const char *format, ...)
{
	va_list arguments;

	(void)type;
	if (level <= LOG_WARNING) {
		va_start(arguments, format);
		vfprintf(stream != NULL ? stream : stderr, format, arguments);
		va_end(arguments);
	}
	return 0;
}

int
rte_log_register_type_and_pick_level(const char *name, uint32_t level)
{
	(void)name;
	(void)level;
	return 0;
}

void
__rte_panic(const char *function, const char *format, ...)
{
	(void)format;
	fprintf(stderr, "librte_bpf: panic in %s\n", function);
	abort();
}

const void *
__rte_pktmbuf_read(const void *packet, uint32_t offset, uint32_t length, void *buffer)
{
	(void)packet;
	(void)offset;
	(void)length;
	(void)buffer;
	return NULL;
}
