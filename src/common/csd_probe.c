/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE
#include "csd_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "csd_status.h"

#define TIMEOUT_S	5

#define CONNECT_INVALID_PARAMETERS	0x182
#define CONNECT_INVALID_HOST		0x184

/* NVMe/TCP PDUs of the connection's first two steps (NVMe/TCP transport specification). */
struct pdu_header {
	uint8_t type;
	uint8_t flags;
	uint8_t header_bytes;
	uint8_t data_offset;
	uint32_t bytes;
};

#define PDU_ICREQ	0x00
#define PDU_ICRESP	0x01
#define PDU_COMMAND	0x04
#define PDU_RESPONSE	0x05
#define IC_BYTES	128

struct connect_command {
	struct pdu_header pdu;
	uint8_t opcode;
	uint8_t flags;
	uint16_t cid;
	uint8_t fctype;
	uint8_t reserved1[19];
	uint64_t sgl_address;
	uint32_t sgl_bytes;
	uint8_t reserved2[3];
	uint8_t sgl_type;
	uint16_t recfmt;
	uint16_t qid;
	uint16_t sqsize;
	uint8_t cattr;
	uint8_t reserved3;
	uint32_t kato;
	uint8_t reserved4[12];
	/* in-capsule data */
	uint8_t hostid[16];
	uint16_t cntlid;
	uint8_t reserved5[238];
	char subnqn[256];
	char hostnqn[256];
	uint8_t reserved6[256];
};

_Static_assert(sizeof(struct connect_command) == 8 + 64 + 1024, "the Connect capsule has no padding");

struct response {
	struct pdu_header pdu;
	uint32_t result[2];
	uint16_t sqhd;
	uint16_t sqid;
	uint16_t cid;
	uint16_t status;
};

static int
probe_unreachable(const struct csd_place *place, struct csd_error *err, const char *found)
{
	csd_fail(err, CSD_UNAVAILABLE, "connection to %s port %s", place->traddr, place->trsvcid);
	csd_found(err, "%s", found);
	return csd_fix(err, "see that the target runs, that it has a listener at this address, "
		       "and that no firewall stands between");
}

/* connect() with a time limit; -errno where it fails. */
static int
probe_connect_in_time(int fd, const struct addrinfo *address)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t size = sizeof(error);
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
		if (errno != EINPROGRESS) {
			return -errno;
		}
		if (poll(&ready, 1, TIMEOUT_S * 1000) == 0) {
			return -ETIMEDOUT;
		}
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	}
	fcntl(fd, F_SETFL, flags);
	return -error;
}

/* A connected socket, or negative with `err`. */
static int
probe_reach(const struct csd_place *place, struct csd_error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct timeval limit = { .tv_sec = TIMEOUT_S };
	struct addrinfo *address;
	int fd, rc;

	if (getaddrinfo(place->traddr, place->trsvcid, &hints, &address) != 0) {
		csd_fail(err, CSD_USAGE, "connection to %s port %s", place->traddr, place->trsvcid);
		csd_found(err, "these are not an IP address and a port number");
		return csd_fix(err, "give the address as numbers, as the target's listener has it");
	}
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rc = fd < 0 ? -errno : probe_connect_in_time(fd, address);
	freeaddrinfo(address);
	if (rc != 0) {
		if (fd >= 0) {
			close(fd);
		}
		return probe_unreachable(place, err, strerror(-rc));
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

int
csd_probe_reach(const struct csd_place *place, struct csd_error *err)
{
	int fd = probe_reach(place, err);

	if (fd < 0) {
		return fd;
	}
	close(fd);
	return 0;
}

/* The text for a Connect command's status, as the target gave it: SCT in bits 10:8, SC in 7:0. */
static int
probe_status(const struct csd_place *place, uint16_t status, struct csd_error *err)
{
	csd_fail(err, CSD_REFUSED, "subsystem %s at %s port %s for host %s", place->subnqn, place->traddr,
		 place->trsvcid, place->hostnqn);
	if (status == CONNECT_INVALID_HOST) {
		csd_found(err, "the target does not allow this host (Connect Invalid Host, " CSD_STATUS ")",
			  CSD_STATUS_PARTS(status));
		return csd_fix(err, "use a host NQN that the subsystem allows, or add this one to its allowed hosts");
	}
	if (status == CONNECT_INVALID_PARAMETERS) {
		csd_found(err, "the target has no such subsystem at this address (Connect Invalid Parameters, "
			  CSD_STATUS ")", CSD_STATUS_PARTS(status));
		return csd_fix(err, "correct the subsystem NQN, or declare the subsystem and its listener at the target");
	}
	if (status == 0) {
		/* A target whose core is taken may be slower than the initiator waits: later it may be there. */
		csd_fail(err, CSD_UNAVAILABLE, "subsystem %s at %s port %s for host %s", place->subnqn, place->traddr,
			 place->trsvcid, place->hostnqn);
		csd_found(err, "the target allows this host, and yet the connection could not be set up");
		return csd_fix(err, "run again; look at the target's log");
	}
	csd_found(err, "the target refused the Connect command with status " CSD_STATUS, CSD_STATUS_PARTS(status));
	return csd_fix(err, "look at the target's log");
}

static bool
probe_send_connect(int fd, const struct csd_place *place)
{
	struct connect_command command = {
		.pdu = { PDU_COMMAND, 0, 72, 72, sizeof(command) },
		.opcode = 0x7f,
		.flags = 0x40,			/* SGL */
		.cid = 1,
		.fctype = 0x01,			/* Connect */
		.sgl_bytes = 1024,
		.sgl_type = 0x01,		/* data block, offset in the capsule */
		.sqsize = 31,
		.cntlid = 0xffff,
	};

	memset(command.hostid, 0xc5, sizeof(command.hostid));
	snprintf(command.subnqn, sizeof(command.subnqn), "%s", place->subnqn);
	snprintf(command.hostnqn, sizeof(command.hostnqn), "%s", place->hostnqn);
	return send(fd, &command, sizeof(command), MSG_NOSIGNAL) == (ssize_t)sizeof(command);
}

static bool
probe_initialise_connection(int fd)
{
	union {
		struct pdu_header pdu;
		uint8_t raw[IC_BYTES];
	} ic = { .pdu = { PDU_ICREQ, 0, IC_BYTES, 0, IC_BYTES } };

	return send(fd, ic.raw, IC_BYTES, MSG_NOSIGNAL) == IC_BYTES &&
	       recv(fd, ic.raw, IC_BYTES, MSG_WAITALL) == IC_BYTES && ic.pdu.type == PDU_ICRESP;
}

int
csd_probe_explain(const struct csd_place *place, struct csd_error *err)
{
	struct response response = { 0 };
	int fd = probe_reach(place, err);
	int rc;

	if (fd < 0) {
		return fd;
	}
	if (!probe_initialise_connection(fd)) {
		rc = probe_unreachable(place, err, "something accepts connections there, and does not speak NVMe/TCP");
	} else if (!probe_send_connect(fd, place) ||
		   recv(fd, &response, sizeof(response), MSG_WAITALL) != (ssize_t)sizeof(response) ||
		   response.pdu.type != PDU_RESPONSE) {
		rc = probe_unreachable(place, err, "the target speaks NVMe/TCP, and did not answer a Connect command");
	} else {
		rc = probe_status(place, response.status >> 1 & 0x7ff, err);
	}
	close(fd);
	return rc;
}
