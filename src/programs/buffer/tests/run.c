/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <sys/mman.h>

#include "chance.h"
#include "load.h"
#include "run.h"
#include "test.h"

#define PAGE		4096
#define MOST_ROOM	(4 * 1024 * 1024)

static const char *folder;
static char **ways;
static int way_count;
static uint64_t runs, parts;

/* --- memory with inaccessible pages before and behind it --- */

struct guarded {
	uint8_t *map, *begin;
	uint64_t bytes;
};

static struct guarded
guarded_map(uint64_t bytes)
{
	struct guarded memory = {.bytes = (bytes + PAGE - 1) / PAGE * PAGE};

	memory.map = mmap(NULL, memory.bytes + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memory.begin = memory.map + PAGE;
	CHECK(memory.map != MAP_FAILED &&
	      (memory.bytes == 0 || mprotect(memory.begin, memory.bytes, PROT_READ | PROT_WRITE) == 0), "no memory");
	return memory;
}

/* The same memory again, if it is large enough. */
static void
guarded_need(struct guarded *memory, uint64_t bytes)
{
	if (memory->map != NULL && memory->bytes >= bytes) {
		return;
	}
	if (memory->map != NULL) {
		munmap(memory->map, memory->bytes + 2 * PAGE);
	}
	*memory = guarded_map(bytes);
}

/* So many bytes, which end where the memory does, or begin where it does. */
static uint8_t *
guarded_place(const struct guarded *memory, uint64_t bytes, bool at_end)
{
	return at_end ? memory->begin + memory->bytes - bytes : memory->begin;
}

/* --- results --- */

void
result_append(struct result *result, const void *bytes, uint64_t count)
{
	if (result->room - result->emitted < count) {
		result->room = (result->room + count) * 2 + 4096;
		result->out = realloc(result->out, result->room);
		CHECK(result->out != NULL, "no memory");
	}
	if (count > 0) {
		memcpy(result->out + result->emitted, bytes, count);
		result->emitted += count;
	}
}

static void
result_compare(const struct program *program, const char *way, const char *what, uint32_t cut, const struct result *found,
	       const struct result *wanted)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < program->state_bytes; i += 8) {
		uint64_t ours, theirs;

		memcpy(&ours, found->state + i, 8);
		memcpy(&theirs, wanted->state + i, 8);
		CHECK(ours == theirs, "%s, %s, %s, cut %u: word %u of the state is %#lx, not %#lx", program->name, way, what, cut, i / 8,
		      ours, theirs);
	}
	while (at < found->emitted && at < wanted->emitted && found->out[at] == wanted->out[at]) {
		at++;
	}
	CHECK(at == found->emitted && at == wanted->emitted, "%s, %s, %s, cut %u: %lu bytes came out, not %lu; they differ from %lu on: "
	      "'%.*s' '%.*s'", program->name, way, what, cut, found->emitted, wanted->emitted, at,
	      (int)(found->emitted - at < 60 ? found->emitted - at : 60), (const char *)found->out + at,
	      (int)(wanted->emitted - at < 60 ? wanted->emitted - at : 60), (const char *)wanted->out + at);
}

/* --- runs --- */

/* How long a part is, and how much room it has. */
static void
run_cut(const struct program *program, bool cut, uint64_t left, uint64_t least, uint64_t least_room, uint64_t *bytes,
	uint64_t *room)
{
	uint64_t much = left < 2000 && below(2) == 0 ? 9 : below(4) == 0 ? 300 : 20000;

	*bytes = left;
	*room = 1 << 20;
	if (cut) {
		*bytes = below(40) == 0 ? below(left + 1) : below(much);
		*room = below(4) == 0 ? 1 << 16 : below(program->item_bytes * (below(4) == 0 ? 3 : 300) + 3);
	}
	*bytes = *bytes < least ? least : *bytes;
	*bytes = *bytes < left ? *bytes : left;
	*room = *room < least_room ? least_room : *room;
}

static void
run_once(const char *way, const struct program *program, const struct job *job, bool cut, const char *what, struct result *result)
{
	struct loaded loaded = load(folder, way, program->name, job);
	static struct guarded input, out, data, range;
	struct csd_call_range ranges = {.bytes = job->range_bytes};
	uint64_t at = 0, least = 0, least_room = 0;
	uint8_t *data_at;
	bool done = false;

	guarded_need(&input, job->bytes);
	guarded_need(&out, MOST_ROOM);
	guarded_need(&data, job->data_bytes);
	guarded_need(&range, job->range_bytes);
	ranges.address = (uint64_t)guarded_place(&range, job->range_bytes, true);
	data_at = guarded_place(&data, job->data_bytes, true);
	if (job->data_bytes > 0) {
		memcpy(data_at, job->data, job->data_bytes);
	}
	if (job->range_bytes > 0) {
		memcpy((void *)ranges.address, job->range, job->range_bytes);
	}
	while (!done) {
		uint64_t left = job->bytes - at, bytes, room;
		bool at_end = cut ? below(2) : true;
		struct csd_call call = {
			.input_offset = at, .data = (uint64_t)data_at, .data_bytes = job->data_bytes, .ranges = (uint64_t)&ranges,
			.range_count = job->range != NULL, .now = 1234567891234, .consumed = 1, .emitted = 2, .end = 3,
		};

		run_cut(program, cut, left, least, least_room, &bytes, &room);
		call.input_bytes = bytes;
		call.input = (uint64_t)guarded_place(&input, bytes, at_end);
		call.out_bytes = room;
		call.out = (uint64_t)guarded_place(&out, room, at_end);
		call.flags = (at == 0 ? CSD_CALL_FIRST : 0) | (bytes == left ? CSD_CALL_LAST : 0);
		if (bytes > 0) {
			memcpy((void *)call.input, job->input + at, bytes);
		}
		loaded.call(&call);
		CHECK(call.consumed <= bytes && call.emitted <= room && call.end <= CSD_CALL_STOPPED, "%s, %s, %s: consumed %lu of %lu, emitted "
		      "%lu of %lu, end %lu", program->name, way, what, call.consumed, bytes, call.emitted, room, call.end);
		result_append(result, (const void *)call.out, call.emitted);
		at += call.consumed;
		parts++;
		done = call.end == CSD_CALL_STOPPED || (call.end == CSD_CALL_USED && bytes == left);
		CHECK(call.end != CSD_CALL_USED || bytes != left || job->bytes - at <= program->most_rest, "%s, %s, %s: leaves %lu bytes",
			program->name, way, what,
		      job->bytes - at);
		CHECK(call.end != CSD_CALL_USED || call.consumed > 0 || bytes < program->most_part || bytes == left,
		      "%s, %s, %s: needs more than %lu bytes", program->name, way, what, bytes);
		least = call.end == CSD_CALL_USED && call.consumed == 0 ? bytes * 2 + 1 : 0;
		least_room = call.end == CSD_CALL_FULL && call.consumed == 0 && call.emitted == 0 ? room * 2 + 1 : 0;
		CHECK(least_room <= MOST_ROOM, "%s, %s, %s: %lu bytes are no room", program->name, way, what, room);
	}
	memcpy(result->state, loaded.state, program->state_bytes);
	runs++;
	dlclose(loaded.library);
}

void
run_check(const struct program *program, const struct job *job, uint32_t cuts, const char *what, struct result *result)
{
	static struct result wanted, found;

	wanted.emitted = 0;
	memset(wanted.state, 0, sizeof(wanted.state));
	if (program->reference != NULL) {
		program->reference(job, &wanted);
	} else {
		run_once(ways[0], program, job, false, what, &wanted);
	}
	for (int way = 0; way < way_count; way++) {
		for (uint32_t cut = 0; cut <= cuts; cut++) {
			chance_begin(run_seed() * 1000 + cut + 1, job->bytes);
			found.emitted = 0;
			run_once(ways[way], program, job, cut > 0, what, &found);
			result_compare(program, ways[way], what, cut, &found, &wanted);
		}
	}
	if (result != NULL) {
		*result = wanted;
		wanted = (struct result) {0};
	}
}

void
run_check_text(const struct program *program, struct job job, const char *text, const char *wanted, const char *what,
	       struct result *result)
{
	struct result found;

	job.input = (const uint8_t *)text;
	job.bytes = strlen(text);
	run_check(program, &job, 20, what, &found);
	CHECK(found.emitted == strlen(wanted) && (found.emitted == 0 || memcmp(found.out, wanted, found.emitted) == 0),
	      "%s, %s: '%.*s' came out, not '%s'", program->name, what, (int)found.emitted, (const char *)found.out, wanted);
	free(found.out);
	found.out = NULL;
	if (result != NULL) {
		*result = found;
	}
}

void
run_begin(int argc, char **argv)
{
	CHECK(argc > 2, "usage: %s FOLDER WAY...", argv[0]);
	folder = argv[1];
	ways = argv + 2;
	way_count = argc - 2;
}

uint64_t
run_seed(void)
{
	const char *seed = getenv("BUFFER_SEED");

	return seed != NULL ? strtoull(seed, NULL, 10) : 0;
}

int
run_end(const char *name)
{
	printf("test_%s: %lu runs in %lu parts, %d ways, passed\n", name, runs, parts, way_count);
	return 0;
}
