/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The readers: one object that clang made, a bare stream, and every way in which such bytes can be wrong. */
#include <elf.h>
#include <errno.h>

#include "csd_bare.h"
#include "csd_check.h"
#include "csd_proof.h"
#include "test.h"

/* A copy of the object, of exactly its length, so that AddressSanitizer sees every byte read too many. */
struct object {
	uint8_t *bytes;
	size_t length;
	Elf64_Ehdr *header;
	Elf64_Shdr *sections;
};

static struct file original;

static struct object
copy(void)
{
	struct object object = {.bytes = malloc(original.length), .length = original.length};

	memcpy(object.bytes, original.bytes, original.length);
	object.header = (Elf64_Ehdr *)object.bytes;
	object.sections = (Elf64_Shdr *)(object.bytes + object.header->e_shoff);
	return object;
}

static const char *
name_of(const struct object *object, const Elf64_Shdr *section)
{
	return (char *)object->bytes + object->sections[object->header->e_shstrndx].sh_offset + section->sh_name;
}

static Elf64_Shdr *
section(const struct object *object, const char *name)
{
	for (unsigned int i = 1; i < object->header->e_shnum; i++) {
		if (strcmp(name_of(object, &object->sections[i]), name) == 0) {
			return &object->sections[i];
		}
	}
	CHECK(false, "no section %s", name);
	return NULL;
}

static Elf64_Shdr *program(const struct object *object) { return section(object, "csd/record"); }
static Elf64_Shdr *symtab(const struct object *object) { return section(object, ".symtab"); }
static Elf64_Shdr *relocations(const struct object *object) { return section(object, ".relcsd/record"); }

static struct csd_geometry *
geometry(const struct object *object)
{
	return (struct csd_geometry *)(object->bytes + section(object, "csd_geometry")->sh_offset);
}

static Elf64_Rel *
relocation(const struct object *object)
{
	return (Elf64_Rel *)(object->bytes + relocations(object)->sh_offset);
}

static Elf64_Sym *
symbol(const struct object *object, const char *name)
{
	Elf64_Shdr *table = symtab(object);
	const char *names = (char *)object->bytes + object->sections[table->sh_link].sh_offset;
	Elf64_Sym *symbols = (Elf64_Sym *)(object->bytes + table->sh_offset);

	for (unsigned int i = 1; i < table->sh_size / sizeof(*symbols); i++) {
		if (strcmp(names + symbols[i].st_name, name) == 0) {
			return &symbols[i];
		}
	}
	CHECK(false, "no symbol %s", name);
	return NULL;
}

static char *
symbol_text(const struct object *object, const char *name)
{
	return (char *)object->bytes + object->sections[symtab(object)->sh_link].sh_offset + symbol(object, name)->st_name;
}

static struct csd_insn *
instructions(const struct object *object)
{
	return (struct csd_insn *)(object->bytes + program(object)->sh_offset);
}

/* All that a program goes through before it is compiled. */
static int
take(const void *bytes, size_t length, struct csd_object *object, char reason[CSD_REASON_BYTES])
{
	struct csd_proof proof;
	int rc = csd_object_read(bytes, length, object, reason);

	if (rc != 0) {
		CHECK(object->insns == NULL, "a program came out");
		return rc;
	}
	rc = csd_check(object, reason);
	if (rc == 0) {
		CHECK_EQUAL(csd_prove(object, &proof), 0);
		rc = proof.kind == CSD_CERTAIN_FAULT ? csd_refuse(reason, "%s", proof.words) : 0;
	}
	if (rc != 0) {
		csd_object_free(object);
	}
	return rc;
}

static void
refused(struct object *object, const char *reason)
{
	static struct csd_object loaded;
	char found[CSD_REASON_BYTES] = "";

	CHECK_EQUAL(take(object->bytes, object->length, &loaded, found), -EINVAL);
	CHECK(strstr(found, reason) != NULL, "refused with \"%s\", not \"%s\"", found, reason);
	free(object->bytes);
}

/* Copies the object, changes it, loads it: it must be refused with this reason. */
#define REFUSED(reason, ...) do { \
	struct object o = copy(); \
	__VA_ARGS__; \
	refused(&o, reason); \
} while (0)

static void
test_good(void)
{
	static struct csd_object loaded;
	char reason[CSD_REASON_BYTES];
	struct object o = copy();

	CHECK(take(o.bytes, o.length, &loaded, reason) == 0, "%s", reason);
	free(o.bytes);
	CHECK(strcmp(loaded.kind, "csd/record") == 0, "%s", loaded.kind);
	CHECK_EQUAL(loaded.geometry.record_bytes, 64);
	CHECK_EQUAL(loaded.geometry.stride_bytes, 64);
	CHECK_EQUAL(loaded.areas[CSD_AREA_STATE].length, 0);
	CHECK_EQUAL(loaded.geometry.emit, CSD_EMIT_RECORD);
	csd_object_free(&loaded);
}

static void
test_truncated(void)
{
	for (size_t length = 0; length < original.length; length++) {
		struct object o = copy();

		o.bytes = realloc(o.bytes, length == 0 ? 1 : length);
		o.length = length;
		refused(&o, "");
	}
	REFUSED("too few for a header", o.length = 40);
	REFUSED("truncated: ", o.length -= 1);
}

static void
test_header(void)
{
	REFUSED("1048577 bytes; at most 1048576", o.bytes = realloc(o.bytes, 1048577); o.length = 1048577);
	REFUSED("class 1", o.header->e_ident[EI_CLASS] = ELFCLASS32);
	REFUSED("little endian", o.header->e_ident[EI_DATA] = ELFDATA2MSB);
	REFUSED("version", o.header->e_ident[EI_VERSION] = 2);
	REFUSED("version", o.header->e_version = 0);
	REFUSED("machine 62: a program is eBPF (machine 247)", o.header->e_machine = EM_X86_64);
	REFUSED("type 2: a program is a relocatable object", o.header->e_type = ET_EXEC);
	REFUSED("headers of 65 and 64", o.header->e_ehsize = 65);
	REFUSED("headers of 64 and 0", o.header->e_shentsize = 0);
	REFUSED("program headers", o.header->e_phnum = 1);
	REFUSED("0 sections", o.header->e_shnum = 0);
	REFUSED("65535 sections", o.header->e_shnum = 65535);
	REFUSED("truncated: 200 section headers", o.header->e_shnum = 200);
	REFUSED("misaligned", o.header->e_shoff += 4);
	REFUSED("inside the header", o.header->e_shoff = 8);
	REFUSED("truncated", o.header->e_shoff = UINT64_MAX - 7);
	REFUSED("cannot hold the names", o.header->e_shstrndx = 0);
	REFUSED("cannot hold the names", o.header->e_shstrndx = o.header->e_shnum);
	REFUSED("is no string table", o.header->e_shstrndx = symtab(&o) - o.sections);
}

static void
test_sections(void)
{
	REFUSED("section 0 is in use", o.sections[0].sh_type = SHT_PROGBITS);
	REFUSED("truncated: section", program(&o)->sh_offset = UINT64_MAX - 7);
	REFUSED("truncated: section", program(&o)->sh_size = UINT64_MAX - 7);
	REFUSED("truncated: section", program(&o)->sh_size = o.length);
	REFUSED("no power of two", program(&o)->sh_addralign = 3);
	REFUSED("is misaligned", program(&o)->sh_addralign = 1ULL << 40);
	REFUSED("is misaligned", program(&o)->sh_offset += 4);
	REFUSED("no whole instructions of csd/record", program(&o)->sh_offset += 4; program(&o)->sh_size -= 8; program(&o)->sh_addralign = 4);
	REFUSED("overlaps the headers", program(&o)->sh_offset = 0);
	REFUSED("overlaps the headers", program(&o)->sh_offset = o.header->e_shoff);
	REFUSED("overlap", program(&o)->sh_offset = symtab(&o)->sh_offset);
	REFUSED("holds no instructions", program(&o)->sh_type = SHT_NOTE);
	REFUSED("holds no instructions", program(&o)->sh_flags = 0);
	REFUSED("section csd/record has 0 bytes", program(&o)->sh_size = 0; symbol(&o, "threshold")->st_size = 0);
	REFUSED("section csd/record has 79 bytes: instructions have 8 each", program(&o)->sh_size -= 1);
	REFUSED("no section csd/...", program(&o)->sh_type = SHT_NOBITS; program(&o)->sh_name = 0);
	REFUSED("section csd/recorx: programs are csd/record or csd/buffer", strcpy((char *)name_of(&o, program(&o)), "csd/recorx"));
	REFUSED("are both csd/...", section(&o, "csd_geometry")->sh_name = program(&o)->sh_name);
	REFUSED("code in section csd_geometry: a program is one", section(&o, "csd_geometry")->sh_flags |= SHF_EXECINSTR);
	REFUSED("no section csd_geometry", section(&o, "csd_geometry")->sh_name = 0);
}

static void
test_geometry(void)
{
	REFUSED("csd_geometry has 16 bytes of data, not 32", section(&o, "csd_geometry")->sh_size = 16);
	REFUSED("version 2; this drive knows 1", geometry(&o)->version = 2);
	REFUSED("records of 0 bytes", geometry(&o)->record_bytes = 0);
	REFUSED("records of 65537 bytes", geometry(&o)->record_bytes = 65537);
	REFUSED("a stride of 0 bytes", geometry(&o)->stride_bytes = 0);
	REFUSED("a stride of 65537 bytes", geometry(&o)->stride_bytes = 65537);
	REFUSED("state of 4097 bytes", geometry(&o)->state_bytes = 4097);
	REFUSED("emit 3; 0 to 2 are known", geometry(&o)->emit = 3);
	REFUSED("flags 0x2", geometry(&o)->flags = 2);
	REFUSED("reserved words", geometry(&o)->reserved[1] = 1);
	REFUSED("need emit 1, not 0", geometry(&o)->flags = CSD_POSITIONS);
	/* The geometry is what the instructions are checked against. */
	REFUSED("instruction 3 of csd/record, in threshold: load of 4 bytes at offset 20 of a record of 23", geometry(&o)->record_bytes = 23);
}

static void
test_symbols(void)
{
	REFUSED("no symbol table", symtab(&o)->sh_type = SHT_PROGBITS);
	REFUSED("not made of symbols", symtab(&o)->sh_entsize = 23);
	REFUSED("not made of symbols", symtab(&o)->sh_size -= 1);
	REFUSED("are no string table", symtab(&o)->sh_link = 0);
	REFUSED("are no string table", symtab(&o)->sh_link = 4000000000u);
	REFUSED("function threshold has 80 bytes from 8 on", symbol(&o, "threshold")->st_value = 8);
	REFUSED("10 instructions, of which functions have 9", symbol(&o, "threshold")->st_size = 72);
	REFUSED("10 instructions, of which functions have 0", symbol(&o, "threshold")->st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT));
}

static void
test_relocations(void)
{
	REFUSED("uses csd_parameterx, which is defined nowhere", symbol_text(&o, "csd_parameters")[13] = 'x');
	REFUSED("uses (name that is none)", symbol(&o, "csd_parameters")->st_name = 4000000000u);
	REFUSED("uses csd_parame?ers, which is defined nowhere", symbol_text(&o, "csd_parameters")[10] = '\n');
	REFUSED("uses csd_parameters, which lies in no section of data", symbol(&o, "csd_parameters")->st_shndx = 1);
	REFUSED("at byte 4, where no instruction begins", relocation(&o)->r_offset = 4);
	REFUSED("at byte 80, where no instruction begins", relocation(&o)->r_offset = 80);
	REFUSED("instruction 2 of csd/record, in threshold: the address of csd_parameters is asked of an instruction that loads none", relocation(&o)->r_offset = 16);
	REFUSED("relocation of type 2 to csd_parameters", relocation(&o)->r_info += 1);
	REFUSED("a call of csd_parameters is asked of an instruction that is none", relocation(&o)->r_info += 9);
	REFUSED("to symbol 0, which does not exist", relocation(&o)->r_info = 1);
	REFUSED("to symbol 16777215, which", relocation(&o)->r_info = 0xffffffULL << 32 | 1);
	REFUSED("asked of an instruction that loads none", instructions(&o)[0].src = 1);
	REFUSED("csd_parameters has no byte 1152921504606846976", instructions(&o)[1].imm = 1 << 28);
	REFUSED("csd_parameters has no byte 1025: it has 1024", instructions(&o)[0].imm = 1025);
	REFUSED("of another form", relocations(&o)->sh_type = SHT_RELA);
	REFUSED("of another form", relocations(&o)->sh_entsize = 24);
	REFUSED("of another form", relocations(&o)->sh_size -= 8);
	REFUSED("of another form", relocations(&o)->sh_link = 0);
}

/* A bare stream with its geometry, of exactly its length. */
static struct object
stream(const struct csd_insn *insns, size_t insn_bytes)
{
	const struct csd_bare bare = {
		.magic = CSD_BARE_MAGIC,
		.geometry = {.version = CSD_GEOMETRY_VERSION, .record_bytes = 32, .stride_bytes = 16, .state_bytes = 8, .emit = CSD_EMIT_OFFSET},
	};
	struct object object = {.bytes = malloc(sizeof(bare) + insn_bytes), .length = sizeof(bare) + insn_bytes};

	memcpy(object.bytes, &bare, sizeof(bare));
	memcpy(object.bytes + sizeof(bare), insns, insn_bytes);
	return object;
}

#define STREAM_REFUSED(reason, ...) do { \
	const struct csd_insn insns[] = {__VA_ARGS__}; \
	struct object stream_ = stream(insns, sizeof(insns)); \
	refused(&stream_, reason); \
} while (0)

static void
test_bare(void)
{
	static struct csd_object loaded;
	const struct csd_insn good[] = {
		STATE_AT(1, 4), PARAMETERS_AT(2, 8), LD64(3, 1, 2), LOAD(BPF_DW, 0, 2, 0), STORE(BPF_W, 1, 0, 0), EXIT,
	};
	struct object o = stream(good, sizeof(good));
	char reason[CSD_REASON_BYTES];

	CHECK(take(o.bytes, o.length, &loaded, reason) == 0, "%s", reason);
	CHECK(strcmp(loaded.kind, "csd/record") == 0, "%s", loaded.kind);
	CHECK_EQUAL(loaded.count, sizeof(good) / sizeof(good[0]));
	CHECK_EQUAL(loaded.geometry.stride_bytes, 16);
	CHECK_EQUAL(loaded.areas[CSD_AREA_STATE].length, 8);
	CHECK_EQUAL(loaded.area[0], CSD_AREA_STATE);
	CHECK_EQUAL(loaded.insns[0].imm, 4);
	CHECK_EQUAL(loaded.insns[0].src, 0);
	CHECK_EQUAL(loaded.area[2], CSD_AREA_PARAMETERS);
	CHECK_EQUAL(loaded.insns[2].imm, 8);
	CHECK_EQUAL(loaded.area[4], CSD_AREA_NONE);
	CHECK_EQUAL(loaded.insns[5].imm, 2);
	csd_object_free(&loaded);

	((struct csd_bare *)o.bytes)->geometry.record_bytes = 0;
	refused(&o, "records of 0 bytes");
	o = stream(good, 12);
	refused(&o, "instructions of 8 bytes: 12 bytes are none");
	o = stream(good, 0);
	refused(&o, "0 bytes are none");
	o = stream(good + 4, 8);
	refused(&o, "half");
	STREAM_REFUSED("variable 3 does not exist", INSN(BPF_LD | BPF_IMM | BPF_DW, 1, CSD_EXTERN, 0, 3), INSN(0, 0, 0, 0, 0), EXIT);
	STREAM_REFUSED("variable 2 has no byte 9", STATE_AT(1, 9), MOV(0, 0), EXIT);
	STREAM_REFUSED("variable 2 has no byte 4294967295", STATE_AT(1, -1), MOV(0, 0), EXIT);
	STREAM_REFUSED("instruction 0 of csd/record, in program: load of 8 bytes at offset 32 of a record of 32",
		       LOAD(BPF_DW, 0, 1, 32), EXIT);
}

int
main(int argc, char **argv)
{
	CHECK(argc == 2, "usage: test_elf threshold.bpf.o");
	original = read_whole(argv[1]);
	test_good();
	test_truncated();
	test_header();
	test_sections();
	test_geometry();
	test_symbols();
	test_relocations();
	test_bare();
	free(original.bytes);
	printf("test_elf: passed\n");
	return 0;
}
