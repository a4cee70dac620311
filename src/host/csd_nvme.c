/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Raw NVMe commands of another program over SPDK's NVMe/TCP initiator; csd_nvme.h has the frames. It polls while
 * commands are under way, and sleeps in poll() while none is.
 */
#define _GNU_SOURCE
#include "csd_environment.h"
#include "csd_nvme.h"
#include "csd_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <spdk/stdinc.h>
#include <spdk/env.h>
#include <spdk/nvme.h>

#define DEPTH			128
#define MAX_QUEUES		16
#define DEFAULT_MEMORY_MB	64
#define IDLE_MS			100	/* between two looks at the admin queue, which keeps the connection alive */
#define KEEP_ALIVE_MS		60000

struct bridge;

/* One request, from its first byte to the last byte of its reply. */
struct slot {
	struct bridge *bridge;
	struct slot *next;
	enum { SLOT_FREE, SLOT_UNDER_WAY, SLOT_REPLYING } state;
	struct csd_nvme_request request;
	uint8_t *buffer;	/* of the initiator's memory; holds data either way */
	size_t buffer_bytes;
	struct csd_nvme_reply reply;
};

struct bridge {
	struct spdk_nvme_ctrlr *ctrlr;
	struct spdk_nvme_qpair *qpair[MAX_QUEUES];
	uint32_t queues;
	uint32_t under_way;
	bool ended;		/* end of input */
	bool broken;		/* the caller reads no more replies */
	bool failed;
	struct csd_error failure;
	struct slot slots[DEPTH];

	/* the request that is being read */
	struct slot *reading;
	size_t read_bytes;

	/* replies in the order in which they are to be written */
	struct slot *first, *last;
	size_t written_bytes;
};

static volatile sig_atomic_t g_stop;

static void
nvme_stop(int number)
{
	(void)number;
	g_stop = 1;
}

static void
nvme_reply_later(struct slot *slot)
{
	struct bridge *bridge = slot->bridge;

	slot->reply.magic = CSD_NVME_REPLY_MAGIC;
	slot->reply.tag = slot->request.tag;
	slot->state = SLOT_REPLYING;
	slot->next = NULL;
	if (bridge->last != NULL) {
		bridge->last->next = slot;
	} else {
		bridge->first = slot;
	}
	bridge->last = slot;
}

static void
nvme_answer(struct slot *slot, uint16_t status, uint64_t value, uint32_t data_bytes)
{
	slot->reply.kind = CSD_NVME_COMPLETION;
	slot->reply.status = status;
	slot->reply.value = value;
	slot->reply.data_bytes = data_bytes;
	nvme_reply_later(slot);
}

/* The caller and we do not understand each other any more, or sending fails: what is under way ends, then we do. */
static struct csd_error *
nvme_give_up(struct slot *slot)
{
	slot->state = SLOT_FREE;
	slot->bridge->ended = true;
	slot->bridge->failed = true;
	return &slot->bridge->failure;
}

static void
nvme_command_done(void *ctx, const struct spdk_nvme_cpl *cpl)
{
	struct slot *slot = ctx;

	slot->bridge->under_way--;
	/* DW1 has no name of its own in SPDK 20.07 */
	nvme_answer(slot, (uint16_t)(cpl->status.sct << 8 | cpl->status.sc), cpl->cdw0 | (uint64_t)cpl->rsvd1 << 32,
		    slot->request.room);
}

static struct slot *
nvme_slot_under_way(struct bridge *bridge, uint64_t tag)
{
	uint32_t i;

	for (i = 0; i < DEPTH; i++) {
		if (bridge->slots[i].state == SLOT_UNDER_WAY && bridge->slots[i].request.kind == CSD_NVME_IO &&
		    bridge->slots[i].request.tag == tag) {
			return &bridge->slots[i];
		}
	}
	return NULL;
}

/* Starts a request whose bytes are all there. 0 or -errno; -ENOENT: there is nothing to abort. */
static int
nvme_start(struct slot *slot)
{
	struct bridge *bridge = slot->bridge;
	struct csd_nvme_request *request = &slot->request;
	uint32_t bytes = request->data_bytes + request->room;
	struct spdk_nvme_cmd command;
	struct slot *other;
	uint64_t tag;

	memcpy(&command, request->command, sizeof(command));
	memset(&command.dptr, 0, sizeof(command.dptr));
	switch (request->kind) {
	case CSD_NVME_ADMIN:
		return spdk_nvme_ctrlr_cmd_admin_raw(bridge->ctrlr, &command, slot->buffer, bytes, nvme_command_done,
						     slot);
	case CSD_NVME_IO:
		return spdk_nvme_ctrlr_cmd_io_raw(bridge->ctrlr, bridge->qpair[request->queue], &command, slot->buffer,
						  bytes, nvme_command_done, slot);
	default:
		tag = command.nsid | (uint64_t)command.rsvd2 << 32;
		other = nvme_slot_under_way(bridge, tag);
		return other == NULL ? -ENOENT :
		       spdk_nvme_ctrlr_cmd_abort_ext(bridge->ctrlr, bridge->qpair[other->request.queue], other,
						     nvme_command_done, slot);
	}
}

static void
nvme_submit(struct slot *slot)
{
	struct csd_error *err;
	int rc;

	slot->state = SLOT_UNDER_WAY;
	slot->bridge->under_way++;
	rc = nvme_start(slot);
	if (rc == 0) {
		return;
	}
	slot->bridge->under_way--;
	if (rc == -ENOENT) {
		nvme_answer(slot, 0, 1, 0);
		return;
	}
	err = nvme_give_up(slot);
	csd_fail(err, CSD_IO_FAILED, "opcode %02Xh", slot->request.command[0]);
	csd_found(err, "SPDK's initiator cannot send it: %s", strerror(-rc));
	csd_fix(err, "see that the target runs, and connect again");
}

static const char *
nvme_wrong_with(const struct bridge *bridge, const struct csd_nvme_request *request)
{
	if (request->magic != CSD_NVME_REQUEST_MAGIC || request->kind > CSD_NVME_ABORT) {
		return "these bytes are no request";
	}
	if (request->queue >= bridge->queues) {
		return "there is no such queue";
	}
	return request->data_bytes != 0 && request->room != 0 ? "data can go one way only" : NULL;
}

/* The head of a request is there. false: it cannot be meant, or there is no memory for it. */
static bool
nvme_accept_head(struct slot *slot)
{
	struct csd_nvme_request *request = &slot->request;
	const char *wrong = nvme_wrong_with(slot->bridge, request);
	size_t bytes = (size_t)request->data_bytes + request->room;
	struct csd_error *err;

	if (wrong == NULL && bytes > slot->buffer_bytes) {
		spdk_free(slot->buffer);
		slot->buffer = spdk_zmalloc(bytes, 4096, NULL, SPDK_ENV_LCORE_ID_ANY, SPDK_MALLOC_DMA);
		slot->buffer_bytes = slot->buffer != NULL ? bytes : 0;
		wrong = slot->buffer == NULL ? "there is no memory for its data" : NULL;
	}
	if (wrong == NULL) {
		if (request->room != 0) {
			memset(slot->buffer, 0, request->room);
		}
		return true;
	}
	err = nvme_give_up(slot);
	csd_fail(err, CSD_USAGE, "a request of %u and %u bytes on queue %u", request->data_bytes, request->room,
		 request->queue);
	csd_found(err, "%s", wrong);
	csd_fix(err, "send what csd_nvme.h describes; give more memory (memory_megabytes) for large data");
	return false;
}

static struct slot *
nvme_free_slot(struct bridge *bridge)
{
	uint32_t i;

	for (i = 0; i < DEPTH; i++) {
		if (bridge->slots[i].state == SLOT_FREE) {
			return &bridge->slots[i];
		}
	}
	return NULL;
}

/* Reads what there is of requests, and starts each that is whole. Returns whether anything was read. */
static bool
nvme_take_requests(struct bridge *bridge)
{
	const size_t head = sizeof(struct csd_nvme_request);
	bool busy = false;

	while (!bridge->ended) {
		struct slot *slot = bridge->reading;
		size_t whole;
		ssize_t got;

		if (slot == NULL) {
			slot = bridge->reading = nvme_free_slot(bridge);
			bridge->read_bytes = 0;
			if (slot == NULL) {
				return busy;
			}
		}
		whole = bridge->read_bytes < head ? head : head + slot->request.data_bytes;
		if (bridge->read_bytes < whole) {
			uint8_t *into = bridge->read_bytes < head ? (uint8_t *)&slot->request + bridge->read_bytes :
					slot->buffer + (bridge->read_bytes - head);

			got = read(STDIN_FILENO, into, whole - bridge->read_bytes);
			if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
				return busy;
			}
			if (got <= 0) {
				bridge->ended = true;
				return true;
			}
			busy = true;
			bridge->read_bytes += (size_t)got;
			if (bridge->read_bytes != head) {
				if (bridge->read_bytes < whole) {
					continue;
				}
			} else if (!nvme_accept_head(slot)) {
				return true;
			}
		}
		if (bridge->read_bytes == head + slot->request.data_bytes) {
			bridge->reading = NULL;
			nvme_submit(slot);
		}
	}
	return busy;
}

/* Writes what the caller takes of replies. Returns whether anything was written. */
static bool
nvme_give_replies(struct bridge *bridge)
{
	const size_t head = sizeof(struct csd_nvme_reply);
	bool busy = false;

	while (bridge->first != NULL && !bridge->broken) {
		struct slot *slot = bridge->first;
		size_t done = bridge->written_bytes;
		struct iovec part[2] = { { (uint8_t *)&slot->reply + done, done < head ? head - done : 0 } };
		ssize_t put;

		done = done < head ? 0 : done - head;
		part[1] = (struct iovec){ slot->buffer + done, slot->reply.data_bytes - done };
		put = part[0].iov_len != 0 ? writev(STDOUT_FILENO, part, 2) : writev(STDOUT_FILENO, part + 1, 1);
		if (put < 0) {
			bridge->broken = errno != EAGAIN && errno != EINTR;
			return busy;
		}
		busy = true;
		bridge->written_bytes += (size_t)put;
		if (bridge->written_bytes == head + slot->reply.data_bytes) {
			bridge->written_bytes = 0;
			bridge->first = slot->next;
			if (bridge->first == NULL) {
				bridge->last = NULL;
			}
			slot->state = SLOT_FREE;
		}
	}
	return busy;
}

/* false: the connection is lost. */
static bool
nvme_poll_controller(struct bridge *bridge)
{
	uint32_t i;

	if (spdk_nvme_ctrlr_process_admin_completions(bridge->ctrlr) < 0) {
		return false;
	}
	for (i = 0; i < bridge->queues; i++) {
		if (spdk_nvme_qpair_process_completions(bridge->qpair[i], 0) < 0) {
			return false;
		}
	}
	return true;
}

static void
nvme_sleep_until_something(struct bridge *bridge)
{
	struct pollfd files[2] = {
		{ .fd = bridge->ended ? -1 : STDIN_FILENO, .events = POLLIN },
		{ .fd = bridge->first != NULL ? STDOUT_FILENO : -1, .events = POLLOUT },
	};

	poll(files, 2, IDLE_MS);
}

static int
nvme_serve(struct bridge *bridge, const struct csd_place *place, struct csd_error *err)
{
	while (!g_stop && !bridge->broken && (!bridge->ended || bridge->under_way != 0 || bridge->first != NULL)) {
		bool busy = nvme_take_requests(bridge);

		if (!nvme_poll_controller(bridge)) {
			csd_fail(err, CSD_IO_FAILED, "the connection to %s at %s port %s", place->subnqn, place->traddr,
				 place->trsvcid);
			csd_found(err, "the target ended it");
			return csd_fix(err, "see that the target runs; look at its log for the reason");
		}
		busy |= nvme_give_replies(bridge);
		if (!busy && bridge->under_way == 0) {
			nvme_sleep_until_something(bridge);
		} else if (!busy) {
			sched_yield();	/* on few CPUs, the drive's own work may be waiting for this one */
		}
	}
	if (bridge->failed) {
		*err = bridge->failure;
		return -(int)err->code;
	}
	return 0;
}

static int
nvme_connect_controller(struct bridge *bridge, const struct csd_place *place, struct csd_error *err)
{
	struct spdk_nvme_transport_id trid = { 0 };
	struct spdk_nvme_ctrlr_opts opts;
	uint32_t i;

	spdk_nvme_trid_populate_transport(&trid, SPDK_NVME_TRANSPORT_TCP);
	trid.adrfam = strchr(place->traddr, ':') != NULL ? SPDK_NVMF_ADRFAM_IPV6 : SPDK_NVMF_ADRFAM_IPV4;
	snprintf(trid.traddr, sizeof(trid.traddr), "%s", place->traddr);
	snprintf(trid.trsvcid, sizeof(trid.trsvcid), "%s", place->trsvcid);
	snprintf(trid.subnqn, sizeof(trid.subnqn), "%s", place->subnqn);
	spdk_nvme_ctrlr_get_default_ctrlr_opts(&opts, sizeof(opts));
	snprintf(opts.hostnqn, sizeof(opts.hostnqn), "%s", place->hostnqn);
	opts.keep_alive_timeout_ms = KEEP_ALIVE_MS;
	opts.num_io_queues = bridge->queues;
	bridge->ctrlr = spdk_nvme_connect(&trid, &opts, sizeof(opts));
	if (bridge->ctrlr == NULL) {
		return csd_probe_explain(place, err);
	}
	for (i = 0; i < bridge->queues; i++) {
		bridge->qpair[i] = spdk_nvme_ctrlr_alloc_io_qpair(bridge->ctrlr, NULL, 0);
		if (bridge->qpair[i] == NULL) {
			csd_fail(err, CSD_UNAVAILABLE, "%u I/O queues of %s", bridge->queues, place->subnqn);
			csd_found(err, "the target gave %u", i);
			/* SPDK 20.07 keeps a queue that was refused in its list, though it has freed it. */
			bridge->ctrlr = NULL;
			return csd_fix(err, "ask for fewer, raise the transport's queue pairs per controller, or, where the "
				       "subsystem was just being changed, try again");
		}
	}
	return 0;
}

static void
nvme_disconnect(struct bridge *bridge)
{
	uint32_t i;

	for (i = 0; i < bridge->queues && bridge->qpair[i] != NULL; i++) {
		spdk_nvme_ctrlr_free_io_qpair(bridge->qpair[i]);
	}
	if (bridge->ctrlr != NULL) {
		spdk_nvme_detach(bridge->ctrlr);
	}
}

static void
nvme_write_whole(const void *data, size_t bytes)
{
	const uint8_t *at = data;

	while (bytes > 0) {
		ssize_t put = write(STDOUT_FILENO, at, bytes);

		if (put < 0 && errno == EAGAIN) {
			struct pollfd file = { .fd = STDOUT_FILENO, .events = POLLOUT };

			poll(&file, 1, -1);
		} else if (put < 0 && errno != EINTR) {
			return;
		} else if (put > 0) {
			at += put;
			bytes -= (size_t)put;
		}
	}
}

/* After the rest of a reply that is half written. */
static void
nvme_say_failure(struct bridge *bridge, const struct csd_error *err)
{
	struct csd_nvme_reply reply = { CSD_NVME_REPLY_MAGIC, CSD_NVME_FAILURE, 0, 0, 0, 0, 0 };
	char text[sizeof(err->asked) + sizeof(err->found) + sizeof(err->fix)];
	int length = snprintf(text, sizeof(text), "%s%c%s%c%s%c", err->asked, 0, err->found, 0, err->fix, 0);

	while (bridge->written_bytes != 0 && !bridge->broken) {
		struct pollfd file = { .fd = STDOUT_FILENO, .events = POLLOUT };

		poll(&file, 1, -1);
		nvme_give_replies(bridge);
	}
	reply.data_bytes = (uint32_t)length;
	nvme_write_whole(&reply, sizeof(reply));
	nvme_write_whole(text, (size_t)length);
}

static void
nvme_say_hello(struct bridge *bridge)
{
	struct csd_nvme_reply reply = { CSD_NVME_REPLY_MAGIC, CSD_NVME_HELLO, 0, 0, 0, sizeof(struct csd_nvme_hello), 0 };
	const struct spdk_nvme_ctrlr_data *data = spdk_nvme_ctrlr_get_data(bridge->ctrlr);
	struct csd_nvme_hello hello = {
		.queues = (uint16_t)bridge->queues,
		.depth = DEPTH - 1,	/* one slot is left for a request that aborts another */
		.max_transfer = data->mdts != 0 ? 4096u << data->mdts : 0,
	};

	nvme_write_whole(&reply, sizeof(reply));
	nvme_write_whole(&hello, sizeof(hello));
}

static int
nvme_run(struct bridge *bridge, const struct csd_place *place, struct csd_error *err)
{
	int rc;

	rc = csd_probe_reach(place, err);
	if (rc == 0) {
		rc = csd_environment_start("csd_nvme", place, err);
	}
	if (rc != 0) {
		return rc;
	}
	rc = nvme_connect_controller(bridge, place, err);
	if (rc == 0) {
		nvme_say_hello(bridge);
		fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
		fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
		rc = nvme_serve(bridge, place, err);
	}
	nvme_disconnect(bridge);
	return rc;
}

static bool
nvme_number(const char *text, long low, long high, long *value)
{
	char *end;

	errno = 0;
	*value = strtol(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *value >= low && *value <= high;
}

static int
nvme_usage(void)
{
	fprintf(stderr, "csd_nvme: raw NVMe commands over SPDK's NVMe/TCP initiator, for the program csd\n"
		"  csd_nvme --traddr IP --trsvcid PORT --subnqn NQN --hostnqn NQN\n"
		"           [--memory-megabytes N] [--core N] [--queues 1-%d]\n", MAX_QUEUES);
	return CSD_USAGE;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "traddr", required_argument, NULL, 'a' },
		{ "trsvcid", required_argument, NULL, 's' },
		{ "subnqn", required_argument, NULL, 'n' },
		{ "hostnqn", required_argument, NULL, 'h' },
		{ "memory-megabytes", required_argument, NULL, 'm' },
		{ "core", required_argument, NULL, 'c' },
		{ "queues", required_argument, NULL, 'q' },
		{ NULL, 0, NULL, 0 },
	};
	static struct bridge bridge = { .queues = 1 };
	struct csd_place place = { .memory_mb = DEFAULT_MEMORY_MB, .core = -1 };
	struct sigaction action = { .sa_handler = nvme_stop };
	struct csd_error err;
	long value;
	int option, rc;
	uint32_t i;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'a':
			place.traddr = optarg;
			break;
		case 's':
			place.trsvcid = optarg;
			break;
		case 'n':
			place.subnqn = optarg;
			break;
		case 'h':
			place.hostnqn = optarg;
			break;
		case 'm':
			if (!nvme_number(optarg, 16, 1 << 20, &value)) {
				return nvme_usage();
			}
			place.memory_mb = (uint32_t)value;
			break;
		case 'c':
			if (!nvme_number(optarg, -1, 1023, &value)) {
				return nvme_usage();
			}
			place.core = (int)value;
			break;
		case 'q':
			if (!nvme_number(optarg, 1, MAX_QUEUES, &value)) {
				return nvme_usage();
			}
			bridge.queues = (uint32_t)value;
			break;
		default:
			return nvme_usage();
		}
	}
	if (optind != argc || !place.traddr || !place.trsvcid || !place.subnqn || !place.hostnqn) {
		return nvme_usage();
	}
	sigaction(SIGTERM, &action, NULL);
	action.sa_handler = SIG_IGN;	/* Ctrl-C is for csd, which then ends our input */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGPIPE, &action, NULL);
	for (i = 0; i < DEPTH; i++) {
		bridge.slots[i].bridge = &bridge;
	}
	rc = nvme_run(&bridge, &place, &err);
	if (rc != 0) {
		nvme_say_failure(&bridge, &err);
	}
	return -rc;
}
