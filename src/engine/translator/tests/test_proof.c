/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The verifier's verdict: of each program that there is, as a table says; of small ones, by its words; and of programs made
 * by chance, beside the interpreter: what is proved keeps to its memory, ends, and tells nobody an address; what is certain
 * to be wrong is.
 *
 *	test_proof PROGRAMS SEED OBJECTS...
 */
#include <errno.h>

#include "chance.h"
#include "csd_check.h"
#include "csd_isa.h"
#include "csd_proof.h"
#include "rfc9669.h"
#include "test.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

/* --- all programs --- */

static const struct known {
	const char *name;
	const char *words;	/* NULL: proved */
} known[] = {
	/* shipped */
	{"aggregate", NULL},
	{"histogram", NULL},
	{"sample", NULL},
	{"search", NULL},
	{"threshold", NULL},
	{"top", NULL},
	{"tpch_q1", NULL},
	{"tpch_q6", "in tpch_q6: uses constants of its own (.rodata)"},
	{"btree_lookup", "it is csd/buffer: the verifier knows csd/record"},
	{"count_range", "it is csd/buffer"},	/* and one of the loops, as group_by */
	{"crc32c_scrub", "it is csd/buffer"},
	{"csv_filter", "it is csd/buffer"},
	{"grep", "it is csd/buffer"},
	{"group_by", "it is csd/buffer"},
	{"json_filter", "it is csd/buffer"},
	{"nearest", "it is csd/buffer"},
	{"rle_decode", "it is csd/buffer"},
	/* what users wrote first */
	{"over_limit", NULL},		/* clang unrolls it */
	{"day_hours", "an address in the state, moved by what may be any number: mask or compare it first"},
	{"one_of", ": a loop (unroll it)"},
	{"closest", "calls a function"},
	{"error_line", "uses constants of its own (.rodata)"},
	/* tests */
	{"all_kinds", "uses variables of its own (.data, .bss)"},
	{"any", "instruction 23 of csd/record, in any: jumps back to instruction 17: a loop (unroll it)"},
	{"calls", "uses the address of a function"},
	{"context", "it is csd/buffer"},
	{"emits", "calls helper 65540, csd_emit"},
	{"helpers", "calls helper 65536, memcmp"},
	{"lines", "it is csd/buffer"},
	{"maps", "uses a map"},
	{"trace", "uses constants of its own (.rodata)"},
	{"byte_histogram", "it is csd/buffer"},
	{"crc32c", "it is csd/buffer"},
	{"csv_column", "it is csd/buffer"},
	{"extremes", "it is csd/buffer"},
	{"filter", "it is csd/buffer"},
	{"json_lines", "it is csd/buffer"},
	{"kmeans", "it is csd/buffer"},
	{"substring", "it is csd/buffer"},
};

static bool met[COUNT(known)];

static size_t
find_known(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
	size_t i;

	for (i = 0; i < COUNT(known); i++) {
		size_t length = strlen(known[i].name);

		if (strncmp(name, known[i].name, length) == 0 && name[length] == '.') {
			break;
		}
	}
	CHECK(i < COUNT(known), "%s: a new program? Add its name and what the verifier says of it (NULL: proved) to known[] in %s",
	      path, __FILE__);
	return i;
}

/* As the drive does: read, checked, judged. */
static void
read_object(const char *path, struct csd_object *object)
{
	struct file file = read_whole(path);
	char reason[CSD_REASON_BYTES] = "";

	CHECK(csd_object_read(file.bytes, file.length, object, reason) == 0, "%s: %s", path, reason);
	CHECK(csd_check(object, reason) == 0, "%s: %s", path, reason);
	free(file.bytes);
}

static void
test_known(const char *path)
{
	static struct csd_object object;
	size_t i = find_known(path);
	struct csd_proof proof;

	read_object(path, &object);
	CHECK_EQUAL(csd_prove(&object, &proof), 0);
	if (known[i].words == NULL) {
		CHECK(proof.kind == CSD_PROVED && proof.words[0] == '\0', "%s: %s: %s", path, csd_proof_name(proof.kind), proof.words);
	} else {
		CHECK(proof.kind == CSD_NOT_PROVED, "%s: %s: %s", path, csd_proof_name(proof.kind), proof.words);
		CHECK(strstr(proof.words, known[i].words) != NULL, "%s: not proved: \"%s\", not \"%s\"", path, proof.words,
		      known[i].words);
	}
	met[i] = true;
	csd_object_free(&object);
}

/* --- small ones, by their words --- */

#define MOST_INSNS	400

/* A record program of 64-byte records and 64 bytes of state. */
struct small {
	struct csd_object object;
	struct csd_insn insns[MOST_INSNS];
	uint8_t area[MOST_INSNS];
};

static void
small_begin(struct small *small)
{
	memset(small, 0, sizeof(*small));
	strcpy(small->object.kind, "csd/record");
	small->object.geometry = (struct csd_geometry) {
		.version = CSD_GEOMETRY_VERSION, .record_bytes = 64, .stride_bytes = 64, .state_bytes = 64, .emit = CSD_EMIT_NOTHING,
	};
	small->object.insns = small->insns;
	small->object.area = small->area;
	small->object.function_count = 1;
	small->object.functions[0] = (struct csd_function) {.name = "small", .section = "csd/record"};
}

static void
small_add(struct small *small, struct csd_insn insn)
{
	CHECK(small->object.count < MOST_INSNS, "program too long");
	small->insns[small->object.count++] = insn;
	small->object.functions[0].end = small->object.count;
}

/* As test.h names variables. */
static void
small_add_all(struct small *small, const struct csd_insn *insns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct csd_insn insn = insns[i];

		if (insn.code == CSD_LD_IMM64 && insn.src == CSD_EXTERN) {
			small->area[small->object.count] = insn.imm == CSD_EXTERN_PARAMETERS ? CSD_AREA_PARAMETERS : CSD_AREA_STATE;
			insn.src = 0;
			insn.imm = insns[i + 1].imm;
			small_add(small, insn);
			small_add(small, (struct csd_insn) {.code = 0});
			i++;
		} else {
			small_add(small, insn);
		}
	}
}

static uint64_t judged;

static void
judge(const struct csd_insn *insns, size_t count, enum csd_proof_kind kind, const char *words)
{
	static struct small small;
	char reason[CSD_REASON_BYTES] = "";
	struct csd_proof proof;

	small_begin(&small);
	small_add_all(&small, insns, count);
	CHECK(csd_check(&small.object, reason) == 0, "%s", reason);
	CHECK_EQUAL(csd_prove(&small.object, &proof), 0);
	CHECK(proof.kind == kind, "%s: %s, not %s: %s", csd_proof_name(proof.kind), proof.words, csd_proof_name(kind), words);
	CHECK(strstr(proof.words, words) != NULL, "\"%s\", not \"%s\"", proof.words, words);
	judged++;
}

#define JUDGED(kind, words, ...) do { \
	struct csd_insn insns_[] = {__VA_ARGS__}; \
	judge(insns_, COUNT(insns_), kind, words); \
} while (0)

#define IF32(op, d, i, o)	INSN(BPF_JMP32 | (op) | BPF_K, d, 0, o, i)
#define ATOMIC(size, d, o, s, i)	INSN(BPF_STX | BPF_ATOMIC | (size), d, s, o, i)
#define LOADS(size, d, s, o)	INSN(BPF_LDX | BPF_MEMSX | (size), d, s, o, 0)

static void
test_certain(void)
{
	JUDGED(CSD_CERTAIN_FAULT, "instruction 0 of csd/record, in small: load of 8 bytes at offset 64 of a record of 64",
	       LOAD(BPF_DW, 0, 1, 64), EXIT);
	JUDGED(CSD_CERTAIN_FAULT, "instruction 0 of csd/record, in small: load of 8 bytes at offset 57 of a record of 64",
	       LOAD(BPF_DW, 0, 1, 57), EXIT);
	JUDGED(CSD_CERTAIN_FAULT, "load of 1 bytes at offset -1 of a record of 64", LOAD(BPF_B, 0, 1, -1), EXIT);
	JUDGED(CSD_CERTAIN_FAULT, "load of 4 bytes at offset 64 to 71 of a record of 64", LOAD(BPF_B, 2, 1, 0), ALU(BPF_AND, 2, 7),
	       ALUR(BPF_ADD, 1, 2), LOAD(BPF_W, 0, 1, 64), EXIT);
	JUDGED(CSD_CERTAIN_FAULT, "store of 4 bytes at offset 64 of the state of 64", STATE_AT(2, 60), MOV(0, 0), STORE(BPF_W, 2, 4, 0), EXIT);
	JUDGED(CSD_CERTAIN_FAULT, "load of 8 bytes at offset 1024 of the parameters of 1024", PARAMETERS_AT(2, 1016), LOAD(BPF_DW, 0, 2, 8),
	       EXIT);
	JUDGED(CSD_CERTAIN_FAULT, "store of 8 bytes at offset -520 of a stack of 512", MOVR(2, 10), ALU(BPF_ADD, 2, -520), MOV(0, 0),
	       STORE(BPF_DW, 2, 0, 0), EXIT);
	JUDGED(CSD_CERTAIN_FAULT, "store to the record: a program writes its state and its stack only", MOV(0, 0), STORE(BPF_B, 1, 0, 0),
	       EXIT);
	JUDGED(CSD_CERTAIN_FAULT, "instruction 0 of csd/record, in small: reads r0, which was not written on every path to here", EXIT);
	JUDGED(CSD_CERTAIN_FAULT, "reads r3, which was not written on every path to here", MOVR(0, 3), EXIT);
	JUDGED(CSD_CERTAIN_FAULT, "store to the record", MOV(0, 0), ATOMIC(BPF_DW, 1, 0, 0, BPF_ADD), EXIT);
}

/* What may be right, and what no worker minds, is never refused. */
static void
test_uncertain(void)
{
	JUDGED(CSD_NOT_PROVED, "load of 4 bytes at offset 0 to 255 of a record of 64", LOAD(BPF_B, 2, 1, 0), ALUR(BPF_ADD, 1, 2),
	       LOAD(BPF_W, 0, 1, 0), EXIT);
	JUDGED(CSD_NOT_PROVED, "reads r0, which was not written on every path to here", LOAD(BPF_B, 2, 1, 0), IF(BPF_JEQ, 2, 0, 1),
	       MOV(0, 0), EXIT);
	JUDGED(CSD_NOT_PROVED, "reads stack that was not written", LOAD(BPF_DW, 0, 10, -8), EXIT);
	JUDGED(CSD_NOT_PROVED, "store to the parameters", PARAMETERS_AT(2, 0), MOV(0, 0), STORE(BPF_DW, 2, 0, 0), EXIT);
	JUDGED(CSD_NOT_PROVED, "load at r2, which is a number, not an address", MOV(2, 0), LOAD(BPF_DW, 0, 2, 0), EXIT);
	JUDGED(CSD_NOT_PROVED, "stores the address of the record", STATE_AT(2, 0), MOV(0, 0), STORE(BPF_DW, 2, 0, 1), EXIT);
	JUDGED(CSD_NOT_PROVED, "compares the address of the record", MOV(0, 0), MOVR(2, 1), ALU(BPF_ADD, 2, 64), IFR(BPF_JEQ, 1, 2, 0), EXIT);
	JUDGED(CSD_NOT_PROVED, "returns the address of the record", MOVR(0, 1), EXIT);
	JUDGED(CSD_NOT_PROVED, "address of byte 64 of the state of 64", MOV(0, 0), STATE_AT(2, 64), EXIT);
	JUDGED(CSD_NOT_PROVED, "arithmetic on the address of the record", MOVR(2, 1), ALU(BPF_AND, 2, 7), MOV(0, 0), EXIT);
	JUDGED(CSD_NOT_PROVED, "arithmetic on the address of the record", INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 1, 32, 0), MOV(0, 0), EXIT);
	JUDGED(CSD_NOT_PROVED, "instruction 1 of csd/record, in small: jumps back to instruction 0: a loop (unroll it)",
	       LOAD(BPF_B, 0, 1, 0), IF(BPF_JEQ, 0, 0, -2), EXIT);
	JUDGED(CSD_NOT_PROVED, "atomic operation at a place of the state that may be misaligned", STATE_AT(2, 0), MOV(0, 0),
	       ATOMIC(BPF_DW, 2, 4, 0, BPF_ADD), EXIT);
	/* Behind a branch that cannot be taken: it never runs. */
	JUDGED(CSD_NOT_PROVED, "load of 1 bytes at offset 64 of a record of 64", LOAD(BPF_B, 2, 1, 0), MOV(0, 0), IF(BPF_JLE, 2, 255, 1),
	       LOAD(BPF_B, 0, 1, 64), EXIT);
	JUDGED(CSD_NOT_PROVED, "load of 1 bytes at offset 64 of a record of 64", MOV(2, 5), MOV(0, 0), IF32(BPF_JEQ, 2, 5, 1),
	       LOAD(BPF_B, 0, 1, 64), EXIT);
	/* Behind one that can. */
	JUDGED(CSD_CERTAIN_FAULT, "load of 1 bytes at offset 64 of a record of 64", LOAD(BPF_B, 2, 1, 0), MOV(0, 0), IF(BPF_JLE, 2, 254, 1),
	       LOAD(BPF_B, 0, 1, 64), EXIT);
	JUDGED(CSD_CERTAIN_FAULT, "load of 1 bytes at offset 64 of a record of 64", LOAD(BPF_B, 2, 1, 0), MOV(0, 0), IF(BPF_JEQ, 2, 5, 1),
	       LOAD(BPF_B, 0, 1, 64), EXIT);
	/* And where only one of two ways cannot be. */
	JUDGED(CSD_CERTAIN_FAULT, "load of 1 bytes at offset 64 of a record of 64", LOAD(BPF_B, 2, 1, 0), MOV(0, 0), IF(BPF_JGT, 2, 255, 1),
	       MOV(0, 1), LOAD(BPF_B, 0, 1, 64), EXIT);
	JUDGED(CSD_NOT_PROVED, "load of 1 bytes at offset -1 to 3 of a record of 64", MOV(0, 0), LOADS(BPF_W, 2, 1, 0),
	       IF(BPF_JSLT, 2, -1, 3), IF(BPF_JSGT, 2, 3, 2), ALUR(BPF_ADD, 1, 2), LOAD(BPF_B, 0, 1, 0), EXIT);
	/* What an atomic operation leaves, and what it finds. */
	JUDGED(CSD_NOT_PROVED, "moved by what may be any number", MOV(0, 0), MOV(2, 60), STORE(BPF_DW, 10, -8, 2),
	       ATOMIC(BPF_DW, 10, -8, 2, BPF_ADD), LOAD(BPF_DW, 3, 10, -8), ALUR(BPF_ADD, 1, 3), LOAD(BPF_B, 0, 1, 0), EXIT);
	JUDGED(CSD_NOT_PROVED, "moved by what may be any number", MOV(0, 0), STATE_AT(3, 0), MOV(2, 3),
	       ATOMIC(BPF_DW, 3, 0, 2, BPF_ADD | BPF_FETCH), ALUR(BPF_ADD, 1, 2), LOAD(BPF_B, 0, 1, 0), EXIT);
}

/* With any -mcpu. */
static void
test_proved(void)
{
	JUDGED(CSD_PROVED, "", LOAD(BPF_B, 2, 1, 0), MOV(0, 0), IF32(BPF_JGT, 2, 63, 2), ALUR(BPF_ADD, 1, 2), LOAD(BPF_B, 0, 1, 0), EXIT);
	JUDGED(CSD_NOT_PROVED, "of a record of 64", LOAD(BPF_B, 2, 1, 0), MOV(0, 0), IF32(BPF_JGT, 2, 64, 2), ALUR(BPF_ADD, 1, 2),
	       LOAD(BPF_B, 0, 1, 0), EXIT);
	/* Of a number beyond 32 bits the lower half tells nothing. */
	JUDGED(CSD_NOT_PROVED, "moved by what may be any number", LOAD(BPF_DW, 2, 1, 0), MOV(0, 0), IF32(BPF_JGT, 2, 63, 2),
	       ALUR(BPF_ADD, 1, 2), LOAD(BPF_B, 0, 1, 0), EXIT);
	JUDGED(CSD_NOT_PROVED, "a record of 64", LOAD(BPF_W, 2, 1, 0), MOV(0, 0), IF32(BPF_JSGT, 2, 63, 2), ALU(BPF_AND, 2, 127),
	       ALUR(BPF_ADD, 1, 2), LOAD(BPF_B, 0, 1, 0), EXIT);
	JUDGED(CSD_PROVED, "", LOAD(BPF_W, 0, 1, 0), LOAD(BPF_W, 2, 1, 4), ALUR(BPF_DIV, 0, 2), ALUR(BPF_MOD, 2, 2), EXIT);
	JUDGED(CSD_PROVED, "", LOADS(BPF_H, 0, 1, 62), INSN(BPF_ALU64 | BPF_DIV | BPF_K, 0, 0, 1, -1), EXIT);
	JUDGED(CSD_PROVED, "", LOAD(BPF_W, 0, 1, 0), INSN(BPF_ALU | BPF_ARSH | BPF_K, 0, 0, 0, 31), INSN(BPF_ALU64 | BPF_MOV | BPF_X, 0, 0, 8, 0),
	       INSN(BPF_ALU64 | BPF_END, 0, 0, 0, 64), EXIT);
	JUDGED(CSD_PROVED, "", STATE_AT(2, 8), MOV(0, 1), ATOMIC(BPF_DW, 2, 0, 0, BPF_ADD | BPF_FETCH), EXIT);
	JUDGED(CSD_PROVED, "", MOV(0, 1), STORE(BPF_DW, 10, -8, 0), ATOMIC(BPF_DW, 10, -8, 0, BPF_CMPXCHG), EXIT);
	JUDGED(CSD_PROVED, "", MOV(0, 1), INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, 1), LOAD(BPF_B, 0, 1, 64), EXIT);
	JUDGED(CSD_PROVED, "", MOV(0, 0), LOAD(BPF_W, 2, 1, 0), IF32(BPF_JLT, 2, -4, 5), LD64(3, -4, 0), ALUR(BPF_SUB, 2, 3),
	       ALUR(BPF_ADD, 1, 2), LOAD(BPF_B, 0, 1, 60), EXIT);
	JUDGED(CSD_PROVED, "", MOV(0, 1), IF(BPF_JSET, 0, 2, 1), EXIT, EXIT);
	/* What no path reaches. */
	JUDGED(CSD_PROVED, "", MOV(0, 1), EXIT, LOAD(BPF_DW, 0, 1, 100), EXIT);
}

/* The number that docs/programs.md names. */
#define LOOKED_AT	4096

static void
test_length(void)
{
	static struct csd_insn insns[LOOKED_AT + 1];
	static uint8_t area[COUNT(insns)];
	static struct small small;
	char reason[CSD_REASON_BYTES] = "";
	struct csd_proof proof;

	for (uint32_t count = LOOKED_AT; count <= COUNT(insns); count++) {
		small_begin(&small);
		small.object.insns = insns;
		small.object.area = area;
		small.object.count = small.object.functions[0].end = count;
		for (uint32_t i = 0; i < count - 1; i++) {
			insns[i] = (struct csd_insn) MOV(0, 0);
		}
		insns[count - 1] = (struct csd_insn) EXIT;
		CHECK(csd_check(&small.object, reason) == 0, "%s", reason);
		CHECK_EQUAL(csd_prove(&small.object, &proof), 0);
		CHECK(strcmp(proof.words, count == LOOKED_AT ? "" : "4097 instructions: the verifier looks at 4096") == 0,
		      "of %u instructions: \"%s\"; docs/programs.md names CSD_MAX_INSTRUCTIONS too", count, proof.words);
		CHECK_EQUAL(proof.kind, count == LOOKED_AT ? CSD_PROVED : CSD_NOT_PROVED);
		judged++;
	}
}

/* --- chance --- */

static struct {
	uint64_t programs, proved, not_proved, certain, runs, met;
} counts;

/* What a run has, at addresses of its own, and so far apart that who leaves one thing does not come to the next. */
#define APART	(1 << 20)

struct world {
	uint8_t memory[4 * APART];
	struct rfc_machine machine;
	uint8_t *record, *parameters, *state;
	uint64_t result;
};

static void
world_begin(struct world *world, const struct csd_object *object, const struct csd_insn *insns, const uint8_t *address_of,
	    uint64_t seed, uint64_t number)
{
	const size_t lengths[] = {object->geometry.record_bytes, sizeof(struct csd_parameters), object->geometry.state_bytes};
	uint8_t **const bytes[] = {&world->record, &world->parameters, &world->state};

	memset(&world->machine, 0, sizeof(world->machine));
	chance_begin(seed, number);
	for (size_t i = 0; i < COUNT(lengths); i++) {
		*bytes[i] = world->memory + (i + 1) * APART;
		for (size_t k = 0; k < lengths[i]; k++) {
			(*bytes[i])[k] = below(3) == 0 ? chance() : below(2) ? 0xff : 0;
		}
		world->machine.regions[i] = (struct rfc_region) {.bytes = *bytes[i], .length = lengths[i]};
	}
	world->machine.code = (const uint8_t *)insns;
	world->machine.count = object->count;
	world->machine.entry = object->functions[object->entry].begin;
	world->machine.address_of = address_of;
	/* It has no loops. */
	world->machine.steps = object->count + 1;
}

static enum rfc_end
world_run(struct world *world)
{
	uint64_t arguments[5] = {(uint64_t)world->record, 0, 0, 0, 0};

	return rfc_run(&world->machine, arguments, &world->result);
}

static void
run_proved(const struct csd_object *object, const uint8_t *address_of, uint64_t seed, uint64_t number)
{
	static struct world first, second, before;

	world_begin(&before, object, object->insns, address_of, seed, number);
	world_begin(&first, object, object->insns, address_of, seed, number);
	world_begin(&second, object, object->insns, address_of, seed, number);
	CHECK(world_run(&first) == RFC_DONE && world_run(&second) == RFC_DONE, "run %lu of seed %lu", number, seed);
	CHECK(memcmp(first.record, before.record, object->geometry.record_bytes) == 0 &&
	      memcmp(first.parameters, before.parameters, sizeof(struct csd_parameters)) == 0, "run %lu of seed %lu", number, seed);
	/* The same, wherever everything lies: no address is in it. */
	CHECK(memcmp(first.state, second.state, object->geometry.state_bytes) == 0 && first.result == second.result,
	      "run %lu of seed %lu", number, seed);
	counts.runs++;
}

/* A run that comes to the instruction faults there. */
static void
run_certain(const struct csd_object *object, const uint8_t *address_of, const struct csd_proof *proof, uint64_t seed,
	    uint64_t number)
{
	struct csd_insn *insns = malloc(object->count * sizeof(*insns));
	static struct world plain, stopped;
	enum rfc_end end;

	memcpy(insns, object->insns, object->count * sizeof(*insns));
	insns[proof->instruction].code = 0xff;		/* none of the RFC's */
	world_begin(&plain, object, object->insns, address_of, seed, number);
	world_begin(&stopped, object, insns, address_of, seed, number);
	end = world_run(&plain);
	if (world_run(&stopped) == RFC_INVALID) {
		CHECK(end == RFC_FAULT, "program %lu: %s", number, proof->words);
		counts.met++;
	}
	free(insns);
}

static void
try_program(const struct csd_object *object, uint64_t seed, uint64_t number)
{
	char reason[CSD_REASON_BYTES];
	struct csd_proof proof;
	uint8_t *address_of;

	if (csd_check(object, reason) != 0) {
		return;
	}
	CHECK_EQUAL(csd_prove(object, &proof), 0);
	counts.programs++;
	if (proof.kind == CSD_NOT_PROVED) {
		counts.not_proved++;
		return;
	}
	address_of = calloc(object->count, 1);
	for (uint32_t at = 0; at < object->count; at++) {
		address_of[at] = object->area[at] == CSD_AREA_PARAMETERS ? 2 : object->area[at] == CSD_AREA_STATE ? 3 : 0;
	}
	if (proof.kind == CSD_PROVED) {
		counts.proved++;
		for (uint64_t input = 0; input < 3; input++) {
			run_proved(object, address_of, ~seed, 3 * number + input);
		}
	} else {
		counts.certain++;
		/* The interpreter has registers with rubbish, and a record that can be written. */
		if (strstr(proof.words, ": reads r") == NULL && strstr(proof.words, ": store to the record") == NULL) {
			run_certain(object, address_of, &proof, ~seed, number);
		}
	}
	free(address_of);
}

/* r6 is the record, r7 an address made anew before each use, r0 and r2 to r5 are numbers. */
static const uint8_t sizes[] = {BPF_B, BPF_H, BPF_W, BPF_DW};

static uint8_t
any_number(void)
{
	return (const uint8_t[]) {0, 2, 3, 4, 5}[below(5)];
}

static void
make_arithmetic(struct small *small)
{
	static const uint8_t operations[] = {
		BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR, BPF_AND, BPF_LSH, BPF_RSH, BPF_MOD, BPF_XOR, BPF_MOV, BPF_ARSH, BPF_NEG, BPF_END,
	};
	uint8_t operation = operations[below(sizeof(operations))], class = below(2) ? BPF_ALU : BPF_ALU64;
	bool by_register = below(2), may_be_signed = operation == BPF_DIV || operation == BPF_MOD;
	uint8_t dst = any_number();

	if (operation == BPF_NEG) {
		small_add(small, (struct csd_insn) INSN(class | BPF_NEG, dst, 0, 0, 0));
	} else if (operation == BPF_END) {
		small_add(small, (struct csd_insn) INSN(class | BPF_END | (class == BPF_ALU && below(2) ? BPF_TO_BE : 0), dst, 0, 0,
							16 << below(3)));
	} else if (by_register) {
		int16_t off = may_be_signed ? below(4) == 0 : operation == BPF_MOV && below(4) == 0 ? 8 << below(class == BPF_ALU ? 2 : 3) : 0;

		small_add(small, (struct csd_insn) INSN(class | operation | BPF_X, dst, any_number(), off, 0));
	} else {
		small_add(small, (struct csd_insn) INSN(class | operation | BPF_K, dst, 0, may_be_signed ? below(4) == 0 : 0,
							(int32_t)chance_number()));
	}
}

/* So that an index has bounds, or nearly. */
static void
make_bound(struct small *small, uint8_t reg)
{
	static const int32_t bounds[] = {1, 3, 7, 31, 32, 63, 64, 127};
	int32_t bound = bounds[below(COUNT(bounds))];
	uint8_t class = below(2) ? BPF_ALU : BPF_ALU64;

	switch (below(4)) {
	case 0:
		small_add(small, (struct csd_insn) INSN(class | BPF_AND | BPF_K, reg, 0, 0, bound));
		break;
	case 1:
		small_add(small, (struct csd_insn) INSN(class | BPF_MOD | BPF_K, reg, 0, 0, bound));
		break;
	case 2:
		small_add(small, (struct csd_insn) INSN(BPF_ALU64 | BPF_RSH | BPF_K, reg, 0, 0, 56 + (int32_t)below(8)));
		break;
	default: {
		/* Or it is set: if (reg > bound) reg = bound. */
		static const uint8_t relations[] = {BPF_JLE, BPF_JLT, BPF_JSLE, BPF_JSLT, BPF_JEQ};

		small_add(small, (struct csd_insn) INSN((below(2) ? BPF_JMP : BPF_JMP32) | relations[below(5)] | BPF_K, reg, 0, 1, bound));
		small_add(small, (struct csd_insn) MOV(reg, (int32_t)below(64)));
		break;
	}
	}
}

static void
make_access(struct small *small)
{
	uint8_t size = sizes[below(4)], index = any_number();
	uint32_t bytes = csd_size_bytes(size), place = below(8);
	int16_t off = (int16_t)below(72) - 2 + (int16_t)(below(8) == 0 ? chance_number() % 600 : 0);

	if (place < 3) {
		small_add(small, (struct csd_insn) MOVR(7, 6));
	} else if (place < 6) {
		const struct csd_insn state[] = {STATE_AT(7, (int32_t)below(66))}, parameters[] = {PARAMETERS_AT(7, (int32_t)below(1026))};

		small_add_all(small, place < 5 ? state : parameters, 2);
		off -= below(2) ? off : 0;
	} else {
		small_add(small, (struct csd_insn) MOVR(7, 10));
		off = -(int16_t)below(66) * 8 - (int16_t)(below(8) == 0);
	}
	if (below(place < 6 ? 2 : 8) == 0) {
		if (below(4) != 0) {
			make_bound(small, index);
		}
		small_add(small, (struct csd_insn) INSN(BPF_ALU64 | (below(8) == 0 ? BPF_SUB : BPF_ADD) | BPF_X, 7, index, 0, 0));
	}
	switch (below(place < 3 ? 2 : 6)) {
	case 0:
		small_add(small, (struct csd_insn) LOAD(size, any_number(), 7, off));
		break;
	case 1:
		small_add(small, (struct csd_insn) INSN(BPF_LDX | (bytes < 8 ? BPF_MEMSX : BPF_MEM) | size, any_number(), 7, off, 0));
		break;
	case 2:
		small_add(small, (struct csd_insn) STOREI(size, 7, off, (int32_t)chance_number()));
		break;
	case 3:
		/* Now and then an address, which is one when it comes back. */
		small_add(small, (struct csd_insn) STORE(size, 7, off, below(8) == 0 ? 6 : any_number()));
		break;
	case 4:
		if (bytes >= 4) {
			static const int32_t operations[] = {BPF_ADD, BPF_XOR | BPF_FETCH, BPF_XCHG, BPF_CMPXCHG};

			small_add(small, (struct csd_insn) ATOMIC(size, 7, off & ~3, any_number(), operations[below(4)]));
		}
		break;
	default:
		small_add(small, (struct csd_insn) STORE(BPF_DW, 7, off & ~7, any_number()));
		small_add(small, (struct csd_insn) LOAD(size, any_number(), 7, off & ~7));
		break;
	}
}

static void
make_items(struct small *small, uint64_t count, int depth)
{
	static const uint8_t relations[] = {
		BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET, BPF_JNE, BPF_JSGT, BPF_JSGE, BPF_JLT, BPF_JLE, BPF_JSLT, BPF_JSLE,
	};

	for (; count > 0 && small->object.count < MOST_INSNS / 2; count--) {
		uint64_t what = below(16);
		uint32_t jump = small->object.count;

		if (what < 6) {
			make_arithmetic(small);
		} else if (what < 8) {
			make_bound(small, any_number());
		} else if (what < 12 || depth > 2) {
			make_access(small);
		} else {
			small_add(small, (struct csd_insn) INSN((below(2) ? BPF_JMP : BPF_JMP32) | relations[below(sizeof(relations))] |
								(below(2) ? BPF_X : BPF_K), any_number(), 0, 0, 0));
			if (BPF_SRC(small->insns[jump].code) == BPF_X) {
				small->insns[jump].src = any_number();
			} else {
				small->insns[jump].imm = (int32_t)chance_number();
			}
			make_items(small, 1 + below(4), depth + 1);
			small->insns[jump].off = (int16_t)(small->object.count - jump - 1);
		}
	}
}

static void
make_program(struct small *small)
{
	const struct csd_insn prologue[] = {
		MOVR(6, 1), LOAD(BPF_DW, 2, 6, 0), LOAD(BPF_B, 3, 6, 8), INSN(BPF_LDX | BPF_MEMSX | BPF_W, 4, 6, 16, 0),
		PARAMETERS_AT(7, 0), LOAD(BPF_DW, 5, 7, 0), MOV(0, (int32_t)chance_number()),
	};

	small_begin(small);
	small_add_all(small, prologue, COUNT(prologue));
	if (below(2)) {
		/* So that little of the stack is unknown. */
		for (int16_t off = -64; off < 0; off += 8) {
			small_add(small, (struct csd_insn) STORE(BPF_DW, 10, off, any_number()));
		}
	}
	make_items(small, 2 + below(12), 0);
	small_add(small, (struct csd_insn) EXIT);
}

/* One place of a program that clang made is another. */
static void
mutate(struct csd_object *object)
{
	uint32_t at = below(object->count);
	struct csd_insn *insn = &object->insns[at];

	switch (below(7)) {
	case 0: insn->off = (int16_t)(insn->off + (int)below(17) - 8); break;
	case 1: insn->off = (int16_t)chance_number(); break;
	case 2: insn->imm = (int32_t)chance_number(); break;
	case 3: insn->imm = (int32_t)((uint32_t)insn->imm + below(5) - 2); break;
	case 4: insn->dst = below(11); break;
	case 5: insn->src = below(11); break;
	default: insn->code ^= 1 << below(8); break;
	}
}

static void
try_mutants(const char *path, uint64_t mutants, uint64_t seed)
{
	static struct csd_object object;
	struct csd_insn *kept;

	read_object(path, &object);
	if (strcmp(object.kind, "csd/record") == 0 && object.function_count == 1) {
		kept = malloc(object.count * sizeof(*kept));
		memcpy(kept, object.insns, object.count * sizeof(*kept));
		for (uint64_t number = 0; number < mutants; number++) {
			chance_begin(seed, number);
			memcpy(object.insns, kept, object.count * sizeof(*kept));
			for (uint64_t i = 1 + below(3); i > 0; i--) {
				mutate(&object);
			}
			try_program(&object, seed, number);
		}
		free(kept);
	}
	csd_object_free(&object);
}

static void
report(const char *what)
{
	printf("test_proof: %s: %lu programs, %lu proved, %lu not, %lu certainly wrong; %lu runs, %lu that came to the fault, passed\n", what,
	       counts.programs, counts.proved, counts.not_proved, counts.certain, counts.runs, counts.met);
	CHECK(counts.proved > 0 && counts.not_proved > 0 && counts.met > 0, "chance says nothing here");
	memset(&counts, 0, sizeof(counts));
}

int
main(int argc, char **argv)
{
	static struct small small;
	uint64_t programs, seed;

	CHECK(argc > 3, "usage: test_proof PROGRAMS SEED OBJECTS...");
	programs = strtoull(argv[1], NULL, 0);
	seed = strtoull(argv[2], NULL, 0);
	for (int i = 3; i < argc; i++) {
		test_known(argv[i]);
	}
	for (size_t i = 0; i < COUNT(known); i++) {
		CHECK(met[i], "%s is in the table, and nowhere else", known[i].name);
	}
	test_certain();
	test_uncertain();
	test_proved();
	test_length();
	printf("test_proof: %d objects as the table says, %lu small programs, passed\n", argc - 3, judged);
	for (uint64_t number = 0; number < programs; number++) {
		chance_begin(seed, number);
		make_program(&small);
		try_program(&small.object, seed, number);
	}
	report("made by chance");
	for (int i = 3; i < argc; i++) {
		try_mutants(argv[i], programs / 50, seed + i);
	}
	report("mutants");
	return 0;
}
