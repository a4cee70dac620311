/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Loads mutants of good programs and programs made of chance. Whatever is accepted runs between inaccessible pages,
 * compiled and interpreted, and both must agree. Every mutant follows from the seed and its number alone.
 *
 *	fuzz_engine MUTANTS SEED OBJECT...
 */
#include <elf.h>
#include <errno.h>
#include <sanitizer/common_interface_defs.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

#define ARENA_BYTES	(8 * CSD_MAX_RECORD_BYTES)
#define MAX_RECORDS	5
#define MAX_INSNS	64

static uint64_t chance_state;
static uint64_t mutant;
static struct file current;

/* Its number and its bytes, when something is wrong with it. */
static void
say_which(void)
{
	fprintf(stderr, "this was mutant %llu, %zu bytes:\n", (unsigned long long)mutant, current.length);
	for (size_t i = 0; i < current.length; i++) {
		fprintf(stderr, "%02x%s", current.bytes[i], i % 8 == 7 ? "\n" : "");
	}
}

#define CHECK_MUTANT(condition, format, ...) do { \
	if (!(condition)) { \
		say_which(); \
	} \
	CHECK(condition, format, ##__VA_ARGS__); \
} while (0)

static uint64_t
chance(void)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 7;
	chance_state ^= chance_state << 17;
	return chance_state * 0x2545f4914f6cdd1dULL >> 11;
}

static uint64_t
below(uint64_t limit)
{
	return chance() % limit;
}

/* Numbers at which things go wrong. */
static uint64_t
number(void)
{
	static const uint64_t edges[] = {
		0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 65, 127, 128, 255, 256, 511, 512, 1023, 1024, 4095, 4096, 32767,
		32768, 65535, 65536, INT32_MAX, 1ULL << 31, UINT32_MAX, 1ULL << 32, INT64_MAX, 1ULL << 63, UINT64_MAX,
	};

	switch (below(4)) {
	case 0: return edges[below(sizeof(edges) / sizeof(edges[0]))];
	case 1: return -edges[below(sizeof(edges) / sizeof(edges[0]))];
	case 2: return below(100);
	default: return chance() << below(64);
	}
}

/* --- instructions --- */

static const uint8_t sizes[] = {BPF_B, BPF_H, BPF_W, BPF_DW};
static const uint8_t operations[] = {
	BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR, BPF_AND, BPF_LSH, BPF_RSH, BPF_NEG, BPF_MOD, BPF_XOR, BPF_MOV, BPF_ARSH, BPF_END,
};
static const uint8_t relations[] = {
	BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET, BPF_JNE, BPF_JSGT, BPF_JSGE, BPF_JLT, BPF_JLE, BPF_JSLT, BPF_JSLE,
};
#define ANY(array) ((array)[below(sizeof(array) / sizeof((array)[0]))])

/* Mostly right: fields that an opcode does not use are zero, amounts and offsets are often in range. */
static struct csd_insn
likely_insn(void)
{
	struct csd_insn insn = {.dst = below(10), .src = below(10)};
	bool from_register = below(2);

	switch (below(8)) {
	case 0: case 1: case 2: case 3:
		insn.code = (below(4) ? BPF_ALU64 : BPF_ALU) | ANY(operations) | (from_register ? BPF_X : BPF_K);
		if (BPF_OP(insn.code) == BPF_NEG || BPF_OP(insn.code) == BPF_END || !from_register) {
			insn.src = 0;
			insn.imm = BPF_OP(insn.code) == BPF_NEG ? 0 : BPF_OP(insn.code) == BPF_END ? 16u << below(3) :
				   BPF_OP(insn.code) == BPF_LSH || BPF_OP(insn.code) == BPF_RSH || BPF_OP(insn.code) == BPF_ARSH ?
				   below(33) : number();
		}
		if (BPF_OP(insn.code) == BPF_NEG) {
			insn.code &= ~BPF_X;
		}
		break;
	case 4:
		insn.code = BPF_LDX | BPF_MEM | ANY(sizes);
		insn.src = below(3) ? 1 : insn.src;
		insn.off = below(8) ? below(64) : number();
		break;
	case 5:
		insn.code = (from_register ? BPF_STX : BPF_ST) | BPF_MEM | ANY(sizes);
		insn.dst = below(2) ? 10 : below(2) ? 9 : insn.dst;
		insn.src = from_register ? insn.src : 0;
		insn.off = insn.dst == 10 ? -8 * (1 + below(8)) : below(64);
		insn.imm = from_register ? 0 : number();
		break;
	case 6:
		insn.code = BPF_LDX | BPF_MEM | BPF_DW;
		insn.src = 10;
		insn.off = -8 * (1 + below(8));
		break;
	default:
		insn.code = BPF_JMP | ANY(relations) | (from_register ? BPF_X : BPF_K);
		insn.src = from_register ? insn.src : 0;
		insn.imm = from_register ? 0 : number();
		insn.off = below(6);
		break;
	}
	return insn;
}

static void
mutate_insn(struct csd_insn *insn)
{
	switch (below(8)) {
	case 0: insn->code = chance(); break;
	case 1: insn->code = (insn->code & 7) | (chance() & 0xf8); break;
	case 2: insn->dst = chance(); break;
	case 3: insn->src = chance(); break;
	case 4: insn->off = number(); break;
	case 5: insn->imm = number(); break;
	case 6: insn->off += (int)below(9) - 4; break;
	default: *insn = likely_insn(); break;
	}
}

/* A program of chance that has a chance: registers set, an index masked, results stored, a verdict at the end. */
static size_t
random_program(struct csd_insn *insns)
{
	size_t count = 0, body = 1 + below(MAX_INSNS - 34);
	const struct csd_insn head[] = {
		LOAD(BPF_DW, 2, 1, 0), LOAD(BPF_B, 3, 1, 8), LOAD(BPF_W, 4, 1, 12), MOV(5, (int32_t)number()), MOV(6, 1),
		PARAMETERS_AT(7, below(1000)), LOAD(BPF_B, 8, 7, 0), STATE_AT(9, below(8)), MOV(0, 0),
	};
	const struct csd_insn index[] = {
		ALU(BPF_AND, 3, (int32_t)below(80)), MOVR(7, 1), ALUR(BPF_ADD, 7, 3), LOAD(BPF_B, 5, 7, (int16_t)below(8)),
	};
	const struct csd_insn divide[] = {IF(BPF_JEQ, 2, 0, 1), ALUR(below(2) ? BPF_DIV : BPF_MOD, 4, 2)};
	const struct csd_insn tail[] = {
		STORE(BPF_DW, 9, 0, 0), STORE(BPF_DW, 9, 8, 2), STORE(BPF_DW, 9, 16, 3), STORE(BPF_DW, 9, 24, 4),
		STORE(BPF_DW, 9, 32, 5), STORE(BPF_DW, 9, 40, 6), ALU(BPF_AND, 0, 3), EXIT,
	};

	memcpy(insns, head, sizeof(head));
	count = sizeof(head) / sizeof(head[0]);
	for (size_t i = 0; i < body; i++) {
		insns[count] = likely_insn();
		count++;
		if (below(10) == 0 && i + 6 < body) {
			memcpy(insns + count, index, sizeof(index));
			count += 4;
			i += 4;
		} else if (below(10) == 0 && i + 4 < body) {
			memcpy(insns + count, divide, sizeof(divide));
			count += 2;
			i += 2;
		}
	}
	memcpy(insns + count, tail, sizeof(tail));
	return count + sizeof(tail) / sizeof(tail[0]);
}

static size_t
mutate_program(struct csd_insn *insns, size_t count, size_t room)
{
	for (uint64_t i = 1 + below(3); i > 0 && count > 0; i--) {
		size_t at = below(count);

		switch (below(6)) {
		case 0:
			if (count < room) {
				memmove(insns + at + 1, insns + at, (count - at) * sizeof(*insns));
				insns[at] = likely_insn();
				count++;
			}
			break;
		case 1:
			memmove(insns + at, insns + at + 1, (count - at - 1) * sizeof(*insns));
			count--;
			break;
		case 2:
			insns[at] = insns[below(count)];
			break;
		default:
			mutate_insn(&insns[at]);
			break;
		}
	}
	return count;
}

/* --- objects --- */

static void
poke(uint8_t *bytes, size_t length, size_t at)
{
	uint64_t value = number();
	size_t size = 1u << below(4);

	if (at < length) {
		memcpy(bytes + at, &value, size < length - at ? size : length - at);
	}
}

/* The objects are clang's, so their own headers may be believed here; a mutant may have lost its own. */
static void
mutate_object(uint8_t *bytes, size_t *length, const struct file *original)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)original->bytes;
	const Elf64_Shdr *sections = (const Elf64_Shdr *)(original->bytes + header->e_shoff);

	for (uint64_t i = 1 + below(3); i > 0; i--) {
		const Elf64_Shdr *section = &sections[below(header->e_shnum)];
		const char *names = (const char *)original->bytes + sections[header->e_shstrndx].sh_offset;
		const char *name = names + section->sh_name;

		switch (below(9)) {
		case 0:
			poke(bytes, *length, below(sizeof(*header)));
			break;
		case 1:
			poke(bytes, *length, header->e_shoff + (section - sections) * sizeof(*section) + below(64));
			break;
		case 2:
			poke(bytes, *length, below(*length));
			break;
		case 3:
			if (below(8) == 0) {
				*length = below(*length + 1);
			}
			break;
		default:	/* into what a section holds; instructions as instructions */
			if (section->sh_type == SHT_NULL || section->sh_size == 0) {
				break;
			}
			if (strncmp(name, "csd/", 4) == 0) {
				size_t at = section->sh_offset + below(section->sh_size / 8) * 8;

				if (at + 8 <= *length) {
					mutate_insn((struct csd_insn *)(bytes + at));
				}
			} else {
				poke(bytes, *length, section->sh_offset + below(section->sh_size));
			}
			break;
		}
	}
}

/* --- running --- */

static uint8_t *arena;

static void
make_arena(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *memory = mmap(NULL, ARENA_BYTES + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED && mprotect(memory + page, ARENA_BYTES, PROT_READ | PROT_WRITE) == 0, "no memory");
	arena = memory + page;
}

struct outcome {
	enum csd_slice_end end;
	uint64_t consumed, records, matches, emitted_bytes;
	uint8_t state[CSD_MAX_STATE_BYTES];
	uint8_t *out;
};

/* The input stands where the arena ends, or where it begins. */
static struct outcome
run(const struct csd_program *program, bool at_end)
{
	const struct csd_program_info *info = csd_program_info(program);
	uint64_t bytes = (MAX_RECORDS - 1) * (uint64_t)info->stride_bytes + info->record_bytes;
	uint64_t out_bytes = MAX_RECORDS * (info->emit_bytes > 8 ? info->emit_bytes : 8);
	uint8_t *input = at_end ? arena + ARENA_BYTES - bytes : arena;
	struct csd_instance *instance = csd_instance_create(program);
	struct outcome outcome = {.out = malloc(out_bytes)};
	struct csd_slice slice = {
		.region = input, .region_bytes = bytes, .out = outcome.out, .out_bytes = out_bytes, .last = true,
	};
	const uint8_t data[] = {3, 1, 4, 1, 5, 9, 2, 6};

	CHECK_MUTANT(instance != NULL, "no instance");
	for (uint64_t i = 0; i < bytes; i++) {
		input[i] = i * 0x9e3779b97f4a7c15ULL >> 56;
	}
	csd_instance_begin(instance, &(struct csd_run_parameters) {
		.cparam1 = 20000, .cparam2 = 3, .data = data, .data_bytes = sizeof(data),
	});
	outcome.end = csd_instance_run(instance, &slice);
	for (uint64_t i = 0; i < bytes; i++) {
		CHECK_MUTANT(input[i] == (uint8_t)(i * 0x9e3779b97f4a7c15ULL >> 56), "byte %llu of the input changed",
			     (unsigned long long)i);
	}
	outcome.consumed = slice.consumed;
	outcome.records = slice.records;
	outcome.matches = slice.matches;
	outcome.emitted_bytes = slice.emitted_bytes;
	memcpy(outcome.state, csd_instance_state(instance), info->state_bytes);
	csd_instance_destroy(instance);
	return outcome;
}

static void
check_same(const struct outcome *a, const struct outcome *b, const char *what)
{
	bool same = a->end == b->end && a->consumed == b->consumed && a->records == b->records && a->matches == b->matches &&
		    a->emitted_bytes == b->emitted_bytes && memcmp(a->out, b->out, a->emitted_bytes) == 0 &&
		    memcmp(a->state, b->state, sizeof(a->state)) == 0;

	CHECK_MUTANT(same, "%s differ", what);
}

enum outcomes { ACCEPTED, JITTED, BY_ELF, BY_GEOMETRY, BY_VERIFIER, BY_PATHS, BY_LIBRTE, OUTCOMES };
static const char *const outcome_names[] = {
	"accepted and run", "of these compiled", "refused: ELF and size", "refused: geometry", "refused: instruction",
	"refused: too many paths", "refused: by librte_bpf alone",
};
static uint64_t counts[OUTCOMES];

static void
load_and_run(const uint8_t *bytes, size_t length, struct csd_load_options options)
{
	uint8_t *copy = malloc(length > 0 ? length : 1);	/* of exactly this length, for AddressSanitizer */
	struct csd_program *program, *interpreted;
	char reason[CSD_REASON_BYTES], again[CSD_REASON_BYTES];
	struct outcome a, b, c;
	int rc;

	memcpy(copy, bytes, length);
	current = (struct file) {.bytes = copy, .length = length};
	options.interpret = false;
	rc = csd_program_load(copy, length, &options, &program, reason);
	if (rc != 0) {
		CHECK_MUTANT(rc == -EINVAL && reason[0] != '\0', "%d without a reason", rc);
		counts[strstr(reason, "librte_bpf") != NULL ? BY_LIBRTE : strncmp(reason, "too many paths", 14) == 0 ? BY_PATHS :
		       strncmp(reason, "geometry", 8) == 0 ? BY_GEOMETRY : strncmp(reason, "instruction", 11) == 0 ? BY_VERIFIER :
		       BY_ELF]++;
		free(copy);
		return;
	}
	options.interpret = true;
	rc = csd_program_load(copy, length, &options, &interpreted, again);
	CHECK_MUTANT(rc == 0, "interpreted, it is refused: %s", again);
	counts[ACCEPTED]++;
	counts[JITTED] += csd_program_info(program)->jit;
	a = run(program, true);
	b = run(interpreted, true);
	c = run(program, false);
	check_same(&a, &b, "compiled and interpreted");
	check_same(&a, &c, "two places in memory");
	free(a.out);
	free(b.out);
	free(c.out);
	csd_program_unload(program);
	csd_program_unload(interpreted);
	free(copy);
}

static void
fuzz_stream(void)
{
	struct csd_insn insns[MAX_INSNS + 8];
	size_t count = random_program(insns);
	struct csd_load_options options = {0};

	if (below(2)) {
		count = mutate_program(insns, count, MAX_INSNS + 8);
	}
	if (below(8) == 0) {
		options.record_bytes = below(2) ? 16 + below(100) : number();
		options.stride_bytes = below(2) ? below(100) : number();
		options.state_bytes = below(2) ? below(100) : number();
		options.emit = below(4);
	}
	load_and_run((uint8_t *)insns, count * sizeof(*insns) + (below(200) == 0 ? below(8) : 0), options);
}

static void
fuzz_object(const struct file *original)
{
	uint8_t *bytes = malloc(original->length);
	size_t length = original->length;

	memcpy(bytes, original->bytes, length);
	mutate_object(bytes, &length, original);
	load_and_run(bytes, length, (struct csd_load_options) {0});
	free(bytes);
}

/* Comparing is most of what librte_bpf's validator does; AddressSanitizer need not look over its shoulder. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "intercept_memcmp=0";
}

int
main(int argc, char **argv)
{
	struct file objects[64];
	int object_count = argc - 3;
	uint64_t mutants, seed;

	CHECK(object_count > 0 && object_count <= 64, "usage: fuzz_engine MUTANTS SEED OBJECT...");
	make_arena();
	mutants = strtoull(argv[1], NULL, 0);
	seed = strtoull(argv[2], NULL, 0);
	for (int i = 0; i < object_count; i++) {
		objects[i] = read_whole(argv[3 + i]);
		load_and_run(objects[i].bytes, objects[i].length, (struct csd_load_options) {0});
		CHECK(counts[ACCEPTED] == (uint64_t)i + 1, "%s is refused", argv[3 + i]);
	}
	__sanitizer_set_death_callback(say_which);
	alarm(3600);
	for (mutant = 0; mutant < mutants; mutant++) {
		chance_state = (seed * 0x9e3779b97f4a7c15ULL + mutant + 1) * 0xbf58476d1ce4e5b9ULL | 1;
		chance();
		chance();
		if (below(2)) {
			fuzz_stream();
		} else {
			const struct file *object = &objects[below(object_count)];

			/* Large programs take long to load: they have fewer mutants. */
			if (object->length > 4096 && below(16) != 0) {
				object = &objects[below(object_count)];
			}
			fuzz_object(object);
		}
	}
	for (int i = 0; i < object_count; i++) {
		free(objects[i].bytes);
	}
	for (int i = 0; i < OUTCOMES; i++) {
		printf("%10llu %s\n", (unsigned long long)counts[i], outcome_names[i]);
	}
	printf("fuzz_engine: %llu mutants of seed %llu passed\n", (unsigned long long)mutants, (unsigned long long)seed);
	return 0;
}
