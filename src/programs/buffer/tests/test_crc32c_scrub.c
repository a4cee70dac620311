/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "chance.h"
#include "reference.h"
#include "samples.h"
#include "test.h"

#define BYTES	(200 * 1024 + 77)

static const struct program program = {
	.name = "crc32c_scrub", .reference = reference_crc32c_scrub, .state_bytes = sizeof(struct csd_crc32c_state),
	.most_part = CSD_CRC32C_MOST_BLOCK, .item_bytes = 8,
};

/* What RFC 3720, appendix B.4, says. */
static void
check_known(void)
{
	static const uint32_t wanted[] = {0x8a9136aa, 0x62a8ab43, 0x46dd794e, 0x113fdb5c};
	uint8_t input[128];
	struct job job = {.cparam1 = 32, .input = input, .bytes = sizeof(input)};
	struct result result;

	for (int i = 0; i < 32; i++) {
		input[i] = 0;
		input[32 + i] = 0xff;
		input[64 + i] = i;
		input[96 + i] = 31 - i;
	}
	run_check(&program, &job, 10, "RFC 3720", &result);
	CHECK(result.emitted == 16 && memcmp(result.out, wanted, 16) == 0, "RFC 3720's examples");
	free(result.out);
}

/* CRCs behind their blocks, some of them wrong; the last block is short. */
static void
check_behind(const uint8_t *from)
{
	static uint8_t input[BYTES];
	static const uint64_t shorts[] = {0, 1, 3, 4, 5, 300};

	for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++) {
		struct job each = {.cparam1 = 508, .input = from, .bytes = 508 * 300 + (shorts[i] >= 4 ? shorts[i] - 4 : 0)};
		struct job job = {.cparam1 = 512, .cparam2 = CSD_CRC32C_BEHIND, .input = input, .bytes = 512 * 300 + shorts[i]};
		struct result crcs, result;

		run_check(&program, &each, 0, "CRCs to put behind", &crcs);
		for (uint64_t block = 0; block * 512 < job.bytes; block++) {
			uint64_t bytes = job.bytes - block * 512 < 512 ? job.bytes - block * 512 : 512;
			static const uint8_t none[4];

			if (bytes < 4) {
				memset(input + block * 512, 7, bytes);
				continue;
			}
			memcpy(input + block * 512, from + block * 508, bytes - 4);
			memcpy(input + block * 512 + bytes - 4, bytes == 4 ? none : crcs.out + block * 4, 4);
		}
		run_check(&program, &job, 3, "all right", &result);
		CHECK_EQUAL(((struct csd_crc32c_state *)result.state)->bad, shorts[i] == 1 || shorts[i] == 3);
		free(result.out);
		chance_begin(run_seed() * 100 + i, 3);
		for (int flips = 0; flips < 20; flips++) {
			input[below(job.bytes)] ^= 1 << below(8);
		}
		run_check(&program, &job, 5, "bits that fell over", &result);
		CHECK(((struct csd_crc32c_state *)result.state)->bad > 5, "%llu are bad", ((struct csd_crc32c_state *)result.state)->bad);
		free(result.out);
		free(crcs.out);
	}
}

static void
check_range(const uint8_t *input)
{
	struct job each = {.input = input, .bytes = BYTES};
	struct job job = {.cparam2 = CSD_CRC32C_RANGE, .input = input, .bytes = BYTES};
	struct result crcs, result;

	run_check(&program, &each, 3, "4 KiB", &crcs);
	job.range = crcs.out;
	job.range_bytes = crcs.emitted;
	crcs.out[7] ^= 4;
	run_check(&program, &job, 5, "range", &result);
	CHECK_EQUAL(((struct csd_crc32c_state *)result.state)->bad, 1);
	free(result.out);
	job.range_bytes -= 9;
	run_check(&program, &job, 5, "short range", &result);
	CHECK_EQUAL(((struct csd_crc32c_state *)result.state)->unchecked, 3);
	free(result.out);
	job.range_bytes = 0;
	run_check(&program, &job, 2, "range of nothing", NULL);
	job.range = NULL;
	run_check(&program, &job, 1, "no range", NULL);
	free(crcs.out);
}

int
main(int argc, char **argv)
{
	static const uint64_t blocks[] = {0, 4, 5, 16, 17, 511, 4096, 65536, 1, 3, 65537, ~0ULL};
	static uint8_t input[BYTES];

	run_begin(argc, argv);
	sample_numbers(input, BYTES);
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		struct job job = {.cparam1 = blocks[i], .input = input, .bytes = blocks[i] < 20 ? 5003 : BYTES};

		run_check(&program, &job, 2, "blocks", NULL);
		job.bytes = 0;
		run_check(&program, &job, 0, "no input", NULL);
		job.cparam2 = CSD_CRC32C_RANGE + 1;
		run_check(&program, &job, 0, "no mode", NULL);
	}
	check_known();
	check_behind(input);
	check_range(input);
	return run_end(program.name);
}
