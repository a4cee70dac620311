/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_bench_run.h"

#include <string.h>

#include "bench.h"

#define LINE_WORDS	8
#define READ_AHEAD	1024	/* bytes */

static volatile uint64_t run_sum;	/* so that reads are made */

static uint64_t
bench_run_mix(uint64_t digest, uint64_t word)
{
	digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return digest ^ digest >> 29;
}

static uint64_t
bench_run_mix_bytes(uint64_t digest, const uint8_t *at, uint64_t length)
{
	for (; length >= 8; at += 8, length -= 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		digest = bench_run_mix(digest, word);
	}
	for (; length > 0; at++, length--) {
		digest = bench_run_mix(digest, *at);
	}
	return digest;
}

double
csd_bench_run(const struct csd_bench_code *code, uint64_t state_bytes, const struct job *job, uint8_t *out, bool digest,
	      struct csd_bench_found *found)
{
	const struct csd_call_range range = {(uint64_t)job->range, job->range_bytes};
	double start, seconds;
	uint64_t at = 0;

	*found = (struct csd_bench_found) {0};
	csd_bench_begin(code, job->cparam1, job->cparam2, job->data, job->data_bytes);
	start = bench_now();
	for (bool done = job->bytes == 0; !done;) {
		uint64_t left = job->bytes - at, bytes = left < CSD_BENCH_PART ? left : CSD_BENCH_PART;
		struct csd_call call = {
			.input = (uint64_t)job->input + at, .input_bytes = bytes, .input_offset = at, .out = (uint64_t)out,
			.out_bytes = CSD_BENCH_ROOM, .flags = (at == 0 ? CSD_CALL_FIRST : 0) | (bytes == left ? CSD_CALL_LAST : 0),
			.data = (uint64_t)job->data, .data_bytes = job->data_bytes, .ranges = (uint64_t)&range,
			.range_count = job->range != NULL,
		};

		code->entry(&call);
		if (call.consumed > bytes || call.emitted > CSD_BENCH_ROOM) {
			bench_fail("it says that it used %lu of %lu bytes and made %lu", call.consumed, bytes, call.emitted);
		}
		if (call.consumed == 0 && call.emitted == 0 &&
		    (call.end == CSD_CALL_FULL || (call.end == CSD_CALL_USED && bytes < left))) {
			bench_fail("nothing of %lu bytes at %lu was used", bytes, at);
		}
		if (digest) {
			found->digest = bench_run_mix_bytes(found->digest, out, call.emitted);
		}
		at += call.consumed;
		found->matches += call.matches;
		found->emitted_bytes += call.emitted;
		done = call.end == CSD_CALL_STOPPED || (call.end == CSD_CALL_USED && bytes == left);
	}
	seconds = bench_now() - start;
	if (state_bytes > 0 && code->state != NULL) {
		memcpy(found->state, code->state, state_bytes);
	}
	return seconds;
}

double
csd_bench_reference(const struct csd_native *native, const struct job *job, uint8_t *out, bool digest,
		    struct csd_bench_found *found)
{
	struct csd_parameters parameters = {
		.cparam1 = job->cparam1, .cparam2 = job->cparam2, .data_bytes = (uint32_t)job->data_bytes,
	};
	uint64_t state[CSD_MAX_STATE_BYTES / 8] = {0};
	uint64_t bytes, overlap;
	double start;

	*found = (struct csd_bench_found) {0};
	if (job->data_bytes > 0) {
		memcpy(parameters.data, job->data, job->data_bytes);
	}
	overlap = csd_native_overlap(native, &parameters);
	start = bench_now();
	for (uint64_t at = 0; at < job->bytes; at += bytes) {
		uint64_t left = job->bytes - at, with_next, out_bytes;

		bytes = left < CSD_BENCH_SLICE ? left : CSD_BENCH_SLICE;
		with_next = left < bytes + overlap ? left : bytes + overlap;
		found->matches += native->run(job->input + at, with_next, &parameters, state, out, &out_bytes);
		found->emitted_bytes += out_bytes;
		for (uint64_t i = 0; digest && native->emit == CSD_EMIT_OFFSET && i < out_bytes; i += sizeof(uint64_t)) {
			uint64_t offset;

			memcpy(&offset, out + i, sizeof(offset));
			offset += at;
			memcpy(out + i, &offset, sizeof(offset));
		}
		if (digest) {
			found->digest = bench_run_mix_bytes(found->digest, out, out_bytes);
		}
	}
	memcpy(found->state, state, native->state_bytes);
	return bench_now() - start;
}

double
csd_bench_read_words(const uint8_t *bytes, uint64_t length)
{
	const uint64_t *words = (const uint64_t *)bytes;
	const uint64_t count = length / sizeof(*words) / LINE_WORDS * LINE_WORDS;
	uint64_t sums[LINE_WORDS] = {0};
	double start = bench_now();

	for (uint64_t i = 0; i < count; i += LINE_WORDS) {
		__builtin_prefetch(words + i + READ_AHEAD / sizeof(*words));
		for (unsigned int k = 0; k < LINE_WORDS; k++) {
			sums[k] += words[i + k];
		}
	}
	run_sum = sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
	return bench_now() - start;
}

double
csd_bench_read_lines(const uint8_t *bytes, uint64_t length)
{
	const uint64_t *words = (const uint64_t *)bytes;
	const uint64_t lines = length / sizeof(*words) / LINE_WORDS;
	uint64_t sums[4] = {0};
	double start = bench_now();

	for (uint64_t i = 0; i + 4 <= lines; i += 4) {
		for (unsigned int k = 0; k < 4; k++) {
			sums[k] += words[(i + k) * LINE_WORDS];
		}
	}
	run_sum = sums[0] + sums[1] + sums[2] + sums[3];
	return bench_now() - start;
}
