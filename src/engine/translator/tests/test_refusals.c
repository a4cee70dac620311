/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What the translator refuses, each reason by its words: instructions, objects that are changed at one place, and
 * programs that clang makes of C.
 *
 *	test_refusals closest.bpf.o maps.bpf.o context.bpf.o FOLDER-OF-BAD-OBJECTS
 */
#include <elf.h>
#include <errno.h>

#include "csd_check.h"
#include "csd_isa.h"
#include "test.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

/* --- instructions --- */

static uint64_t refusals;

static void
expect(int rc, const char *found, const char *reason)
{
	CHECK(rc == -EINVAL, "%d, not refused: %s", rc, reason);
	CHECK(strstr(found, reason) != NULL, "refused with \"%s\", not \"%s\"", found, reason);
	refusals++;
}

/* As a function, between one before it and one behind it. */
static int
check(const struct csd_insn *middle, uint32_t count, char *reason)
{
	static const struct csd_insn leave = EXIT;
	struct csd_insn insns[32];
	uint8_t area[32] = {0};
	static struct csd_object object;

	CHECK(count + 2 <= COUNT(insns), "%u instructions", count);
	insns[0] = leave;
	memcpy(insns + 1, middle, count * sizeof(*middle));
	insns[count + 1] = leave;
	object = (struct csd_object) {.insns = insns, .area = area, .count = count + 2, .function_count = 3, .entry = 1};
	object.functions[0] = (struct csd_function) {.name = "before", .section = ".text", .section_begin = 0, .begin = 0, .end = 1};
	object.functions[1] = (struct csd_function) {
		.name = "middle", .section = "csd/record", .section_begin = 1, .begin = 1, .end = count + 1,
	};
	object.functions[2] = (struct csd_function) {
		.name = "behind", .section = ".text", .section_begin = count + 1, .begin = count + 1, .end = count + 2,
	};
	return csd_check(&object, reason);
}

#define REFUSED(reason, ...) do { \
	struct csd_insn insns_[] = {__VA_ARGS__}; \
	char found_[CSD_REASON_BYTES] = ""; \
	expect(check(insns_, COUNT(insns_), found_), found_, reason); \
} while (0)

#define TAKEN(...) do { \
	struct csd_insn insns_[] = {__VA_ARGS__}; \
	char found_[CSD_REASON_BYTES] = ""; \
	CHECK(check(insns_, COUNT(insns_), found_) == 0, "%s", found_); \
} while (0)

static void
test_encodings(void)
{
	REFUSED("instruction 1 of csd/record, in middle: opcode ffh is none of RFC 9669's base groups", MOV(0, 0),
		INSN(0xff, 0, 0, 0, 0), EXIT);
	REFUSED("opcode e7h is none", INSN(BPF_ALU64 | 0xe0, 0, 0, 0, 0), EXIT);
	REFUSED("opcode 8fh is none", INSN(BPF_ALU64 | BPF_NEG | BPF_X, 0, 0, 0, 0), EXIT);
	REFUSED("opcode dfh is none", INSN(BPF_ALU64 | BPF_END | BPF_X, 0, 0, 0, 16), EXIT);
	REFUSED("opcode e5h is none", INSN(BPF_JMP | 0xe0, 0, 0, 0, 0), EXIT);
	REFUSED("opcode 0dh is none", INSN(BPF_JMP | BPF_JA | BPF_X, 0, 0, 0, 0), EXIT);
	REFUSED("opcode 8dh is none", INSN(BPF_JMP | BPF_CALL | BPF_X, 0, 0, 0, 0), EXIT);
	REFUSED("opcode 86h is none", INSN(BPF_JMP32 | BPF_CALL, 0, 1, 0, 0), EXIT);
	REFUSED("opcode 96h is none", INSN(BPF_JMP32 | BPF_EXIT, 0, 0, 0, 0), EXIT);
	REFUSED("opcode 9dh is none", INSN(BPF_JMP | BPF_EXIT | BPF_X, 0, 0, 0, 0), EXIT);
	REFUSED("opcode 00h is none", INSN(BPF_LD | BPF_IMM | BPF_W, 0, 0, 0, 0), EXIT);
	REFUSED("opcode 61h", INSN(BPF_LDX | BPF_MEM | BPF_W, 0, 1, 0, 5), EXIT);
	REFUSED("opcode 99h is none", INSN(BPF_LDX | BPF_MEMSX | BPF_DW, 0, 1, 0, 0), EXIT);
	REFUSED("opcode c2h is none", INSN(BPF_ST | BPF_ATOMIC | BPF_W, 1, 0, 0, 0), EXIT);
	REFUSED("opcode 20h is the old packet access", INSN(BPF_LD | BPF_ABS | BPF_W, 0, 0, 0, 0), EXIT);
	REFUSED("opcode 50h is the old packet access", INSN(BPF_LD | BPF_IND | BPF_B, 0, 0, 0, 0), EXIT);
	REFUSED("opcode d3h: atomic operations have 4 or 8 bytes", INSN(BPF_STX | BPF_ATOMIC | BPF_B, 1, 0, 0, 0), EXIT);
	REFUSED("opcode cbh: atomic operations have 4 or 8 bytes", INSN(BPF_STX | BPF_ATOMIC | BPF_H, 1, 0, 0, 0), EXIT);
	REFUSED("atomic operation 10h is none", INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 1, 0, 0, 0x10), EXIT);
	REFUSED("atomic operation e0h is none", INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 1, 0, 0, 0xe0), EXIT);
	REFUSED("atomic operation 100h is none", INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 1, 0, 0, 0x100), EXIT);
	REFUSED("swaps bytes of 8 bits: 16, 32 and 64", INSN(BPF_ALU | BPF_END, 0, 0, 0, 8), EXIT);
	REFUSED("offset 2 of a division: 0 is unsigned, 1 signed", INSN(BPF_ALU64 | BPF_DIV, 0, 0, 2, 1), EXIT);
	REFUSED("offset -1 of a division", INSN(BPF_ALU | BPF_MOD | BPF_X, 0, 0, -1, 0), EXIT);
	REFUSED("offset 32 of a move", INSN(BPF_ALU | BPF_MOV | BPF_X, 0, 1, 32, 0), EXIT);
	REFUSED("offset 24 of a move", INSN(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 24, 0), EXIT);
	REFUSED("offset 8 of a move", INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 8, 0), EXIT);
}

static void
test_unused_fields(void)
{
	REFUSED("opcode 95h has no destination register, and this says r1", INSN(BPF_JMP | BPF_EXIT, 1, 0, 0, 0));
	REFUSED("opcode 07h has no source register, and this says r2", INSN(BPF_ALU64 | BPF_ADD, 0, 2, 0, 1), EXIT);
	REFUSED("opcode 0fh has no offset, and this says 3", INSN(BPF_ALU64 | BPF_ADD | BPF_X, 0, 2, 3, 0), EXIT);
	REFUSED("opcode 0fh has no immediate, and this says 4", INSN(BPF_ALU64 | BPF_ADD | BPF_X, 0, 2, 0, 4), EXIT);
	REFUSED("opcode 87h has no immediate", INSN(BPF_ALU64 | BPF_NEG, 0, 0, 0, 4), EXIT);
	REFUSED("opcode dch has no source register", INSN(BPF_ALU | BPF_END | BPF_TO_BE, 0, 1, 0, 16), EXIT);
	REFUSED("opcode 05h has no immediate", INSN(BPF_JMP | BPF_JA, 0, 0, 0, 4), EXIT);
	REFUSED("opcode 06h has no offset", INSN(BPF_JMP32 | BPF_JA, 0, 0, 1, 0), EXIT);
	REFUSED("opcode 1dh has no immediate", INSN(BPF_JMP | BPF_JEQ | BPF_X, 0, 1, 0, 4), EXIT);
	REFUSED("opcode 15h has no source register", INSN(BPF_JMP | BPF_JEQ, 0, 1, 0, 4), EXIT);
	REFUSED("opcode 72h has no source register", INSN(BPF_ST | BPF_MEM | BPF_B, 1, 1, 0, 4), EXIT);
	REFUSED("opcode 73h has no immediate", INSN(BPF_STX | BPF_MEM | BPF_B, 1, 1, 0, 4), EXIT);
	REFUSED("opcode 85h has no offset", INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 1, -1), EXIT);
	REFUSED("opcode 85h has no destination register", INSN(BPF_JMP | BPF_CALL, 1, CSD_CALL_LOCAL, 0, -1), EXIT);
	REFUSED("opcode 18h has no offset", INSN(CSD_LD_IMM64, 0, 0, 1, 0), INSN(0, 0, 0, 0, 0), EXIT);
}

static void
test_registers(void)
{
	REFUSED("register r11: r0 to r10 exist", MOV(11, 0), EXIT);
	REFUSED("register r15: r0 to r10 exist", MOVR(0, 15), EXIT);
	REFUSED("writes r10, which is read only", MOV(10, 0), EXIT);
	REFUSED("writes r10, which is read only", LD64(10, 0, 0), EXIT);
	REFUSED("writes r10, which is read only", LOAD(BPF_DW, 10, 1, 0), EXIT);
	REFUSED("writes r10, which is read only", INSN(BPF_ALU | BPF_END, 10, 0, 0, 16), EXIT);
	REFUSED("writes r10, which is read only", INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 1, 10, 0, BPF_XCHG), EXIT);
	REFUSED("writes r10, which is read only", INSN(BPF_STX | BPF_ATOMIC | BPF_W, 1, 10, 0, BPF_ADD | BPF_FETCH), EXIT);
	TAKEN(INSN(BPF_STX | BPF_ATOMIC | BPF_W, 1, 10, 0, BPF_ADD), EXIT);
	TAKEN(STORE(BPF_DW, 1, 0, 10), IFR(BPF_JEQ, 10, 10, 0), EXIT);
}

static void
test_flow(void)
{
	REFUSED("instruction 0 of csd/record, in middle: jumps to instruction 2, outside of its function", JUMP(1), EXIT);
	REFUSED("jumps to instruction -1, outside of its function", JUMP(-2), EXIT);
	REFUSED("jumps to instruction 32768, outside", JUMP(32767), EXIT);
	REFUSED("jumps to instruction 2147483648, outside", INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, INT32_MAX), EXIT);
	REFUSED("jumps to instruction -2147483647, outside", INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, INT32_MIN), EXIT);
	REFUSED("jumps into the second half of the 64-bit immediate before instruction 3", IF(BPF_JEQ, 1, 0, 1), LD64(0, 1, 2), EXIT);
	REFUSED("jumps into the second half of the 64-bit immediate before instruction 2", LD64(0, 1, 2), JUMP(-2));
	REFUSED("instruction 1 of csd/record, in middle: the function runs on behind its last instruction", MOV(0, 0), MOV(0, 1));
	REFUSED("runs on behind its last instruction", IF(BPF_JEQ, 0, 0, -1));
	REFUSED("runs on behind its last instruction", LD64(0, 1, 2));
	REFUSED("runs on behind its last instruction", INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, -1));
	TAKEN(JUMP(-1));
	TAKEN(INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, -1));
	TAKEN(EXIT, MOV(0, 0), EXIT);
	REFUSED("the second half of a 64-bit immediate is missing", MOV(0, 0), INSN(CSD_LD_IMM64, 0, 0, 0, 1));
	REFUSED("second half of a 64-bit immediate has more than an immediate", INSN(CSD_LD_IMM64, 0, 0, 0, 1), MOV(0, 1), EXIT);
	REFUSED("second half of a 64-bit immediate has more", INSN(CSD_LD_IMM64, 0, 0, 0, 1), INSN(0, 0, 0, 1, 0), EXIT);
	REFUSED("64-bit immediate of kind 1", INSN(CSD_LD_IMM64, 0, 1, 0, 1), INSN(0, 0, 0, 0, 0), EXIT);
	REFUSED("64-bit immediate of kind 6", INSN(CSD_LD_IMM64, 0, 6, 0, 1), INSN(0, 0, 0, 0, 0), EXIT);
}

static void
test_calls(void)
{
	REFUSED("calls helper 35: this drive has none of this number", INSN(BPF_JMP | BPF_CALL, 0, 0, 0, 35), EXIT);
	REFUSED("calls helper -1: this drive", INSN(BPF_JMP | BPF_CALL, 0, 0, 0, -1), EXIT);
	REFUSED("calls helper 65541: this drive", INSN(BPF_JMP | BPF_CALL, 0, 0, 0, 0x10005), EXIT);
	TAKEN(INSN(BPF_JMP | BPF_CALL, 0, 0, 0, 0x10003), EXIT);
	TAKEN(INSN(BPF_JMP | BPF_CALL, 0, 0, 0, 5), INSN(BPF_JMP | BPF_CALL, 0, 0, 0, 181), EXIT);
	REFUSED("calls kernel function 7: there is no kernel", INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_BTF, 0, 7), EXIT);
	REFUSED("a call of kind 3", INSN(BPF_JMP | BPF_CALL, 0, 3, 0, 0), EXIT);
	REFUSED("calls +1 instructions away, where no function begins", INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, 0),
		MOV(0, 0), EXIT);
	REFUSED("calls -2 instructions away, where", INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, -3), EXIT);
	REFUSED("calls +2147483648 instructions away", INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, INT32_MAX), EXIT);
	REFUSED("calls -2147483647 instructions away", INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, INT32_MIN), EXIT);
	/* The one before, the one behind, itself. */
	TAKEN(INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, -2), EXIT);
	TAKEN(INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, 1), EXIT);
	TAKEN(INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, -1), EXIT);
}

static void
test_frames(void)
{
	REFUSED("8 bytes at r10-7: a function's frame is r10-512 to r10", STORE(BPF_DW, 10, -7, 1), EXIT);
	REFUSED("1 bytes at r10+0: a function's frame", LOAD(BPF_B, 0, 10, 0), EXIT);
	REFUSED("1 bytes at r10-513: a function's frame", LOAD(BPF_B, 0, 10, -513), EXIT);
	REFUSED("4 bytes at r10-520: a function's frame", STOREI(BPF_W, 10, -520, 1), EXIT);
	REFUSED("2 bytes at r10+32767: a function's frame", INSN(BPF_LDX | BPF_MEMSX | BPF_H, 0, 10, 32767, 0), EXIT);
	REFUSED("8 bytes at r10-32768: a function's frame", INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 10, 0, -32768, 0), EXIT);
	TAKEN(STORE(BPF_DW, 10, -512, 1), LOAD(BPF_B, 0, 10, -1), LOAD(BPF_DW, 0, 10, -8), EXIT);
}

/* --- objects --- */

/* A copy of exactly its length, so that AddressSanitizer sees every byte read too many. */
struct elf {
	uint8_t *bytes;
	size_t length;
	Elf64_Ehdr *header;
	Elf64_Shdr *sections;
};

static struct file original;

static struct elf
copy(void)
{
	struct elf elf = {.bytes = malloc(original.length), .length = original.length};

	memcpy(elf.bytes, original.bytes, original.length);
	elf.header = (Elf64_Ehdr *)elf.bytes;
	elf.sections = (Elf64_Shdr *)(elf.bytes + elf.header->e_shoff);
	return elf;
}

static Elf64_Shdr *
section(const struct elf *elf, const char *name)
{
	const char *names = (const char *)elf->bytes + elf->sections[elf->header->e_shstrndx].sh_offset;

	for (uint32_t i = 1; i < elf->header->e_shnum; i++) {
		if (strcmp(names + elf->sections[i].sh_name, name) == 0) {
			return &elf->sections[i];
		}
	}
	CHECK(false, "no section %s", name);
	return NULL;
}

static Elf64_Sym *
symbol(const struct elf *elf, const char *name)
{
	Elf64_Shdr *table = section(elf, ".symtab");
	const char *names = (const char *)elf->bytes + elf->sections[table->sh_link].sh_offset;
	Elf64_Sym *symbols = (Elf64_Sym *)(elf->bytes + table->sh_offset);

	for (uint32_t i = 1; i < table->sh_size / sizeof(*symbols); i++) {
		if (strcmp(names + symbols[i].st_name, name) == 0) {
			return &symbols[i];
		}
	}
	CHECK(false, "no symbol %s", name);
	return NULL;
}

/* The relocation of code that lies at a symbol. */
static Elf64_Rel *
relocation(const struct elf *elf, const char *code, uint32_t type)
{
	char name[64];
	Elf64_Shdr *table;
	Elf64_Rel *relocations;

	snprintf(name, sizeof(name), ".rel%s", code);
	table = section(elf, name);
	relocations = (Elf64_Rel *)(elf->bytes + table->sh_offset);
	for (uint32_t i = 0; i < table->sh_size / sizeof(*relocations); i++) {
		if (ELF64_R_TYPE(relocations[i].r_info) == type) {
			return &relocations[i];
		}
	}
	CHECK(false, "no relocation of type %u", type);
	return NULL;
}

static struct csd_insn *
insn_at(const struct elf *elf, const char *code, uint64_t offset)
{
	return (struct csd_insn *)(elf->bytes + section(elf, code)->sh_offset + offset);
}

static int
read_object(const uint8_t *bytes, size_t length, char *reason)
{
	static struct csd_object object;
	int rc = csd_object_read(bytes, length, &object, reason);

	if (rc == 0) {
		rc = csd_check(&object, reason);
		csd_object_free(&object);
	}
	CHECK(object.insns == NULL && object.area == NULL, "something is left");
	return rc;
}

#define CHANGED(reason, ...) do { \
	struct elf o = copy(); \
	char found_[CSD_REASON_BYTES] = ""; \
	__VA_ARGS__; \
	expect(read_object(o.bytes, o.length, found_), found_, reason); \
	free(o.bytes); \
} while (0)

#define TEXT	".text"
#define PROGRAM	"csd/record"

static void
test_objects(void)
{
	char reason[CSD_REASON_BYTES] = "";

	CHECK(read_object(original.bytes, original.length, reason) == 0, "%s", reason);
	for (size_t length = 0; length < original.length; length++) {
		uint8_t *bytes = malloc(length > 0 ? length : 1);

		memcpy(bytes, original.bytes, length);
		expect(read_object(bytes, length, reason), reason, "");
		free(bytes);
	}
	CHANGED("no ELF object", o.bytes[0] = 0);
	CHANGED("1048577 bytes; at most 1048576", o.bytes = realloc(o.bytes, 1048577); o.length = 1048577);
	CHANGED("no section csd/...", section(&o, PROGRAM)->sh_name = 0);
	CHANGED("section csd/record holds no instructions", section(&o, PROGRAM)->sh_flags = SHF_ALLOC);
	CHANGED("section .text has 7 bytes: instructions have 8 each", section(&o, TEXT)->sh_size = 7);
	CHANGED("has 0 bytes: instructions have 8 each", section(&o, PROGRAM)->sh_size = 0);
	CHANGED("records of 0 bytes", ((struct csd_geometry *)(o.bytes + section(&o, "csd_geometry")->sh_offset))->record_bytes = 0);
	CHANGED("no section csd_geometry", section(&o, "csd_geometry")->sh_name = 0);
	CHANGED("no whole instructions of csd/record", symbol(&o, "closest")->st_size -= 4);
	CHANGED("no whole instructions of csd/record", symbol(&o, "closest")->st_size = 1 << 20);
	CHANGED("no whole instructions of csd/record", symbol(&o, "closest")->st_value = UINT64_MAX - 7);
	CHANGED("no whole instructions of csd/record", symbol(&o, "closest")->st_size = 0);
	CHANGED("function closest begins at instruction 1, where the one before it does not end", symbol(&o, "closest")->st_value = 8;
		symbol(&o, "closest")->st_size -= 8);
	CHANGED("where the one before it does not end", symbol(&o, "closest")->st_size -= 8);
	CHANGED("instructions, of which functions have", symbol(&o, "distance_to")->st_size -= 8);
	CHANGED("instructions, of which functions have", symbol(&o, "distance_to")->st_info = STT_OBJECT);
}

static void
test_relocations(void)
{
	/* .text has one, of its table; the program calls .text and uses parameters and state. */
	CHANGED("at byte 12, where no instruction begins", relocation(&o, TEXT, R_BPF_64_64)->r_offset = 12);
	CHANGED("where no instruction begins", relocation(&o, TEXT, R_BPF_64_64)->r_offset = UINT64_MAX - 7);
	CHANGED("to symbol 0, which does not exist", relocation(&o, TEXT, R_BPF_64_64)->r_info = R_BPF_64_64);
	CHANGED("to symbol 16777215, which", relocation(&o, TEXT, R_BPF_64_64)->r_info = 0xffffffULL << 32 | R_BPF_64_64);
	CHANGED("relocation of type 3 to .rodata.cst16:", relocation(&o, TEXT, R_BPF_64_64)->r_info += 2);
	CHANGED("is asked of an instruction that loads none", relocation(&o, TEXT, R_BPF_64_64)->r_offset = 0);
	CHANGED("a call of .rodata.cst16 is asked of an instruction that is none", relocation(&o, TEXT, R_BPF_64_64)->r_info += 9);
	CHANGED("loads none", relocation(&o, PROGRAM, R_BPF_64_32)->r_info -= 9);
	CHANGED("calls .rodata.cst16, which is no function",
		relocation(&o, PROGRAM, R_BPF_64_32)->r_info = relocation(&o, TEXT, R_BPF_64_64)->r_info + 9);
	CHANGED("two relocations", relocation(&o, PROGRAM, R_BPF_64_64)[1].r_offset = relocation(&o, PROGRAM, R_BPF_64_64)->r_offset);
	CHANGED(".rodata.cst16 has no byte 4294967295: its section has 16",
		insn_at(&o, TEXT, relocation(&o, TEXT, R_BPF_64_64)->r_offset)->imm = -1);
	CHANGED(".rodata.cst16 has no byte 17: its section has 16",
		insn_at(&o, TEXT, relocation(&o, TEXT, R_BPF_64_64)->r_offset)->imm = 17);
	CHANGED("csd_parameters has no byte 1025: it has 1024",
		insn_at(&o, PROGRAM, relocation(&o, PROGRAM, R_BPF_64_64)->r_offset)->imm = 1025);
	/* The third is the first of the state's. */
	CHANGED("csd_state has no byte 25: it has 24",
		insn_at(&o, PROGRAM, relocation(&o, PROGRAM, R_BPF_64_64)[2].r_offset)->imm = 25);
	CHANGED("uses csd_parameters, which lies in no section of data", symbol(&o, "csd_parameters")->st_shndx = SHN_COMMON);
	CHANGED("takes an address in csd_parameters where no function begins",
		symbol(&o, "csd_parameters")->st_shndx = section(&o, TEXT) - o.sections; symbol(&o, "csd_parameters")->st_value = 8);
	CHANGED("takes an address in csd_parameters where no function begins",
		symbol(&o, "csd_parameters")->st_shndx = section(&o, TEXT) - o.sections; symbol(&o, "csd_parameters")->st_value = 4);
	CHANGED("takes an address in csd_parameters where no function begins",
		symbol(&o, "csd_parameters")->st_shndx = section(&o, TEXT) - o.sections; symbol(&o, "csd_parameters")->st_value = -8ULL);
	CHANGED("calls into .text where no function begins",
		insn_at(&o, PROGRAM, relocation(&o, PROGRAM, R_BPF_64_32)->r_offset)->imm = 0);
	CHANGED("calls into .text where no function begins",
		insn_at(&o, PROGRAM, relocation(&o, PROGRAM, R_BPF_64_32)->r_offset)->imm = INT32_MIN);
	CHANGED("of another form", section(&o, ".rel.text")->sh_type = SHT_RELA);
	CHANGED("of another form", section(&o, ".rel.text")->sh_entsize = 24);
	CHANGED("of another form", section(&o, ".rel.text")->sh_size -= 8);
	CHANGED("of another form", section(&o, ".rel.text")->sh_link = 0);
	CHANGED("section .rodata.cst16 holds addresses, put in at load",
		section(&o, ".rel.text")->sh_info = section(&o, ".rodata.cst16") - o.sections);
	/* A table without its relocation is an address of nobody's: a number, and taken for one. */
	CHANGED("64-bit immediate of kind 4", section(&o, ".rel.text")->sh_info = 0;
		insn_at(&o, TEXT, relocation(&o, TEXT, R_BPF_64_64)->r_offset)->src = 4);
}

/* Of the four maps two are kept: one behind the other, whatever is between them. */
static void
test_kept(void)
{
	static struct csd_object object;
	char reason[CSD_REASON_BYTES] = "";
	uint64_t bytes = 0;

	CHECK(csd_object_read(original.bytes, original.length, &object, reason) == 0, "%s", reason);
	CHECK_EQUAL(object.map_count, 4);
	for (uint32_t i = 0; i < object.map_count; i++) {
		const struct csd_map *map = &object.maps[i];

		CHECK_EQUAL(map->kept, map->value_bytes == 5 || map->type == CSD_MAP_ARRAY);
		if (map->kept) {
			CHECK_EQUAL(map->kept_at, bytes);
			bytes += map->bytes;
		}
	}
	CHECK(bytes > 0, "none is kept");
	CHECK_EQUAL(object.kept_bytes, bytes);
	csd_object_free(&object);
}

static void
test_maps(void)
{
	Elf64_Rel *relocations;
	Elf64_Shdr *btf = section(&(struct elf) {
		.bytes = original.bytes, .header = (Elf64_Ehdr *)original.bytes,
		.sections = (Elf64_Shdr *)(original.bytes + ((Elf64_Ehdr *)original.bytes)->e_shoff),
	}, ".BTF");
	uint64_t at = btf->sh_offset;

	test_kept();
	/* Of its header: magic, version, header length, where types and strings lie and how long they are. */
	CHANGED("section .BTF is not as clang makes it", o.bytes[at]++);
	CHANGED("section .BTF is not as clang makes it", o.bytes[at + 2]++);
	CHANGED("section .BTF is not as clang makes it", o.bytes[at + 4] = 20);
	CHANGED("section .BTF is not as clang makes it", memset(o.bytes + at + 4, 0xff, 4));
	for (uint64_t field = 8; field < 24; field += 4) {
		CHANGED("section .BTF is not as clang makes it", memset(o.bytes + at + field, 0xff, 4));
		CHANGED("section .BTF is not as clang makes it", o.bytes[at + field + 3] = 0x7f);
	}
	CHANGED("section .BTF is not as clang makes it", section(&o, ".BTF")->sh_size = 23);
	CHANGED("section .BTF is not as clang makes it", section(&o, ".BTF")->sh_size--);
	/* Of the first type: a kind that nobody knows. */
	CHANGED("section .BTF is not as clang makes it", o.bytes[at + 24 + 7] = 0x1f);
	CHANGED("BTF has no structure for it", symbol(&o, "by_bytes")->st_name = symbol(&o, "maps")->st_name);
	CHANGED("of .maps, where no map is declared",
		relocations = (Elf64_Rel *)(o.bytes + section(&o, ".relcsd/record")->sh_offset);
		for (uint32_t i = 0; i < section(&o, ".relcsd/record")->sh_size / sizeof(*relocations); i++) {
			if (ELF64_R_TYPE(relocations[i].r_info) == R_BPF_64_64) {
				insn_at(&o, PROGRAM, relocations[i].r_offset)->imm += 2;
			}
		});
}

static struct csd_writable *
writable(const struct elf *elf)
{
	return (struct csd_writable *)(elf->bytes + section(elf, "csd_writable")->sh_offset);
}

static void
test_writable(void)
{
	static struct csd_object object;
	char reason[CSD_REASON_BYTES] = "";

	CHECK(csd_object_read(original.bytes, original.length, &object, reason) == 0, "%s", reason);
	CHECK_EQUAL(object.writable, 3);
	csd_object_free(&object);
	CHANGED("section csd_writable: version 2; this drive knows 1", writable(&o)->version = 2);
	CHANGED("section csd_writable: ranges 0: CSD_RANGE(0) to CSD_RANGE(5) exist", writable(&o)->ranges = 0);
	CHANGED("section csd_writable: ranges 0x80000001: CSD_RANGE(0) to", writable(&o)->ranges = 0x80000001);
	CHANGED("section csd_writable: reserved words that this drive does not know", writable(&o)->reserved[0] = 1);
	CHANGED("section csd_writable: reserved words that this drive does not know", writable(&o)->reserved[1] = 1);
	CHANGED("section csd_writable has 15 bytes of data, not 16", section(&o, "csd_writable")->sh_size = 15);
	CHANGED("section csd_writable has 12 bytes of data, not 16", section(&o, "csd_writable")->sh_size = 12);
	CHANGED("section csd_writable has 0 bytes of data, not 16", section(&o, "csd_writable")->sh_type = SHT_NOBITS);
	CHANGED("several sections csd_writable", section(&o, ".data")->sh_name = section(&o, "csd_writable")->sh_name);
}

/* What clang makes of C that the drive does not run. */
static void
test_programs(const char *folder)
{
	static const char *const bad[][2] = {
		{"alignment", "section .bss is aligned to 4096; at most 64 is possible"},
		{"emit", "in emit: calls csd_emit, while the drive emits for it (emit 0): CSD_EMIT_NOTHING"},
		{"core", "CO-RE relocations in .BTF.ext"},
		{"functions", "in functions: opcode 8dh is none of RFC 9669's base groups"},
		{"globals", "section .bss has 16777280 bytes; all of its kind may have 16777216"},
		{"helper", "in helper: calls helper 35: this drive has none of this number"},
		{"instructions", "ELF: 65539 instructions up to section csd/record; at most 65536 are possible"},
		{"kind", "section csd/stream: programs are csd/record or csd/buffer"},
		{"many", "ELF: more than 256 functions"},
		{"maps", "section .maps without .BTF, which says what maps are declared: compile with -g"},
		{"map_type", "map map: type 6: this drive knows hashes (1) and arrays (2)"},
		{"map_key", "map map: keys of 8 bytes; those of an array have 4"},
		{"map_empty", "map map: 0 entries; 1 to 16777216 are possible"},
		{"map_large", "map map takes 29360136 bytes; all maps and variables may take 16777216"},
		{"map_flags", "map map: flags 0x40000002: this drive knows BPF_F_NO_PREALLOC (1) and CSD_MAP_KEPT (0x40000000)"},
		{"map_kept", "map second takes 16 bytes, and 1048568 are kept before it: a program may keep 1048576"},
		{"map_value", "map map: value is no type with a size"},
		{"map_pinned", "map map: this drive knows type, max_entries, key, value, key_size, value_size and map_flags, nothing else"},
		{"pointers", "holds addresses, put in at load: not supported"},
		{"section", "code in section apart: a program is one csd/... function and those of .text"},
		{"state", "section .csd_state: CSD_STATE is for csd/buffer, the state of csd/record belongs to its geometry"},
		{"state_bytes", "section .csd_state has 4097 bytes; at most 4096 are possible"},
		{"no_state", "in no_state: uses csd_state, and has none: CSD_RECORD_STATE or CSD_STATE makes it"},
		{"two", "several functions in section csd/record (first is the first)"},
		{"undefined", "in undefined: calls elsewhere, which is defined nowhere"},
		{"variable", "in variable: uses nobody, which is defined nowhere: only csd_parameters and csd_state"},
		{"writable", "section csd_writable: ranges 0x40: CSD_RANGE(0) to CSD_RANGE(5) exist, and one at least is named"},
		{"writable_none", "section csd_writable: ranges 0: CSD_RANGE(0) to CSD_RANGE(5) exist, and one at least is named"},
		{"writable_record", "section csd_writable: CSD_WRITABLE is for csd/buffer, which alone sees ranges"},
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		char path[512], reason[CSD_REASON_BYTES] = "";
		struct file file;

		snprintf(path, sizeof(path), "%s/%s.bpf.o", folder, bad[i][0]);
		file = read_whole(path);
		expect(read_object(file.bytes, file.length, reason), reason, bad[i][1]);
		free(file.bytes);
	}
}

int
main(int argc, char **argv)
{
	CHECK(argc == 5, "usage: test_refusals closest.bpf.o maps.bpf.o context.bpf.o FOLDER-OF-BAD-OBJECTS");
	test_encodings();
	test_unused_fields();
	test_registers();
	test_flow();
	test_calls();
	test_frames();
	original = read_whole(argv[1]);
	test_objects();
	test_relocations();
	free(original.bytes);
	original = read_whole(argv[2]);
	test_maps();
	free(original.bytes);
	original = read_whole(argv[3]);
	test_writable();
	free(original.bytes);
	test_programs(argv[4]);
	printf("test_refusals: %lu refusals passed\n", refusals);
	return 0;
}
