/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The shipped programs of programs/buffer, for who runs them: what each wants as program data, and what it leaves as
 * state. All numbers are little endian. Program data is the struct, and directly behind it what the struct announces.
 *
 * Each state begins with `error`. If it is not 0 the program looked at no input, and the run was stopped. Reserved fields are
 * zero. Numbers in states wrap.
 */
#ifndef CSD_PROGRAMS_H
#define CSD_PROGRAMS_H

#include <linux/types.h>

enum csd_program_error {
	CSD_PROGRAM_DATA_SHORT = 1,	/* fewer bytes of program data than they announce */
	CSD_PROGRAM_DATA_VALUE = 2,	/* a field, or cparam1, cparam2, is not what it may be */
	CSD_PROGRAM_RANGE = 3,		/* a memory range is missing, or too short */
};

/* Numbers in records: their width is 1 << (type & 3) bytes. */
enum csd_integer {
	CSD_U8, CSD_U16, CSD_U32, CSD_U64, CSD_S8, CSD_S16, CSD_S32, CSD_S64,
	CSD_INTEGERS,
};

/*
 * Records of a fixed size. The record and each of its fields may lie at any address. What is left behind the last whole
 * record of the input is counted in bytes and not looked at.
 */
#define CSD_MOST_STRIDE	65536

/* --- count_range: how many records have a number from cparam1 to cparam2, both included --- */

/* cparam1 and cparam2 are signed if the type is. Without data: the input is CSD_S64, one directly behind the other. */
struct csd_count_range {
	__u32 stride_bytes;	/* from one record to the next: 1 .. CSD_MOST_STRIDE */
	__u32 offset;		/* of the number in the record, which it does not leave */
	__u32 type;		/* enum csd_integer */
	__u32 reserved;
};

struct csd_count_range_state {
	__u64 error;
	__u64 records;
	__u64 in_range;
	__u64 rest_bytes;
};

/*
 * --- crc32c_scrub: CRC-32C (Castagnoli, RFC 3720 section 12.1) of each block ---
 *
 * cparam1: bytes of a block, 4 .. CSD_CRC32C_MOST_BLOCK, 0 counts as 4096. The last one may be shorter.
 * cparam2: enum csd_crc32c_mode. Without data.
 */
#define CSD_CRC32C_MOST_BLOCK	65536

enum csd_crc32c_mode {
	CSD_CRC32C_GIVE = 0,	/* emits each block's CRC: __u32 */
	CSD_CRC32C_BEHIND = 1,	/* a block's last 4 bytes are the CRC of those before. Emits the offset of each bad block: __u64 */
	CSD_CRC32C_RANGE = 2,	/* memory range 0 is the CRCs, __u32 for each block of the input. Emits as above */
};

struct csd_crc32c_state {
	__u64 error;
	__u64 blocks;
	__u64 bad;		/* of a block of fewer than 4 bytes nothing can be right: CSD_CRC32C_BEHIND */
	__u64 unchecked;	/* blocks beyond the memory range: CSD_CRC32C_RANGE */
};

/*
 * --- rle_decode: PackBits (TIFF 6.0, section 9) ---
 *
 * A run is a signed byte n, and behind it: n + 1 bytes as they are (0 .. 127), or one byte that stands for 1 - n of it
 * (-127 .. -1), or nothing (-128). A run is emitted as a whole: give room for 128 bytes. No parameters, no data.
 */
struct csd_rle_state {
	__u64 error;
	__u64 runs;		/* of all kinds */
	__u64 empty;		/* of them: -128 */
	__u64 decoded_bytes;
	__u64 rest_bytes;	/* of a run that the input ends in: it is dropped */
};

/*
 * --- group_by: numbers by the value of another one, in records of a fixed size ---
 *
 * What comes out is struct csd_group for each group, in the order in which groups were first met. It comes with the input's
 * last part alone.
 */
#define CSD_GROUPS	49152	/* at most; records of further groups are counted and left out */

struct csd_group_by {
	__u32 stride_bytes;	/* from one record to the next: 1 .. CSD_MOST_STRIDE */
	__u32 key_offset;	/* in the record */
	__u32 key_type;		/* enum csd_integer */
	__u32 value_offset;
	__u32 value_type;
	__u32 reserved;
};

struct csd_group {
	__u64 key;		/* extended to 64 bits as its type says */
	__u64 count;
	__u64 sum;		/* of values; wraps */
	__u64 least;		/* signed if the value's type is */
	__u64 greatest;
};

struct csd_group_by_state {
	__u64 error;
	__u64 records;
	__u64 groups;
	__u64 overflow;		/* records that are in no group */
	__u64 rest_bytes;
};

/*
 * --- nearest: the k records whose features are nearest to a point, by the square of the Euclidean distance ---
 *
 * Integers alone: eBPF has no floating point. Scale features to fit.
 */
#define CSD_NEAREST_FEATURES	255
#define CSD_NEAREST_MOST	64

struct csd_nearest {
	__u32 stride_bytes;	/* from one record to the next: 1 .. CSD_MOST_STRIDE */
	__u32 offset;		/* of the features in the record, side by side */
	__u16 features;		/* 1 .. CSD_NEAREST_FEATURES */
	__u8 type;		/* CSD_S8 or CSD_S16 */
	__u8 k;			/* 1 .. CSD_NEAREST_MOST */
	__u32 reserved;
	__s16 point[CSD_NEAREST_FEATURES + 1];	/* within the type's limits; the last is reserved, those that are no feature are ignored */
};

struct csd_neighbour {
	__u64 distance;		/* squared */
	__u64 offset;		/* of the record in the input */
};

struct csd_nearest_state {
	__u64 error;
	__u64 records;
	__u64 found;		/* k, or fewer where there are no more records */
	__u64 rest_bytes;
	struct csd_neighbour neighbours[CSD_NEAREST_MOST];	/* the nearest first; of equals the one that was first in the input */
};

/*
 * --- lines: grep, csv_filter, json_filter ---
 *
 * A line ends with a line feed, which belongs to it; the last one may have none. It comes out as it stands in the input. Give
 * room for the longest one that may come out. Lines of more than CSD_LINE_BYTES are counted and skipped.
 */
#define CSD_LINE_BYTES	65536

/*
 * --- grep: lines that have at least one of some strings ---
 *
 * Behind the struct: each string, as __u16 bytes and these, 1 .. CSD_GREP_STRING_BYTES, without line feeds. cparam1: the run ends
 * behind so many selected lines; 0: it does not.
 */
#define CSD_GREP_STRINGS	64
#define CSD_GREP_STRING_BYTES	255

enum csd_grep_flag {
	CSD_GREP_IGNORE_CASE = 0x1,	/* of ASCII letters */
	CSD_GREP_INVERT = 0x2,		/* select the other lines */
	CSD_GREP_NUMBERS = 0x4,		/* "7:" before the seventh line of the input; a pause may lie between them */
	CSD_GREP_COUNT = 0x8,		/* nothing comes out */
};

struct csd_grep {
	__u32 strings;		/* 1 .. CSD_GREP_STRINGS */
	__u32 flags;		/* enum csd_grep_flag */
};

struct csd_grep_state {
	__u64 error;
	__u64 lines;		/* all, those that are too long included */
	__u64 selected;
	__u64 too_long;		/* never selected */
};

/*
 * --- csv_filter, json_filter: records in which a field compares with an operand in a certain way ---
 *
 * Behind the struct: the name, then the operand. A field that is missing, or that cannot be compared, keeps no record, whatever
 * `keep` says.
 *
 * Text compares byte by byte, and what is longer is greater if the rest is the same. Numbers are decimal, with sign, fraction and
 * exponent: 64-bit integers and decimals alike compare exactly, by up to 38 significant digits; further ones count as zeros. An
 * exponent beyond 10 digits is as good as one of 10.
 */
enum csd_order {
	CSD_LESS = 0x1,
	CSD_EQUAL = 0x2,
	CSD_GREATER = 0x4,
};

enum csd_filter_as {
	CSD_AS_TEXT = 0,
	CSD_AS_NUMBER = 1,
};

#define CSD_FILTER_HEADER	0x1	/* flag, CSV: the first record has the names of fields. It comes out, and counts as no record */
#define CSD_FILTER_NAMES	8	/* in a path */

struct csd_filter {
	__u32 field;		/* CSV: its number, from 0, if there is no name; else 0 */
	__u8 keep;		/* sum of enum csd_order: what the field may be, beside the operand. CSD_LESS | CSD_GREATER: not equal */
	__u8 as;		/* enum csd_filter_as */
	__u8 delimiter;		/* CSV: between fields; 0 counts as a comma. No quote, no line's end */
	__u8 flags;		/* CSD_FILTER_HEADER */
	__u16 name_bytes;	/* CSV, only with CSD_FILTER_HEADER. JSON: at least 1; a path of names with zero bytes between them */
	__u16 operand_bytes;	/* of a number at most 64 */
	__u32 reserved;
};

/*
 * CSV is RFC 4180's: a field whose first byte is a quote ends at the next quote that is not doubled, and may have delimiters and
 * line feeds in it. Fields that begin otherwise are taken as they stand, quotes included. A carriage return before a record's end
 * belongs to its end; a byte order mark at the begin of the input to none. Empty lines are no records. Around numbers there may be
 * blanks and tabs.
 *
 * Malformed, and never kept: bytes between a closing quote and the delimiter (the record goes on to its end as if the field were
 * without quotes), and a quote that is still open where the input ends. Where it is open for CSD_LINE_BYTES the record is too
 * long, and the next one begins behind the first line feed after these bytes. A header that is malformed comes out and is
 * counted, and no field has the name.
 *
 * JSON lines: each is a value of RFC 8259, at most 64 containers deep. The first member with the path is the field. A line is
 * looked at up to the comma or brace behind its field, so what is malformed further on is not seen; the whole of it where the
 * field is missing. A string compares by its characters as UTF-8, escapes decoded, a surrogate alone as U+FFFD; bytes that are
 * no escape are taken as they stand. Numbers, true, false and null compare as text by how they are written. As number only
 * numbers compare; objects and arrays never do. Lines of blanks alone are no records.
 */
struct csd_filter_state {
	__u64 error;
	__u64 records;		/* all but those that are too long */
	__u64 kept;
	__u64 missing;		/* without the field */
	__u64 malformed;
	__u64 not_comparable;
	__u64 too_long;
	__u64 field;		/* CSV: the field's number; CSD_FILTER_NOWHERE: the header has no such name, or is not read yet */
};
#define CSD_FILTER_NOWHERE	(~0ULL)

/*
 * --- btree_lookup: entries of a B+ tree in memory range 0, by ranges of keys ---
 *
 * The input is struct csd_btree_request, one behind the other. For each, in their order, every entry whose key is in the range
 * comes out, by rising keys: struct csd_btree_entry. Equal keys do not exist.
 *
 * The tree is whatever was read into the range, so nothing in it is trusted: a page that is not what it must be ends its request
 * (`corrupt`); what came out before stays. So does a key that is not above the one that came before it: no loop of pages lasts.
 */
#define CSD_BTREE_MOST_LEVEL	15
#define CSD_BTREE_MAGIC		0x65657274	/* "tree" */

/* Program data. */
struct csd_btree {
	__u64 root;		/* offset of its page in the range */
	__u32 page_bytes;	/* 32 .. 65536, a multiple of 16; each page's offset in the range is a multiple of it */
	__u32 reserved;
};

struct csd_btree_request {
	__u64 first, last;	/* keys, unsigned, both included; first > last: none */
};

struct csd_btree_entry {
	__u64 key;
	__u64 value;		/* of a leaf; above it the offset of the page that has the keys from `key` to below the next entry's */
};

/* A page; behind the head its entries, by rising keys. */
struct csd_btree_page {
	__u32 magic;
	__u16 level;		/* 0: a leaf; a page is one above those that its entries lead to */
	__u16 count;		/* of entries, at least 1 */
	__u64 reserved;
	struct csd_btree_entry entries[];
};

struct csd_btree_state {
	__u64 error;		/* CSD_PROGRAM_RANGE: there is no range 0 */
	__u64 requests;
	__u64 found;		/* entries */
	__u64 missing;		/* requests without any entry, whose pages were good */
	__u64 corrupt;		/* requests that a page ended */
	__u64 rest_bytes;	/* of the input: less than a request */
};

#endif
