/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * SLM namespaces. Read and Write are as long as a transfer may be and done at once. Fill and Copy may be gigabytes: they
 * go in slices, between which the reactor does other work, and the command looks whether it is still wanted.
 *
 * The memory cannot go while a command runs: SPDK removes a namespace only after all requests of its subsystem are done.
 */
#include "csd_slm.h"
#include "csd_shared.h"
#include "csd_work.h"

#include "spdk/bdev.h"
#include "spdk/env.h"
#include "spdk/thread.h"
#include "spdk/util.h"

#define MEGABYTE (1024u * 1024u)
/* Takes some 25 us. One slice of all the long commands of a thread is done in a round of its reactor: csd_work.h. */
#define SLICE_BYTES (256u * 1024u)
/* SPDK reads through a buffer of its own, of at most 64 KiB, where the memory's alignment does not suit a device. */
#define UNALIGNED_SLICE_BYTES (32u * 1024u)

struct slm {
	struct csd_namespace ns;
	struct csd_shared shared;
	uint8_t *memory;	/* its */
	uint64_t bytes;
};

/* A Fill or Copy that is under way. */
struct slm_task {
	TAILQ_ENTRY(slm_task) link;	/* in its channel */
	struct csd_work work;
	struct spdk_nvmf_request *req;
	struct slm_channel *channel;
	uint8_t *to;			/* where the next slice goes */
	void (*step)(struct slm_task *task);	/* does a slice, or begins it */
	bool aborted;
	struct spdk_bdev_io_wait_entry wait;
	uint64_t left;			/* Fill */
	/* Copy: the range that is being copied, and how far */
	uint32_t range;
	uint32_t ranges;
	uint64_t done;		/* blocks or bytes of it */
	union {
		struct nvme_slm_copy_blocks blocks;
		struct nvme_slm_copy_memory memory;
	} source[];
};

struct slm_channel {
	struct spdk_io_channel *work;
	TAILQ_HEAD(, slm_task) tasks;
};

static const struct csd_namespace_ops g_slm_ops;

static struct slm *
slm_of(struct csd_namespace *ns)
{
	return SPDK_CONTAINEROF(ns, struct slm, ns);
}

uint8_t *
csd_slm_memory(struct csd_namespace *ns, uint64_t *bytes)
{
	if (ns == NULL || ns->ops != &g_slm_ops) {
		return NULL;
	}
	*bytes = slm_of(ns)->bytes;
	return slm_of(ns)->memory;
}

struct csd_memory *
csd_slm_shared(struct csd_namespace *ns)
{
	return ns->ops == &g_slm_ops ? slm_of(ns)->shared.memory : NULL;
}

/* ---- tasks */

/* This thread's. The bdev's channel on it keeps it alive for as long as commands can come. */
static struct slm_channel *
slm_channel_of(struct slm *slm)
{
	struct spdk_io_channel *channel = spdk_get_io_channel(slm);
	struct slm_channel *ctx;

	if (channel == NULL) {
		return NULL;
	}
	ctx = spdk_io_channel_get_ctx(channel);
	spdk_put_io_channel(channel);
	return ctx;
}

static void slm_task_go_on(struct csd_work *work);

static struct slm_task *
slm_task_create(struct slm *slm, struct spdk_nvmf_request *req, uint32_t ranges)
{
	struct slm_task *task = calloc(1, sizeof(*task) + ranges * sizeof(task->source[0]));
	struct slm_channel *channel = slm_channel_of(slm);

	if (task == NULL || channel == NULL ||
	    csd_work_begin(&task->work, channel->work, spdk_nvmf_request_get_host_nqn(req), slm_task_go_on) != 0) {
		free(task);
		return NULL;
	}
	task->channel = channel;
	task->req = req;
	task->ranges = ranges;
	TAILQ_INSERT_TAIL(&channel->tasks, task, link);
	return task;
}

/* The request the task was for, which is to be answered. */
static struct spdk_nvmf_request *
slm_task_free(struct slm_task *task)
{
	struct spdk_nvmf_request *req = task->req;

	TAILQ_REMOVE(&task->channel->tasks, task, link);
	csd_work_end(&task->work);
	free(task);
	return req;
}

static void
slm_task_go_on(struct csd_work *work)
{
	struct slm_task *task = SPDK_CONTAINEROF(work, struct slm_task, work);

	if (task->aborted) {
		csd_send(slm_task_free(task), SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_ABORTED_BY_REQUEST);
	} else if (!csd_request_wanted(task->req)) {
		csd_send_interrupted(slm_task_free(task));
	} else {
		task->step(task);
	}
}

static void
slm_task_next(void *ctx)
{
	struct slm_task *task = ctx;

	csd_work_ready(&task->work);
}

static bool
slm_abort(struct csd_namespace *ns, struct spdk_nvmf_request *req_to_abort)
{
	struct slm_channel *channel = slm_channel_of(slm_of(ns));
	struct slm_task *task;

	if (channel == NULL) {
		return false;
	}
	TAILQ_FOREACH(task, &channel->tasks, link) {
		if (task->req == req_to_abort) {
			task->aborted = true;
			return true;
		}
	}
	return false;
}

/* ---- commands */

static bool
slm_failed(struct csd_status status)
{
	return status.type != 0 || status.code != 0;
}

static int
slm_complete(struct spdk_nvmf_request *req, struct csd_status status)
{
	return csd_complete(req, status.type, status.code);
}

static int
slm_internal_error(struct spdk_nvmf_request *req)
{
	return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INTERNAL_DEVICE_ERROR);
}

static uint64_t
slm_start_of(struct spdk_nvme_cmd *cmd)
{
	return (uint64_t)cmd->cdw11 << 32 | cmd->cdw10;
}

/* The transfer has to be as long as the command says: more would send the host what others left in the buffer. */
static int
slm_transfer(struct slm *slm, struct spdk_nvmf_request *req)
{
	struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);
	uint64_t start = slm_start_of(cmd);
	uint32_t length = cmd->cdw12;
	struct csd_status status = csd_slm_check_range(slm->bytes, start, length);

	if (slm_failed(status)) {
		return slm_complete(req, status);
	}
	if (length != csd_data_bytes(req)) {
		return csd_complete_wrong_length(req);
	}
	if (cmd->opc == NVME_SLM_READ) {
		csd_data_to_host(req, 0, slm->memory + start, length);
	} else {
		csd_data_from_host(req, 0, slm->memory + start, length);
	}
	return csd_complete_value(req, 0);
}

static void
slm_fill_step(struct slm_task *task)
{
	uint64_t bytes = spdk_min(task->left, SLICE_BYTES);

	memset(task->to, 0, bytes);
	task->to += bytes;
	task->left -= bytes;
	if (task->left == 0) {
		csd_send_value(slm_task_free(task), 0);
	} else {
		slm_task_next(task);
	}
}

/*
 * Zeroes. Sources disagree whether it is 04h or 00h, which is Flush in every command set: there all fields are 0, so a Flush
 * is a Fill of nothing, which is all it has to do here.
 */
static int
slm_fill(struct slm *slm, struct spdk_nvmf_request *req)
{
	struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);
	uint64_t start = slm_start_of(cmd);
	uint32_t length = cmd->cdw12;
	struct csd_status status = csd_slm_check_range(slm->bytes, start, length);
	struct slm_task *task;

	if (slm_failed(status)) {
		return slm_complete(req, status);
	}
	/* Reserved. Before the standard's Fill a value stood here: who still asks for one is not to get zeros. */
	if (cmd->cdw13 != 0 || cmd->cdw14 != 0 || cmd->cdw15 != 0) {
		return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_FIELD);
	}
	if (length <= SLICE_BYTES) {
		memset(slm->memory + start, 0, length);
		return csd_complete_value(req, 0);
	}
	task = slm_task_create(slm, req, 0);
	if (task == NULL) {
		return slm_internal_error(req);
	}
	task->to = slm->memory + start;
	task->left = length;
	task->step = slm_fill_step;
	slm_task_next(task);
	return SPDK_NVMF_REQUEST_EXEC_STATUS_ASYNCHRONOUS;
}

/* `bytes` more of the current range have been copied. */
static void
slm_copy_advance(struct slm_task *task, uint64_t bytes, bool range_done)
{
	task->to += bytes;
	if (range_done) {
		task->range++;
		task->done = 0;
	}
	if (task->range == task->ranges) {
		csd_send_value(slm_task_free(task), 0);
	} else {
		slm_task_next(task);
	}
}

static void
slm_copy_memory_step(struct slm_task *task)
{
	const struct nvme_slm_copy_memory *source = &task->source[task->range].memory;
	uint64_t bytes = spdk_min(source->nbyte - task->done, SLICE_BYTES), size;
	struct csd_namespace *ns = csd_namespace_in_request(task->req, source->snsid);

	memcpy(task->to, csd_slm_memory(ns, &size) + source->saddr + task->done, bytes);
	task->done += bytes;
	slm_copy_advance(task, bytes, task->done == source->nbyte);
}

static void
slm_copy_blocks_done(struct spdk_bdev_io *bdev_io, bool success, void *ctx)
{
	struct slm_task *task = ctx;
	uint64_t blocks = bdev_io->u.bdev.num_blocks;
	uint32_t block_bytes = spdk_bdev_get_block_size(bdev_io->bdev);
	uint32_t cdw0;
	int type, code;

	spdk_bdev_io_get_nvme_status(bdev_io, &cdw0, &type, &code);
	spdk_bdev_free_io(bdev_io);
	if (task->aborted) {
		/* Also after the last read: the Abort command was told that this one would end so. */
		csd_send(slm_task_free(task), SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_ABORTED_BY_REQUEST);
		return;
	}
	if (!success) {
		csd_send(slm_task_free(task), (uint8_t)type, (uint8_t)code);
		return;
	}
	task->done += blocks;
	slm_copy_advance(task, blocks * block_bytes, task->done == task->source[task->range].blocks.nlb + 1u);
}

/* Reads right into the memory. What a device of this machine cannot reach (csd_shared.h) its driver refuses. */
static void
slm_copy_blocks_step(struct slm_task *task)
{
	const struct nvme_slm_copy_blocks *source = &task->source[task->range].blocks;
	struct spdk_bdev *bdev;
	struct spdk_bdev_desc *desc;
	struct spdk_io_channel *channel;
	uint64_t blocks, slice;
	int rc;

	spdk_nvmf_request_get_bdev(source->snsid, task->req, &bdev, &desc, &channel);
	slice = (uintptr_t)task->to % spdk_bdev_get_buf_align(bdev) == 0 ? SLICE_BYTES : UNALIGNED_SLICE_BYTES;
	blocks = spdk_max(slice / spdk_bdev_get_block_size(bdev), 1);
	blocks = spdk_min(blocks, source->nlb + 1u - task->done);
	rc = spdk_bdev_read_blocks(desc, channel, task->to, source->slba + task->done, blocks,
				   slm_copy_blocks_done, task);
	if (rc == -ENOMEM) {
		task->wait.bdev = bdev;
		task->wait.cb_fn = slm_task_next;
		task->wait.cb_arg = task;
		rc = spdk_bdev_queue_io_wait(bdev, channel, &task->wait);
	}
	if (rc != 0) {
		csd_send(slm_task_free(task), SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INTERNAL_DEVICE_ERROR);
	}
}

/* The source of a copy, of a range: NULL with the status that the command has to have. */
static struct spdk_bdev *
slm_copy_source(struct spdk_nvmf_request *req, uint32_t nsid, enum nvme_csd_csi csi, struct csd_status *status)
{
	struct spdk_bdev *bdev;
	struct spdk_bdev_desc *desc;
	struct spdk_io_channel *channel;

	*status = (struct csd_status) { SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_NAMESPACE_OR_FORMAT };
	if (spdk_nvmf_request_get_bdev(nsid, req, &bdev, &desc, &channel) != 0) {
		status->code = csd_nsid_is_valid(req, nsid) ? SPDK_NVME_SC_INVALID_FIELD : status->code;
		return NULL;
	}
	return csd_command_set_of(bdev) == csi ? bdev : NULL;
}

/* `to`: where the range is copied to. */
static struct csd_status
slm_check_blocks(struct spdk_nvmf_request *req, const struct nvme_slm_copy_blocks *range, const uint8_t *to,
		 uint64_t *bytes)
{
	struct csd_status status;
	struct spdk_bdev *bdev = slm_copy_source(req, range->snsid, NVME_CSI_NVM, &status);

	if (bdev == NULL) {
		return status;
	}
	if (spdk_bdev_get_md_size(bdev) != 0) {
		return (struct csd_status) { SPDK_NVME_SCT_COMMAND_SPECIFIC, NVME_SC_INCOMPATIBLE_NAMESPACE };
	}
	if (spdk_nvmf_request_check_read(req, range->snsid) != 0) {
		return (struct csd_status) { SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_RESERVATION_CONFLICT };
	}
	status = csd_slm_check_blocks(range, spdk_bdev_get_num_blocks(bdev), spdk_bdev_get_block_size(bdev), bytes);
	/* A device that cannot reach the memory as it lies there takes the way through another buffer. */
	if (!slm_failed(status) && (range->sopt & NVME_SLM_COPY_FAST_ONLY) &&
	    (uintptr_t)to % spdk_bdev_get_buf_align(bdev) != 0) {
		return (struct csd_status) { SPDK_NVME_SCT_COMMAND_SPECIFIC, NVME_SC_FAST_COPY_NOT_POSSIBLE };
	}
	return status;
}

static struct csd_status
slm_check_memory(struct spdk_nvmf_request *req, struct slm *slm, const struct nvme_slm_copy_memory *range,
		 const struct csd_slm_copy *copy, uint64_t *bytes)
{
	struct csd_status status;
	struct spdk_bdev *bdev = slm_copy_source(req, range->snsid, NVME_CSI_SLM, &status);
	struct csd_namespace *ns;
	uint64_t size;

	if (bdev == NULL) {
		return status;
	}
	ns = csd_namespace_of(bdev);
	if (csd_slm_memory(ns, &size) == NULL) {
		return (struct csd_status) { SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_NAMESPACE_OR_FORMAT };
	}
	*bytes = range->nbyte;
	return csd_slm_check_memory(range, size, ns == &slm->ns, copy);
}

/* Every range, and that they are as long together as the command says. */
static struct csd_status
slm_check_ranges(struct slm_task *task, struct slm *slm, const struct csd_slm_copy *copy)
{
	const uint8_t *to = slm->memory + copy->destination;
	uint64_t sum = 0, bytes = 0;
	uint32_t i;

	for (i = 0; i < task->ranges; i++) {
		struct csd_status status = copy->format == NVME_SLM_COPY_FROM_BLOCKS ?
					   slm_check_blocks(task->req, &task->source[i].blocks, to + sum, &bytes) :
					   slm_check_memory(task->req, slm, &task->source[i].memory, copy, &bytes);

		if (slm_failed(status)) {
			return status;
		}
		sum += bytes;
		if (sum > copy->length) {
			break;
		}
	}
	if (sum != copy->length) {
		return (struct csd_status) { SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_FIELD };
	}
	return (struct csd_status) {};
}

static int
slm_copy(struct slm *slm, struct spdk_nvmf_request *req)
{
	struct csd_slm_copy copy;
	struct csd_status status;
	struct slm_task *task;

	csd_slm_copy_parse((const uint32_t *)spdk_nvmf_request_get_cmd(req), &copy);
	status = csd_slm_check_copy(&copy, slm->bytes, csd_data_bytes(req));
	if (slm_failed(status)) {
		return slm_complete(req, status);
	}
	task = slm_task_create(slm, req, copy.ranges);
	if (task == NULL) {
		return slm_internal_error(req);
	}
	csd_data_from_host(req, 0, task->source, copy.ranges * sizeof(task->source[0]));
	status = slm_check_ranges(task, slm, &copy);
	if (slm_failed(status)) {
		return slm_complete(slm_task_free(task), status);
	}
	task->to = slm->memory + copy.destination;
	task->step = copy.format == NVME_SLM_COPY_FROM_BLOCKS ? slm_copy_blocks_step : slm_copy_memory_step;
	slm_task_next(task);
	return SPDK_NVMF_REQUEST_EXEC_STATUS_ASYNCHRONOUS;
}

static int
slm_io(struct csd_namespace *ns, struct spdk_nvmf_request *req)
{
	switch (spdk_nvmf_request_get_cmd(req)->opc) {
	case NVME_SLM_COPY:
		return slm_copy(slm_of(ns), req);
	case NVME_SLM_READ:
	case NVME_SLM_WRITE:
		return slm_transfer(slm_of(ns), req);
	case NVME_FLUSH:
	case NVME_SLM_FILL:
		return slm_fill(slm_of(ns), req);
	default:
		return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_OPCODE);
	}
}

/* ---- the namespace */

static void
slm_identify_namespace(struct csd_namespace *ns, void *data)
{
	struct nvme_slm_namespace *slm = data;

	slm->size = slm_of(ns)->bytes;
	slm->granularity = spdk_u32log2(CSD_SLM_GRANULARITY);
	slm->max_copy_ranges = CSD_SLM_MAX_COPY_RANGES;
}

static void
slm_identify_controller(struct csd_namespace *ns, void *data)
{
	(void)ns;
	(void)data;	/* no limits beyond MDTS */
}

static int
slm_channel_create(void *io_device, void *ctx)
{
	struct slm_channel *channel = ctx;

	(void)io_device;
	TAILQ_INIT(&channel->tasks);
	channel->work = csd_work_hold();
	return channel->work != NULL ? 0 : -ENOMEM;
}

static void
slm_channel_destroy(void *io_device, void *ctx)
{
	struct slm_channel *channel = ctx;

	(void)io_device;
	assert(TAILQ_EMPTY(&channel->tasks));
	spdk_put_io_channel(channel->work);
}

static struct spdk_io_channel *
slm_get_io_channel(struct csd_namespace *ns)
{
	return spdk_get_io_channel(slm_of(ns));
}

static void
slm_unregistered(void *io_device)
{
	struct slm *slm = io_device;

	spdk_bdev_destruct_done(&slm->ns.bdev, 0);
	csd_shared_destroy(&slm->shared);
	free(slm);
}

static int
slm_destruct(struct csd_namespace *ns)
{
	spdk_io_device_unregister(slm_of(ns), slm_unregistered);
	return 1;
}

static void
slm_write_info(struct csd_namespace *ns, struct spdk_json_write_ctx *w)
{
	spdk_json_write_named_object_begin(w, "csd_slm");
	spdk_json_write_named_uint64(w, "megabytes", slm_of(ns)->bytes / MEGABYTE);
	spdk_json_write_named_bool(w, "huge_pages", slm_of(ns)->shared.memory->huge);
	spdk_json_write_object_end(w);
}

static void
slm_write_config(struct csd_namespace *ns, struct spdk_json_write_ctx *w)
{
	char uuid[SPDK_UUID_STRING_LEN];

	spdk_uuid_fmt_lower(uuid, sizeof(uuid), &ns->bdev.uuid);
	spdk_json_write_object_begin(w);
	spdk_json_write_named_string(w, "method", "bdev_csd_slm_create");
	spdk_json_write_named_object_begin(w, "params");
	spdk_json_write_named_string(w, "name", ns->name);
	spdk_json_write_named_uint64(w, "megabytes", slm_of(ns)->bytes / MEGABYTE);
	spdk_json_write_named_string(w, "uuid", uuid);
	spdk_json_write_object_end(w);
	spdk_json_write_object_end(w);
}

static const struct csd_namespace_ops g_slm_ops = {
	.csi = NVME_CSI_SLM,
	.identify_namespace = slm_identify_namespace,
	.identify_controller = slm_identify_controller,
	.io = slm_io,
	.abort = slm_abort,
	.destruct = slm_destruct,
	.get_io_channel = slm_get_io_channel,
	.write_info = slm_write_info,
	.write_config = slm_write_config,
};

int
csd_slm_create(const char *name, uint64_t bytes, const struct spdk_uuid *uuid)
{
	struct slm *slm;
	int rc;

	if (bytes == 0 || bytes % MEGABYTE != 0) {
		return -EINVAL;
	}
	slm = calloc(1, sizeof(*slm));
	if (slm == NULL) {
		return -ENOMEM;
	}
	slm->bytes = bytes;
	rc = csd_shared_create("csd_slm", bytes, &slm->shared);
	if (rc != 0) {
		free(slm);
		return rc;
	}
	slm->memory = slm->shared.memory->base;
	slm->ns.ops = &g_slm_ops;
	slm->ns.bdev.blockcnt = bytes / 4096;
	spdk_io_device_register(slm, slm_channel_create, slm_channel_destroy, sizeof(struct slm_channel), name);
	rc = csd_namespace_register(&slm->ns, name, "CSD SLM", uuid);
	if (rc != 0) {
		spdk_io_device_unregister(slm, NULL);
		csd_shared_destroy(&slm->shared);
		free(slm);
	}
	return rc;
}
