/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Blobs with changed numbers, cut off, or filled with chance: csd_blob_check() takes none whose parts lie elsewhere than in
 * its bytes and the limits, and what it takes can be read as it says.
 *
 *	fuzz_blob MUTANTS SEED BLOB...
 */
#include "chance.h"
#include "csd_blob.h"
#include "csd_bpf.h"
#include "test.h"

#define WORDS	(sizeof(struct csd_blob_header) / 8)

static uint64_t
fuzz_number(size_t length)
{
	const uint64_t near[] = {
		0, length, length - 8, CSD_BLOB_PAGE, CSD_BLOB_CODE, CSD_BLOB_DATA, CSD_BLOB_MAX_CODE, CSD_BLOB_MAX_DATA,
		CSD_BLOB_MAX_LINES, sizeof(struct csd_blob_header), CSD_MAX_KEPT_BYTES, UINT64_MAX - CSD_MAX_KEPT_BYTES,
	};

	return below(2) ? chance_number() : near[below(sizeof(near) / sizeof(near[0]))] + below(17) - 8;
}

/* In memory of exactly its length, so that a read beyond it is seen. */
static uint8_t *
fuzz_mutate(const struct file *seed, size_t *length)
{
	uint8_t *bytes;

	*length = below(8) == 0 ? below(seed->length + 1) : seed->length;
	bytes = malloc(*length);
	memcpy(bytes, seed->bytes, *length);
	for (uint64_t changes = below(4); changes > 0 && *length >= sizeof(struct csd_blob_header); changes--) {
		uint64_t number = fuzz_number(*length), word = 1 + below(WORDS - 1);

		if (below(8) == 0) {
			bytes[below(*length)] = chance();
		} else {
			memcpy(bytes + word * 8, &number, 8);
		}
	}
	return bytes;
}

/* All that a worker reads, with the sums that it may do without another check. */
static void
fuzz_use(const uint8_t *bytes, size_t length, const struct csd_blob_header *header)
{
	volatile uint8_t sum = 0;

	CHECK(header->code_bytes <= CSD_BLOB_MAX_CODE && header->data_bytes <= CSD_BLOB_MAX_DATA, "limits");
	CHECK(header->code_bytes % CSD_BLOB_PAGE == 0 && header->data_bytes % CSD_BLOB_PAGE == 0, "whole pages");
	CHECK(header->code_bytes + header->data_given <= length && header->data_given <= header->data_bytes, "parts of the file");
	CHECK(header->entry >= CSD_BLOB_CODE && header->entry < CSD_BLOB_CODE + header->code_bytes, "entry");
	CHECK(header->parameters == 0 || (header->parameters >= CSD_BLOB_DATA && header->parameters + sizeof(struct csd_parameters) <=
					  CSD_BLOB_DATA + header->data_bytes), "parameters");
	CHECK(header->state == 0 || (header->state >= CSD_BLOB_DATA && header->state < CSD_BLOB_DATA + header->data_bytes), "state");
	CHECK(header->kept_bytes <= CSD_MAX_KEPT_BYTES && (header->kept != 0 || header->kept_bytes == 0), "what is kept");
	CHECK(header->kept == 0 || (header->kept >= CSD_BLOB_DATA + header->data_given && header->kept + header->kept_bytes <=
				    CSD_BLOB_DATA + header->data_bytes), "where what is kept lies");
	for (uint64_t i = 0; i < header->code_bytes + header->data_given; i += 64) {
		sum += bytes[i];
	}
	for (int i = 0; i < 20; i++) {
		uint64_t address = CSD_BLOB_CODE + (below(2) ? below(header->code_bytes) : fuzz_number(length));
		int64_t instruction = csd_blob_instruction(bytes, header, address);

		CHECK(instruction >= -1 && instruction < CSD_BLOB_NO_INSTRUCTION, "instruction");
		CHECK(address - CSD_BLOB_CODE < header->code_bytes || instruction == -1, "instruction of no code");
	}
}

int
main(int argc, char **argv)
{
	unsigned long mutants = argc > 3 ? strtoul(argv[1], NULL, 10) : 0, taken = 0;
	uint64_t seed = argc > 3 ? strtoull(argv[2], NULL, 10) : 0;

	CHECK(mutants > 0, "usage: fuzz_blob MUTANTS SEED BLOB...");
	for (int i = 3; i < argc; i++) {
		struct file file = read_whole(argv[i]);
		struct csd_blob_header header;

		CHECK(csd_blob_check(file.bytes, file.length, &header) == 0, "%s", argv[i]);
		for (unsigned long k = i - 3; k < mutants; k += argc - 3) {
			size_t length;
			uint8_t *bytes;

			chance_begin(seed, k);
			bytes = fuzz_mutate(&file, &length);
			if (csd_blob_check(bytes, length, &header) == 0) {
				fuzz_use(bytes, length, &header);
				taken++;
			}
			free(bytes);
		}
		free(file.bytes);
	}
	printf("fuzz_blob: %lu mutants of %d blobs, seed %lu, %lu of them blobs, passed\n", mutants, argc - 3, seed, taken);
	return 0;
}
