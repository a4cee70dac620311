/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* One TCP connection: sends PDUs or any bytes, and takes what comes apart, whoever holds it. */
#ifndef FUZZ_LINK_H
#define FUZZ_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

#define LINK_TOLD	64

struct link {
	int fd;
	uint64_t stream;		/* that it belongs to */
	uint8_t digests;		/* that were agreed on: 1 of headers, 2 of data */
	int put_ms;			/* how long the target may take nothing before the connection is given up */
	bool io;			/* an I/O queue: what it reads may be any bytes that a host wrote */
	bool holds_secret;		/* it is the secret's own host */
	uint8_t *in;
	uint32_t have;
	/* The last commands, by CID: what an answer is told with. */
	struct command sent[LINK_TOLD];
};

/* A PDU that has come, with its data; false ends the connection. */
typedef bool (*link_taker)(void *context, struct link *link, const uint8_t *raw, const uint8_t *data, uint32_t bytes);

/* TCP only. Gives up when nobody listens any more; false: turned away. */
bool link_open(struct link *link, uint16_t port);
/* With ICReq and its answer, waited for. */
bool link_dial(struct link *link, uint16_t port, uint8_t digests);
void link_close(struct link *link, bool reset);
/* Those that were made in advance. */
void link_pool_close(void);

/* The whole of a PDU: lengths, offsets and digests are filled in. Returns its length. */
uint32_t link_make(uint8_t digests, uint8_t *out, void *header, uint32_t hlen, const void *data, uint32_t bytes);
/* False: the connection is over, or the target takes nothing. */
bool link_put(struct link *link, const void *bytes, uint32_t length);
bool link_put_pdu(struct link *link, void *header, uint32_t hlen, const void *data, uint32_t bytes);

/* Takes what is there, and looks for the secret in it. False: the connection is over. */
bool link_take(struct link *link, link_taker taker, void *context);
/* Waits for something to come, or for the end. */
void link_wait(const struct link *link, int milliseconds);

/* A fabrics command whose answer is waited for: its value, or -1. */
int64_t link_fabrics(struct link *link, struct command *command, const void *data, uint32_t bytes);
int64_t link_connect(struct link *link, struct command *command, const struct connect_data *data);
bool link_enable(struct link *link, uint32_t cc);

#endif
