/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Mutants of good objects, read, checked and translated. What is taken becomes C of known words and numbers, and the
 * first of them a compiler gets to see. Every mutant follows from the seed and its number alone.
 *
 *	fuzz_translator FOLDER COMPILER MUTANTS SEED OBJECT...
 */
#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <sanitizer/common_interface_defs.h>
#include <unistd.h>

#include "chance.h"
#include "csd_check.h"
#include "csd_emit.h"
#include "csd_isa.h"
#include "test.h"

#define COMPILED	200
#define OBJECTS		128

static uint64_t mutant;

static void
say_which(void)
{
	fprintf(stderr, "this was mutant %lu\n", mutant);
}

/* --- mutation --- */

static void
poke(uint8_t *bytes, size_t length, size_t at)
{
	uint64_t value = chance_number();
	size_t size = 1u << below(4);

	if (at < length) {
		memcpy(bytes + at, &value, size < length - at ? size : length - at);
	}
}

static void
mutate_insn(uint8_t *bytes)
{
	static const uint8_t codes[] = {
		CSD_LD_IMM64, BPF_JMP | BPF_CALL, BPF_JMP | BPF_EXIT, BPF_JMP | BPF_JA, BPF_JMP32 | BPF_JA, BPF_ALU64 | BPF_END,
		BPF_STX | BPF_ATOMIC | BPF_W, BPF_STX | BPF_ATOMIC | BPF_DW, BPF_LDX | BPF_MEMSX | BPF_B, BPF_ALU64 | BPF_DIV | BPF_X,
	};
	struct csd_insn insn;

	memcpy(&insn, bytes, sizeof(insn));
	switch (below(6)) {
	case 0: insn.code = below(2) ? codes[below(sizeof(codes))] : below(256); break;
	case 1: insn.dst = below(12); break;
	case 2: insn.src = below(12); break;
	case 3: insn.off = below(2) ? (int64_t)below(40) - 20 : (int64_t)chance_number(); break;
	case 4: insn.imm = below(2) ? (int64_t)below(40) - 20 : (int64_t)chance_number(); break;
	default: insn = (struct csd_insn) {.code = below(256), .dst = below(11), .src = below(11), .off = below(4)}; break;
	}
	memcpy(bytes, &insn, sizeof(insn));
}

/* BTF is read with care only where there are maps: where it is, it is changed more often than its length says. */
static const Elf64_Shdr *
mutate_where(const struct file *original, const Elf64_Ehdr *header, const Elf64_Shdr *sections)
{
	const char *names = (const char *)original->bytes + sections[header->e_shstrndx].sh_offset;

	for (uint32_t i = 1; i < header->e_shnum; i++) {
		if (strcmp(names + sections[i].sh_name, ".BTF") == 0 && below(2) == 0) {
			return &sections[i];
		}
	}
	return &sections[1 + below(header->e_shnum - 1)];
}

/* The original is clang's, and may be believed; a mutant may have lost its own headers. */
static void
mutate(uint8_t *bytes, size_t *length, const struct file *original)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)original->bytes;
	const Elf64_Shdr *sections = (const Elf64_Shdr *)(original->bytes + header->e_shoff);

	for (uint64_t i = 1 + below(3); i > 0; i--) {
		const Elf64_Shdr *section = mutate_where(original, header, sections);
		size_t within = section->sh_type == SHT_NOBITS || section->sh_size == 0 ? 0 : below(section->sh_size);

		switch (below(10)) {
		case 0:
			poke(bytes, *length, below(sizeof(*header)));
			break;
		case 1:
			poke(bytes, *length, (const uint8_t *)section - original->bytes + below(sizeof(*section)));
			break;
		case 2:
			poke(bytes, *length, below(*length));
			break;
		case 3:
			if (below(8) == 0) {
				*length = below(*length + 1);
			}
			break;
		case 4:		/* one section becomes another */
			if (*length == original->length) {
				memcpy(bytes + ((const uint8_t *)section - original->bytes), &sections[below(header->e_shnum)],
				       below(sizeof(*section)));
			}
			break;
		default:
			if ((section->sh_flags & SHF_EXECINSTR) && section->sh_offset + within / 8 * 8 + 8 <= *length) {
				mutate_insn(bytes + section->sh_offset + within / 8 * 8);
			} else {
				poke(bytes, *length, section->sh_offset + within);
			}
			break;
		}
	}
}

/* --- what comes out --- */

/* The words of a translation, digits as #. */
static const char *const words[] = {
	"ADDRESS", "CSD_AREA", "CSD_ATOMIC", "CSD_COPY", "CSD_EACH", "CSD_EXPORT", "CSD_KEPT", "CSD_LOOP", "LOAD", "STORE",
	"__attribute__", "__builtin_bswap#", "aligned", "call", "case", "const", "context", "csd_#_array_each",
	"csd_#_back", "csd_#_call", "csd_#_constants", "csd_#_delete", "csd_#_each", "csd_#_f#", "csd_#_globals",
	"csd_#_hash_each", "csd_#_kept", "csd_#_lookup", "csd_#_loop", "csd_#_map#", "csd_#_map#_delete", "csd_#_map#_each",
	"csd_#_map#_lookup", "csd_#_map#_update", "csd_#_parameters", "csd_#_state", "csd_#_tail", "csd_#_update",
	"csd_array_delete", "csd_array_lookup", "csd_array_update", "csd_begin", "csd_call", "csd_compare_exchange#",
	"csd_div#", "csd_emit", "csd_end_buffer", "csd_fault", "csd_fetch_add#", "csd_fetch_and#", "csd_fetch_or#",
	"csd_fetch_xor#", "csd_hash_delete", "csd_hash_lookup", "csd_hash_update", "csd_ktime_get_ns", "csd_memcmp",
	"csd_memcpy", "csd_memmove", "csd_memset", "csd_mod#", "csd_positions", "csd_records", "csd_sdiv#", "csd_smod#",
	"csd_strncmp", "csd_trace_printk", "csd_trace_vprintk", "data", "data_bytes", "default", "drive", "ebpf", "exchange_n",
	"fetch_add", "fetch_and", "fetch_or", "fetch_xor", "flags", "frame", "function", "goto", "if", "input",
	"input_bytes", "input_offset", "l#", "line", "m#", "map", "r#", "range_count", "ranges", "return", "s#", "static",
	"struct", "switch", "u#", "verdict", "void", "w#",
};

#define WORDS	(sizeof(words) / sizeof(words[0]))

static int
compare_words(const void *a, const void *b)
{
	return strcmp(a, *(const char *const *)b);
}

static void
check_words(const char *text)
{
	char word[64];
	size_t length = 0;

	for (; *text != '\0'; text++) {
		bool inside = isalnum((unsigned char)*text) || *text == '_';

		CHECK(*text == '\n' || *text == '\t' || (*text >= ' ' && *text < 0x7f), "mutant %lu: character %#x", mutant, *text);
		if (inside && !(length > 0 && isdigit((unsigned char)*text) && word[length - 1] == '#')) {
			CHECK(length + 1 < sizeof(word), "mutant %lu: a long word", mutant);
			word[length++] = isdigit((unsigned char)*text) ? '#' : *text;
		}
		if (!inside && length > 0) {
			word[length] = '\0';
			CHECK(word[0] == '#' || bsearch(word, words, WORDS, sizeof(words[0]), compare_words) != NULL,
			      "mutant %lu: the word %s", mutant, word);
			length = 0;
		}
	}
}

/* --- all --- */

static uint64_t taken, refused;
static FILE *compiled;

static void
translate(const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length > 0 ? length : 1);	/* of exactly this length, for AddressSanitizer */
	static struct csd_object object;
	char reason[CSD_REASON_BYTES] = "", *text = NULL;
	size_t text_length;
	FILE *out;
	int rc;

	memcpy(copy, bytes, length);
	rc = csd_object_read(copy, length, &object, reason);
	free(copy);
	if (rc == 0) {
		rc = csd_check(&object, reason);
		if (rc != 0) {
			csd_object_free(&object);
		}
	}
	CHECK(rc == 0 || (rc == -EINVAL && reason[0] != '\0'), "mutant %lu: %d without a reason", mutant, rc);
	if (rc != 0) {
		refused++;
		return;
	}
	out = open_memstream(&text, &text_length);
	CHECK(out != NULL, "no memory");
	CHECK(csd_emit_program(out, &object, taken) == 0 && fclose(out) == 0, "no memory");
	check_words(text);
	if (taken < COMPILED) {
		fputs(text, compiled);
	}
	taken++;
	free(text);
	csd_object_free(&object);
}

int
main(int argc, char **argv)
{
	struct file objects[OBJECTS];
	uint64_t object_count = argc - 5, mutants, seed;
	char source[512], command[4096];

	CHECK(argc > 5 && object_count <= OBJECTS, "usage: fuzz_translator FOLDER COMPILER MUTANTS SEED OBJECT...");
	mutants = strtoull(argv[3], NULL, 0);
	seed = strtoull(argv[4], NULL, 0);
	snprintf(source, sizeof(source), "%s/fuzz.c", argv[1]);
	compiled = fopen(source, "w");
	CHECK(compiled != NULL, "%s", source);
	csd_emit_prelude(compiled);
	__sanitizer_set_death_callback(say_which);
	for (uint64_t i = 0; i < object_count; i++) {
		objects[i] = read_whole(argv[5 + i]);
		translate(objects[i].bytes, objects[i].length);
		CHECK(taken == i + 1, "%s is refused", argv[5 + i]);
	}
	for (mutant = 0; mutant < mutants; mutant++) {
		const struct file *original;
		uint8_t *bytes;
		size_t length;

		chance_begin(seed, mutant);
		original = &objects[below(object_count)];
		length = original->length;
		bytes = malloc(length);
		memcpy(bytes, original->bytes, length);
		mutate(bytes, &length, original);
		translate(bytes, length);
		free(bytes);
	}
	CHECK(ferror(compiled) == 0 && fclose(compiled) == 0, "%s cannot be written", source);
	snprintf(command, sizeof(command), "%s -fsyntax-only %s", argv[2], source);
	CHECK(system(command) == 0, "%s", command);
	unlink(source);
	for (uint64_t i = 0; i < object_count; i++) {
		free(objects[i].bytes);
	}
	printf("fuzz_translator: %lu mutants of seed %lu, %lu translated, %lu refused, passed\n", mutants, seed, taken - object_count,
	       refused);
	return 0;
}
