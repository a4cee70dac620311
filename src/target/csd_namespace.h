/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A namespace of the command sets SLM and Computational Programs. SPDK knows namespaces of bdevs only, so each is a bdev
 * without data of its own; csd_nvmf.c finds it behind a command's NSID and hands the command over.
 */
#ifndef CSD_NAMESPACE_H
#define CSD_NAMESPACE_H

#include "spdk/stdinc.h"
#include "spdk/bdev_module.h"
#include "spdk/nvmf_cmd.h"
#include "spdk/nvmf_transport.h"

#include "nvme_csd.h"

struct csd_namespace;

/*
 * What a kind of namespace does. Each function that takes a request runs on the thread of the request's queue and
 * answers like an SPDK custom command handler: ..._COMPLETE (the response is filled in) or ..._ASYNCHRONOUS
 * (spdk_nvmf_request_complete() follows, on the same thread).
 */
struct csd_namespace_ops {
	enum nvme_csd_csi csi;
	/* Identify Namespace (CNS 05h) and Identify Controller (CNS 06h) of this command set: 4096 zeroed bytes. */
	void (*identify_namespace)(struct csd_namespace *ns, void *data);
	void (*identify_controller)(struct csd_namespace *ns, void *data);
	/* 85h, 88h, 89h for this NSID. NULL: the namespace has none of these commands. */
	int (*admin)(struct csd_namespace *ns, struct spdk_nvmf_request *req);
	int (*io)(struct csd_namespace *ns, struct spdk_nvmf_request *req);
	/*
	 * The whole log page `lid` of this namespace into memory that the caller frees with free(); `specific` is the Log
	 * Specific Identifier (CDW11 31:16). NULL with *length 0: no such log here. Must not block.
	 */
	void *(*log_page)(struct csd_namespace *ns, uint8_t lid, uint16_t specific, size_t *length);
	/* Asks a running I/O command to end soon with Command Abort Requested; on that command's thread. true: it will. */
	bool (*abort)(struct csd_namespace *ns, struct spdk_nvmf_request *req_to_abort);
	/* The bdev is going away and has no users any more; free what hangs on the namespace, call spdk_bdev_destruct_done() if returning 1. */
	int (*destruct)(struct csd_namespace *ns);
	/*
	 * The bdev's channel on this thread (spdk_get_io_channel() of the kind's own io_device), held as long as a queue of
	 * this thread can send commands: what a kind keeps per thread lives in it. NULL: a channel without content.
	 */
	struct spdk_io_channel *(*get_io_channel)(struct csd_namespace *ns);
	/* For RPC bdev_get_bdevs (driver_specific) and the saved configuration: write the methods that make it again. */
	void (*write_info)(struct csd_namespace *ns, struct spdk_json_write_ctx *w);
	void (*write_config)(struct csd_namespace *ns, struct spdk_json_write_ctx *w);
};

#define CSD_NAME_BYTES 64

/* The first member of each kind's own struct. */
struct csd_namespace {
	struct spdk_bdev bdev;
	const struct csd_namespace_ops *ops;
	TAILQ_ENTRY(csd_namespace) link;
	char name[CSD_NAME_BYTES];	/* of the bdev */
};

/*
 * Registers the bdev: name, uuid (NULL: a new one). `ns->ops` is set, and bdev.blockcnt where it is not one block
 * (of 4096 bytes). 0 or -errno.
 */
int csd_namespace_register(struct csd_namespace *ns, const char *name, const char *product, const struct spdk_uuid *uuid);

/* The namespace behind a bdev; NULL: the bdev is none of ours (an NVM namespace). */
struct csd_namespace *csd_namespace_of(struct spdk_bdev *bdev);
struct csd_namespace *csd_namespace_by_name(const char *name);
/* All of them, in the order of their creation: NULL begins, NULL ends. */
struct csd_namespace *csd_namespace_next(struct csd_namespace *previous);

/* The namespace with this NSID in the request's own subsystem, hence never another's. NULL: none, or an NVM one. */
struct csd_namespace *csd_namespace_in_request(struct spdk_nvmf_request *req, uint32_t nsid);

/* The command set of the namespace behind a bdev (enum nvme_csd_csi). */
uint8_t csd_command_set_of(struct spdk_bdev *bdev);

/*
 * Helpers for handlers. Each sets the response and returns SPDK_NVMF_REQUEST_EXEC_STATUS_COMPLETE, so that
 * `return csd_complete(req, sct, sc)` does; the asynchronous form also sends it.
 */
int csd_complete(struct spdk_nvmf_request *req, uint8_t status_code_type, uint8_t status_code);
int csd_complete_value(struct spdk_nvmf_request *req, uint64_t value);	/* success; DW0 low, DW1 high */
/* A command's NSID that no namespace has: Invalid Field where one could have it, else Invalid Namespace or Format. */
int csd_complete_no_namespace(struct spdk_nvmf_request *req, uint32_t nsid);
bool csd_nsid_is_valid(struct spdk_nvmf_request *req, uint32_t nsid);
void csd_send(struct spdk_nvmf_request *req, uint8_t status_code_type, uint8_t status_code);
void csd_send_value(struct spdk_nvmf_request *req, uint64_t value);

/* How many bytes of data the request brings, or has room for; 0: it moves none. */
uint32_t csd_data_bytes(const struct spdk_nvmf_request *req);
/* Data of another length than the command's fields say: Data SGL Length Invalid, and nothing is sent. */
int csd_complete_wrong_length(struct spdk_nvmf_request *req);

/*
 * A request's data may lie in several pieces (more than the transport's io_unit_size): copy through these, or walk
 * req->iov. A command that reads sends all of req->length to the host, also what nobody wrote: buffers come from a pool
 * with other hosts' data in it, so what a handler does not fill it has to zero.
 */
void csd_data_from_host(struct spdk_nvmf_request *req, uint32_t offset, void *to, uint32_t bytes);
void csd_data_to_host(struct spdk_nvmf_request *req, uint32_t offset, const void *from, uint32_t bytes);
void csd_data_zero(struct spdk_nvmf_request *req, uint32_t offset, uint32_t bytes);

/*
 * True while somebody waits for the request: its connection is up and its subsystem is neither being paused (for any
 * change of its namespaces or listeners) nor stopped. A long command looks at it in every slice, on the request's
 * thread, and ends with csd_send_interrupted() when it is false: SPDK waits for it, without a limit.
 */
bool csd_request_wanted(struct spdk_nvmf_request *req);
void csd_send_interrupted(struct spdk_nvmf_request *req);	/* Command Interrupted: the host may send it again */

/* The bdev module of all namespaces. */
const struct spdk_bdev_module *csd_namespace_module(void);

#endif
