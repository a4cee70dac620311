/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A program as the translator sees it: all its functions, one behind the other, and the memory that its object file
 * brings along. The instructions are plain RFC 9669: a call of a local function has the distance in instructions, as if
 * all functions had been one section from the beginning. Only addresses of variables are told apart, in `area`.
 */
#ifndef CSD_OBJECT_H
#define CSD_OBJECT_H

#include "csd_elf_file.h"

#define CSD_TRANSLATOR_INSTRUCTIONS	65536
#define CSD_TRANSLATOR_FUNCTIONS	256
#define CSD_AREA_BYTES			(16 * 1024 * 1024)
#define CSD_AREA_ALIGNMENT		64
#define CSD_TRANSLATOR_MAPS		64
#define CSD_MAP_KEY_BYTES		512
#define CSD_MAP_VALUE_BYTES		(1024 * 1024)
#define CSD_MAP_ENTRIES			(1 << 24)

enum csd_area {
	CSD_AREA_NONE,		/* a number, no address */
	CSD_AREA_PARAMETERS,	/* csd_parameters */
	CSD_AREA_STATE,		/* csd_state */
	CSD_AREA_GLOBALS,	/* what the object may write: .data, .bss */
	CSD_AREA_CONSTANTS,	/* what it may not: .rodata, string literals */
	CSD_AREAS,
	CSD_AREA_FUNCTION = CSD_AREAS,	/* no address either: which function, counted from 1 */
	CSD_AREA_MAP,			/* which map, the same way */
};

struct csd_function {
	char name[CSD_ELF_NAME_BYTES];
	char section[CSD_ELF_NAME_BYTES];
	uint32_t section_begin;		/* instruction at which its section begins: disassemblers count from there */
	uint32_t begin, end;		/* instructions */
};

enum csd_map_type {		/* as Linux counts them */
	CSD_MAP_HASH = 1,
	CSD_MAP_ARRAY = 2,
};

struct csd_map {
	uint64_t declared;		/* byte of section .maps */
	uint32_t type;			/* enum csd_map_type */
	uint32_t key_bytes, value_bytes, entries;
	uint32_t buckets;		/* of a hash: a power of two; else 0 */
	uint64_t bytes;			/* that it takes: multiple of 8 */
	bool kept;			/* CSD_MAP_KEPT: */
	uint64_t kept_at;		/* byte of all those that are */
};

struct csd_area_content {
	uint8_t *bytes;			/* of which the file has `given`; NULL: none */
	uint64_t given;
	uint64_t length;		/* zeros behind what was given */
};

struct csd_object {
	char kind[CSD_ELF_NAME_BYTES];	/* "csd/record", "csd/buffer" */
	struct csd_geometry geometry;	/* of csd/record; else zeros */
	uint32_t writable;		/* CSD_RANGE() of each range that it writes to: csd/buffer */
	struct csd_insn *insns;
	uint8_t *area;			/* of each ld_imm64: whose address it loads; its immediate is the offset then */
	uint32_t count;
	struct csd_function functions[CSD_TRANSLATOR_FUNCTIONS];	/* by `begin`; they cover all instructions */
	uint32_t function_count;
	uint32_t entry;			/* the function that is the program */
	struct csd_area_content areas[CSD_AREAS];
	struct csd_map maps[CSD_TRANSLATOR_MAPS];
	uint32_t map_count;
	uint64_t kept_bytes;		/* of those that outlive a run, at most CSD_MAX_KEPT_BYTES */
};

/*
 * Reads an ELF object. 0: csd_object_free() it; -EINVAL with a reason, or -ENOMEM: nothing is left. Says nothing about
 * instructions but that relocations lie on those that can have one.
 */
int csd_object_read(const void *bytes, size_t length, struct csd_object *object, char reason[CSD_REASON_BYTES]);
void csd_object_free(struct csd_object *object);

/* The function in which an instruction lies; NULL beyond the last. */
const struct csd_function *csd_object_function(const struct csd_object *object, uint32_t at);

/* Whether any instruction calls this helper. */
bool csd_object_calls(const struct csd_object *object, int32_t helper);

/* Refuses because of an instruction, named as a disassembler shows it. */
int csd_object_refuse(const struct csd_object *object, uint32_t at, char reason[CSD_REASON_BYTES], const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
