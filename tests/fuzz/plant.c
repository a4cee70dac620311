/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The host whose data nobody else may see. They are one pattern, which goes through everything that the target keeps data
 * in: buffers of the shared pool, capsules of queues, the heap, its namespaces' memory.
 */
#include <string.h>

#include "chance.h"
#include "host.h"
#include "secret.h"
#include "streams.h"

#define PLANT_NVM	1
#define PLANT_SLM	2
#define PLANT_COMPUTE	3
#define PLANT_MALLOC	4
#define PLANT_LONG	(128u << 10)
#define PLANT_BLOCKS	(1u << 20)	/* bytes of each namespace */
#define PLANT_EVERY	100		/* streams */
#define PLANT_WHOLE	5000		/* streams after which all buffers get it, and the queues are made anew */

static struct host plant_host;
static uint8_t plant_bytes[PLANT_LONG];

/* 31 at once hold a buffer each. */
static void
plant_blocks(uint32_t nsid, uint32_t size, uint32_t count)
{
	struct item item;
	uint32_t i;

	for (i = 0; i < count; i++) {
		host_make(&item, 1 + i % 2, 0x01, nsid, plant_bytes, PLANT_LONG, 0);
		item.command.dw10 = i * PLANT_LONG % PLANT_BLOCKS / size;
		item.command.dw12 = PLANT_LONG / size - 1;
		host_send(&plant_host, &item);
		if (i % 30 == 29) {
			host_settle(&plant_host);
		}
	}
	host_settle(&plant_host);
}

static void
plant_whole(void)
{
	struct item item;
	uint32_t i;

	host_connect(&plant_host);
	plant_blocks(PLANT_NVM, 4096, 600);
	plant_blocks(PLANT_MALLOC, 512, 8);
	for (i = 0; i < PLANT_BLOCKS / PLANT_LONG; i++) {
		host_make(&item, 1, 0x05, PLANT_SLM, plant_bytes, PLANT_LONG, 0);
		item.command.dw10 = i * PLANT_LONG;
		item.command.dw12 = PLANT_LONG;
		host_send(&plant_host, &item);
	}
	host_settle(&plant_host);
}

static void
plant_some(void)
{
	struct item item;
	uint32_t i;

	plant_blocks(PLANT_NVM, 4096, 16);
	/* Capsules of all queues; a program that is refused, or stays in pieces */
	for (i = 0; i < HOST_DEPTH - 1; i++) {
		host_make(&item, i % HOST_QUEUES, 0x01, PLANT_NVM, plant_bytes, IN_CAPSULE, 0);
		if (item.queue == 0) {
			item.command.opcode = 0x85;
			item.command.nsid = PLANT_COMPUTE;
			item.command.dw10 = 1u << 16;
			item.command.dw11 = item.command.dw14 = IN_CAPSULE;
		}
		host_send(&plant_host, &item);
	}
	host_settle(&plant_host);
}

void
plant_begin(void)
{
	host_init(&plant_host, &fuzz.secret, 0x5e);
	plant_host.holds_secret = true;
	secret_fill(plant_bytes, sizeof(plant_bytes));
	plant_whole();
}

void
plant(void)
{
	if (fuzz.stream % PLANT_EVERY != 0) {
		return;
	}
	fuzz.seen.planted++;
	if (fuzz.stream % PLANT_WHOLE == 0 || !plant_host.connected) {
		plant_whole();
	}
	plant_some();
	if (!plant_host.connected) {
		give_up("the secret's host lost its connection");
	}
}

void
plant_end(void)
{
	host_disconnect(&plant_host);
}
