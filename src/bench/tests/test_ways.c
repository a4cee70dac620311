/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Baseline, offload and standard flow against a drive in memory, which runs the native programs, finishes commands in any
 * order and hands out small buffers' worth: every way must give what one run over everything gives.
 */
#define _GNU_SOURCE
#include "check.h"
#include "csd_ways.h"

#include <errno.h>

#define RECORDS		20011		/* a prime: no cut of the data set is even */
#define BYTES		((uint64_t)RECORDS * CSD_RECORD_BYTES)
#define DEVICE_BYTES	((BYTES + 511) / 512 * 512)
#define SLM_BYTES	(4u << 20)
#define ARENA_BYTES	(8u << 20)
#define MAX_PENDING	512

struct pending {
	bool read;			/* of blocks */
	struct csd_nvme_command command;
	uint64_t offset;
	uint32_t tag;
};

static struct {
	struct csd_io base;
	uint8_t data[DEVICE_BYTES] __attribute__((aligned(8)));
	uint8_t slm[SLM_BYTES] __attribute__((aligned(8)));
	struct pending pending[MAX_PENDING];
	uint32_t count;
	uint32_t most;
	uint32_t commands;
	uint32_t fail_command;		/* the number of the command that fails; 0: none */
	uint16_t fail_status;
	uint32_t spoil_command;		/* of the scan whose header is spoilt, or of the Execute whose count is; 0: none */
	uint32_t ranges[2];
	const struct csd_native *programs[8];
	struct csd_parameters parameters;
} g_drive;

static struct csd_session g_session;
static struct csd_options g_options;
static struct csd_error g_error;
static struct csd_output g_output, g_wanted;
static uint32_t g_next_fail, g_next_spoil;
static uint64_t g_random = 88172645463325252u;

static uint32_t
next_random(void)
{
	g_random ^= g_random << 13;
	g_random ^= g_random >> 7;
	g_random ^= g_random << 17;
	return (uint32_t)(g_random >> 32);
}

/* Runs a program as the drive does: over what fits, with a header before state and items. Returns the kept items. */
static uint64_t
run_program(const struct csd_native *native, const uint8_t *input, uint64_t bytes, const void *state, uint8_t *out,
	    uint64_t room)
{
	struct csd_result *header = (struct csd_result *)out;
	uint8_t *items = out + sizeof(*header) + native->state_bytes;
	static uint8_t all[DEVICE_BYTES * 8];
	uint64_t kept = 0, position, emitted, one;
	uint64_t own[64] = { 0 };

	room -= sizeof(*header) + native->state_bytes;
	memset(header, 0, sizeof(*header));
	if (state != NULL) {
		memcpy(own, state, native->state_bytes);
	}
	header->magic = CSD_RESULT_MAGIC;
	header->version = 1;
	header->end = CSD_END_WHOLE;
	header->input_bytes = bytes;
	header->state_bytes = native->state_bytes;
	header->next = bytes;
	header->nanoseconds = 1000;
	if (native->emit == CSD_EMIT_OFFSET) {
		one = sizeof(uint64_t);
		kept = native->run(input, bytes, &g_drive.parameters, own, all, &emitted);
		if (kept * one > room) {
			kept = room / one;
			header->end = CSD_END_FULL;
			memcpy(&header->next, all + kept * one, one);
		}
		memcpy(items, all, kept * one);
	} else {
		one = native->emit == CSD_EMIT_RECORD ? native->record_bytes : 0;
		for (position = 0; position + native->record_bytes <= bytes; position += native->record_bytes) {
			if ((kept + 1) * one > room) {
				header->end = CSD_END_FULL;
				header->next = position;
				break;
			}
			kept += native->run(input + position, native->record_bytes, &g_drive.parameters, own,
					    items + kept * one, &emitted);
		}
	}
	memcpy(out + sizeof(*header), own, native->state_bytes);
	header->matches = kept;
	header->data_bytes = (uint32_t)(kept * one);
	return kept;
}

static uint64_t
wide(uint32_t low, uint32_t high)
{
	return (uint64_t)high << 32 | low;
}

static int
do_scan(const struct csd_nvme_command *command)
{
	const struct csd_native *native = g_drive.programs[command->dw2 & 0xffff];
	uint64_t start = wide(command->dw10, command->dw11), length = wide(command->dw12, command->dw13);
	uint64_t state_at = g_drive.ranges[1];
	bool resume = command->dw2 >> 16 & CSD_SCAN_RESUME;

	CHECK_U64(command->dw3 & 0xffff, 1);
	CHECK(start + length <= BYTES);
	CHECK(wide(command->dw14, command->dw15) == g_drive.parameters.cparam1);
	run_program(native, g_drive.data + start, length, resume ? g_drive.slm + state_at : NULL, command->data,
		    command->bytes);
	if (command->dw3 >> 16 != 0) {
		memcpy(g_drive.slm + state_at, (uint8_t *)command->data + sizeof(struct csd_result), native->state_bytes);
	}
	if (g_drive.commands == g_drive.spoil_command) {
		((struct csd_result *)command->data)->magic ^= 1;
	}
	return 0;
}

static int
do_copy(const struct csd_nvme_command *command)
{
	const struct nvme_slm_copy_blocks *source = command->data;
	uint64_t bytes = ((uint64_t)source->nlb + 1) * 512, to = wide(command->dw10, command->dw11);

	CHECK_U64(command->nsid, 2);
	CHECK_U64(command->dw2, bytes);
	CHECK_U64(command->dw12, NVME_SLM_COPY_FROM_BLOCKS << 8);
	CHECK(to % 4 == 0 && to + bytes <= SLM_BYTES - CSD_SLM_RESERVED);
	CHECK(source->slba * 512 + bytes <= DEVICE_BYTES);
	memcpy(g_drive.slm + to, g_drive.data + source->slba * 512, bytes);
	return 0;
}

static int
do_execute(const struct csd_nvme_command *command)
{
	const struct nvme_memory_range *range = command->data;
	const struct csd_native *native = g_drive.programs[command->dw2 & 0xffff];

	CHECK_U64(command->nsid, 3);
	CHECK_U64(command->dw3, 2);
	CHECK(range[0].start % 4 == 0 && range[0].length % 4 == 0 && range[1].start % 4 == 0 && range[1].length % 4 == 0);
	CHECK(range[0].start + range[0].length <= range[1].start || range[1].start + range[1].length <= range[0].start);
	CHECK(range[1].start + range[1].length <= SLM_BYTES - CSD_SLM_RESERVED);
	g_drive.base.completion.value = run_program(native, g_drive.slm + range[0].start, range[0].length, NULL,
						    g_drive.slm + range[1].start, range[1].length);
	if (((struct csd_result *)(g_drive.slm + range[1].start))->end == CSD_END_FULL) {
		g_drive.base.completion.value |= CSD_RETURN_INCOMPLETE;
	}
	if (g_drive.commands == g_drive.spoil_command) {
		g_drive.base.completion.value++;
	}
	return 0;
}

static int
do_slm_read(const struct csd_nvme_command *command)
{
	uint64_t from = wide(command->dw10, command->dw11);

	CHECK_U64(command->dw12, command->bytes);
	CHECK(from % 4 == 0 && command->bytes % 4 == 0 && from + command->bytes <= SLM_BYTES);
	CHECK(command->bytes <= g_drive.base.transfer_bytes);
	memcpy(command->data, g_drive.slm + from, command->bytes);
	return 0;
}

static int
perform(const struct csd_nvme_command *command)
{
	g_drive.commands++;
	g_drive.base.completion = (struct csd_completion){ 0, 0 };
	if (g_drive.commands == g_drive.fail_command) {
		g_drive.base.completion.status = g_drive.fail_status;
		return -EIO;
	}
	if (command->opcode == CSD_SCAN) {
		return do_scan(command);
	}
	if (command->nsid == 3) {
		return do_execute(command);
	}
	return command->opcode == NVME_SLM_COPY ? do_copy(command) : do_slm_read(command);
}

static int
add_pending(struct pending pending)
{
	if (g_drive.count == MAX_PENDING || next_random() % 7 == 0) {
		return g_drive.count > 0 ? -EAGAIN : add_pending(pending);
	}
	g_drive.pending[g_drive.count++] = pending;
	g_drive.most = g_drive.count > g_drive.most ? g_drive.count : g_drive.most;
	return 0;
}

static int
drive_submit(struct csd_io *io, bool write, void *buffer, uint64_t offset, uint32_t bytes, uint32_t tag)
{
	(void)io;
	CHECK(!write);
	return add_pending((struct pending){ true, { .data = buffer, .bytes = bytes }, offset, tag });
}

static int
drive_command(struct csd_io *io, const struct csd_nvme_command *command, uint32_t tag)
{
	(void)io;
	return add_pending((struct pending){ false, *command, 0, tag });
}

/* Finishes some of what is under way, whichever. */
static int
drive_poll(struct csd_io *io, bool wait)
{
	uint32_t some = next_random() % 4 + (wait ? 1 : 0);

	while (some-- > 0 && g_drive.count > 0) {
		uint32_t index = next_random() % g_drive.count;
		struct pending pending = g_drive.pending[index];
		int status = 0;

		g_drive.pending[index] = g_drive.pending[--g_drive.count];
		if (pending.read) {
			memcpy(pending.command.data, g_drive.data + pending.offset, pending.command.bytes);
		} else {
			status = perform(&pending.command);
		}
		io->done(io->done_ctx, pending.tag, status);
	}
	return 0;
}

static const struct csd_io_ops g_ops = { .submit = drive_submit, .command = drive_command, .poll = drive_poll };

static void
set_up(void)
{
	static const char *const names[] = { "threshold", "search", "aggregate", "histogram", "sample", "top" };
	struct csd_dataset *set = &g_session.set;
	size_t i;

	csd_dataset_init(set, RECORDS, 5);
	csd_dataset_fill(set, 0, RECORDS, (struct csd_record *)g_drive.data);
	g_drive.base = (struct csd_io){ .ops = &g_ops, .bytes = DEVICE_BYTES, .block_bytes = 512, .transfer_bytes = 16384,
					.name = "memory" };
	g_options.place.nsid = 1;
	g_options.slm_nsid = 2;
	g_options.compute_nsid = 3;
	g_session.options = &g_options;
	g_session.io = g_session.commands = &g_drive.base;
	g_session.stream = (struct csd_stream){ &g_drive.base, malloc(ARENA_BYTES), ARENA_BYTES };
	g_session.drive.slm_bytes = SLM_BYTES;
	g_session.drive.slm_usable = SLM_BYTES - CSD_SLM_RESERVED;
	g_session.range_set = 1;
	g_drive.ranges[1] = SLM_BYTES - CSD_SLM_RESERVED / 2;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		g_drive.programs[i] = csd_native_find(names[i]);
		CHECK(g_drive.programs[i] != NULL);
	}
	CHECK(csd_output_alloc(&g_output, BYTES + ARENA_BYTES, &g_error) == 0);
	CHECK(csd_output_alloc(&g_wanted, BYTES * 8, &g_error) == 0);
}

static struct csd_task
task_for(unsigned int program, uint32_t level)
{
	struct csd_task task;

	CHECK(csd_task_init(&task, g_drive.programs[program]->name, level, &g_session.set));
	task.slot = (uint16_t)program;
	g_drive.parameters = task.parameters;
	g_drive.fail_command = g_drive.spoil_command = g_drive.commands = 0;
	/* One run over everything. */
	csd_output_reset(&g_wanted);
	g_wanted.matches = task.native->run(g_drive.data, BYTES, &task.parameters, g_wanted.state, g_wanted.data,
					    &g_wanted.bytes);
	return task;
}

static void
check_equal(const struct csd_task *task)
{
	CHECK_U64(g_output.matches, g_wanted.matches);
	CHECK_U64(g_output.bytes, g_wanted.bytes);
	CHECK(memcmp(g_output.data, g_wanted.data, g_wanted.bytes) == 0);
	if (task->native->emit == CSD_EMIT_NOTHING) {
		CHECK(memcmp(g_output.state, g_wanted.state, task->native->state_bytes) == 0);
	}
}

static void
run_every_program(enum csd_way_id way, const struct csd_setting *setting)
{
	unsigned int program;
	uint32_t level;

	for (program = 0; program < 6; program++) {
		for (level = 0; level < (program == 0 ? CSD_SELECTIVITIES : 1); level++) {
			struct csd_task task = task_for(program, level);
			int rc = csd_ways[way].run(&g_session, setting, &task, BYTES, &g_output, &g_error);

			if (rc != 0) {
				csd_error_print(&g_error, stderr);
			}
			CHECK(rc == 0);
			check_equal(&task);
			CHECK_U64(g_drive.count, 0);
		}
	}
}

static void
test_baseline(void)
{
	static const struct csd_setting settings[] = { { 512, 1 }, { 4096, 8 }, { 131072, 4 }, { 1u << 20, 2 } };
	size_t i;

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		run_every_program(CSD_WAY_BASELINE, &settings[i]);
	}
}

static void
test_offload(void)
{
	static const struct csd_setting settings[] = { { 4096, 1 }, { 65536, 3 }, { 131072, 16 }, { 2u << 20, 8 } };
	static const uint32_t results[] = { 8192, 16384 };
	size_t i, j;

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		for (j = 0; j < sizeof(results) / sizeof(results[0]); j++) {
			g_options.result_bytes = results[j];
			g_drive.most = 0;
			run_every_program(CSD_WAY_OFFLOAD, &settings[i]);
			CHECK(g_drive.most <= settings[i].depth);
		}
	}
}

/* So few buffers that only the first range can go on. */
static void
test_offload_with_few_buffers(void)
{
	static const struct csd_setting setting = { 262144, 8 };

	g_options.result_bytes = 16384;
	g_session.stream.arena_bytes = 3 * 16384;
	run_every_program(CSD_WAY_OFFLOAD, &setting);
	g_session.stream.arena_bytes = ARENA_BYTES;
}

static void
test_slm(void)
{
	static const struct csd_setting settings[] = { { 65536, 1 }, { 131072, 3 }, { 262144, 4 }, { 1u << 20, 1 } };
	size_t i;

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		run_every_program(CSD_WAY_SLM, &settings[i]);
	}
}

/* The bytes that are searched for begin in one record, block and range, and end in the next. */
static void
test_search_straddles(void)
{
	uint64_t place;

	task_for(1, 0);
	CHECK_U64(g_wanted.matches, 1);
	memcpy(&place, g_wanted.data, 8);
	CHECK_U64(place, 16384 * 64 - 4);
}

static void
test_a_command_that_fails(void)
{
	static const struct csd_setting setting = { 65536, 4 };
	static const enum csd_way_id ways[] = { CSD_WAY_OFFLOAD, CSD_WAY_SLM };
	size_t i;

	for (i = 0; i < 2; i++) {
		struct csd_task task = task_for(0, 1);

		g_drive.fail_command = 9;
		g_drive.fail_status = 0x198;
		CHECK(csd_ways[ways[i]].run(&g_session, &setting, &task, BYTES, &g_output, &g_error) == -CSD_IO_FAILED);
		CHECK_TEXT(g_error.found, "the drive answered status 01h/98h");
		CHECK(strstr(g_error.asked, "program 0 (threshold) of namespace 3, on memory") != NULL);
		CHECK_U64(g_drive.count, 0);		/* nothing still writes into our buffers */
	}
}

static void
test_a_result_that_is_none(void)
{
	static const struct csd_setting setting = { 65536, 4 };
	struct csd_task task = task_for(0, 1);

	g_drive.spoil_command = 3;
	CHECK(csd_way_offload(&g_session, &setting, &task, BYTES, &g_output, &g_error) == -CSD_WRONG_DATA);
	CHECK(strncmp(g_error.asked, "the result of threshold from byte ", 34) == 0);
	CHECK(strstr(g_error.found, "its header has magic 52445342, version 1, end 0, state of 0 bytes") != NULL);
	CHECK_TEXT(g_error.fix, "update target and host to the same version");
}

static void
test_chunks_that_do_not_fit(void)
{
	static const struct csd_setting large = { 1u << 20, 4 }, small = { 4096, 1 };
	struct csd_task task = task_for(0, 1);

	CHECK(csd_way_slm(&g_session, &large, &task, BYTES, &g_output, &g_error) == -CSD_USAGE);
	CHECK_TEXT(g_error.asked, "4 chunks of 1048576 bytes at a time in SLM");
	CHECK_TEXT(g_error.fix, "choose a smaller chunk or fewer at a time (--chunk-size, --chunk-depth)");
	task = task_for(4, 0);
	CHECK(csd_way_slm(&g_session, &small, &task, BYTES, &g_output, &g_error) == -CSD_USAGE);
	CHECK_TEXT(g_error.asked, "sample over SLM in chunks of 4096 bytes");
	CHECK_TEXT(g_error.found, "its state begins anew only every 12800 bytes");
}

/* The command `workers` with scans of 64 KiB, one, two and four at a time. */
static int
run_workers(char **text)
{
	struct csd_program_entry slot = { .state = CSD_SLOT_ACTIVE, .record_bytes = 64, .stride_bytes = 64 };
	struct csd_json json;
	size_t length;
	FILE *out = open_memstream(text, &length);
	int rc;

	task_for(0, 1);
	g_options.settings[CSD_WAY_OFFLOAD] = (struct csd_setting_list){ { 65536 }, 1, { 1, 2, 4 }, 3 };
	g_options.selectivities[0] = 1;
	g_options.repeats = 3;
	g_options.warmups = 1;
	g_options.result_bytes = 16384;
	g_options.programs[0] = (struct csd_program_choice){ "threshold", 0 };
	g_session.drive.slots = &slot;
	g_session.drive.slot_count = 1;
	g_drive.fail_command = g_next_fail;
	g_drive.spoil_command = g_next_spoil;
	g_drive.most = 0;
	csd_json_init(&json, out);
	rc = csd_command_workers(&g_session, &json, &g_error);
	fclose(out);
	g_session.drive.slots = NULL;
	g_session.drive.slot_count = 0;
	g_next_fail = g_next_spoil = 0;
	CHECK_U64(g_drive.count, 0);
	return rc;
}

static void
test_workers(void)
{
	double begun = csd_now();
	char *text;

	CHECK(run_workers(&text) == 0);
	CHECK(csd_now() - begun >= 2 * 200 * 0.002);	/* the rests before those that find a worker asleep */
	/* Two sizes, each copied once; a scan for each 64 KiB and whenever its buffer was full. */
	CHECK(g_drive.commands >= 2 * (1 + 20 + 1000 + 20 + 200) + 3 * 4 * (BYTES / 65536));
	CHECK_U64(g_drive.most, 4);
	CHECK(strstr(text, "\"executes\": [{\"bytes\": 4096, \"worker\": \"spinning\", \"commands\": 1000, ") != NULL);
	CHECK(strstr(text, "{\"bytes\": 1048576, \"worker\": \"asleep\", \"commands\": 200, ") != NULL);
	CHECK(strstr(text, "\"scans\": [{\"workers\": 1, \"repeats\": 3, \"seconds\": {\"min\": ") != NULL);
	CHECK(strstr(text, "{\"workers\": 2, \"repeats\": 3, ") != NULL && strstr(text, "{\"workers\": 4, ") != NULL);
	free(text);
}

/* An Execute that counts wrong, and commands that fail: of both sizes, and a scan. */
static void
test_workers_are_checked(void)
{
	static const uint32_t failing[] = { 1, 2, 1500, 2490 };
	char *text;
	size_t i;

	g_next_spoil = 700;
	CHECK(run_workers(&text) == -CSD_WRONG_DATA);
	CHECK(strstr(g_error.asked, " matches in the first 4096 bytes, by Execute Program") != NULL);
	free(text);
	for (i = 0; i < sizeof(failing) / sizeof(failing[0]); i++) {
		g_next_fail = failing[i];
		g_drive.fail_status = 0x198;
		CHECK(run_workers(&text) == -CSD_IO_FAILED);
		CHECK_TEXT(g_error.found, "the drive answered status 01h/98h");
		free(text);
	}
}

static void
test_slots_are_checked(void)
{
	struct csd_program_entry slots[2] = { { 0 }, { .pind = 1, .state = CSD_SLOT_ACTIVE, .record_bytes = 64,
							.stride_bytes = 64, .state_bytes = 24, .emit = 2 } };
	struct csd_task task = task_for(0, 1);

	g_session.drive.slots = slots;
	g_session.drive.slot_count = 2;
	CHECK(csd_drive_check_slot(&g_session, &task, &g_error) == -CSD_UNAVAILABLE);
	CHECK_TEXT(g_error.asked, "program threshold in slot 0 of namespace 3 on memory");
	CHECK_TEXT(g_error.found, "the slot is empty");
	CHECK_TEXT(g_error.fix, "let the role csd_target load it there (csd_target_programs), or correct the slot");
	task.slot = 1;
	CHECK(csd_drive_check_slot(&g_session, &task, &g_error) == -CSD_UNAVAILABLE);
	CHECK_TEXT(g_error.found, "it holds another program: records of 64 bytes, each 64, state of 24, emits 2; "
		   "threshold has 64, 64, 0, 0");
	task.slot = 2;
	CHECK(csd_drive_check_slot(&g_session, &task, &g_error) == -CSD_UNAVAILABLE);
	CHECK_TEXT(g_error.found, "it has 2 slots");
	task = task_for(2, 0);
	task.slot = 1;
	CHECK(csd_drive_check_slot(&g_session, &task, &g_error) == 0);
	CHECK(csd_drive_spare_slot(&g_session.drive) == 0);
	g_session.drive.slots = NULL;
	g_session.drive.slot_count = 0;
}

int
main(void)
{
	set_up();
	RUN(test_baseline);
	RUN(test_offload);
	RUN(test_offload_with_few_buffers);
	RUN(test_slm);
	RUN(test_search_straddles);
	RUN(test_a_command_that_fails);
	RUN(test_a_result_that_is_none);
	RUN(test_chunks_that_do_not_fit);
	RUN(test_workers);
	RUN(test_workers_are_checked);
	RUN(test_slots_are_checked);
	csd_output_free(&g_output);
	csd_output_free(&g_wanted);
	free(g_session.stream.arena);
	return check_done();
}
