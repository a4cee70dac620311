/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE
#include "csd_bench_code.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "csd_blob.h"

static void *
bench_code_map(const char *path, uint64_t address, size_t bytes, int protection, int flags, int file)
{
	void *got = mmap((void *)address, bytes, protection, MAP_PRIVATE | MAP_FIXED_NOREPLACE | flags, file, 0);

	if (got != (void *)address) {
		bench_fail("%s: %zu bytes at %#lx: %s", path, bytes, address, strerror(errno));
	}
	return got;
}

void
csd_bench_blob_open(const char *path, struct csd_bench_code *code)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct csd_blob_header header;
	struct stat found;

	if (file < 0 || fstat(file, &found) != 0) {
		bench_fail("%s: %s", path, strerror(errno));
	}
	if (found.st_size < CSD_BLOB_PAGE) {
		bench_fail("%s is no blob of csd_compile", path);
	}
	*code = (struct csd_bench_code) {.code_bytes = found.st_size};
	code->code = bench_code_map(path, CSD_BLOB_CODE, code->code_bytes, PROT_READ, 0, file);
	close(file);
	if (csd_blob_check(code->code, code->code_bytes, &header) != 0) {
		bench_fail("%s is no blob of csd_compile", path);
	}
	if (mprotect(code->code, header.code_bytes, PROT_READ | PROT_EXEC) != 0) {
		bench_fail("%s: code: %s", path, strerror(errno));
	}
	code->first = (const uint8_t *)code->code + header.code_bytes;
	code->first_bytes = header.data_given;
	code->data_bytes = header.data_bytes;
	if (header.data_bytes > 0) {
		code->data = bench_code_map(path, CSD_BLOB_DATA, header.data_bytes, PROT_READ | PROT_WRITE,
					    MAP_ANONYMOUS, -1);
	}
	code->entry = (void (*)(struct csd_call *))header.entry;
	code->parameters = (struct csd_parameters *)header.parameters;
	code->state = (const uint8_t *)header.state;
}

void
csd_bench_blob_close(struct csd_bench_code *code)
{
	munmap(code->code, code->code_bytes);
	if (code->data_bytes > 0) {
		munmap(code->data, code->data_bytes);
	}
}

/* What a library can write: its last segment, without what the linker makes read-only again. */
static int
bench_code_find_data(struct dl_phdr_info *info, size_t size, void *context)
{
	struct csd_bench_code *code = context;
	const struct link_map *map;
	uint64_t begin = 0, end = 0;

	(void)size;
	if (dlinfo(code->library, RTLD_DI_LINKMAP, &map) != 0 || info->dlpi_addr != map->l_addr) {
		return 0;
	}
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type == PT_LOAD && (part->p_flags & PF_W) != 0) {
			begin = begin > part->p_vaddr ? begin : part->p_vaddr;
			end = part->p_vaddr + part->p_memsz;
		} else if (part->p_type == PT_GNU_RELRO) {
			begin = part->p_vaddr + part->p_memsz;
		}
	}
	code->data = (uint8_t *)(info->dlpi_addr + begin);
	code->data_bytes = end > begin ? end - begin : 0;
	return 1;
}

void
csd_bench_library_open(const char *path, struct csd_bench_code *code)
{
	uint64_t (*state_bytes)(void);
	uint8_t *first;

	*code = (struct csd_bench_code) {.library = dlopen(path, RTLD_NOW | RTLD_LOCAL)};
	if (code->library == NULL) {
		bench_fail("%s", dlerror());
	}
	code->entry = (void (*)(struct csd_call *))dlsym(code->library, "csd_0_call");
	code->parameters = dlsym(code->library, "csd_0_parameters");
	code->state = dlsym(code->library, "csd_0_state");
	state_bytes = (uint64_t (*)(void))dlsym(code->library, "csd_0_state_bytes");
	if (code->entry == NULL || code->parameters == NULL || code->state == NULL || state_bytes == NULL ||
	    dl_iterate_phdr(bench_code_find_data, code) == 0) {
		bench_fail("%s is not made of buffer/native.c", path);
	}
	code->state_bytes = state_bytes();
	first = malloc(code->data_bytes);
	if (first == NULL) {
		bench_fail("%s: %zu bytes of memory: %s", path, code->data_bytes, strerror(errno));
	}
	memcpy(first, code->data, code->data_bytes);
	code->first = first;
	code->first_bytes = code->data_bytes;
}

void
csd_bench_library_close(struct csd_bench_code *code)
{
	free((void *)code->first);
	dlclose(code->library);
}

void
csd_bench_begin(const struct csd_bench_code *code, uint64_t cparam1, uint64_t cparam2, const void *data, uint64_t data_bytes)
{
	uint32_t bytes = data_bytes < CSD_DATA_BYTES ? (uint32_t)data_bytes : CSD_DATA_BYTES;

	if (code->data_bytes > 0) {
		memcpy(code->data, code->first, code->first_bytes);
		memset(code->data + code->first_bytes, 0, code->data_bytes - code->first_bytes);
	}
	if (code->parameters == NULL) {
		return;
	}
	code->parameters->cparam1 = cparam1;
	code->parameters->cparam2 = cparam2;
	code->parameters->data_bytes = bytes;
	if (bytes > 0) {
		memcpy(code->parameters->data, data, bytes);
	}
}
