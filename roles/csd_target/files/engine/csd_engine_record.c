/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The engine of record programs ("csd/record"): verified by csd_verify.c, compiled by librte_bpf, called per record. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "csd_cost.h"
#include "csd_loop.h"
#include "csd_rte_bpf.h"
#include "csd_verify.h"

#define ALWAYS_INLINE	static inline __attribute__((always_inline))

/* Bytes ahead of the record at hand that are asked for from memory. */
#define PREFETCH_BYTES	512

struct record_instance {
	struct csd_instance instance;
	const struct record_program *program;
	struct rte_bpf *bpf;
	struct csd_native_code native;		/* function NULL: interpret */
	struct csd_loop loop;			/* run NULL: the loop is in C */
	uint8_t *memory;			/* guard page, parameters, guard page, state, guard page */
	size_t memory_bytes;
	struct csd_parameters *parameters;
	uint8_t *state;
	uint8_t *window;			/* CSD_POSITIONS: a window that ends behind the input */
};

struct record_program {
	struct csd_program program;
	struct csd_code code;
	bool interpret;
	/* The instance that the load was proven with, for whoever asks first. */
	_Atomic(struct record_instance *) *spare;
};

/*
 * Parameters and state end where an inaccessible page begins, and have one before them: what the verifier may have
 * missed ends the process rather than changes its memory.
 */
static int
map_memory(struct record_instance *instance, uint32_t state_bytes)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	size_t parameter_pages = (sizeof(struct csd_parameters) + page - 1) / page * page;
	size_t state_pages = (state_bytes + page - 1) / page * page;
	size_t bytes = page + parameter_pages + page + state_pages + page;
	uint8_t *memory = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *parameters, *state;

	if (memory == MAP_FAILED) {
		return -ENOMEM;
	}
	parameters = memory + page;
	state = parameters + parameter_pages + page;
	instance->memory = memory;
	instance->memory_bytes = bytes;
	if (mprotect(parameters, parameter_pages, PROT_READ | PROT_WRITE) != 0 ||
	    (state_pages > 0 && mprotect(state, state_pages, PROT_READ | PROT_WRITE) != 0)) {
		return -ENOMEM;
	}
	instance->parameters = (struct csd_parameters *)(parameters + parameter_pages - sizeof(struct csd_parameters));
	instance->state = state + state_pages - (state_bytes + 7) / 8 * 8;
	return 0;
}

static void
free_instance(struct record_instance *instance)
{
	if (instance == NULL) {
		return;
	}
	csd_loop_free(&instance->loop);
	csd_rte_bpf_destroy(instance->bpf);
	if (instance->memory != NULL) {
		munmap(instance->memory, instance->memory_bytes);
	}
	free(instance->window);
	free(instance);
}

/* NULL with a reason: librte_bpf refuses the program; with an empty one: no memory. */
static struct record_instance *
make_instance(const struct record_program *program, char reason[CSD_REASON_BYTES])
{
	const struct csd_geometry *geometry = &program->code.geometry;
	struct record_instance *instance = calloc(1, sizeof(*instance));

	reason[0] = '\0';
	if (instance == NULL) {
		return NULL;
	}
	instance->instance.ops = program->program.ops;
	instance->program = program;
	if (map_memory(instance, geometry->state_bytes) != 0) {
		goto failed;
	}
	instance->parameters->record_bytes = geometry->record_bytes;
	if (geometry->flags & CSD_POSITIONS) {
		instance->window = malloc(geometry->record_bytes);
		if (instance->window == NULL) {
			goto failed;
		}
	}
	instance->bpf = csd_rte_bpf_load(&program->code, instance->parameters, instance->state, reason);
	if (instance->bpf == NULL) {
		goto failed;
	}
	if (!program->interpret) {
		instance->native = csd_rte_bpf_native(instance->bpf, &program->code);
		csd_loop_make(&instance->loop, &program->code, (const void *)(uintptr_t)instance->native.function,
			      instance->native.bytes, PREFETCH_BYTES);
	}
	return instance;

failed:
	free_instance(instance);
	return NULL;
}

static void
record_unload(struct csd_program *base)
{
	struct record_program *program = (struct record_program *)base;

	if (program->spare != NULL) {
		free_instance(*program->spare);
	}
	free(program->spare);
	free(program->code.insns);
	free(program);
}

static int
record_load(struct csd_code *code, const struct csd_load_options *options, struct csd_program **loaded,
	    char reason[CSD_REASON_BYTES])
{
	struct record_program *program;
	struct record_instance *first;
	int rc;

	rc = csd_verify(code, reason);
	if (rc != 0) {
		return rc;
	}
	program = calloc(1, sizeof(*program));
	if (program == NULL) {
		return -ENOMEM;
	}
	program->spare = calloc(1, sizeof(*program->spare));
	program->program.ops = &csd_record_engine;
	program->code = *code;
	program->interpret = options->interpret;
	first = program->spare == NULL ? NULL : make_instance(program, reason);
	if (first == NULL) {
		program->code.insns = NULL;	/* still the caller's */
		record_unload(&program->program);
		return reason[0] == '\0' ? -ENOMEM : -EINVAL;
	}
	atomic_store(program->spare, first);
	program->program.info = (struct csd_program_info) {
		.engine = first->native.function != NULL ? "librte_bpf jit" : "librte_bpf interpreter",
		.kind = program->code.kind,
		.jit = first->native.function != NULL,
		.record_bytes = code->geometry.record_bytes,
		.stride_bytes = code->geometry.stride_bytes,
		.state_bytes = code->geometry.state_bytes,
		.emit = code->geometry.emit,
		.emit_bytes = code->geometry.emit == CSD_EMIT_RECORD ? code->geometry.record_bytes :
			      code->geometry.emit == CSD_EMIT_OFFSET ? sizeof(uint64_t) : 0,
		.instructions = code->count,
		.jit_bytes = first->native.function != NULL ? first->native.bytes : 0,
		.longest_ns = csd_cost_longest(code, first->native.function != NULL),
	};
	*loaded = &program->program;
	return 0;
}

static struct csd_instance *
record_create(const struct csd_program *base)
{
	const struct record_program *program = (const struct record_program *)base;
	struct record_instance *instance = atomic_exchange(program->spare, NULL);
	char reason[CSD_REASON_BYTES];

	if (instance == NULL) {
		instance = make_instance(program, reason);
	}
	return instance == NULL ? NULL : &instance->instance;
}

static void
record_destroy(struct csd_instance *instance)
{
	free_instance((struct record_instance *)instance);
}

static int
record_begin(struct csd_instance *base, const struct csd_run_parameters *given)
{
	struct record_instance *instance = (struct record_instance *)base;
	const struct csd_geometry *geometry = &instance->program->code.geometry;
	struct csd_parameters *parameters = instance->parameters;

	if (given->data_bytes > CSD_DATA_BYTES || (given->data_bytes > 0 && given->data == NULL)) {
		return -EINVAL;
	}
	parameters->cparam1 = given->cparam1;
	parameters->cparam2 = given->cparam2;
	parameters->data_bytes = given->data_bytes;
	parameters->record_bytes = geometry->record_bytes;
	if (given->data_bytes > 0) {
		memcpy(parameters->data, given->data, given->data_bytes);
	}
	memset(parameters->data + given->data_bytes, 0, CSD_DATA_BYTES - given->data_bytes);
	if (geometry->state_bytes > 0 && given->state != NULL) {
		memcpy(instance->state, given->state, geometry->state_bytes);
	} else {
		memset(instance->state, 0, geometry->state_bytes);
	}
	return 0;
}

static const void *
record_state(const struct csd_instance *base)
{
	return ((const struct record_instance *)base)->state;
}

/* A program is a function that returns int: what stands above that is undefined. */
ALWAYS_INLINE uint32_t
call(uint64_t (*native)(void *record), const struct rte_bpf *bpf, const uint8_t *record)
{
	/* The program reads its record only: csd_verify.c refuses what writes to it. */
	return native != NULL ? native((void *)record) : csd_rte_bpf_interpret(bpf, (void *)record);
}

/* Where a loop over records stands. */
struct cursor {
	const uint8_t *record;
	uint64_t left;		/* records that may be seen */
	uint64_t offset;	/* of `record` in the input */
	uint64_t matches;
	uint8_t *out;
	bool stopped;
};

/*
 * The loop over records for which there is room, however many of them are kept. Everything that a program's geometry
 * decides is a constant in each of its copies.
 */
ALWAYS_INLINE void
run_records(const struct record_instance *instance, bool native, struct cursor *at, uint32_t record_bytes,
	    uint32_t stride_bytes, uint32_t emit)
{
	uint64_t (*function)(void *record) = native ? instance->native.function : NULL;
	const uint8_t *record = at->record;
	uint64_t left = at->left, offset = at->offset, matches = at->matches;
	uint8_t *out = at->out;

	while (left > 0) {
		uint32_t verdict;

		__builtin_prefetch(record + PREFETCH_BYTES);
		verdict = call(function, instance->bpf, record);
		if (verdict & CSD_KEEP) {
			matches++;
			if (emit == CSD_EMIT_RECORD) {
				memcpy(out, record, record_bytes);
				out += record_bytes;
			} else if (emit == CSD_EMIT_OFFSET) {
				memcpy(out, &offset, sizeof(offset));
				out += sizeof(offset);
			}
		}
		record += stride_bytes;
		offset += stride_bytes;
		left--;
		if (__builtin_expect(verdict & CSD_STOP, 0)) {
			at->stopped = true;
			break;
		}
	}
	at->record = record;
	at->left = left;
	at->offset = offset;
	at->matches = matches;
	at->out = out;
}

ALWAYS_INLINE void
run_geometry(const struct record_instance *instance, bool native, struct cursor *at)
{
	const struct csd_geometry *geometry = &instance->program->code.geometry;

	if (geometry->emit == CSD_EMIT_RECORD && geometry->record_bytes == 64 && geometry->stride_bytes == 64) {
		run_records(instance, native, at, 64, 64, CSD_EMIT_RECORD);
	} else if (geometry->emit == CSD_EMIT_RECORD) {
		run_records(instance, native, at, geometry->record_bytes, geometry->stride_bytes, CSD_EMIT_RECORD);
	} else if (geometry->emit == CSD_EMIT_OFFSET) {
		run_records(instance, native, at, geometry->record_bytes, geometry->stride_bytes, CSD_EMIT_OFFSET);
	} else {
		run_records(instance, native, at, geometry->record_bytes, geometry->stride_bytes, CSD_EMIT_NOTHING);
	}
}

/* The same by the loop in machine code. */
static void
run_loop(const struct record_instance *instance, struct cursor *at)
{
	struct csd_loop_cursor cursor = {
		.record = at->record, .left = at->left, .out = at->out, .matches = at->matches,
	};

	instance->loop.run(&cursor);
	at->record = cursor.record;
	at->left = cursor.left;
	at->out = cursor.out;
	at->matches = cursor.matches;
	at->stopped = cursor.verdict & CSD_STOP;
}

static enum csd_slice_end
run_slice(struct record_instance *instance, struct csd_slice *slice)
{
	const struct csd_program_info *info = &instance->program->program.info;
	uint64_t fits = slice->region_bytes < info->record_bytes ? 0 :
			(slice->region_bytes - info->record_bytes) / info->stride_bytes + 1;
	struct cursor at = {.record = slice->region, .offset = slice->region_offset, .out = slice->out};
	enum csd_slice_end end = CSD_SLICE_USED;
	uint64_t seen = 0;

	while (seen < fits) {
		uint64_t room = fits - seen;
		uint64_t allowed;

		if (info->emit_bytes > 0) {
			uint64_t items = (slice->out_bytes - (at.out - slice->out)) / info->emit_bytes;

			if (items == 0) {
				end = CSD_SLICE_FULL;
				break;
			}
			room = items < room ? items : room;
		}
		at.left = allowed = room;
		if (instance->loop.run != NULL) {
			run_loop(instance, &at);
		} else if (instance->native.function != NULL) {
			run_geometry(instance, true, &at);
		} else {
			run_geometry(instance, false, &at);
		}
		seen += allowed - at.left;
		if (at.stopped) {
			end = CSD_SLICE_STOPPED;
			break;
		}
	}
	slice->consumed = seen * info->stride_bytes;
	slice->records = seen;
	slice->matches = at.matches;
	slice->emitted_bytes = at.out - slice->out;
	return end;
}

/*
 * CSD_POSITIONS: the program says where the next window begins, so each is looked at on its own. In the last slice the
 * windows that end behind the input are copied, filled up with zeros.
 */
ALWAYS_INLINE enum csd_slice_end
run_positions(struct record_instance *instance, bool native, struct csd_slice *slice)
{
	uint64_t (*function)(void *record) = native ? instance->native.function : NULL;
	const struct csd_program_info *info = &instance->program->program.info;
	uint64_t at = 0, records = 0, matches = 0, room = slice->out_bytes / sizeof(uint64_t);
	enum csd_slice_end end = CSD_SLICE_USED;

	while (at < slice->region_bytes) {
		const uint8_t *window = slice->region + at;
		uint64_t bytes = slice->region_bytes - at;
		uint32_t verdict, position;

		if (bytes < info->record_bytes && !slice->last) {
			break;
		}
		if (matches == room) {
			end = CSD_SLICE_FULL;
			break;
		}
		if (bytes < info->record_bytes) {
			memcpy(instance->window, window, bytes);
			memset(instance->window + bytes, 0, info->record_bytes - bytes);
			window = instance->window;
			instance->parameters->record_bytes = bytes;
		} else {
			bytes = info->record_bytes;
			__builtin_prefetch(window + PREFETCH_BYTES);
		}
		verdict = call(function, instance->bpf, window);
		position = verdict >> 2;
		records++;
		if ((verdict & CSD_KEEP) && position < bytes) {
			uint64_t offset = slice->region_offset + at + position;

			memcpy(slice->out + matches * sizeof(offset), &offset, sizeof(offset));
			matches++;
			at += (uint64_t)position + 1;
		} else {
			at += info->stride_bytes;
		}
		if (verdict & CSD_STOP) {
			end = CSD_SLICE_STOPPED;
			break;
		}
	}
	instance->parameters->record_bytes = info->record_bytes;
	slice->consumed = slice->last && at > slice->region_bytes ? slice->region_bytes : at;
	slice->records = records;
	slice->matches = matches;
	slice->emitted_bytes = matches * sizeof(uint64_t);
	return end;
}

static enum csd_slice_end
record_run(struct csd_instance *base, struct csd_slice *slice)
{
	struct record_instance *instance = (struct record_instance *)base;

	if (!(instance->program->code.geometry.flags & CSD_POSITIONS)) {
		return run_slice(instance, slice);
	}
	return instance->native.function != NULL ? run_positions(instance, true, slice) :
						   run_positions(instance, false, slice);
}

const struct csd_engine_ops csd_record_engine = {
	.kind = "csd/record",
	.load = record_load,
	.unload = record_unload,
	.create = record_create,
	.destroy = record_destroy,
	.begin = record_begin,
	.state = record_state,
	.run = record_run,
};
