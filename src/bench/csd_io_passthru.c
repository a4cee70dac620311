/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * NVMe commands through the kernel's pass-through nodes. The ioctl blocks, so a few threads keep as many commands under
 * way as the depth says. (io_uring's commands would do without threads, but are switched off in many places.)
 */
#define _GNU_SOURCE
#include "csd_io.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAX_THREADS	32
#define MAX_TAGS	512
#define MAX_NODES	64
#define TRANSFER_BYTES	(128u << 10)	/* what NVMe/TCP's hosts get from this target, unless sysfs tells */
#define TIMEOUT_MS	120000

struct request {
	struct csd_nvme_command command;
	struct csd_completion completion;
	uint32_t tag;
	int status;
};

/* A ring that is never too small: there are no more requests than tags. */
struct queue {
	struct request *entry[MAX_TAGS];
	uint32_t head, count;
};

struct node {
	int fd;
	uint32_t nsid;
};

struct passthru_io {
	struct csd_io base;
	struct node nodes[MAX_NODES];
	uint32_t node_count;
	pthread_mutex_t lock;
	pthread_cond_t asked, answered;
	struct queue todo, done;
	struct request requests[MAX_TAGS];
	pthread_t threads[MAX_THREADS];
	uint32_t thread_count;
	bool ending;
};

static void
io_passthru_push(struct queue *queue, struct request *request)
{
	queue->entry[(queue->head + queue->count++) % MAX_TAGS] = request;
}

static struct request *
io_passthru_pop(struct queue *queue)
{
	struct request *request = queue->entry[queue->head];

	queue->head = (queue->head + 1) % MAX_TAGS;
	queue->count--;
	return request;
}

/* 0, -EIO with the NVMe status, or -errno. */
static int
io_passthru_pass(const struct passthru_io *io, unsigned long how, const struct csd_nvme_command *command,
		 struct csd_completion *completion)
{
	struct nvme_passthru_cmd64 cmd = {
		.opcode = command->opcode,
		.nsid = command->nsid,
		.cdw2 = command->dw2,
		.cdw3 = command->dw3,
		.addr = (uintptr_t)command->data,
		.data_len = command->bytes,
		.cdw10 = command->dw10,
		.cdw11 = command->dw11,
		.cdw12 = command->dw12,
		.cdw13 = command->dw13,
		.cdw14 = command->dw14,
		.cdw15 = command->dw15,
		.timeout_ms = TIMEOUT_MS,
	};
	uint32_t i;
	int rc;

	for (i = 0; i < io->node_count && io->nodes[i].nsid != command->nsid; i++) {
	}
	if (i == io->node_count) {
		return -ENODEV;
	}
	rc = ioctl(io->nodes[i].fd, how, &cmd);
	completion->value = cmd.result;
	completion->status = rc > 0 ? (uint16_t)(rc & 0x7ff) : 0;
	return rc < 0 ? -errno : rc > 0 ? -EIO : 0;
}

static void *
io_passthru_work(void *argument)
{
	struct passthru_io *io = argument;

	pthread_mutex_lock(&io->lock);
	while (true) {
		struct request *request;

		while (io->todo.count == 0 && !io->ending) {
			pthread_cond_wait(&io->asked, &io->lock);
		}
		if (io->todo.count == 0) {
			break;
		}
		request = io_passthru_pop(&io->todo);
		pthread_mutex_unlock(&io->lock);
		request->status = io_passthru_pass(io, NVME_IOCTL_IO64_CMD, &request->command, &request->completion);
		pthread_mutex_lock(&io->lock);
		io_passthru_push(&io->done, request);
		pthread_cond_signal(&io->answered);
	}
	pthread_mutex_unlock(&io->lock);
	return NULL;
}

static void *
io_passthru_alloc(struct csd_io *base, size_t bytes)
{
	void *memory;

	(void)base;
	return posix_memalign(&memory, 4096, bytes) == 0 ? memset(memory, 0, bytes) : NULL;
}

static void
io_passthru_free(struct csd_io *base, void *memory)
{
	(void)base;
	free(memory);
}

static int
io_passthru_command(struct csd_io *base, const struct csd_nvme_command *command, uint32_t tag)
{
	struct passthru_io *io = (struct passthru_io *)base;
	struct request *request = &io->requests[tag];

	request->command = *command;
	request->tag = tag;
	pthread_mutex_lock(&io->lock);
	io_passthru_push(&io->todo, request);
	pthread_cond_signal(&io->asked);
	pthread_mutex_unlock(&io->lock);
	return 0;
}

static int
io_passthru_poll(struct csd_io *base, bool wait)
{
	struct passthru_io *io = (struct passthru_io *)base;

	pthread_mutex_lock(&io->lock);
	while (wait && io->done.count == 0) {
		pthread_cond_wait(&io->answered, &io->lock);
	}
	while (io->done.count > 0) {
		struct request *request = io_passthru_pop(&io->done);

		pthread_mutex_unlock(&io->lock);
		base->completion = request->completion;
		base->done(base->done_ctx, request->tag, request->status);
		pthread_mutex_lock(&io->lock);
	}
	pthread_mutex_unlock(&io->lock);
	return 0;
}

static int
io_passthru_admin(struct csd_io *base, const struct csd_nvme_command *command)
{
	return io_passthru_pass((struct passthru_io *)base, NVME_IOCTL_ADMIN64_CMD, command, &base->completion);
}

static void
io_passthru_close(struct csd_io *base)
{
	struct passthru_io *io = (struct passthru_io *)base;
	uint32_t i;

	pthread_mutex_lock(&io->lock);
	io->ending = true;
	pthread_cond_broadcast(&io->asked);
	pthread_mutex_unlock(&io->lock);
	for (i = 0; i < io->thread_count; i++) {
		pthread_join(io->threads[i], NULL);
	}
	for (i = 0; i < io->node_count; i++) {
		close(io->nodes[i].fd);
	}
	pthread_cond_destroy(&io->asked);
	pthread_cond_destroy(&io->answered);
	pthread_mutex_destroy(&io->lock);
	free(io);
}

static const struct csd_io_ops g_passthru_ops = {
	.alloc = io_passthru_alloc,
	.free = io_passthru_free,
	.poll = io_passthru_poll,
	.command = io_passthru_command,
	.admin = io_passthru_admin,
	.close = io_passthru_close,
};

/* Every node of the controller (or subsystem, with multipath) that the block device belongs to. */
static int
io_passthru_open_nodes(struct passthru_io *io, const char *path, struct csd_error *err)
{
	char real[4096], pattern[64];
	unsigned int instance, number;
	const char *name;
	glob_t found;
	size_t i;

	csd_fail(err, CSD_UNAVAILABLE, "the pass-through nodes beside %s", path);
	name = realpath(path, real) != NULL && strrchr(real, '/') != NULL ? strrchr(real, '/') + 1 : path;
	if (sscanf(name, "nvme%un%u", &instance, &number) != 2) {
		csd_found(err, "%s is no namespace of the kernel's NVMe driver", name);
		return csd_fix(err, "name the namespace's block device (/dev/nvmeXnY): a program runs on the namespace, not "
			       "on a file of a file system on it");
	}
	snprintf(pattern, sizeof(pattern), "/dev/ng%un*", instance);
	if (glob(pattern, 0, NULL, &found) == 0) {
		for (i = 0; i < found.gl_pathc && io->node_count < MAX_NODES; i++) {
			int fd = open(found.gl_pathv[i], O_RDWR | O_CLOEXEC);
			int nsid = fd >= 0 ? ioctl(fd, NVME_IOCTL_ID) : -1;

			if (nsid > 0) {
				io->nodes[io->node_count++] = (struct node){ fd, (uint32_t)nsid };
			} else if (fd >= 0) {
				close(fd);
			}
		}
		globfree(&found);
	}
	if (io->node_count > 0) {
		memset(err, 0, sizeof(*err));
		return 0;
	}
	csd_found(err, "there is none that can be opened (%s)", pattern);
	return csd_fix(err, "run as root, on Linux 6.0 or newer");
}

/* What the kernel lets one command carry: the block device's limit is the controller's. */
static uint32_t
io_passthru_transfer_limit(const char *path)
{
	char real[4096], name[4200];
	unsigned long kib = 0;
	FILE *file;

	if (realpath(path, real) == NULL) {
		return TRANSFER_BYTES;
	}
	snprintf(name, sizeof(name), "/sys/class/block/%s/queue/max_hw_sectors_kb", strrchr(real, '/') + 1);
	file = fopen(name, "r");
	if (file != NULL) {
		if (fscanf(file, "%lu", &kib) != 1) {
			kib = 0;
		}
		fclose(file);
	}
	return kib >= 8 && kib < 1u << 20 ? (uint32_t)kib << 10 : TRANSFER_BYTES;
}

struct csd_io *
csd_io_open_passthru(const char *path, uint32_t max_depth, struct csd_error *err)
{
	struct passthru_io *io = calloc(1, sizeof(*io));

	if (io == NULL) {
		csd_fail(err, CSD_UNAVAILABLE, "memory for pass-through commands");
		csd_found(err, "none left");
		csd_fix(err, "free some");
		return NULL;
	}
	io->base.ops = &g_passthru_ops;
	snprintf(io->base.name, sizeof(io->base.name), "%s", path);
	pthread_mutex_init(&io->lock, NULL);
	pthread_cond_init(&io->asked, NULL);
	pthread_cond_init(&io->answered, NULL);
	if (io_passthru_open_nodes(io, path, err) != 0) {
		io_passthru_close(&io->base);
		return NULL;
	}
	io->base.transfer_bytes = io_passthru_transfer_limit(path);
	while (io->thread_count < MAX_THREADS && io->thread_count < max_depth &&
	       pthread_create(&io->threads[io->thread_count], NULL, io_passthru_work, io) == 0) {
		io->thread_count++;
	}
	if (io->thread_count == 0) {
		csd_fail(err, CSD_UNAVAILABLE, "threads for pass-through commands");
		csd_found(err, "none could be started");
		csd_fix(err, "raise the limit of processes");
		io_passthru_close(&io->base);
		return NULL;
	}
	return &io->base;
}
