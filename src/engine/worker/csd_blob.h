/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A program as machine code, in one flat piece: this header, code and constants up to code_bytes, the first data_given
 * bytes of its data, the table of lines. csd_compile makes it (csd_blob.ld), a worker maps it. It is linked for the
 * addresses below and needs nothing else: no relocation, no library.
 *
 * Nobody but a worker trusts what it says: it comes from a compiler that has read a stranger's program.
 */
#ifndef CSD_BLOB_H
#define CSD_BLOB_H

#include <stddef.h>
#include <stdint.h>

#define CSD_BLOB_MAGIC		"CSDBLOB2"
#define CSD_BLOB_PAGE		4096

/* Where a worker has it. Code reaches its data by 32-bit distances. */
#define CSD_BLOB_CODE		0x1000000000ULL
#define CSD_BLOB_DATA		(CSD_BLOB_CODE + 0x40000000ULL)

#define CSD_BLOB_MAX_CODE	(64ULL << 20)	/* code and constants */
#define CSD_BLOB_MAX_DATA	(32ULL << 20)
#define CSD_BLOB_MAX_LINES	(1U << 20)

/* All numbers little endian; addresses as a worker has them. */
struct csd_blob_header {
	char magic[8];
	uint64_t code_bytes;	/* of the file from its begin, this header among them: whole pages */
	uint64_t data_given;	/* bytes of the file behind them: how the data begin */
	uint64_t data_bytes;	/* what they take; zeros behind what is given; whole pages */
	uint64_t entry;		/* void (*)(struct csd_call *) */
	uint64_t parameters;	/* struct csd_parameters among the data; 0: none */
	uint64_t state;		/* csd_state among the data; 0: none */
	uint64_t lines_at;	/* byte of the file; multiple of 8 */
	uint64_t line_count;
	uint64_t kept;		/* maps that outlive a run, among the data behind those given; 0: none */
	uint64_t kept_bytes;	/* at most CSD_MAX_KEPT_BYTES */
};

/* Code from `address` on, up to the next line's, stands for this eBPF instruction. Sorted by address. */
struct csd_blob_line {
	uint32_t address;	/* from CSD_BLOB_CODE */
	uint32_t instruction;	/* counted from 0, over all functions as the translator has them */
};

/* Instead of one: the drive's own code, the loop around the program among it. */
#define CSD_BLOB_NO_INSTRUCTION	UINT32_MAX

/*
 * 0, or -EINVAL: not a blob, or one whose numbers go beyond its `length` bytes or the limits above. Afterwards every
 * number of the header is safe to use: struct csd_parameters and what is kept lie in the data as a whole, the state begins there.
 */
int csd_blob_check(const void *bytes, size_t length, struct csd_blob_header *header);

/* The instruction at an address of a worker, from a blob that csd_blob_check() took; -1: none, it is not in its code. */
int64_t csd_blob_instruction(const void *bytes, const struct csd_blob_header *header, uint64_t address);

#endif
