/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What travels between a host and a computational drive, beyond the NVM command set: opcodes, layouts and status codes
 * of Computational Programs (TP4091) and Subsystem Local Memory (TP4131), and this target's vendor-specific additions.
 * Little endian on the wire; used in place, so only little-endian machines are supported.
 */
#ifndef NVME_CSD_H
#define NVME_CSD_H

#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the layouts are used in place"
#endif

/* Command set identifiers */
enum nvme_csd_csi {
	NVME_CSI_NVM = 0x00,
	NVME_CSI_SLM = 0x03,
	NVME_CSI_COMPUTE = 0x04,
};

/* Admin commands; NSID is the compute namespace */
enum nvme_csd_admin_opcode {
	NVME_LOAD_PROGRAM = 0x85,
	NVME_PROGRAM_ACTIVATION = 0x88,
	NVME_MEMORY_RANGE_SET = 0x89,
};

/* In every I/O command set. */
#define NVME_FLUSH	0x00

/* I/O commands of a compute namespace */
enum nvme_csd_compute_opcode {
	NVME_EXECUTE_PROGRAM = 0x01,
	CSD_SCAN = 0x82,		/* vendor specific, controller to host; see below */
};

/* I/O commands of an SLM namespace */
enum nvme_csd_slm_opcode {
	NVME_SLM_COPY = 0x01,
	NVME_SLM_READ = 0x02,
	NVME_SLM_FILL = 0x04,		/* zeroes; at 00h too, see NVME_FLUSH: a Flush is a Fill of nothing */
	NVME_SLM_WRITE = 0x05,
};

/* Command Specific status (SCT 1h) */
enum nvme_csd_status {
	NVME_SC_COMMAND_SIZE_LIMIT_EXCEEDED = 0x83,
	NVME_SC_INCOMPATIBLE_NAMESPACE = 0x85,
	NVME_SC_FAST_COPY_NOT_POSSIBLE = 0x86,
	NVME_SC_OVERLAPPING_IO_RANGE = 0x87,
	NVME_SC_NAMESPACE_NOT_REACHABLE = 0x88,
	NVME_SC_INSUFFICIENT_PROGRAM_RESOURCES = 0x8a,
	NVME_SC_INVALID_MEMORY_NAMESPACE = 0x8b,
	NVME_SC_INVALID_MEMORY_RANGE_SET = 0x8c,
	NVME_SC_INVALID_MEMORY_RANGE_SET_ID = 0x8d,
	NVME_SC_INVALID_PROGRAM_DATA = 0x8e,
	NVME_SC_INVALID_PROGRAM_INDEX = 0x8f,
	NVME_SC_INVALID_PROGRAM_TYPE = 0x90,
	NVME_SC_MAXIMUM_MEMORY_RANGES = 0x91,
	NVME_SC_MAXIMUM_MEMORY_RANGE_SETS = 0x92,
	NVME_SC_MAXIMUM_PROGRAMS_ACTIVATED = 0x93,
	NVME_SC_MAXIMUM_PROGRAM_BYTES = 0x94,
	NVME_SC_MEMORY_RANGE_SET_IN_USE = 0x95,
	NVME_SC_NO_PROGRAM = 0x96,
	NVME_SC_OVERLAPPING_MEMORY_RANGES = 0x97,
	NVME_SC_PROGRAM_NOT_ACTIVATED = 0x98,
	NVME_SC_PROGRAM_IN_USE = 0x99,
	NVME_SC_PROGRAM_INDEX_NOT_DOWNLOADABLE = 0x9a,
	NVME_SC_PROGRAM_TOO_BIG = 0x9b,
};

/* Vendor specific status (SCT 7h): how a program that runs in a process of its own ended its command */
#define CSD_SCT_VENDOR		0x7
#define CSD_SC_PROGRAM_FAULT	0xc0	/* it did what it may not: the target's log says what and where */
#define CSD_SC_PROGRAM_TIME	0xc1	/* it took more CPU time than a command may */

/*
 * PTYPE of eBPF: the standard names none, so it is a vendor specific one, and configurable. 01h, which this target took
 * before, is taken too. Log 83h lists both, the configured one first.
 */
#define CSD_PROGRAM_TYPE_EBPF		0xc0
#define CSD_PROGRAM_TYPE_EBPF_BEFORE	0x01

/* Get Log Page: LID. The offset (LPO) and length are honoured. */
enum nvme_csd_log {
	/* of the controller: NSID 0 or FFFFFFFFh */
	NVME_LOG_SUPPORTED_PAGES = 0x00,
	NVME_LOG_COMMANDS_AND_EFFECTS = 0x05,	/* CSI in CDW14 31:24 */
	NVME_LOG_FEATURES = 0x12,
	NVME_LOG_REACHABILITY_GROUPS = 0x1a,
	NVME_LOG_REACHABILITY_ASSOCIATIONS = 0x1b,
	/* of a compute namespace */
	NVME_LOG_PROGRAM_LIST = 0x82,
	NVME_LOG_PROGRAM_TYPES = 0x83,
	NVME_LOG_MEMORY_RANGE_SETS = 0x84,
	CSD_LOG_PROGRAMS = 0xc0,		/* vendor: what 82h has no room for, of every slot */
	CSD_LOG_RANGE_SETS_IN_USE = 0xc1,	/* vendor: what 84h has no room for, of every memory range set */
	CSD_LOG_PROGRAM_REASON = 0xd1,		/* vendor: why a slot's last program was refused, or is not proved; PIND in LSI (CDW11 31:16) */
	CSD_LOG_PROGRAM_STATISTICS = 0xd2,	/* vendor: counters of every slot that was ever used */
	CSD_LOG_PROGRAM_FAULT = 0xd3,		/* vendor: how a slot's program ended last in its process; PIND in LSI */
};

/* Memory Range Set Management and Execute Program: one memory range */
struct nvme_memory_range {
	uint32_t nsid;
	uint32_t length;	/* bytes */
	uint64_t start;		/* byte in the SLM namespace */
	uint8_t reserved[16];
};
_Static_assert(sizeof(struct nvme_memory_range) == 32, "memory range");

/* SLM Copy, descriptor format 2h (blocks of an NVM namespace) and 4h (bytes of an SLM namespace) */
#define NVME_SLM_COPY_FROM_BLOCKS	0x2
#define NVME_SLM_COPY_FROM_MEMORY	0x4
#define NVME_SLM_COPY_FAST_ONLY		(1u << 15)	/* SOPT: rather refuse it than copy slowly */

struct nvme_slm_copy_blocks {
	uint32_t snsid;
	uint32_t reserved4;
	uint64_t slba;
	uint16_t nlb;		/* 0's based */
	uint8_t reserved18[4];	/* protection information and command extensions, of namespaces that have them */
	uint16_t sopt;
	uint8_t reserved24[8];
};
_Static_assert(sizeof(struct nvme_slm_copy_blocks) == 32, "copy source: blocks");

struct nvme_slm_copy_memory {
	uint32_t snsid;
	uint32_t reserved4;
	uint64_t saddr;
	uint32_t nbyte;
	uint8_t reserved20[2];
	uint16_t sopt;
	uint8_t reserved24[8];
};
_Static_assert(sizeof(struct nvme_slm_copy_memory) == 32, "copy source: memory");

/*
 * CSD_SCAN: one round trip from program, data and parameters to results.
 *
 *   NSID     the compute namespace
 *   DW2      PIND 15:0; flags 31:16 (CSD_SCAN_*)
 *   DW3      data NSID 15:0 (an NVM namespace of this subsystem); RSID 31:16 (0: none)
 *   DW10-11  first byte in the data namespace
 *   DW12-13  length in bytes; the last block need not be a whole one
 *   DW14-15  CPARAM1 (CPARAM2 reads as 0)
 *   DPTR     the result: struct csd_result, the program's state, then what the program kept, packed.
 *            It needs room for header and state and at least one kept item, else Invalid Field.
 *
 * Start and length are bytes rather than blocks, because a scan whose buffer became full goes on at a record, which
 * may begin inside a block: send the same command again with first byte + next and length - next.
 *
 * RSID names a memory range set: its first range holds the program data; its second range, where there is one, holds
 * the state: read before the scan with CSD_SCAN_RESUME, else taken as zeros, and written back after it in any case.
 * So state survives a continuation. Status codes are those of Execute Program.
 * Ranges are whole dwords, program data need not be: CSD_SCAN_PADDING says how many bytes at the end of the first range
 * are no data. A range of 4 bytes with a padding of 4 holds none at all.
 * CQE DW0-1: the number of kept records (struct csd_result.matches).
 */
#define CSD_SCAN_RESUME		0x1
#define CSD_SCAN_PADDING_SHIFT	1	/* bits 3:1: 0 to 4 */
#define CSD_SCAN_PADDING_MASK	0x7
#define CSD_SCAN_MAX_PADDING	4

/*
 * How results begin: in the buffer of a scan, and in the output range of Execute Program. state_bytes of state follow,
 * then data_bytes of what was kept. The state starts at byte 64.
 */
struct csd_result {
	uint32_t magic;			/* CSD_RESULT_MAGIC */
	uint16_t version;		/* 1 */
	uint16_t end;			/* enum csd_result_end */
	uint64_t records;		/* that the program saw */
	uint64_t matches;		/* that it kept */
	uint64_t next;			/* byte of the input at which the next record begins that was not seen; */
	uint64_t input_bytes;		/* ... the whole length that was asked for */
	uint32_t state_bytes;
	uint32_t data_bytes;
	uint64_t nanoseconds;		/* inside the program's loop, on the target */
	uint8_t reserved[8];
};
_Static_assert(sizeof(struct csd_result) == 64, "result header");

#define CSD_RESULT_MAGIC	0x52445343	/* "CSDR" */

enum csd_result_end {
	CSD_END_WHOLE = 0,	/* the range was gone through; a last piece shorter than a record is left out */
	CSD_END_FULL = 1,	/* no room for the next kept item: continue at next */
	CSD_END_STOPPED = 2,	/* the program said so; next is behind the record at which it did */
};

/*
 * Execute Program runs a record program over memory ranges: range 0 is the input, range 1 (may be absent) takes the
 * output, beginning with struct csd_result. Return value (CQE DW0-1): the number of kept records, with
 * CSD_RETURN_INCOMPLETE where the output range became full. Program data in the buffer follow the descriptors.
 */
#define CSD_RETURN_INCOMPLETE	(1ULL << 63)

/* Identify Namespace, CNS 05h, CSI 04h */
struct nvme_compute_namespace {
	uint16_t maxact;	/* programs that can be active at a time */
	uint16_t maxmemrs;	/* memory range sets */
	uint16_t mrsg;		/* granularity of a range's start and length: 2^n bytes */
	uint8_t maxmemr;	/* ranges of a set */
	uint8_t reserved7;
	uint64_t maxpb;		/* bytes of all programs, MiB */
	uint8_t lpg;		/* granularity of Load Program's chunks: 2^n bytes */
	uint8_t reserved17[4079];
};
_Static_assert(sizeof(struct nvme_compute_namespace) == 4096, "Identify Namespace, compute");

/* Identify Namespace, CNS 05h, CSI 03h: layout of this target (the ratified one is not at hand) */
struct nvme_slm_namespace {
	uint64_t size;		/* bytes */
	uint8_t granularity;	/* of starts and lengths: 2^n bytes */
	uint8_t reserved9;
	uint16_t max_copy_ranges;
	uint8_t reserved12[4084];
};
_Static_assert(sizeof(struct nvme_slm_namespace) == 4096, "Identify Namespace, SLM");

/* Log 82h, Program List: a header of 64 bytes, then one descriptor for every slot, in their order, empty ones included */
struct nvme_program_list_header {
	uint32_t count;
	uint8_t reserved4[60];
};
_Static_assert(sizeof(struct nvme_program_list_header) == 64, "program list header");

struct nvme_program_descriptor {
	uint8_t state;		/* NVME_PROGRAM_* */
	uint8_t ptype;
	uint8_t reserved2[6];
	uint64_t pid;
	uint8_t reserved16[48];
};
_Static_assert(sizeof(struct nvme_program_descriptor) == 64, "program descriptor");

#define NVME_PROGRAM_DOWNLOADED	(1u << 0)	/* PEOCC, bits 1:0; 0: the slot is empty */
#define NVME_PROGRAM_ACTIVE	(1u << 2)	/* ACT */
#define NVME_PROGRAM_PIT_SHIFT	3		/* PIT, bits 5:3 */

/* Program identifier type: what PID is, in Load Program and in log 82h */
#define NVME_PIT_NONE		0
#define NVME_PIT_PUID		1

/* Log 83h, Downloadable Program Types List: a header of 32 bytes, then one descriptor for each type */
struct nvme_program_types_header {
	uint32_t count;
	uint8_t reserved4[28];
};
_Static_assert(sizeof(struct nvme_program_types_header) == 32, "program types header");

struct nvme_program_type_descriptor {
	uint8_t ptype;
	uint8_t version;
	uint8_t reserved2[6];
	/* Specific to the type, hence ours */
	uint64_t max_bytes;	/* of one program */
	char name[16];		/* "eBPF", NUL-terminated */
};
_Static_assert(sizeof(struct nvme_program_type_descriptor) == 32, "program type descriptor");

#define CSD_EBPF_VERSION	1	/* instructions of the BPF ISA up to those that clang calls -mcpu=v2 */

/*
 * Log 84h, Memory Range Set List: a header of 32 bytes, then for each set its descriptor and as many
 * struct nvme_memory_range as it has ranges. The header's layout is this target's.
 */
struct nvme_range_sets_header {
	uint32_t count;
	uint8_t reserved4[28];
};
_Static_assert(sizeof(struct nvme_range_sets_header) == 32, "range sets header");

struct nvme_range_set_descriptor {
	uint16_t rsid;
	uint16_t ranges;
	uint8_t reserved4[28];
};
_Static_assert(sizeof(struct nvme_range_set_descriptor) == 32, "range set descriptor");

#define NVME_CSD_MAX_RANGES	8

/* Log 1Ah, Reachability Groups: each descriptor is followed by its namespaces' NSIDs, of 4 bytes each */
struct nvme_reachability_header {
	uint64_t changes;	/* how often the log's contents have changed */
	uint16_t count;
	uint8_t reserved10[6];
};
_Static_assert(sizeof(struct nvme_reachability_header) == 16, "reachability header");

struct nvme_reachability_group {
	uint32_t rgid;
	uint32_t namespaces;
	uint64_t changes;	/* 0: not reported */
	uint8_t reserved16[16];
};
_Static_assert(sizeof(struct nvme_reachability_group) == 32, "reachability group");

/* Log 1Bh, Reachability Associations: the same header; each descriptor is followed by its groups' RGIDs */
struct nvme_reachability_association {
	uint32_t rasid;
	uint32_t groups;
	uint64_t changes;	/* 0: not reported */
	uint8_t characteristics;	/* NVME_RAC_* */
	uint8_t reserved17[15];
};
_Static_assert(sizeof(struct nvme_reachability_association) == 32, "reachability association");

#define NVME_RAC_REACHABLE	0x01
#define NVME_RAC_FAST_COPY	0x02

/* RGO of log 1Ah, RAO of log 1Bh (CDW10 bit 8): the descriptors alone, without NSIDs or RGIDs */
#define NVME_REACHABILITY_ONLY	(1u << 8)

/* Logs C0h, C1h and D2h begin with this; `count` entries of `entry_bytes` follow at byte 16. */
struct csd_log_header {
	uint32_t count;
	uint32_t entry_bytes;
	uint64_t generation;	/* raised whenever the log's subject changed */
};
_Static_assert(sizeof(struct csd_log_header) == 16, "log header");

enum csd_slot_state {
	CSD_SLOT_EMPTY = 0,
	CSD_SLOT_LOADING = 1,	/* chunks are missing */
	CSD_SLOT_LOADED = 2,	/* verified, not active */
	CSD_SLOT_ACTIVE = 3,
	CSD_SLOT_VERIFYING = 4,
};

/* Log C0h: one for every slot, also the empty ones */
struct csd_program_entry {
	uint16_t pind;
	uint8_t ptype;
	uint8_t state;		/* enum csd_slot_state */
	uint32_t psize;		/* bytes */
	uint64_t pid;
	uint32_t record_bytes;
	uint32_t stride_bytes;
	uint32_t state_bytes;
	uint8_t emit;		/* enum csd_emit of csd_bpf.h */
	uint8_t jit;		/* 1: runs compiled */
	uint8_t refused;	/* 1: the last load was refused; log D1h says why */
	uint8_t pit;
	uint8_t sha256[32];	/* of the program's bytes */
	char engine[24];	/* NUL-terminated */
	uint8_t verdict;	/* of the verifier: 1 proved, 2 not proved, and log D1h says why; 0: it has none */
	uint8_t worker;		/* 1: it runs in a process of its own, as all do; 0: in the target, as before */
	uint8_t deactivated;	/* 1: faults deactivated it; Activate takes that back */
	uint8_t reserved91[5];
};
_Static_assert(sizeof(struct csd_program_entry) == 96, "program entry");

/* Log C1h: one for every memory range set */
struct csd_range_set_entry {
	uint16_t rsid;
	uint8_t reserved2[2];
	uint32_t users;		/* commands that use it */
};
_Static_assert(sizeof(struct csd_range_set_entry) == 8, "range set entry");

/* What ended a program in its process. */
enum csd_fault_kind {
	CSD_FAULT_NONE = 0,
	CSD_FAULT_FAULT = 1,	/* it did what it may not */
	CSD_FAULT_TIME = 2,	/* it took more CPU time than a command may */
	CSD_FAULT_FORGED = 3,	/* it gave an answer that cannot be true */
	CSD_FAULT_KILLED = 4,	/* somebody else ended it */
	CSD_FAULT_START = 5,	/* it could not be started */
};

/* Log D3h: text of so many bytes, for hosts that may load programs. Nothing of it is data: no address, no host. */
#define CSD_FAULT_TEXT_BYTES	512

/* Log D2h: one for every slot that was ever loaded since the target started. Unload keeps, a new load zeroes them. */
struct csd_statistics_entry {
	uint16_t pind;
	uint8_t reserved2[6];
	uint64_t runs;			/* commands that began to run the program */
	uint64_t records;
	uint64_t matches;
	uint64_t scanned_bytes;
	uint64_t returned_bytes;	/* state and kept items */
	uint64_t nanoseconds;		/* inside the program's loop */
	uint64_t aborted;		/* runs cut off by abort, disconnect or removal */
	uint64_t failed;		/* runs that ended with an error, of the data's device or of the program */
	uint64_t refused;		/* loads that the verifier refused; survives loads */
	uint64_t faults;		/* runs that CSD_FAULT_FAULT, _TIME and _FORGED ended */
	uint64_t cpu_nanoseconds;	/* of its runs: what their processes took, with the waiting that is spinning */
	uint64_t fault_seconds;		/* when the last one was ended: UTC, since 1970 */
	uint32_t fault_signal;		/* 0: none */
	uint8_t fault_kind;		/* enum csd_fault_kind */
	uint8_t reserved109[19];
};
_Static_assert(sizeof(struct csd_statistics_entry) == 128, "statistics entry");

#endif
